"""What tools saved, each against the measured tasks that it is compared with. Pure; refuses a figure that nothing was measured for, and an interval of one task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import hypot
from typing import Any, NamedTuple, TypeVar

from orchestrator.model.outloop import Saving, ToolCall
from orchestrator.reports.rates import foreseen, rounded

Key = TypeVar("Key", bound=Hashable)
METHOD = (
    "95%, after Student: what so many tasks like those of the baseline would have used, by the spread of the baseline; "
    "baselines of one pattern are taken as fully dependent, patterns as independent"
)
MISSING = "insufficient evidence: no tool did a task of which measured tasks are known"


class Entry(NamedTuple):
    """A saving with the measured tasks behind it. `None` in place of them: they are no longer what they were when it was booked."""

    saving: Saving
    tokens: tuple[float, ...] | None
    usd: tuple[float, ...] | None


class Sum(NamedTuple):
    """Without `below` and `above`: of some part no interval is known."""

    tasks: int
    saved: float
    below: float | None
    above: float | None

    def document(self, digits: int) -> dict[str, Any]:
        low = None if self.below is None else self.saved - self.below
        high = None if self.above is None else self.saved + self.above
        figures = {"saved": self.saved, "low": low, "high": high}
        return {"tasks": self.tasks} | {k: rounded(v, digits) for k, v in figures.items()}


def document(calls: Sequence[ToolCall], entries: Sequence[Entry]) -> dict[str, Any]:
    booked = {one.saving.workflow for one in entries}
    done = sum(one.ok for one in calls)
    return {
        "tool_calls": {
            "calls": len(calls),
            "succeeded": done,
            "unmeasured": sum(one.ok and one.workflow not in booked for one in calls),
        },
        **_figures(entries),
        "by_kind": [{"kind": k, **_figures(of)} for k, of in _by(entries, lambda e: e.saving.kind)],
        "by_pattern": [_pattern(name, of) for name, of in _by(entries, _pattern_of)],
        "by_month": [{"month": k, **_figures(of)} for k, of in _by(entries, _month)],
        "method": METHOD,
        "missing": None if entries else MISSING,
    }


def _pattern(name: str, of: Sequence[Entry]) -> dict[str, Any]:
    """`baseline`: of the latest; it grows where a model does such tasks again."""
    latest = max(of, key=lambda one: one.saving.at)
    return {"pattern": name, "baseline": latest.saving.baseline, **_figures(of)}


def _figures(entries: Sequence[Entry]) -> dict[str, Any]:
    """Dollars of those only whose baseline told some; None, and not 0, where nothing is known."""
    priced = [one for one in entries if one.usd or (one.usd is None and one.saving.cost_usd)]
    tokens = _total(entries, lambda one: (one.saving.tokens, one.tokens))
    usd = _total(priced, lambda one: (one.saving.cost_usd, one.usd))
    return {
        "tasks": len(entries),
        "tokens": tokens.document(0) if entries else None,
        "cost_usd": usd.document(8) if priced else None,
    }


Told = Callable[[Entry], tuple[float, tuple[float, ...] | None]]


def _total(entries: Sequence[Entry], told: Told) -> Sum:
    """Patterns are independent of each other: their widths go together as in a right triangle."""
    parts = [_of_pattern(of, told) for _, of in _by(entries, _pattern_of)]
    saved, tasks = sum(one.saved for one in parts), sum(one.tasks for one in parts)
    below = [one.below for one in parts if one.below is not None]
    above = [one.above for one in parts if one.above is not None]
    if len(below) < len(parts):
        return Sum(tasks, saved, None, None)
    return Sum(tasks, saved, hypot(*below), hypot(*above))


def _of_pattern(entries: Sequence[Entry], told: Told) -> Sum:
    """Baselines of one pattern have mostly the same tasks: their widths are added."""
    saved = sum(told(one)[0] for one in entries)
    widths = [
        foreseen(values, len(of)) if values else None
        for values, of in _by(entries, lambda one: told(one)[1])
    ]
    known = [one for one in widths if one is not None]
    if len(known) < len(widths):
        return Sum(len(entries), saved, None, None)
    below, above = (sum(ends) for ends in zip(*known, strict=True))
    return Sum(len(entries), saved, min(below, max(0.0, saved)), above)


def _by(entries: Iterable[Entry], key: Callable[[Entry], Key]) -> list[tuple[Key, list[Entry]]]:
    found: Mapping[Key, list[Entry]] = defaultdict(list)
    for one in entries:
        found[key(one)].append(one)
    return sorted(found.items(), key=lambda pair: str(pair[0]))


def _pattern_of(one: Entry) -> str:
    return one.saving.pattern or ""


def _month(one: Entry) -> str:
    return one.saving.at[:7]
