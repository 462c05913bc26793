"""Tries of a tool in front of those of a model: the ladder behind them stays as it was. Refuses to count them among a model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from orchestrator.history import History, Tried
from orchestrator.model import Failure, Outcome, Quality, Route, Strategy, Task, TaskId
from orchestrator.outloop import offload
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
TRIES = 2  # the second is the one retry; then the models, as if there were no tool


def find(root: Path, tasks: Iterable[Task], settings: Settings, quality: Quality) -> Found:
    """Nothing where a person wants the strongest model and a review of each task."""
    if quality is Quality.CHROME:
        return Found()
    return offload.find(root, tasks, settings.patterns)


def worker(found: Found, root: Path) -> ToolWorker:
    def moved(command: str, workspace: str) -> str:
        return move_root(command, str(root), workspace)

    return ToolWorker(found.given, moved, partial(offload.disabled, root))


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
    why = tools.halted(route.tool) if route.tool and isinstance(tools, ToolWorker) else ""
    return f"the tool {route.tool} is disabled: {why}" if why else ""


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


def book(crew: Crew, books: Books, tried: Tried, task: TaskId) -> tuple[str, ...]:
    """What a tool's try was, in the store. All that a person is to know of it."""
    if tried.route.tool is None:
        return ()
    why, trouble = offload.book(books.root, books.run, task, tried, crew.settings.patterns)
    tools = crew.workers[NAME]
    if why and isinstance(tools, ToolWorker):
        tools.stopped[tried.route.tool] = why
    again = f"enable it again: orchestrator tools enable {tried.route.tool}"
    said = f"{stopped(crew.workers, tried.route)}; {again}" if why else ""
    return tuple(filter(None, (said, trouble)))


def make_up(crew: Crew, books: Books, history: History) -> tuple[str, ...]:
    """Tries that ended, and were not booked: the program was killed between the two, or the store could not be written."""
    ended = [
        (task, one)
        for task, past in history.tasks.items()
        for one in past.tried
        if one.route.tool and one.outcome is not None
    ]
    if not ended:
        return ()
    try:
        there = offload.booked(books.root)
    except (OrchestratorError, OSError) as trouble:
        return (f"what tools did in this run is not booked: {trouble}",)
    missing = (
        one for one in ended if offload.workflow(books.run, one[0], one[1].number) not in there
    )
    return tuple(told for task, tried in missing for told in book(crew, books, tried, task))


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
