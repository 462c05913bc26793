"""Figures as lengths: bars of shares, and a time axis without its long silences. Pure; it refuses to draw what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

ORDER = ("succeeded", "running", "paused", "interrupted", "failed", "skipped", "waiting")
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
TICKS = 6  # at most so many on an axis
SILENCE = 0.15  # of all that was worked: a longer gap is cut out
CUT = 0.03  # of the axis: what a gap that is cut out still takes


class Part(NamedTuple):
    """Of a bar: per cent from the left."""

    name: str
    number: int
    x: float
    width: float


def shares(counts: Mapping[str, int]) -> list[Part]:
    """A bar of the states of all tasks, those that are over first."""
    total = sum(counts.values())
    parts, x = [], 0.0
    for name in ORDER:
        if count := counts.get(name, 0):
            width = 100 * count / total
            parts.append(Part(name, count, round(x, 3), round(width, 3)))
            x += width
    return parts


def share(part: float, whole: float) -> float:
    """Per cent of a bar, which cannot be more than full."""
    return round(min(100.0, max(0.0, 100 * part / whole)), 2) if whole > 0 else 0.0


class Span(NamedTuple):
    """Unix seconds."""

    start: float
    end: float


LEAST_S = 0.01  # with less than that outside of the cuts, what is left is rounding


class Axis:
    """Moments -> per cent from the left. What passed in silence takes little of it, and is marked."""

    def __init__(self, busy: Iterable[Span], start: float, end: float) -> None:
        joined = _joined([*busy, Span(start, start), Span(end, end)])
        worked = sum(one.end - one.start for one in joined)
        gaps = [Span(a.end, b.start) for a, b in pairwise(joined)]
        self.cuts = [gap for gap in gaps if gap.end - gap.start > max(60.0, SILENCE * worked)]
        self.start, self.end = start, max(end, start + 1.0)
        left = self.end - self.start - sum(gap.end - gap.start for gap in self.cuts)
        room = 1 - CUT * len(self.cuts)
        if left < LEAST_S or room < 0.3:
            self.cuts, left, room = [], self.end - self.start, 1.0
        self._per_s = 100 * room / left

    def at(self, moment: float) -> float:
        moment = min(max(moment, self.start), self.end)
        x = (moment - self.start) * self._per_s
        for gap in self.cuts:
            if moment > gap.start:
                inside = min(moment, gap.end) - gap.start
                x += 100 * CUT * inside / (gap.end - gap.start) - inside * self._per_s
        return round(x, 3)

    def width(self, span: Span, least: float = 0.0) -> float:
        return max(least, round(self.at(span.end) - self.at(span.start), 3))

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Per cent and seconds since the start, in a person's words; none within a cut."""
        whole = self.end - self.start
        shown = whole - sum(gap.end - gap.start for gap in self.cuts)
        step = next((one for one in STEPS_S if shown / one <= TICKS), STEPS_S[-1])
        marks = [self.start + n * step for n in range(int(whole / step) + 1)][:400]
        open_ = [m for m in marks if not any(gap.start < m < gap.end for gap in self.cuts)]
        return _apart([(self.at(mark), clock(mark - self.start)) for mark in open_])


def _apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Words that would lie over each other are left out."""
    kept: list[tuple[float, str]] = []
    for x, word in ticks:
        if x <= 94 and (not kept or x - kept[-1][0] >= 9):
            kept.append((x, word))
    return kept


def clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h {minutes:02}m" if minutes else f"{hours}h"
    return (
        f"{minutes}m {rest:02}s" if minutes and rest else f"{minutes}m" if minutes else f"{rest}s"
    )


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for one in sorted(spans):
        if joined and one.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(one.end, joined[-1].end))
        else:
            joined.append(one)
    return joined


def unix(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
