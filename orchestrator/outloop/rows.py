"""Rows of the tables of operations -> nouns. What makes no sense in one is damage, by the name of its table; refuses to guess what it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from orchestrator.journal import HOME, file
from orchestrator.model.outloop import (
    HookEvent,
    HookKind,
    Occurrence,
    Operation,
    Pattern,
    Saving,
    Tool,
    ToolCall,
    ToolStatus,
)

Row = Sequence[Any]
Made = TypeVar("Made")


def _of(table: str) -> Callable[[Callable[[Row], Made]], Callable[[Row], Made]]:
    """Whose rows they are that it reads: what makes no sense in one is damage, by that name."""

    def named(make: Callable[[Row], Made]) -> Callable[[Row], Made]:
        def read(row: Row) -> Made:
            try:
                return make(row)
            except (ValueError, TypeError) as wrong:
                what = f"a row of {table} in {HOME}/journal.db is damaged ({row[0]!r})"
                raise file.damaged(what) from wrong

        return read

    return named


@_of("operation_patterns")
def pattern(row: Row) -> Pattern:
    names = ("id", "signature", "occurrences", "measured", "mean_tokens", "mean_cost_usd", "tool_tokens",
             "tool_cost_usd", "monthly_usd", "status", "confidence", "command", "first_seen", "last_seen", "tool",
             "decided_by", "why", "issue")  # fmt: skip
    return Pattern(**dict(zip(names, row, strict=True)))


@_of("pattern_occurrences")
def occurrence(row: Row) -> Occurrence:
    workflow, signature, similarity, at, times, ok, tokens, cost, command, live = row
    return Occurrence(
        workflow=workflow, operation=operation(signature), at=at, times=times,
        ok=None if ok is None else bool(ok), similarity=similarity, tokens=tokens, cost_usd=cost,
        command=command, live=bool(live),
    )  # fmt: skip


def operation(signature: str) -> Operation:
    """The other way round."""
    verb, tool, scope, variant = (*signature.split(":", 3), None, None)[:4]
    return Operation(verb=str(verb), tool=str(tool), scope=scope, variant=variant)


@_of("adw_tools")
def tool(row: Row) -> Tool:
    name, script, does, phrases, writes, timeout, shipped, status, why, digest, *figures = row
    calls, successes, calls_since, successes_since, failed = figures
    return Tool(
        name=name, script=script, does=tuple(json.loads(does)), phrases=tuple(json.loads(phrases)),
        writes=tuple(json.loads(writes)), timeout_s=timeout, shipped=bool(shipped),
        status=ToolStatus(status), why=why, digest=digest, calls=calls, successes=successes,
        calls_since=calls_since, successes_since=successes_since, failed_in_a_row=failed,
    )  # fmt: skip


@_of("tool_calls")
def call(row: Row) -> ToolCall:
    names = ("tool", "pattern", "workflow", "at", "duration_s", "ok", "tokens_saved", "cost_saved_usd")  # fmt: skip
    return ToolCall(**{**dict(zip(names, row, strict=True)), "ok": bool(row[5])})


@_of("cost_savings_log")
def saving(row: Row) -> Saving:
    names = ("at", "kind", "workflow", "pattern", "tokens", "cost_usd", "baseline")
    return Saving(**dict(zip(names, row, strict=True)))


@_of("hook_events")
def hook_event(row: Row) -> HookEvent:
    return HookEvent(id=row[0], kind=HookKind(row[1]), session=row[2], at=row[3], payload=json.loads(row[4]),
                     processed=True)  # fmt: skip
