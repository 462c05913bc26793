"""Who ran when: bars on one time axis, a row for each task or, past a number of them, a row for each slot. Pure; it refuses to call waiting work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from orchestrator.history import Tried
from orchestrator.model import Failure, TaskId
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.views.past import Past
from orchestrator.views.text import counted, duration, plain
from orchestrator.views.words import reason, who
from orchestrator.web.shapes import Axis, Span, unix

MOST_ROWS = 48  # more tasks share rows, a row for each slot
LEAST = 0.35  # per cent: what is shorter is still seen


class Bar(NamedTuple):
    x: float
    width: float
    kind: str  # ok, retry, bad, run, ask, cut
    text: str  # within it
    title: str
    task: TaskId | None
    number: int | None = None


class Row(NamedTuple):
    task: TaskId | None
    name: str
    bars: tuple[Bar, ...]
    joined: str = ""  # of a slot, all tries that passed as one path, in thousandths

    @property
    def told(self) -> str:
        """Its text alternative."""
        return "; ".join(bar.title for bar in self.bars)


class Timeline(NamedTuple):
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    bands: tuple[Bar, ...]  # over all rows: no engine, closed providers
    shared: bool  # rows are slots
    now: float | None

    @property
    def kinds(self) -> set[str]:
        passed = {"ok" for row in self.rows if row.joined}
        return passed | {bar.kind for row in self.rows for bar in row.bars}

    @property
    def held_up(self) -> list[tuple[str, str]]:
        kinds = {band.kind for band in self.bands}
        told = {"cut": "cut short", "off": "no engine ran", "gate": "a provider was closed"}
        return [(kind, word) for kind, word in told.items() if kind in kinds]


def timeline(past: Past, now: float) -> Timeline | None:
    """None before anything has begun."""
    watched = past.watched
    if not watched.history.started_at:
        return None
    start, end = unix(watched.history.started_at), _end(past, now)
    tries = [(task, one) for task in past.graph for one in watched.of(task).tried]
    spans = [_span(one, end) for _, one in tries]
    axis = Axis(spans, start, end)
    waits = list(_waits(past, axis, end))
    named = {task for task, _ in (*tries, *waits)}
    shared = len(named) > MOST_ROWS
    rows = _slots(past, tries, spans, axis) if shared else []
    if not shared:
        bars = [
            (t, _bar(past, t, one, axis, span)) for (t, one), span in zip(tries, spans, strict=True)
        ]
        order = sorted(named, key=lambda t: min(b.x for o, b in (*bars, *waits) if o == t))
        for task in order:
            mine = tuple(bar for one, bar in (*waits, *bars) if one == task)
            rows.append(Row(task, plain(past.graph.tasks[task].title, 60), mine))
    at = axis.at(now) if past.live else None
    return Timeline(tuple(rows), tuple(axis.ticks), tuple(_bands(past, axis)), shared, at)


def _end(past: Past, now: float) -> float:
    history = past.watched.history
    return now if past.live else unix(history.ended_at or history.latest_at)


def _span(one: Tried, end: float) -> Span:
    start = unix(one.started_at)
    over = one.held_at or one.died_at or one.finished_at  # a question has a bar of its own
    return Span(start, max(start, unix(over) if over else end))


def _bar(past: Past, task: TaskId, one: Tried, axis: Axis, span: Span) -> Bar:
    kind, came = _kind(past, one)
    ran = plain(one.model or one.route.model or one.route.tool or one.route.worker, 40)
    least = "at least " if one.is_cut_off else ""
    title = f"try {one.number}, {who(one.route)}, {least}{duration(span.end - span.start)}: {came}"
    width = axis.width(span, LEAST)
    return Bar(min(axis.at(span.start), 100 - width), width, kind, ran, title, task, one.number)


def _kind(past: Past, one: Tried) -> tuple[str, str]:
    if one.is_held:
        return "ask", "its work waits for a person"
    if one.outcome is None:
        return ("run", "runs") if past.live else ("retry", "its engine died")
    if one.outcome.ok:
        return "ok", "succeeded"
    failure = one.outcome.failure
    free = failure is Failure.INTERRUPTED or (
        failure is not None and REACTIONS[failure] is Reaction.SAME_TRY
    )
    return ("retry" if free else "bad"), reason(one.outcome)


def _waits(past: Past, axis: Axis, end: float) -> Iterator[tuple[TaskId, Bar]]:
    """Questions, from when they were asked until a person answered."""
    for task in past.graph:
        told = past.watched.of(task)
        if told.asked_at is None:
            continue
        span = Span(unix(told.asked_at), unix(told.answered_at) if told.answered_at else end)
        word = "asked a person" if told.answered_at else "waits for a person"
        title = f"{word}, {duration(max(0.0, span.end - span.start))}"
        width = axis.width(span, LEAST)
        x = min(axis.at(span.start), 100 - width)
        yield task, Bar(x, width, "ask", word, title, task)


def _slots(
    past: Past, tries: list[tuple[TaskId, Tried]], spans: list[Span], axis: Axis
) -> list[Row]:
    """Each try in the first row that is free."""
    ends: list[float] = []
    lanes: list[list[int]] = []
    for number in sorted(range(len(tries)), key=lambda n: spans[n].start):
        lane = next((n for n, end in enumerate(ends) if end <= spans[number].start), len(ends))
        if lane == len(ends):
            ends.append(0.0)
            lanes.append([])
        ends[lane] = spans[number].end
        lanes[lane].append(number)
    return [
        _slot(past, f"slot {place}", [(*tries[n], spans[n]) for n in lane], axis)
        for place, lane in enumerate(lanes, 1)
    ]


def _slot(past: Past, name: str, tries: list[tuple[TaskId, Tried, Span]], axis: Axis) -> Row:
    """Of hundreds that passed nobody looks at one: they cost a page its speed."""
    rest, boxes = list[Bar](), list[str]()
    for task, one, span in tries:
        if one.outcome is not None and one.outcome.ok:
            boxes.append(_box(axis, span))
        else:
            bar = _bar(past, task, one, axis, span)
            rest.append(bar._replace(text=task, title=f"{task}: {bar.title}"))
    told = f"{name}, {counted(len(tries), 'try', 'tries')}"
    return Row(None, told, tuple(rest), "".join(boxes))


def _box(axis: Axis, span: Span) -> str:
    start = axis.at(span.start)
    width = max(LEAST, axis.at(span.end) - start)
    x, across = min(start, 100 - width), max(2, 10 * width - 1)
    return f"M{10 * x:.0f} 3h{across:.0f}v16h-{across:.0f}z"


def _bands(past: Past, axis: Axis) -> Iterator[Bar]:
    for gap in axis.cuts:
        told = f"{duration(gap.end - gap.start)} in which nothing ran, cut short here"
        yield Bar(axis.at(gap.start), axis.width(gap), "cut", "", told, None)
    for start, end in past.watched.history.pauses:
        span = Span(unix(start), unix(end))
        if axis.width(span) > 0.1:
            yield Bar(axis.at(span.start), axis.width(span), "off", "", "no engine ran", None)
    for one in past.watched.history.closings:
        span = Span(one.until - one.pause_s, one.until)
        width = axis.width(span)
        if width > 0.1:
            told = f"{plain(one.gate)} was closed: {one.failure}"
            yield Bar(axis.at(span.start), width, "gate", "", told, None)
