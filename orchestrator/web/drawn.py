"""Pieces of a run's page that are made once for all who look, until the run goes on: pictures, rows, sums. Refuses to keep what moves with the clock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from math import ceil, log2
from typing import NamedTuple, TypeVar, cast

from markupsafe import Markup

from orchestrator import redact
from orchestrator.model import EventKind, TaskId, TaskState
from orchestrator.views.past import Past
from orchestrator.web import pages_tasks, pages_words, shapes, shapes_graph, shapes_timeline
from orchestrator.web.pages_tasks import Forecast

KEPT = 64  # pieces; of a page there are five
STEPS = 400  # of a timeline: its end moves on in steps that nobody sees
Made = TypeVar("Made")


class Stretch(NamedTuple):
    """Rows of a table, one after another. `made` None: these tasks run, and are told anew each time."""

    tasks: tuple[TaskId, ...]
    made: Markup | None


class Drawn:
    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], object] = OrderedDict()

    def graph(self, past: Past, *, whole: bool = False) -> Markup:
        """`whole`: with each task by itself, however many there are."""

        def draw() -> Markup:
            picture = shapes_graph.picture(past.graph, past.state, whole=whole)
            home = f"/runs/{past.row.id}"
            return Markup(pages_words.render("graph.html", picture=picture, home=home))  # noqa: S704 - a template of ours has escaped it

        return self._of(("graph", whole, *_moment(past)), draw)

    def timeline(self, past: Past, now: float) -> Markup:
        def draw() -> Markup:
            line = shapes_timeline.timeline(past, now)
            return Markup(pages_words.render("timeline.html", timeline=line, run=past.row.id))  # noqa: S704 - the same

        return self._of(("timeline", *_moment(past), _step(past, now)), draw)

    def counts(self, past: Past) -> Mapping[str, int]:
        return self._of(("counts", *_moment(past)), lambda: pages_tasks.counts(past))

    def forecast(self, past: Past, now: float) -> Forecast | None:
        key = ("forecast", *_moment(past), _step(past, now))
        return self._of(key, lambda: pages_tasks.forecast(past, now))

    def rows(
        self, past: Past, number: int, doing: Mapping[TaskId, str], now: float
    ) -> Iterator[Markup]:
        """Of one page of tasks; those that do not run stay as they are."""

        def draw() -> list[Stretch]:
            tasks = pages_tasks.page(past, number)
            found = groupby(tasks, lambda one: past.watched.states[one] is TaskState.RUNNING)
            return [_stretch(past, tuple(some), now, runs=runs) for runs, some in found]

        for stretch in self._of(("rows", number, *_moment(past)), draw):
            if stretch.made is not None:
                yield stretch.made
            else:
                yield from (_row(past, one, doing.get(one, ""), now) for one in stretch.tasks)

    def _of(self, key: tuple[object, ...], draw: Callable[[], Made]) -> Made:
        found = self._kept.pop(key, None) or draw()
        self._kept[key] = found
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return cast("Made", found)


def _stretch(past: Past, tasks: tuple[TaskId, ...], now: float, *, runs: bool) -> Stretch:
    rows = None if runs else Markup("").join(_row(past, one, "", now) for one in tasks)
    return Stretch(tasks, rows)


def _row(past: Past, task: TaskId, doing: str, now: float) -> Markup:
    return pages_words.row(pages_tasks.row(past, task, doing, now), "row_task.html", past.row.id)


def _moment(past: Past) -> tuple[object, ...]:
    """All that a piece is made of; other values are secrets later. What a worker uses and does on its way, most of all events, is in none of them."""
    counts = (one.seq for one in reversed(past.events) if one.kind is not EventKind.WORKER_REPORTED)
    return past.row.id, next(counts, 0), past.live, redact.KNOWN.secrets


def _step(past: Past, now: float) -> int:
    """0: the run has ended, and nothing moves."""
    if not past.live:
        return 0
    ran = now - shapes.unix(past.row.started_at)
    return int(now / 2.0 ** ceil(log2(max(1.0, ran / STEPS))))  # must not move on with `now` itself
