"""Tries of a tool in front of those of a model: the ladder behind them stays as it was. Refuses to count them among a model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from orchestrator.history import Tried
from orchestrator.model import Failure, Outcome, Quality, Route, Strategy, Task, TaskId
from orchestrator.outloop import offload, toolbox
from orchestrator.outloop.matching import Match
from orchestrator.outloop.offload import Found
from orchestrator.settings import Settings
from orchestrator.verify import move_root
from orchestrator.workers import Worker
from orchestrator.workers.tool import NAME, ToolWorker

Ladder = tuple[Route, ...]
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
