"""The tables of operations, tools and savings, in the journal's file. Refuses moves that no pattern may make; counts nothing twice."""

from __future__ import annotations

import json
import sqlite3
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
    Saving,
    Tool,
    ToolCall,
)
from orchestrator.outloop import patterns, rows
from orchestrator.reader.near import hint
from orchestrator.redact import formats

COMMAND = 200  # characters that are kept of one
UNCOUNTED = "uncounted "  # patterns that wait for their figures, among what is read
PATTERN = """
SELECT id, pattern_signature, occurrence_count, measured, avg_tokens_with_llm, avg_cost_with_llm_usd,
       avg_tokens_with_tool, avg_cost_with_tool_usd, potential_monthly_savings, automation_status,
       confidence_score, typical_command, first_seen, last_seen, tool_name, decided_by, why, issue
FROM operation_patterns"""

HOOK_EVENT = "SELECT id, event_type, session, at, payload FROM hook_events"
NEWEST = (1 << 63) - 1
STANDS = """
SELECT (SELECT group_concat(concat) FROM (SELECT automation_status || occurrence_count || potential_monthly_savings ||
        coalesce(tool_name, '') || coalesce(avg_tokens_with_llm, '') || why AS concat FROM operation_patterns ORDER BY id)),
       (SELECT group_concat(concat) FROM (SELECT tool_name || status || calls || successes || why AS concat FROM adw_tools ORDER BY 1)),
       (SELECT max(id) FROM tool_calls), (SELECT max(id) FROM cost_savings_log), (SELECT max(id) FROM hook_events)"""


class Store:
    """Over one connection: what is written is one transaction, `writing`'s."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

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
            known = {one.signature for one in self.patterns()}
            raise UsageError(
                f"there is no pattern {name!r}{hint(name, known)}; orchestrator patterns lists them"
            )
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
        """UsageError where it may not become that."""
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
            "tool_name = coalesce(?, tool_name) WHERE id = ?",
            (to, by, why, tool, found.id),
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
        command = formats.masked(redact.text(one.command))[:COMMAND]
        told = (one.similarity, one.at, one.times, one.ok, one.tokens, one.cost_usd, command)
        self._db.execute(
            "INSERT OR REPLACE INTO pattern_occurrences (pattern_id, workflow_id, signature, similarity_score, "
            "at, times, ok, tokens, cost_usd, command, live) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, *told, one.live),
        )
        return there is None

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

    # --- tools and what they saved

    def tools(self) -> list[Tool]:
        return [rows.tool(row) for row in self._db.execute(f"{TOOL} ORDER BY tool_name")]

    def tool(self, name: str) -> Tool:
        """UsageError with the nearest one."""
        row = self._db.execute(f"{TOOL} WHERE tool_name = ?", (name,)).fetchone()
        if row is None:
            known = {one.name for one in self.tools()}
            text = f"there is no tool {name!r}{hint(name, known)}; orchestrator tools list has them"
            raise UsageError(text)
        return rows.tool(row)

    def keep_tool(self, tool: Tool) -> None:
        """Its manifest anew; its record stays."""
        self._db.execute(
            "INSERT INTO adw_tools (tool_name, script_path, does, input_patterns, writes, timeout_s, shipped, "
            "status, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tool_name) DO UPDATE SET script_path = "
            "excluded.script_path, does = excluded.does, input_patterns = excluded.input_patterns, "
            "writes = excluded.writes, timeout_s = excluded.timeout_s, shipped = excluded.shipped, status = excluded.status, why = excluded.why",
            (tool.name, tool.script, json.dumps(tool.does), json.dumps(tool.phrases),
             json.dumps(tool.writes), tool.timeout_s, tool.shipped, tool.status, tool.why),
        )  # fmt: skip

    def begin_anew(self, name: str) -> None:
        """A person says that it works: its record begins again. The calls themselves stay."""
        self._db.execute(
            "UPDATE adw_tools SET calls = 0, successes = 0, failed_in_a_row = 0 WHERE tool_name = ?",
            (name,),
        )

    def book_call(self, call: ToolCall) -> Tool:
        """The tool as it stands then. A call that is booked already counts once."""
        self.tool(call.tool)
        before = self._db.total_changes
        self._db.execute(
            "INSERT INTO tool_calls (tool_name, pattern, workflow_id, at, duration_seconds, ok, tokens_saved, "
            "cost_saved_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workflow_id) DO NOTHING",
            (call.tool, call.pattern, call.workflow, call.at, call.duration_s, call.ok, call.tokens_saved,
             call.cost_saved_usd),
        )  # fmt: skip
        if self._db.total_changes > before:
            self._db.execute(
                "UPDATE adw_tools SET calls = calls + 1, successes = successes + ?1, failed_in_a_row = "
                "CASE WHEN ?1 THEN 0 ELSE failed_in_a_row + 1 END WHERE tool_name = ?2",
                (call.ok, call.tool),
            )
            self._db.execute(  # it asks no model
                "UPDATE operation_patterns SET avg_tokens_with_tool = 0, avg_cost_with_tool_usd = 0 "
                "WHERE pattern_signature = ?",
                (call.pattern,),
            )
        return self.tool(call.tool)

    def calls(self) -> list[ToolCall]:
        found = self._db.execute(
            "SELECT tool_name, pattern, workflow_id, at, duration_seconds, ok, tokens_saved, cost_saved_usd "
            "FROM tool_calls ORDER BY at, id"
        )
        return [rows.call(row) for row in found]

    def book_saving(self, saving: Saving) -> None:
        """One that is booked already counts once."""
        self._db.execute(
            "INSERT INTO cost_savings_log (at, optimization_type, workflow_id, pattern, tokens_saved, cost_saved_usd, "
            "baseline) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (saving.at, saving.kind, saving.workflow, saving.pattern, saving.tokens, saving.cost_usd,
             saving.baseline),
        )  # fmt: skip

    def savings(self) -> list[Saving]:
        found = self._db.execute(
            "SELECT at, optimization_type, workflow_id, pattern, tokens_saved, cost_saved_usd, baseline "
            "FROM cost_savings_log ORDER BY at, id"
        )
        return [rows.saving(row) for row in found]

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

    def prune(self, before: str) -> None:
        """What was seen and read earlier goes; patterns, their figures and people's decisions stay."""
        self._db.execute("DELETE FROM hook_events WHERE processed AND at < ?", (before,))
        self._db.execute("DELETE FROM pattern_occurrences WHERE at < ?", (before,))

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

    def read(self, name: str, upto: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO outloop_read (name, upto) VALUES (?, ?)", (name, upto))  # fmt: skip


def _clean(value: Any) -> Any:
    """Without secrets, however deep they lie."""
    if isinstance(value, str):
        return formats.masked(redact.text(value))
    if isinstance(value, Mapping):
        return {_clean(key): _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value


TOOL = """
SELECT tool_name, script_path, does, input_patterns, writes, timeout_s, shipped, status, why, calls, successes, failed_in_a_row
FROM adw_tools"""


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
