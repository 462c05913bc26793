"""What tools did and what they saved, into the store, once. Refuses to fail a run for it: what cannot be booked is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from anyio import to_thread

from orchestrator.engine.books import Books
from orchestrator.engine.crew import Crew
from orchestrator.errors import OrchestratorError
from orchestrator.history import History, Tried
from orchestrator.model import TaskId
from orchestrator.outloop import offload
from orchestrator.workers.tool import NAME, ToolWorker

Due = tuple[TaskId, Tried]


async def settle(crew: Crew, books: Books, warn: Callable[[str], None]) -> None:
    """What is to be booked: of tries that ended, and of work that turned out wrong. In a thread: somebody else may hold the store."""
    if not (books.due or books.wrong):
        return
    due, wrong = tuple(books.due), tuple(books.wrong)
    for told in await to_thread.run_sync(partial(_settle, crew, books, due, wrong)):
        warn(told)
    del books.due[: len(due)], books.wrong[: len(wrong)]


async def make_up(crew: Crew, books: Books, history: History, warn: Callable[[str], None]) -> None:
    """Also what ended and was not booked: the program was killed between the two, or the store could not be written. The ledger
    may know of it what the store does not: that it was wrong."""
    tries = [
        (task, one)
        for task, past in history.tasks.items()
        for one in past.tried
        if one.route.tool and one.outcome is not None
    ]
    books.due += tries
    await settle(crew, books, warn)
    try:
        books.wrong += await to_thread.run_sync(offload.refuted, books.run, tries)
    except OrchestratorError as refused:
        warn(f"what tools saved by work that turned out wrong may still be booked: {refused}")
    await settle(crew, books, warn)


def _settle(
    crew: Crew, books: Books, due: Iterable[Due], wrong: Iterable[tuple[TaskId, int]]
) -> list[str]:
    """All that a person is to know of it. What stands in the store already counts once."""
    told = list[str]()
    for task, tried in due:
        why, trouble = offload.book(books.root, books.run, task, tried, crew.settings.patterns)
        told += filter(None, (_stop(crew, tried.route.tool or "", why), trouble))
    for task, number in wrong:
        try:
            tool, why = offload.take_back(books.root, offload.workflow(books.run, task, number))
        except (OrchestratorError, OSError) as refused:
            step = f"orchestrator ledger amend {books.run} {task} {number} --outcome failed --by ME"
            told.append(f"what a tool saved by {task} may still be booked: {refused}. Next: {step}")
            continue
        if tool is not None:
            told += filter(None, (_stop(crew, tool.name, why),))
    return told


def _stop(crew: Crew, tool: str, why: str) -> str:
    """It works no more in this run. What is said of it; empty: it goes on."""
    worker = crew.workers.get(NAME)
    if not why or not isinstance(worker, ToolWorker):
        return ""
    worker.stopped[tool] = why
    return f"{worker.halted(tool)}; enable it again: orchestrator tools enable {tool}"
