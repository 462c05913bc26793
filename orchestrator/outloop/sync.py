"""Attempts that ended -> the store of patterns, from where it was left. Reads bounded portions of the journal; refuses to count one twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from orchestrator import clock, context, reader
from orchestrator.errors import UsageError
from orchestrator.history import Tried, fold
from orchestrator.journal import tail
from orchestrator.model import Event, EventKind, RunId, Task, TaskId
from orchestrator.model.outloop import Context, Occurrence
from orchestrator.outloop import detect, hooked, offload, profiles, store
from orchestrator.outloop.store import Store

EVENTS = "events"  # the name of what is read here
PORTION = 2000  # events
AT_ONCE = 50  # attempts in one transaction: an engine waits for it with its next event
NO_LIMIT = 1 << 30  # a plan that was accepted once


DAY_S = 86_400
MONTH = 30  # days
YEAR = 365


class Ended(NamedTuple):
    """An attempt that is over, with what it did and what it read."""

    workflow: str
    at: str
    occurrences: list[Occurrence]
    read: Context


class Over(NamedTuple):
    """An attempt that is over, with the tries before it."""

    run: RunId
    task: Task
    tried: Tried
    before: Sequence[Tried]


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
        over = list(_over(root, events, tasks))
        ended = [_seen(one, floor, per_file) for one in over if _is_seen(one.tried)]
        for begin in range(0, max(len(ended), 1), AT_ONCE):
            with store.writing(root) as book:
                new += _keep(book, ended[begin : begin + AT_ONCE])
                if begin + AT_ONCE >= len(ended):
                    _book(book, over, floor)
        _take_back(root, over)
        with store.writing(root) as book:
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


def prune(root: Path, days: int) -> None:
    """What was seen goes after so many days, a month at least: what a pattern saves is told of it. Baselines of tools stay a year."""
    before, longest = ago(max(days, MONTH)), ago(max(days, YEAR))
    while _has_older(root, before, longest):
        with store.writing(root) as book:
            book.prune(before, longest)
            book.forget()


def _has_older(root: Path, before: str, longest: str) -> bool:
    with store.reading(root) as book:
        return book is not None and (book.has_older(before, longest) or book.is_full())


def ago(days: int) -> str:
    at = datetime.fromtimestamp(clock.wall() - days * DAY_S, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


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


def _over(
    root: Path, events: Sequence[Event], tasks: dict[RunId, dict[TaskId, Task]]
) -> Iterator[Over]:
    """What came to an end: what was interrupted is done again."""
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
            yield Over(run, task, tried, [t for t in every if t.number < tried.number])


def _is_seen(tried: Tried) -> bool:
    """Of an agent, and something is known of it."""
    return tried.route.asks_a_model and bool(tried.steps) and not tried.interrupted


def _seen(one: Over, floor: float, per_file: int) -> Ended:
    worked = detect.worked(one.run, one.task, one.tried, one.before)
    found = detect.occurrences(worked, floor)
    read = context.measure(one.task, [one.tried], per_file)
    return Ended(worked.workflow, worked.at, found, read)


def _book(book: Store, over: Iterable[Over], floor: float) -> None:
    """Of tools, what nobody booked: their run was killed there, and nobody went on with it."""
    for one in over:
        if offload.counts(one.tried):
            name = offload.workflow(one.run, one.task.id, one.tried.number)
            with suppress(UsageError):  # its pattern or its tool is gone
                offload.keep(book, name, one.tried, floor)


def _take_back(root: Path, over: Iterable[Over]) -> None:
    """What is wrong by the ledger: their run was killed before it could say so here, or it was said before they were booked."""
    by_run = dict[RunId, list[tuple[TaskId, Tried]]]()
    for one in over:
        by_run.setdefault(one.run, []).append((one.task.id, one.tried))
    for run, tries in by_run.items():
        for task, number in offload.refuted(run, tries):
            offload.take_back(root, offload.workflow(run, task, number))


def _tasks(root: Path, run: RunId) -> dict[TaskId, Task]:
    """As the run had them."""
    readings = (
        reader.read(one.content, one.path, id=one.id, max_bytes=NO_LIMIT, max_tasks=NO_LIMIT)
        for one in tail.plans(root, run)
    )
    return {task.id: task for one in readings if one.plan for task in one.plan.tasks}
