"""The journal as many viewers read it: each run is folded once, and then only what is new. Refuses to be read by two threads at once."""

from __future__ import annotations

import gc
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import journal
from orchestrator.errors import UnknownRun
from orchestrator.history import Expiry
from orchestrator.journal import RunRow, tail
from orchestrator.journal.tail import Span
from orchestrator.model import Event, EventKind, RunId, TaskState
from orchestrator.views import waiting
from orchestrator.views.past import Past, is_kept_apart, learn_secrets, replayed
from orchestrator.views.watched import Spent

KEPT = 12  # runs that stay folded; others are folded again when somebody looks
PAGE = 2000  # events that are read at once
LEARN_S = 5.0  # so often at most it is looked which values are secrets


@dataclass(frozen=True, slots=True)
class Glance:
    """A run in a list."""

    row: RunRow
    live: bool
    states: Mapping[TaskState, int]
    spent: Spent
    worked_s: float
    ended_at: str | None
    expiry: Expiry | None  # of the open question that is too old first
    apart: bool  # all is done, and its result has not been handed over
    latest_at: str = ""  # of its last event
    waits: str | None = None  # for what alone, while it goes on
    rests: bool = False  # that is a person: its clock stands
    cancelled: str | None = None

    @property
    def tasks(self) -> int:
        return sum(self.states.values())

    @property
    def asks(self) -> int:
        """Questions that are open."""
        return self.states.get(TaskState.PAUSED, 0)

    @property
    def broken_off(self) -> bool:
        """Its engine died in it."""
        return self.row.exit_code is None and not self.live


class Book:
    """Of one project. What it hands out is as of this moment: take what you need of it before you wait for anything."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._file: tuple[int, int] | None = None
        self._stands: tuple[tuple[int, ...], ...] | None = None  # the files, as they were read
        self._learn_at = 0.0
        self._is_still = False
        self._live: frozenset[RunId] = frozenset()
        self._forget()

    def _forget(self) -> None:
        self._seq = 0  # of the last event that we know
        self._rows: dict[RunId, RunRow] = {}  # newest first
        self._spans: dict[RunId, Span] = {}
        self._open: OrderedDict[RunId, Past] = OrderedDict()
        self._glances: dict[RunId, tuple[int, Glance]] = {}
        self._trouble: str | None = None

    @contextmanager
    def still(self) -> Iterator[None]:
        """All that is asked within is of one moment, and costs one look at the file."""
        self._catch_up()
        self._is_still = True
        try:
            yield
        finally:
            self._is_still = False

    # --- what one asks

    def runs(self) -> tuple[RunRow, ...]:
        """Newest first; none if nothing ever ran here."""
        self._catch_up()
        return tuple(self._rows.values())

    def named(self, name: str) -> RunId:
        """It is there; UnknownRun where it is not."""
        self._catch_up()
        return self._row(name).id

    def run(self, name: str) -> Past:
        """The run of exactly that name, as its last event left it."""
        self._catch_up()
        row = self._row(name)
        past = self._open.get(row.id)
        if past is None:
            past = self._open[row.id] = self._fold(row)
            while len(self._open) > KEPT:
                self._open.popitem(last=False)
        self._open.move_to_end(row.id)
        live = row.id in self._live
        if (past.live, past.row) != (live, row):
            past = self._open[row.id] = replace(past, live=live, row=row)
        return past

    def glance(self, name: str) -> Glance:
        """Cheap for what was looked at once and has not changed since."""
        self._catch_up()
        row, live = self._row(name), RunId(name) in self._live
        seq = self._last(row.id)
        known = self._glances.get(row.id)
        if known is not None and (known[0], known[1].live) == (seq, live):
            return known[1]
        is_open = row.id in self._open
        glance = _glance(self.run(name))
        if not (is_open or glance.asks or row.exit_code is None):
            del self._open[row.id]  # a list of many must not push out what people look at
        self._glances[row.id] = seq, glance
        return glance

    def events(self, name: str, after: int = 0, most: int = tail.NEWEST) -> list[Event]:
        """Of one run, behind a number."""
        self._catch_up()
        run = self._row(name).id
        span = self._spans.get(run, Span(1, 0))
        return tail.of_run(self.root, run, max(after, span.first - 1), span.last, most)

    def latest(self) -> int:
        """The number of the last event of all."""
        self._catch_up()
        return self._seq

    # --- how it knows

    def _row(self, name: str) -> RunRow:
        row = self._rows.get(RunId(name))
        if row is None:
            newest = ", ".join(list(self._rows)[:5]) or "none yet"
            raise UnknownRun(f"no run is called {name!r}; the newest are {newest}")
        return row

    def _last(self, run: RunId) -> int:
        return self._spans[run].last if run in self._spans else 0

    def _fold(self, row: RunRow) -> Past:
        self._learn()
        stored = tail.plans(self.root, row.id)
        span = self._spans.get(row.id, Span(1, 0))
        events = tail.of_run(self.root, row.id, span.first - 1, span.last)
        live = row.id in self._live
        with _uncollected():
            return replayed(self.root, row, stored, events, live=live, trouble=self._trouble)

    def _catch_up(self) -> None:
        if self._is_still:
            return
        # both before the events: one that ends meanwhile is not broken off, and what comes meanwhile is seen next time
        self._live = journal.live_runs(self.root) or frozenset()
        stands = tail.stands(self.root)
        if stands is not None and stands == self._stands:
            return
        found = tail.which(self.root)
        if found != self._file:
            self._forget()
            self._file = found
            if found is not None:
                self._begin()
        while found is not None and (new := tail.after(self.root, self._seq, PAGE)):
            self._take(new)
            if len(new) < PAGE:
                break
        self._stands = stands

    def _learn(self) -> None:
        """Settings and env_files can change while we look on; reading them takes longer than a small run."""
        now = time.monotonic()
        if now >= self._learn_at:
            learn_secrets(self.root)
            self._learn_at = now + LEARN_S

    def _begin(self) -> None:
        self._learn()
        self._spans = tail.spans(self.root)
        self._seq = max((span.last for span in self._spans.values()), default=0)
        self._read_rows()

    def _read_rows(self) -> None:
        try:
            with journal.reading(self.root) as book:
                self._rows = {row.id: row for row in book.runs()}
                self._trouble = book.trouble
        except UnknownRun:  # there is a file, and nothing in it yet
            self._rows = {}

    def _take(self, new: Sequence[Event]) -> None:
        if any(event.run not in self._rows for event in new):
            self._read_rows()
        for event in new:
            span = self._spans.get(event.run)
            self._spans[event.run] = Span(span.first if span else event.seq, event.seq)
            self._end(event)
        for run in {event.run for event in new} & set(self._open):
            past = self._open.pop(run)  # if this fails half-way, it is folded anew
            self._open[run] = _grown(past, [one for one in new if one.run == run])
        self._seq = new[-1].seq

    def _end(self, event: Event) -> None:
        row = self._rows.get(event.run)
        if row is not None and event.kind is EventKind.RUN_FINISHED:
            self._rows[row.id] = row.model_copy(update={"exit_code": event.data.get("exit_code")})
        elif row is not None and event.kind is EventKind.RUN_RESUMED:
            self._rows[row.id] = row.model_copy(update={"exit_code": None})


@contextmanager
def _uncollected() -> Iterator[None]:
    """All that is made here stays: looking through it for what can go, again and again as it grows, takes a quarter of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _grown(past: Past, new: Sequence[Event]) -> Past:
    for event in new:
        past.watched.apply(event)
    return replace(past, events=(*past.events, *new))


def _glance(past: Past) -> Glance:
    watched = past.watched
    every = watched.history.tasks.values()
    open_ = [one.expiry for one in every if one.expiry and one.answer is None]
    return Glance(
        row=past.row,
        live=past.live,
        states=Counter(watched.states.values()),
        spent=watched.total(),
        worked_s=watched.worked_s,
        ended_at=watched.history.ended_at,
        expiry=min(open_, default=None),
        apart=is_kept_apart(watched.history),
        latest_at=watched.history.latest_at,
        waits=waiting.alone(watched) if past.live else None,
        rests=watched.history.waits.since is not None,
        cancelled=watched.history.cancelled,
    )
