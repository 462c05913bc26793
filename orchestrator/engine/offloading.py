"""Tries of a tool in front of those of a model: the ladder behind them stays as it was. Refuses to count them among a model's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from orchestrator.errors import OrchestratorError
from orchestrator.history import History, Tried
from orchestrator.model import Failure, Outcome, Quality, Route, Strategy, Task, TaskId
from orchestrator.outloop import offload, toolbox
from orchestrator.outloop.matching import Match
from orchestrator.outloop.offload import Found
from orchestrator.settings import Settings
from orchestrator.verify import move_root
from orchestrator.workers import Worker
from orchestrator.workers.tool import NAME, ToolWorker

if TYPE_CHECKING:
    from orchestrator.engine.books import Books
    from orchestrator.engine.crew import Crew

Ladder = tuple[Route, ...]
Due = tuple[TaskId, Tried]
TRIES = 2  # the second is the one retry; then the models, as if there were no tool


def find(root: Path, tasks: Iterable[Task], settings: Settings, quality: Quality) -> Found:
    """Nothing where a person wants the strongest model and a review of each task."""
    if quality is Quality.CHROME:
        return Found()
    return offload.find(root, tasks, settings.patterns)


def first(root: Path, settings: Settings, quality: Quality, task: Task) -> str | None:
    """The tool that would try this one task before any model; None: none would."""
    match = find(root, [task], settings, quality).matches.get(task.id)
    return match and match.tool.name


def worker(found: Found, root: Path) -> ToolWorker:
    def moved(command: str, workspace: str) -> str:
        return move_root(command, str(root), workspace)

    return ToolWorker(found.given, moved, partial(offload.disabled, root), toolbox.unsound)


def ahead(found: Found, task: TaskId, ladders: Sequence[Ladder]) -> tuple[Ladder, ...]:
    """Each of them with the tool's tries in front: a place means the same on all."""
    match = found.matches.get(task)
    if match is None:
        return tuple(ladders)
    return tuple(((_route(match),) * TRIES) + ladder for ladder in ladders)


def split(ladder: Ladder) -> tuple[Ladder, Ladder]:
    """The tool's tries, and all others."""
    size = sum(route.tool is not None for route in ladder)
    return ladder[:size], ladder[size:]


def by_models(tried: Iterable[Tried]) -> list[Tried]:
    return [one for one in tried if one.route.tool is None]


def stopped(workers: Mapping[str, Worker], route: Route) -> str:
    """Why its tool is not asked any more; empty: it is."""
    tools = workers.get(NAME)
    return tools.halted(route.tool) if route.tool and isinstance(tools, ToolWorker) else ""


def is_the_check(worker: Worker, task: Task) -> bool:
    """A tool does nothing but the task's own check."""
    return isinstance(worker, ToolWorker) and worker.is_the_check(task)


def within_manifest(worker: Worker, route: Route, task: TaskId, outcome: Outcome) -> Outcome:
    """A tool that changed what it does not declare has failed: nothing of that lands."""
    if not isinstance(worker, ToolWorker) or not outcome.ok or outcome.work is None:
        return outcome
    if not (outside := worker.outside(task, outcome.work.files)):
        return outcome
    detail = (
        f"the tool {route.tool} changed files that `writes` of its manifest does not name: {', '.join(outside)}; "
        "name them there and add it anew (orchestrator tools add MANIFEST), or have git ignore them"
    )
    return outcome.model_copy(update={"failure": Failure.SCOPE, "detail": detail})


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


def _route(match: Match) -> Route:
    return Route(
        worker=NAME,
        confidence=match.score / 100,
        reason=match.reason,
        strategy=Strategy.OFFLOAD,
        estimated_tokens=0,
        estimated_cost_usd=0.0,
        tool=match.tool.name,
        pattern=match.pattern.signature,
    )
