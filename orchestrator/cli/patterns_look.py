"""patterns and patterns show: what is known of operations. Refuses to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator import settings
from orchestrator.cli import past
from orchestrator.cli.terminal import out, room, show_json
from orchestrator.model.outloop import Occurrence, Pattern, Tool
from orchestrator.outloop import discovery, store, suggestion
from orchestrator.views.text import columns, command, cost, counted, plain, tokens, when

HEAD = ("PATTERN", "SEEN", "SURE", "TOKENS", "COST", "A MONTH", "STATUS", "TOOL")
LATEST = 10
NOTHING = "no operation was seen yet; they are counted when a run ends (patterns.detect)"


def show_all(*, as_json: bool) -> int:
    with store.reading(past.here()) as book:
        every = book.patterns() if book else []
    if as_json:
        show_json({"version": 1, "patterns": [document(one) for one in every]})
    elif not every:
        out().print(NOTHING)
    else:
        print_table(every)
    return 0


def show(name: str, *, as_json: bool) -> int:
    root = past.here()
    with store.reading(root) as book:
        if book is None:
            out().print(NOTHING)
            return 0
        found = book.find(name)
        seen, tool = book.occurrences(found.id), discovery.served_by(book, found)
    if as_json:
        told = [one.model_dump(mode="json") for one in reversed(seen[-LATEST:])]
        served = tool.name if tool else None
        show_json({"version": 1, "pattern": document(found), "served_by": served, "latest": told})
        return 0
    extent = suggestion.extent(seen, settings.load(root).patterns.match)
    for row in columns([*_rows(found, tool), ("of these", extent)]):
        out().print(row)
    out().print()
    for row in columns([*_latest(seen)], width=room(), names=(3,)):
        out().print(row)
    return 0


def document(pattern: Pattern) -> dict[str, Any]:
    return pattern.model_dump(mode="json")


def print_table(patterns: Sequence[Pattern]) -> None:
    for row in columns([HEAD, *map(_row, patterns)], width=room(), names=(0,)):
        out().print(row)


def _row(one: Pattern) -> tuple[str, ...]:
    return (
        plain(one.signature),
        str(one.occurrences),
        f"{one.confidence:.0f}",
        tokens(None if one.mean_tokens is None else round(one.mean_tokens)),
        cost(one.mean_cost_usd),
        cost(one.monthly_usd),
        one.status,
        one.tool or "",
    )


def _rows(one: Pattern, tool: Tool | None) -> Iterator[tuple[str, str]]:
    by = f" by {one.decided_by}" if one.decided_by else ""
    told = f", {counted(one.measured, 'of them', 'of them')} with known tokens"
    yield "pattern", f"{plain(one.signature)} (number {one.id})"
    yield "status", f"{one.status}{by}" + (f": {plain(one.why)}" if one.why else "")
    yield (
        "seen",
        f"{counted(one.occurrences, 'task')}{told}, {when(one.first_seen)} to {when(one.last_seen)}",
    )
    yield "sure", f"{one.confidence:g} of 100 that it is the same each time"
    mean = tokens(None if one.mean_tokens is None else round(one.mean_tokens))
    yield "each", f"{mean} tokens, {cost(one.mean_cost_usd)} with a model"
    yield "a month", f"{cost(one.monthly_usd)} would have been saved in the last 30 days"
    yield "run most", plain(one.command)
    yield "tool", one.tool or (f"{tool.name} could do it" if tool else "none")
    if one.issue:
        yield "issue", plain(one.issue)
    for step in _steps(one, tool):
        yield "next", step


def _steps(one: Pattern, tool: Tool | None) -> Iterator[str]:
    if one.status in discovery.NEW and tool is None:
        yield command("patterns", "propose", one.signature)
    if one.status in discovery.NEW:
        yield command("patterns", "approve", one.signature)


def _latest(seen: Sequence[Occurrence]) -> Iterator[tuple[str, ...]]:
    yield "WHEN", "TASK", "TOKENS", "COMMAND"
    for one in reversed(seen[-LATEST:]):
        yield when(one.at), plain(one.workflow), tokens(one.tokens), plain(one.command, 100)
