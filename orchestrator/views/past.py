"""A recorded run, opened to be looked at or answered: the journal's own plans and events. Refuses to change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from orchestrator import journal, project, redact, settings
from orchestrator.errors import SettingsError, UnknownRun, UsageError
from orchestrator.graph import KnownPlan, TaskGraph
from orchestrator.history import Expiry, History, fold
from orchestrator.journal import RunRow, StoredPlan
from orchestrator.model import Event, RunId, Task, TaskId, TaskState
from orchestrator.order import Order
from orchestrator.project import Loaded, Source
from orchestrator.views.watched import Watched

INTERRUPTED = "interrupted"
CUT = 130
KEPT = 8  # texts of plans that are read once
ENDS = {
    None: "not ended",
    0: "done",
    1: "tasks failed",
    3: "settings or workers",
    4: "no room, or a SUMMARY is not written",
    5: "waits for a person",
    CUT: "interrupted",
}


@dataclass(frozen=True, slots=True)
class Past:
    root: Path
    row: RunRow
    watched: Watched
    events: tuple[Event, ...]
    stored: tuple[StoredPlan, ...]
    live: bool  # an engine works on it now, as far as the lock and the events tell
    trouble: str | None  # what is missing in its journal

    @property
    def graph(self) -> TaskGraph:
        return self.watched.graph

    @property
    def broken_off(self) -> bool:
        """Its engine died in it."""
        return self.row.exit_code is None and not self.live

    def state(self, task: TaskId) -> str:
        """Of a run that is broken off nothing runs."""
        state = self.watched.states[task]
        return INTERRUPTED if state is TaskState.RUNNING and self.broken_off else str(state)

    def task(self, name: str) -> Task:
        try:
            return project.task_named(self.graph, name)
        except UsageError as wrong:
            raise UsageError(f"run {self.row.id}: {wrong}") from None


def learn_secrets(root: Path) -> None:
    """Of the project's env_files: our own environment is known already. One that cannot be read is told where it is needed."""
    with suppress(SettingsError):
        chosen = settings.load(root).workspace
        redact.pardon(chosen.public_env)
        redact.learn(settings.env_files(root, chosen.env_files))


def open_run(
    root: Path, name: str | None, changes: Mapping[str, object] = MappingProxyType({})
) -> Past:
    """The run of that name, else the newest. `changes` are new words of its Order."""
    learn_secrets(root)
    live = journal.live_runs(root)  # before the events: one that ends meanwhile is not broken off
    with journal.reading(root) as book:
        trouble = book.trouble
        row = book.find(name)
        stored, events = book.plans(row.id), tuple(book.events(row.id))
    return replayed(
        root, row, stored, events, changes, live=row.id in (live or ()), trouble=trouble
    )


def replayed(
    root: Path,
    row: RunRow,
    stored: Sequence[StoredPlan],
    events: Sequence[Event],
    changes: Mapping[str, object] = MappingProxyType({}),
    *,
    live: bool,
    trouble: str | None,
) -> Past:
    """From what the journal holds of it."""
    sources = tuple(Source(one.id, one.path, one.content) for one in stored)
    order = Order.model_validate({**row.asked, **changes})
    loaded = read_plans(root, sources, order.beside, isolated=order.isolated)
    graph = project.chosen(loaded.checked(), order.only, order.start, order.left_out)
    watched = Watched(graph, order)
    for event in events:
        watched.apply(event)
    redact.spare((*project.names(root, loaded.plans), *_branch(watched)))
    return Past(root, row, watched, tuple(events), tuple(stored), live, trouble)


@lru_cache(KEPT)
def read_plans(
    root: Path, sources: tuple[Source, ...], beside: tuple[KnownPlan, ...], *, isolated: bool
) -> Loaded:
    """Many runs are of the same plans, and reading these is most of what it takes to open one."""
    return project.reload(root, sources, beside, isolated=isolated)


def _branch(watched: Watched) -> Iterator[str]:
    """Of the person, where the run began."""
    branch = (watched.history.ground or {}).get("branch")
    if branch:
        yield branch


def names(root: Path) -> list[RunRow]:
    """Newest first; none if nothing ever ran here."""
    try:
        with journal.reading(root) as book:
            return book.runs()
    except UnknownRun:
        return []


def expiries(root: Path, rows: Sequence[RunRow]) -> dict[RunId, Expiry]:
    """Of the runs with an open question that grows too old: when the first of them does."""
    ended = (0, 1)  # all was answered
    found: dict[RunId, Expiry] = {}
    for row in rows:
        if row.exit_code not in ended:
            with journal.reading(root) as book:
                every = fold(book.events(row.id)).tasks.values()
            open_ = [one.expiry for one in every if one.expiry and one.answer is None]
            found |= {row.id: min(open_)} if open_ else {}
    return found


def ended(
    row: RunRow,
    *,
    live: bool,
    history: History | None = None,
    apart: bool = False,
    waits: str | None = None,
) -> str:
    """`apart`: who has no history knows it already. `waits`: for what alone one waits that goes on."""
    if row.exit_code is None:
        return (waits or "running") if live else "broken off"
    return ends(row.exit_code, history, apart=apart)


def ends(code: int, history: History | None = None, *, apart: bool = False) -> str:
    """In words. With its history also who cancelled it, and whether all was done and only the person's branch does not have it."""
    words = ENDS.get(code, "ended")
    if code == CUT and history is not None and history.cancelled:
        words = history.cancelled
    if code == 1 and (apart or (history is not None and is_kept_apart(history))):
        words = "done, but its result stays apart"
    return f"{words} (exit {code})"


def is_kept_apart(history: History) -> bool:
    """All was done, and only the person's branch does not have it."""
    if (history.delivery or {}).get("why") is None:
        return False
    every = history.tasks.values()
    failed = any(one.last is not None and not one.last.ok for one in every)
    refused = any(one.answer is not None and not one.answer.approved for one in every)
    return not failed and not refused


def outcomes(root: Path, rows: Sequence[RunRow]) -> dict[RunId, History]:
    """Of the runs of which more is to be said than their exit code."""
    with journal.reading(root) as book:
        return {row.id: fold(book.events(row.id)) for row in rows if row.exit_code in (1, CUT)}
