"""Attempts that ended -> the store of patterns, from where it was left. Reads bounded portions of the journal; refuses to count one twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator import context, reader
from orchestrator.history import Tried, fold
from orchestrator.journal import tail
from orchestrator.model import Event, EventKind, RunId, Task, TaskId
from orchestrator.model.outloop import Context, Occurrence
from orchestrator.outloop import detect, hooked, profiles, store
from orchestrator.outloop.store import Store

EVENTS = "events"  # the name of what is read here
PORTION = 2000  # events
AT_ONCE = 50  # attempts in one transaction: an engine waits for it with its next event
NO_LIMIT = 1 << 30  # a plan that was accepted once


class Ended(NamedTuple):
    """An attempt that is over, with what it did and what it read."""

    workflow: str
    at: str
    occurrences: list[Occurrence]
    read: Context


def sync(
    root: Path,
    floor: float,
    per_file: int = context.PER_FILE,
    most: int = PORTION,
    portions: int | None = None,
    reached: Callable[[int], None] = lambda _: None,
) -> int:
    """How many occurrences are new. `floor` as [patterns] match has it; `per_file`: tokens of a file of unknown size.

    `reached` is told the number of the last event after each portion.
    """
    new, tasks = 0, dict[RunId, dict[TaskId, Task]]()
    for _ in itertools.count() if portions is None else range(portions):
        events = tail.after(root, _upto(root), most)
        if not events:
            break
        ended = list(_ended(root, events, tasks, floor, per_file))
        for begin in range(0, max(len(ended), 1), AT_ONCE):
            with store.writing(root) as book:
                new += _keep(book, ended[begin : begin + AT_ONCE])
                if begin + AT_ONCE >= len(ended):
                    book.read(EVENTS, max(events[-1].seq, book.upto(EVENTS)))
        reached(events[-1].seq)
    new += hooked.sync(root, floor, per_file)
    count(root)
    return new


def count(root: Path) -> None:
    """Each pattern in a transaction of its own: with years of them an engine waits for one at most."""
    more = _has_journal(root)
    while more:
        with store.writing(root) as book:
            more = book.count_one()


def _has_journal(root: Path) -> bool:
    with store.reading(root) as book:
        return book is not None


def _keep(book: Store, ended: Sequence[Ended]) -> int:
    for one in ended:
        if one.read.loaded:
            book.keep_access(profiles.track(one.workflow, one.at, one.read))
    return book.record((occurrence for one in ended for occurrence in one.occurrences), later=True)


def _upto(root: Path) -> int:
    with store.reading(root) as book:
        return book.upto(EVENTS) if book else 0


def _ended(
    root: Path,
    events: list[Event],
    tasks: dict[RunId, dict[TaskId, Task]],
    floor: float,
    per_file: int,
) -> Iterator[Ended]:
    """Of agents only, that came to an end: what was interrupted is done again."""
    over = [one for one in events if one.kind is EventKind.ATTEMPT_FINISHED]
    for run in dict.fromkeys(one.run for one in over):
        tasks[run] = tasks.get(run) or _tasks(root, run)
        history = fold(tail.of_run(root, run, 0, events[-1].seq))
        for one in over:
            task = tasks[run].get(TaskId(one.task or ""))
            if one.run != run or task is None:
                continue
            every = history.of(task.id).tried
            tried = next(t for t in every if t.number == one.attempt)
            if tried.route.asks_a_model and tried.steps and not tried.interrupted:
                before = [t for t in every if t.number < tried.number]
                yield _seen(run, task, tried, before, floor, per_file)


def _seen(
    run: RunId, task: Task, tried: Tried, before: Sequence[Tried], floor: float, per_file: int
) -> Ended:
    worked = detect.worked(run, task, tried, before)
    found = detect.occurrences(worked, floor)
    return Ended(worked.workflow, worked.at, found, context.measure(task, [tried], per_file))


def _tasks(root: Path, run: RunId) -> dict[TaskId, Task]:
    """As the run had them."""
    readings = (
        reader.read(one.content, one.path, id=one.id, max_bytes=NO_LIMIT, max_tasks=NO_LIMIT)
        for one in tail.plans(root, run)
    )
    return {task.id: task for one in readings if one.plan for task in one.plan.tasks}
