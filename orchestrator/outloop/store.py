"""The tables of operations, tools and savings, in the journal's file. Refuses moves that no pattern may make; counts nothing twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator import redact
from orchestrator.errors import UsageError
from orchestrator.journal import beside
from orchestrator.model.outloop import (
    HookEvent,
    HookKind,
    Occurrence,
    Pattern,
    PatternStatus,
)
from orchestrator.outloop import matching, patterns, rows
from orchestrator.outloop.bookings import Bookings
from orchestrator.redact import commands

COMMAND = 200  # characters that are kept of one
UNCOUNTED = "uncounted "  # patterns that wait for their figures, among what is read
PATTERN = """
SELECT id, pattern_signature, occurrence_count, measured, avg_tokens_with_llm, avg_cost_with_llm_usd,
       avg_tokens_with_tool, avg_cost_with_tool_usd, potential_monthly_savings, automation_status,
       confidence_score, typical_command, first_seen, last_seen, tool_name, decided_by, why, issue
FROM operation_patterns"""

HOOK_EVENT = "SELECT id, event_type, session, at, payload FROM hook_events"
NEWEST = (1 << 63) - 1
FIGURES = "similarity_score, at, times, ok, tokens, cost_usd, command, live"
# The newer ones. Of a session of which both its hooks (live) and its transcript tell, the most that is known.
MERGED = """
(SELECT excluded.similarity_score, excluded.at, excluded.times, excluded.ok, excluded.tokens, excluded.cost_usd, excluded.command, live
 WHERE live = excluded.live UNION ALL
 SELECT 0, max(at, excluded.at), max(times, excluded.times), iif(at > excluded.at, ok, excluded.ok), coalesce(excluded.tokens, tokens),
        coalesce(excluded.cost_usd, cost_usd), excluded.command, 0
 WHERE live != excluded.live)"""
# What a tool saves is told against the tasks that a model did before: these stay longer where there is one, or one is waited for.
# What was imported (not live) is of earlier days anyhow, and would not be read again: it stays.
OLD = (
    ("hook_events", "id", "FROM hook_events WHERE processed AND at < :before"),
    ("pattern_occurrences", "pattern_id, workflow_id, signature", """
FROM pattern_occurrences WHERE at < :before AND live AND NOT (at >= :longest AND similarity_score > 0 AND tokens IS NOT NULL AND
     EXISTS (SELECT 1 FROM operation_patterns WHERE id = pattern_id AND
             (tool_name IS NOT NULL OR automation_status IN ('approved', 'implemented'))))"""),
)  # fmt: skip
STANDS = """
SELECT (SELECT group_concat(concat) FROM (SELECT automation_status || occurrence_count || potential_monthly_savings ||
        coalesce(tool_name, '') || coalesce(avg_tokens_with_llm, '') || why AS concat FROM operation_patterns ORDER BY id)),
       (SELECT group_concat(concat) FROM (SELECT tool_name || status || calls || successes || why AS concat FROM adw_tools ORDER BY 1)),
       (SELECT max(id) FROM tool_calls), (SELECT max(id) FROM cost_savings_log), (SELECT max(id) FROM hook_events)"""


class Store(Bookings):
    """Over one connection: what is written is one transaction, `writing`'s."""

    def stands(self) -> tuple[object, ...]:
        """Another value where anything of it is another; cheap beside reading all of it."""
        found: tuple[object, ...] = self._db.execute(STANDS).fetchone()
        return found

    # --- patterns

    def patterns(self) -> list[Pattern]:
        """The one that would save most first."""
        order = "ORDER BY potential_monthly_savings DESC, occurrence_count DESC, pattern_signature"
        return [rows.pattern(row) for row in self._db.execute(f"{PATTERN} {order}")]

    def find(self, name: str) -> Pattern:
        """By its number or its signature; UsageError with the nearest one."""
        by = "id = ?" if name.isdigit() else "pattern_signature = ?"
        row = self._db.execute(f"{PATTERN} WHERE {by}", (name,)).fetchone()
        if row is None:
            raise unknown(name, {one.signature for one in self.patterns()})
        return rows.pattern(row)

    def record(self, occurrences: Iterable[Occurrence], *, later: bool = False) -> int:
        """How many were new. One that is there already takes the newer figures: a session goes on.

        `later`: the figures of its patterns are left to `count_one`, where an engine must not wait for all of them.
        """
        new, touched = 0, dict[int, bool]()
        for one in occurrences:
            levels = one.operation.levels
            for signature in levels:
                pattern = self._named(signature, one.at)
                touched[pattern] = patterns.verb(signature) in patterns.WHERE_ONLY
                new += self._keep(pattern, one) and signature == levels[0]
        for pattern, is_same in sorted(touched.items()):
            if later:
                self.read(f"{UNCOUNTED}{pattern}", int(is_same))
            else:
                self._count(pattern, is_same=is_same)
        return new

    def count_one(self) -> bool:
        """The figures of one pattern that waits for them; False where none does."""
        query = "SELECT name, upto FROM outloop_read WHERE name GLOB ? LIMIT 1"
        row = self._db.execute(query, (f"{UNCOUNTED}*",)).fetchone()
        if row is None:
            return False
        self._count(int(row[0].removeprefix(UNCOUNTED)), is_same=bool(row[1]))
        self._db.execute("DELETE FROM outloop_read WHERE name = ?", (row[0],))
        return True

    def occurrences(self, pattern: int) -> list[Occurrence]:
        """Oldest first."""
        found = self._db.execute(
            "SELECT workflow_id, signature, similarity_score, at, times, ok, tokens, cost_usd, command, live "
            "FROM pattern_occurrences WHERE pattern_id = ? ORDER BY at, workflow_id, signature",
            (pattern,),
        )
        return [rows.occurrence(row) for row in found]

    def move(
        self, name: str, to: PatternStatus, by: str, why: str = "", tool: str | None = None
    ) -> Pattern:
        """UsageError where it may not become that. One that is open again has no tool."""
        found = self.find(name)
        if not patterns.may_become(found.status, to):
            legal = ", ".join(sorted(patterns.MOVES[found.status]))
            raise UsageError(
                f"{found.signature} is {found.status} and cannot become {to}; it can become: {legal}"
            )
        if tool is not None:
            self.tool(tool)
        self._db.execute(
            "UPDATE operation_patterns SET automation_status = ?, decided_by = ?, why = ?, "
            "tool_name = coalesce(?, iif(automation_status = ?, NULL, tool_name)) WHERE id = ?",
            (to, by, why, tool, PatternStatus.DEPRECATED, found.id),
        )
        return self.find(found.signature)

    def suggested(self, name: str, issue: str) -> None:
        """To others, there: it is not suggested a second time."""
        query = "UPDATE operation_patterns SET issue = ? WHERE id = ?"
        self._db.execute(query, (issue, self.find(name).id))

    def monthly(self, since: str) -> dict[int, float]:
        """What each would save in a month: what its occurrences since then used, less what its tool uses for them.

        To a millionth: ten times five cents are half a dollar.
        """
        found = self._db.execute(
            "SELECT pattern_id, max(0, round(sum(cost_usd - coalesce(avg_cost_with_tool_usd, 0)), 6)) "
            "FROM pattern_occurrences JOIN operation_patterns ON id = pattern_id "
            "WHERE at >= ? AND cost_usd IS NOT NULL GROUP BY pattern_id",
            (since,),
        )
        return dict(found)

    def foresee(self, since: str) -> None:
        """So much from now on."""
        found = self.monthly(since)
        query = "SELECT id, potential_monthly_savings FROM operation_patterns"
        self._db.executemany(
            "UPDATE operation_patterns SET potential_monthly_savings = ? WHERE id = ?",
            [(found.get(id_, 0.0), id_) for id_, was in self._db.execute(query).fetchall()
             if was != found.get(id_, 0.0)],
        )  # fmt: skip

    def _named(self, signature: str, at: str) -> int:
        self._db.execute(
            "INSERT INTO operation_patterns (pattern_signature, first_seen, last_seen) VALUES (?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (signature, at, at),
        )
        query = "SELECT id FROM operation_patterns WHERE pattern_signature = ?"
        return int(self._db.execute(query, (signature,)).fetchone()[0])

    def _keep(self, pattern: int, one: Occurrence) -> bool:
        key = (pattern, one.workflow, one.operation.signature)
        there = self._db.execute(
            "SELECT 1 FROM pattern_occurrences WHERE pattern_id = ? AND workflow_id = ? AND signature = ?",
            key,
        ).fetchone()
        command = commands.masked(redact.text(one.command))[:COMMAND]
        told = (one.similarity, one.at, one.times, one.ok, one.tokens, one.cost_usd, command)
        self._db.execute(
            f"INSERT INTO pattern_occurrences (pattern_id, workflow_id, signature, {FIGURES}) "  # noqa: S608
            f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ({FIGURES}) = {MERGED}",
            (*key, *told, one.live),
        )
        return there is None

    def drop(self, workflows: Mapping[str, Collection[str]]) -> None:
        """What was imported of each but these of its operations: it is somebody else's. A pattern of nothing else that nobody decided on goes."""
        found = self._db.execute(
            "SELECT pattern_id, workflow_id, signature FROM pattern_occurrences "
            "WHERE NOT live AND workflow_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(workflows)),),
        )
        gone = [row for row in found.fetchall() if row[2] not in workflows[row[1]]]
        self._db.executemany(
            "DELETE FROM pattern_occurrences WHERE pattern_id = ? AND workflow_id = ? AND signature = ?",
            gone,
        )
        empty = "NOT EXISTS (SELECT 1 FROM pattern_occurrences WHERE pattern_id = id)"
        for pattern in {row[0] for row in gone}:
            self._db.execute(
                f"DELETE FROM operation_patterns WHERE id = ? AND {empty} AND automation_status = ?",  # noqa: S608
                (pattern, PatternStatus.DETECTED),
            )
            query = f"SELECT pattern_signature FROM operation_patterns WHERE id = ? AND NOT {empty}"  # noqa: S608
            for (signature,) in self._db.execute(query, (pattern,)).fetchall():
                is_same = patterns.verb(signature) in patterns.WHERE_ONLY
                self.read(f"{UNCOUNTED}{pattern}", int(is_same))
        unread = [(name,) for name, own in workflows.items() if not own]
        query = "DELETE FROM hook_events WHERE event_type = 'FileAccess' AND session = ?"
        self._db.executemany(query, unread)

    def _count(self, pattern: int, *, is_same: bool) -> None:
        """Its figures anew from all that was seen: in whatever portions it came. A workflow with two of its children counts once.

        `is_same`: these children are one operation at different places (patterns.same).
        """
        seen, agreeing = self._db.execute(
            "SELECT sum(n), max(n) FROM (SELECT count(*) AS n FROM pattern_occurrences "
            "WHERE pattern_id = ? GROUP BY iif(?, '', signature), ok)",
            (pattern, is_same),
        ).fetchone()
        self._db.execute(
            "UPDATE operation_patterns SET confidence_score = ?1, (occurrence_count, measured, "
            "avg_tokens_with_llm, priced, avg_cost_with_llm_usd, first_seen, last_seen) = (SELECT count(*), "
            "count(tokens), avg(tokens), count(cost), avg(cost), min(first), max(last) FROM (SELECT "
            "sum(tokens) AS tokens, sum(cost_usd) AS cost, min(at) AS first, max(at) AS last "
            "FROM pattern_occurrences WHERE pattern_id = ?2 GROUP BY workflow_id)), typical_command = (SELECT "
            "command FROM pattern_occurrences WHERE pattern_id = ?2 GROUP BY command "
            "ORDER BY count(*) DESC, command LIMIT 1) WHERE id = ?2",
            (patterns.confidence(agreeing or 0, seen or 0), pattern),
        )

    # --- what clients' hooks told, and how far was read

    def add_hook_events(self, events: Iterable[HookEvent]) -> None:
        found = [
            (e.kind, e.session, e.at, json.dumps(_clean(e.payload)), e.processed) for e in events
        ]
        self._db.executemany(
            "INSERT INTO hook_events (event_type, session, at, payload, processed) VALUES (?, ?, ?, ?, ?)",
            found,
        )

    def waiting_hook_events(self, most: int) -> list[HookEvent]:
        """The first of those that nobody has drained."""
        query = f"{HOOK_EVENT} WHERE NOT processed ORDER BY id LIMIT ?"
        return [rows.hook_event(row) for row in self._db.execute(query, (most,))]

    def count_waiting_hook_events(self) -> int:
        query = "SELECT count(*) FROM hook_events WHERE NOT processed"
        return int(self._db.execute(query).fetchone()[0])

    def counted_upto(self, session: str) -> int:
        """The last event of it that was drained; 0: none was."""
        query = (
            "SELECT coalesce(max(id), 0) FROM hook_events WHERE session = ? AND processed "
            "AND event_type IN ('PreToolUse', 'PostToolUse', 'UserPromptSubmit')"
        )
        return int(self._db.execute(query, (session,)).fetchone()[0])

    def drain_hook_events(self, most: int = 10_000, upto: int = NEWEST) -> list[HookEvent]:
        """In their order; who gets them here is the only one that does. They stay until `prune`: their session may go on."""
        query = f"{HOOK_EVENT} WHERE NOT processed AND id <= ? ORDER BY id LIMIT ?"
        found = self._db.execute(query, (upto, most)).fetchall()
        self._db.executemany(
            "UPDATE hook_events SET processed = 1 WHERE id = ?", [(row[0],) for row in found]
        )
        return [rows.hook_event(row) for row in found]

    def hook_events(self, session: str, upto: int = NEWEST) -> list[HookEvent]:
        """Of tools and prompts, drained or not, in their order."""
        query = (
            f"{HOOK_EVENT} WHERE session = ? AND id <= ? AND event_type != 'FileAccess' ORDER BY id"
        )
        return [rows.hook_event(row) for row in self._db.execute(query, (session, upto))]

    def keep_access(self, access: HookEvent) -> None:
        """What a workflow read: its newer word in place of the older."""
        self._db.execute(
            "DELETE FROM hook_events WHERE event_type = 'FileAccess' AND session = ?",
            (access.session,),
        )
        self.add_hook_events([access])

    def has_older(self, before: str, longest: str) -> bool:
        """Whether there is something to `prune`."""
        given = {"before": before, "longest": longest}
        return any(
            self._db.execute(f"SELECT 1 {what} LIMIT 1", given).fetchone() for _, _, what in OLD
        )

    def prune(self, before: str, longest: str, most: int = 2000) -> None:
        """Of what was seen and read earlier so many rows go, of baselines earlier than `longest`; figures and decisions stay."""
        for table, key, what in OLD:
            self._db.execute(
                f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} {what} LIMIT :most)",  # noqa: S608
                {"before": before, "longest": longest, "most": most},
            )

    def file_access(self, session: str) -> HookEvent | None:
        """What this one read; None: nothing."""
        query = f"{HOOK_EVENT} WHERE event_type = 'FileAccess' AND session = ? ORDER BY id DESC"
        row = self._db.execute(query, (session,)).fetchone()
        return rows.hook_event(row) if row else None

    def measured(self, client: str) -> tuple[int, int]:
        """Of how many of its sessions not only hooks told, and how many were seen."""
        found = self._db.execute(
            "SELECT count(DISTINCT workflow_id), count(DISTINCT iif(live, workflow_id, NULL)) "
            "FROM pattern_occurrences WHERE substr(workflow_id, 1, ?) = ?",
            (len(client) + 1, f"{client} "),
        ).fetchone()
        return found[0] - found[1], found[0]

    def file_accesses(self, sessions: Collection[str]) -> list[HookEvent]:
        """What these workflows read; the last word of each counts."""
        found = self._db.execute(
            "SELECT id, session, at, payload FROM hook_events WHERE event_type = 'FileAccess' ORDER BY id"
        )
        last = {row[1]: row for row in found if row[1] in sessions}
        return [
            HookEvent(
                id=row[0], kind=HookKind.FILE_ACCESS, session=row[1], at=row[2],
                payload=json.loads(row[3]), processed=True,
            )
            for row in last.values()
        ]  # fmt: skip

    def upto(self, name: str) -> int:
        """How far it was read; 0: not at all."""
        query = "SELECT upto FROM outloop_read WHERE name = ?"
        row = self._db.execute(query, (name,)).fetchone()
        return int(row[0]) if row else 0

    def notes(self, begin: str) -> dict[str, int]:
        """How far all whose names begin so were read."""
        query = "SELECT name, upto FROM outloop_read WHERE name >= ? AND name < ?"
        return dict(self._db.execute(query, (begin, f"{begin}\U0010ffff")))

    def read(self, name: str, upto: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO outloop_read (name, upto) VALUES (?, ?)", (name, upto))  # fmt: skip


def _clean(value: Any) -> Any:
    """Without secrets, however deep they lie."""
    if isinstance(value, str):
        return commands.masked(redact.text(value))
    if isinstance(value, Mapping):
        return {_clean(key): _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value


def unknown(name: str, known: Iterable[str] = ()) -> UsageError:
    meant = matching.meant(name, known)
    return UsageError(f"there is no pattern {name!r}{meant} Next: orchestrator patterns")


@contextmanager
def reading(root: Path) -> Iterator[Store | None]:
    """None where nothing ever ran."""
    with beside.to_read(root) as connection:
        yield Store(connection) if connection else None


@contextmanager
def writing(root: Path) -> Iterator[Store]:
    """All that is done in it, or nothing. Keep it short: an engine's next event waits for it."""
    with beside.to_write(root) as connection:
        yield Store(connection)
