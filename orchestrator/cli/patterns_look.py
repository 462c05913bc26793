"""patterns and patterns show: what is known of operations. Refuses to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator.cli import past
from orchestrator.cli.terminal import out, room, show_json
from orchestrator.model.outloop import Occurrence, Pattern, PatternStatus, Saving, Tool
from orchestrator.outloop import analysis, discovery, spool, store, suggestion
from orchestrator.settings import Settings
from orchestrator.views.text import (
    UNKNOWN,
    columns,
    command,
    cost,
    counted,
    fitted,
    plain,
    tokens,
    when,
    wrapped,
)

HEAD = ("NO", "PATTERN", "SEEN", "SURE", "TOKENS", "COST", "30 DAYS", "STATUS", "TOOL")
LESS = (4, 5, 3, 8)  # of these, where the screen is narrow
LATEST = 10
NOTHING = "no operation was seen yet; they are counted when a run ends (patterns.detect)"
OFF = "no operation was seen, and none will be: patterns.detect is false in the settings"
TURN_ON = "set {} = true below [patterns] in .orchestrator/config.toml"


def show_all(*, as_json: bool) -> int:
    root, chosen = past.settled()
    with store.reading(root) as book:
        every = analysis.current(book) if book else []
    if as_json:
        show_json({"version": 1, "patterns": [document(one) for one in every]})
    elif not every:
        _show_nothing(root, chosen)
    else:
        print_table(every)
        say_unused(chosen)
    return 0


def say_unused(chosen: Settings) -> None:
    """Where the switch keeps every tool from working."""
    if not chosen.patterns.offload:
        out().print("note: patterns.offload is false: every task goes to a model")
        out().print(f"  next: {TURN_ON.format('offload')}")


def show(name: str, *, as_json: bool) -> int:
    root, chosen = past.settled()
    with store.reading(root) as book:
        if book is None:
            raise store.unknown(name)
        found = analysis.find(book, name)
        seen, tool = book.occurrences(found.id), discovery.served_by(book, found)
        saved = [one for one in book.savings() if one.pattern == found.signature]
    if as_json:
        told = [one.model_dump(mode="json") for one in reversed(seen[-LATEST:])]
        served = tool.name if tool else None
        show_json({"version": 1, "pattern": document(found), "served_by": served, "latest": told})
        return 0
    extent = ("of these", suggestion.extent(seen, chosen.patterns.match))
    whole = suggestion.wholes(seen, chosen.patterns.match)
    for row in wrapped([*_rows(found, tool, saved, whole), extent], room()):
        out().print(row)
    for step in _steps(found, tool):
        out().print(f"  next: {step}")
    say_unused(chosen)
    out().print()
    for row in columns([*_latest(seen)], width=room(), names=(1, 3)):
        out().print(row)
    return 0


def document(pattern: Pattern) -> dict[str, Any]:
    """`decided_by` is null where nobody has decided yet."""
    return pattern.model_dump(mode="json") | {"decided_by": pattern.decided_by or None}


def print_table(patterns: Sequence[Pattern]) -> None:
    for row in fitted([HEAD, *map(_row, patterns)], room(), name=1, less=LESS):
        out().print(row)


def _show_nothing(root: Path, chosen: Settings) -> None:
    if not chosen.patterns.detect:
        out().print(OFF)
        out().print(f"  next: {TURN_ON.format('detect')}")
    elif told := spool.waiting(root):
        events = f"{counted(told, 'event')} of hooks {'waits' if told == 1 else 'wait'}"
        out().print(f"no operation was seen yet; {events} in the spool")
        out().print(f"  next: {command('patterns', 'analyze')} counts them")
    else:
        out().print(NOTHING)


def _row(one: Pattern) -> tuple[str, ...]:
    return (
        str(one.id),
        plain(one.signature),
        str(one.occurrences),
        f"{one.confidence:.0f}",
        _mean(one),
        cost(one.mean_cost_usd),
        cost(_recent(one)),
        word(one),
        "" if one.status is PatternStatus.DEPRECATED else one.tool or "",
    )


def _recent(one: Pattern) -> float | None:
    """None: nobody knows what it used."""
    return one.monthly_usd if one.measured else None


def word(one: Pattern) -> str:
    """Its status as people say it: what no tool ever did was rejected."""
    is_rejected = one.status is PatternStatus.DEPRECATED and not one.tool
    return "rejected" if is_rejected else str(one.status)


def _mean(one: Pattern) -> str:
    return tokens(None if one.mean_tokens is None else round(one.mean_tokens))


def _rows(
    one: Pattern, tool: Tool | None, saved: Sequence[Saving], whole: int
) -> Iterator[tuple[str, str]]:
    yield "pattern", f"{plain(one.signature)} (number {one.id})"
    why = "" if one.why in ("", word(one)) else f": {plain(one.why)}"
    yield "status", f"{word(one)}{why}"
    if one.decided_by:
        yield (
            "approved" if one.status in discovery.IN_USE else "decided",
            f"by {plain(one.decided_by)}",
        )
    yield (
        "seen",
        f"in {counted(one.occurrences, 'attempt')} or session, {one.measured} of them with known tokens",
    )
    yield "", f"{when(one.first_seen)} to {when(one.last_seen)}"
    yield "sure", f"{one.confidence:.0f} of 100 that it is the same each time"
    yield "each", f"{_mean(one)} tokens, {cost(one.mean_cost_usd)} with a model"
    yield "30 days", f"{cost(_recent(one))} was used for it with a model{_lately(one, whole)}"
    if one.tool:
        yield "saved", _saved(saved)
    yield "run most", plain(one.command)
    yield "tool", _tool(one, tool)
    if one.issue:
        yield "issue", plain(one.issue)


def _tool(one: Pattern, tool: Tool | None) -> str:
    if one.tool:
        return f"{one.tool} did it" if one.status is PatternStatus.DEPRECATED else one.tool
    return f"{tool.name} could do it" if tool else "none"


def _lately(one: Pattern, whole: int) -> str:
    """What that means for one that a tool does by now, and for one of which a tool would have had nothing."""
    if one.status is PatternStatus.ACTIVE:
        return f"; {one.tool} does it now, without one"
    if one.status is PatternStatus.DEPRECATED:
        return ""
    if not whole:
        return ", all of it as parts of larger tasks: a tool takes only whole ones"
    return ": the most that a tool would have saved"


def _saved(saved: Sequence[Saving]) -> str:
    if not saved:
        return "nothing is booked yet"
    usd = sum(one.cost_usd for one in saved)
    told = f"{tokens(sum(one.tokens for one in saved))} tokens, {cost(usd) if usd else UNKNOWN}"
    return f"{told} in {counted(len(saved), 'task')} ({command('report', 'savings')})"


def _steps(one: Pattern, tool: Tool | None) -> Iterator[str]:
    if one.status in (*discovery.NEW, PatternStatus.APPROVED) and tool is None:
        yield command("patterns", "propose", one.signature)
    if one.status in discovery.NEW:
        yield command("patterns", "approve", one.signature)
    if one.status is PatternStatus.IMPLEMENTED and one.tool:
        yield command("tools", "enable", one.tool)


def _latest(seen: Sequence[Occurrence]) -> Iterator[tuple[str, ...]]:
    yield "WHEN", "TASK", "TOKENS", "COMMAND"
    for one in reversed(seen[-LATEST:]):
        yield when(one.at), plain(one.workflow), tokens(one.tokens), plain(one.command, 100)
