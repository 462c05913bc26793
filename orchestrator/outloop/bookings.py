"""The tables of tools, their calls, and what these saved. Refuses to count a call twice, and to forget a call where a tool begins anew."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from orchestrator.errors import UsageError
from orchestrator.model.outloop import PatternStatus, Saving, Tool, ToolCall
from orchestrator.outloop import matching, rows

KEPT = 100_000  # calls, and savings: the newest ones
ASIDE = "{} (shipped)"  # the row of one that ships, while an own one has its name; no manifest can name it
COUNTED = ("tool_calls", "cost_savings_log")
# What may disable it is counted from its calls since it was added or enabled.
TOOL = """
SELECT tool_name, script_path, does, input_patterns, writes, timeout_s, shipped, status, why, digest, calls, successes,
       (SELECT count(*) FROM tool_calls WHERE tool_name = t.tool_name AND id > judged_from),
       (SELECT count(*) FROM tool_calls WHERE tool_name = t.tool_name AND ok = 1 AND id > judged_from),
       (SELECT count(*) FROM tool_calls WHERE tool_name = t.tool_name AND id > max(judged_from,
        coalesce((SELECT max(id) FROM tool_calls WHERE tool_name = t.tool_name AND ok = 1), 0)))
FROM adw_tools AS t"""
# Each task once, also where it was seen by two signatures; what whole tasks of a model used that were measured.
BASELINE = """
SELECT avg(tokens), avg(cost_usd), count(*) FROM (
    SELECT tokens, cost_usd, max(signature) FROM pattern_occurrences
    WHERE pattern_id = (SELECT id FROM operation_patterns WHERE pattern_signature = ?)
    AND live AND similarity_score >= ? AND tokens IS NOT NULL GROUP BY workflow_id)"""


class Baseline(NamedTuple):
    """What whole tasks of one pattern used: the mean of `n` that were measured."""

    tokens: int
    cost_usd: float
    n: int


class Bookings:
    """Over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def tools(self) -> list[Tool]:
        """Without those that are removed."""
        query = f"{TOOL} WHERE does != '[]' ORDER BY tool_name"
        return [rows.tool(row) for row in self._db.execute(query)]

    def tool(self, name: str, *, removed: bool = False) -> Tool:
        """UsageError with the nearest one. `removed`: also one that is."""
        row = self._db.execute(f"{TOOL} WHERE tool_name = ?", (name,)).fetchone()
        if row is None or (row[2] == "[]" and not removed):
            known = {one.name for one in self.tools()}
            text = f"there is no tool {name!r}{matching.meant(name, known)}"
            raise UsageError(f"{text} Next: orchestrator tools list")
        return rows.tool(row)

    def keep_tool(self, tool: Tool) -> None:
        """Its manifest anew; its record stays."""
        self._db.execute(
            "INSERT INTO adw_tools (tool_name, script_path, does, input_patterns, writes, timeout_s, shipped, "
            "status, why, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tool_name) DO UPDATE SET "
            "script_path = excluded.script_path, does = excluded.does, input_patterns = excluded.input_patterns, "
            "writes = excluded.writes, timeout_s = excluded.timeout_s, shipped = excluded.shipped, "
            "status = excluded.status, why = excluded.why, digest = excluded.digest",
            (tool.name, tool.script, json.dumps(tool.does), json.dumps(tool.phrases),
             json.dumps(tool.writes), tool.timeout_s, tool.shipped, tool.status, tool.why, tool.digest),
        )  # fmt: skip

    def remove_tool(self, name: str, why: str) -> None:
        """It does nothing from now on, and no pattern names it but those that it did until they were ended. Its calls, and what they
        saved, stay by its name."""
        self._db.execute(
            "UPDATE adw_tools SET does = '[]', status = 'disabled', why = ? WHERE tool_name = ?",
            (why, name),
        )
        self._db.execute(
            "UPDATE operation_patterns SET tool_name = NULL WHERE tool_name = ? AND automation_status != ?",
            (name, PatternStatus.DEPRECATED),
        )

    def set_aside(self, name: str) -> None:
        """What was decided of one that ships, and its figures, wait until the own one that stands in for it goes."""
        self._db.execute(
            "INSERT OR REPLACE INTO adw_tools (tool_name, script_path, does, input_patterns, timeout_s, shipped, status, why, "
            "calls, successes) SELECT ?, script_path, '[]', '[]', timeout_s, 1, status, why, calls, successes "
            "FROM adw_tools WHERE tool_name = ?",
            (ASIDE.format(name), name),
        )
        query = "UPDATE adw_tools SET calls = 0, successes = 0 WHERE tool_name = ?"
        self._db.execute(query, (name,))

    def bring_back(self, name: str) -> None:
        """The other way round."""
        aside = ASIDE.format(name)
        self._db.execute(
            "UPDATE adw_tools SET (status, why, calls, successes) = (SELECT status, why, calls, successes FROM adw_tools "
            "WHERE tool_name = ?1) WHERE tool_name = ?2 AND EXISTS (SELECT 1 FROM adw_tools WHERE tool_name = ?1)",
            (aside, name),
        )
        self._db.execute("DELETE FROM adw_tools WHERE tool_name = ?", (aside,))

    def begin_anew(self, name: str) -> None:
        """A person says that it works: what it failed before disables it no more. The calls themselves stay, and count."""
        self._db.execute(
            "UPDATE adw_tools SET judged_from = coalesce((SELECT max(id) FROM tool_calls), 0) WHERE tool_name = ?",
            (name,),
        )

    def book_call(self, call: ToolCall) -> Tool:
        """The tool as it stands then. A call that is booked already counts once."""
        self.tool(call.tool, removed=True)
        before = self._db.total_changes
        self._db.execute(
            "INSERT INTO tool_calls (tool_name, pattern, workflow_id, at, duration_seconds, ok, tokens_saved, "
            "cost_saved_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workflow_id) DO NOTHING",
            (call.tool, call.pattern, call.workflow, call.at, call.duration_s, call.ok, call.tokens_saved,
             call.cost_saved_usd),
        )  # fmt: skip
        if self._db.total_changes > before:
            self._db.execute(
                "UPDATE adw_tools SET calls = calls + 1, successes = successes + ? WHERE tool_name = ?",
                (call.ok, call.tool),
            )
            self._db.execute(  # it asks no model
                "UPDATE operation_patterns SET avg_tokens_with_tool = 0, avg_cost_with_tool_usd = 0 "
                "WHERE pattern_signature = ?",
                (call.pattern,),
            )
        return self.tool(call.tool, removed=True)

    def take_back(self, workflow: str) -> Tool | None:
        """What it did is wrong after all: it saved nothing, and failed. The tool as it stands then; None: no success of one."""
        self._db.execute("DELETE FROM cost_savings_log WHERE workflow_id = ?", (workflow,))
        row = self._db.execute(
            "UPDATE tool_calls SET ok = 0, tokens_saved = 0, cost_saved_usd = 0 WHERE workflow_id = ? AND ok "
            "RETURNING tool_name",
            (workflow,),
        ).fetchone()
        if row is None:
            return None
        self._db.execute("UPDATE adw_tools SET successes = successes - 1 WHERE tool_name = ?", row)
        return self.tool(row[0], removed=True)

    def has_call(self, workflow: str) -> bool:
        query = "SELECT 1 FROM tool_calls WHERE workflow_id = ?"
        return self._db.execute(query, (workflow,)).fetchone() is not None

    def calls_of(self, run: str) -> list[str]:
        """The workflows of a run in which a tool was called."""
        query = "SELECT workflow_id FROM tool_calls WHERE substr(workflow_id, 1, ?) = ? ORDER BY id"
        return [row[0] for row in self._db.execute(query, (len(run) + 1, f"{run} "))]

    def calls(self) -> list[ToolCall]:
        found = self._db.execute(
            "SELECT tool_name, pattern, workflow_id, at, duration_seconds, ok, tokens_saved, cost_saved_usd "
            "FROM tool_calls ORDER BY at, id"
        )
        return [rows.call(row) for row in found]

    def baseline(self, signature: str, least: float) -> Baseline | None:
        """Of live tasks that were nothing but this; None where none was measured."""
        tokens, usd, n = self._db.execute(BASELINE, (signature, least)).fetchone()
        return Baseline(round(tokens), usd or 0.0, n) if n else None

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

    def is_full(self, kept: int = KEPT) -> bool:
        """Whether there is something to `forget`."""
        return any(
            self._db.execute(
                f"SELECT max(id) - min(id) >= ? FROM {table}",  # noqa: S608
                (kept,),
            ).fetchone()[0]
            for table in COUNTED
        )

    def forget(self, kept: int = KEPT) -> None:
        """The oldest calls and savings above so many; a tool's totals stay."""
        for table in COUNTED:
            self._db.execute(
                f"DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?",  # noqa: S608
                (kept,),
            )
