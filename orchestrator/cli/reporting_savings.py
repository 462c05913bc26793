"""report savings: what tools did in place of a model, as rows for people. Refuses a figure that stands in no document, and to call nothing measured 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator import settings
from orchestrator.cli.reporting_text import Lines, Rows, shown
from orchestrator.cli.terminal import out, room, show_json
from orchestrator.intelligence import reporting
from orchestrator.outloop import store
from orchestrator.views import saved
from orchestrator.views.text import UNKNOWN, counted, dollars, plain, tokens

Found = Mapping[str, Any]
HEAD = ("TASKS", "TOKENS", "95%", "COST", "95%")
INTERVALS = (5, 3)  # of these: left out where a screen is narrow


def show(root: Path, days: int | None, *, as_json: bool) -> int:
    """Of this project, whose journal has the tools' calls; `days` None: all of it."""
    found = read(root, days)
    if as_json:
        show_json(found)
    else:
        out().print("\n".join(shown(lines(found), room())))
    return 0


def read(root: Path, days: int | None = None) -> dict[str, Any]:
    since = reporting.since(days) if days else ""
    least = settings.load(root).patterns.match
    with store.reading(root) as book:
        return saved.report(book, least, days, since)


def lines(found: Found) -> Lines:
    days = found["window_days"]
    when = f", in the last {counted(days, 'day')}" if days else ""
    calls = found["tool_calls"]
    yield f"{counted(calls['calls'], 'call')} of tools in this project, {calls['succeeded']} succeeded{when}"
    if calls["unmeasured"]:
        yield f"saved and not measured: {counted(calls['unmeasured'], 'task')} (no model was seen doing only that before)"
    if found["missing"]:
        yield found["missing"]
        return
    yield f"saved in {counted(found['tasks'], 'task')}: {_tokens(found)}"
    yield f"in money: {_usd(found)}"
    patterns = (
        (plain(one["pattern"]), *_row(one), str(one["baseline"])) for one in found["by_pattern"]
    )
    yield from _section(("BY PATTERN", *HEAD, "N"), patterns)
    months = ((one["month"], *_row(one)) for one in found["by_month"])
    yield from _section(("BY MONTH", *HEAD), months)
    yield ""
    yield "N: the measured tasks behind it; ?: no interval, or no known price"
    yield f"intervals: {found['method']}"


def _row(one: Found) -> tuple[str, ...]:
    told, usd = one["tokens"], one["cost_usd"]
    cost = (UNKNOWN, UNKNOWN) if usd is None else (dollars(usd["saved"]), _range(usd, dollars))
    short = tokens(round(told["saved"])), _range(told, lambda value: tokens(round(value)))
    return str(one["tasks"]), *short, *cost


def _range(told: Found, word: Any) -> str:
    return UNKNOWN if told["low"] is None else f"{word(told['low'])} to {word(told['high'])}"


def _tokens(one: Found) -> str:
    told = one["tokens"]
    span = _span(told, lambda value: tokens(round(value)))
    return f"{tokens(round(told['saved']))} tokens ({span})"


def _usd(one: Found) -> str:
    told = one["cost_usd"]
    if told is None:
        return f"cost {UNKNOWN}"
    left = one["tasks"] - told["tasks"]
    unknown = f", {counted(left, 'task')} of unknown cost left out" if left else ""
    return f"{dollars(told['saved'])} ({_span(told, dollars)}){unknown}"


def _span(told: Found, word: Any) -> str:
    if told["low"] is None:
        return "no interval: of one measured task, or of what has changed since"
    return f"95%: {word(told['low'])} to {word(told['high'])}"


def _section(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Lines:
    yield ""
    yield Rows((head, *rows), less=INTERVALS)
