"""Who does what: each task's tries, and what every attempt gets. Refuses tasks that nobody can do before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import complexity, process, redact, routing
from orchestrator.errors import SettingsError, WorkerNotInstalled
from orchestrator.graph import TaskGraph
from orchestrator.model import Route, Score, Task, TaskId
from orchestrator.process.leftover import MARK
from orchestrator.settings import Settings, env_files
from orchestrator.workers import Worker, registry

Workers = Mapping[str, Worker]
Ladder = tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Crew:
    """Who can work, what each task's tries are, and what every attempt gets."""

    workers: Workers
    ladders: Mapping[TaskId, Ladder]
    others: Mapping[TaskId, tuple[Ladder, ...]]  # of workers that could take over
    scores: Mapping[TaskId, Score]
    environment: Mapping[str, str]
    settings: Settings


def prepare(
    root: Path, graph: TaskGraph, settings: Settings, workers: Workers | None = None
) -> Crew:
    """WorkerNotInstalled with every task that nobody can do."""
    asked: Sequence[str] = list(workers or ())
    if workers is None:
        workers = registry.known(settings)
        asked = registry.order(settings, workers)
    unable = registry.unable(graph.tasks.values(), workers, asked)
    if unable:
        raise WorkerNotInstalled("\n".join(unable))
    scores = {
        task: complexity.score(graph.tasks[task], settings.complexity.model_dump())
        for task in graph
    }
    ladders = {
        task.id: _ladders(task, scores[task.id], settings, registry.able(task, workers, asked))
        for task in graph.tasks.values()
        if not task.is_checkpoint
    }
    return Crew(
        workers=workers,
        ladders={task: every[0] for task, every in ladders.items()},
        others={task: every[1:] for task, every in ladders.items()},
        scores=scores,
        environment=_environment(root, settings),
        settings=settings,
    )


def _environment(root: Path, settings: Settings) -> dict[str, str]:
    """Its secrets are known before the first word of any of it can come back."""
    extra = env_files(root, settings.workspace.env_files)
    redact.pardon(settings.workspace.public_env)
    redact.learn(extra)
    for worker in settings.workers.values():
        redact.learn(worker.env)
    return {**process.environment(settings.workspace.env_pass, extra), MARK: str(root)}


def likely(
    tasks: Iterable[Task], scores: Mapping[TaskId, Score], settings: Settings
) -> dict[TaskId, tuple[Route, str]]:
    """The first try of each task and why, also where its worker is not installed; without checkpoints."""
    workers = registry.known(settings)
    asked = registry.order(settings, workers)
    found = {}
    for task in tasks:
        if task.is_checkpoint:
            continue
        able = registry.able(task, workers, asked)
        names = [task.worker] if task.worker else asked
        chosen = able or [w for n in names if (w := workers.get(n)) and not w.refuses(task)]
        if not chosen:
            raise WorkerNotInstalled("\n".join(registry.unable([task], workers, asked)))
        route = _ladders(task, scores[task.id], settings, chosen[:1])[0][0]
        missing = "" if able else f"; {route.worker} is not installed here"
        found[task.id] = (route, f"{route.worker} {route.model or ''}: {route.reason}{missing}")
    return found


def _ladders(
    task: Task, score: Score, settings: Settings, able: Sequence[Worker]
) -> tuple[tuple[Route, ...], ...]:
    """One per worker that can do it, the first choice first. SettingsError where a tier that is needed has no model."""
    ladders = [
        routing.ladder(
            task,
            score,
            worker=worker.name,
            tiers=worker.tiers,
            models=worker.models,
            asks_a_model=worker.asks_a_model,
            provider=worker.provider,
            haiku_max=settings.routing.haiku_max,
            sonnet_max=settings.routing.sonnet_max,
        )
        for worker in able
    ]
    for route in ladders[0]:
        if route.tier is not None and route.model is None:
            raise SettingsError(
                f"{task.id} needs {route.worker} on the tier {route.tier}, and no model is mapped to it; "
                f'write [models.{route.tier}] {route.worker} = "MODEL" into .orchestrator/config.toml'
            )
    return tuple(one for one in ladders if all(r.tier is None or r.model for r in one))
