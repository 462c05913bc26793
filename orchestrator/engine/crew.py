"""Who does what: each task's tries, and what every attempt gets. Refuses tasks that nobody can do before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator import complexity, process, redact, routing
from orchestrator.engine import experience
from orchestrator.engine.escalation import keeper
from orchestrator.engine.experience import Experience, Seat
from orchestrator.engine.review import Reviewer
from orchestrator.errors import SettingsError, WorkerNotInstalled
from orchestrator.graph import TaskGraph
from orchestrator.model import Quality, Route, Score, Task, TaskId, Tier
from orchestrator.model.learned import Rule
from orchestrator.process.leftover import MARK
from orchestrator.routing import Forecast, Policy
from orchestrator.settings import Settings, env_files
from orchestrator.workers import Worker, registry

Workers = Mapping[str, Worker]
Ladder = tuple[Route, ...]
NO_RULES: Mapping[int, Rule] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Crew:
    """Who can work, what each task's tries are, and what every attempt gets."""

    workers: Workers
    ladders: Mapping[TaskId, Ladder]
    others: Mapping[TaskId, tuple[Ladder, ...]]  # of workers that could take over
    scores: Mapping[TaskId, Score]
    seconds: Mapping[TaskId, float]  # what each will take, by what was learned; empty: nothing was
    reviewers: Mapping[TaskId, Reviewer]
    environment: Mapping[str, str]
    settings: Settings
    notes: tuple[str, ...] = ()  # what could not be read of what was learned

    @property
    def told(self) -> Mapping[str, Any]:
        """Of an engine that begins, for its first event."""
        ladders = {
            task: [route.model_dump(mode="json") for route in routes]
            for task, routes in self.ladders.items()
        }
        reviewers = {
            task: one.route.model_dump(mode="json") for task, one in self.reviewers.items()
        }
        return {"ladders": ladders, "reviewers": reviewers}


def prepare(
    root: Path,
    graph: TaskGraph,
    settings: Settings,
    workers: Workers | None = None,
    quality: Quality = Quality.SHINY,
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
    known = experience.gather(settings)
    ladders = _everyones(graph, scores, known, workers, asked, quality)
    return Crew(
        workers=workers,
        ladders={task: every[0] for task, every in ladders.items()},
        others={task: every[1:] for task, every in ladders.items()},
        scores=scores,
        seconds=_seconds(ladders, known),
        reviewers=_reviewers(graph, ladders, workers, asked, quality),
        notes=known.notes,
        environment=_environment(root, settings),
        settings=settings,
    )


def _everyones(
    graph: TaskGraph,
    scores: Mapping[TaskId, Score],
    known: Experience,
    workers: Workers,
    asked: Sequence[str],
    quality: Quality,
) -> dict[TaskId, tuple[Ladder, ...]]:
    return {
        task.id: _ladders(
            task,
            scores[task.id],
            known,
            registry.able(task, workers, asked),
            fresh=starts_fresh(task, graph),
            quality=quality,
        )
        for task in graph.tasks.values()
        if not task.is_checkpoint
    }


def _reviewers(
    graph: TaskGraph,
    ladders: Mapping[TaskId, Sequence[Ladder]],
    workers: Workers,
    asked: Sequence[str],
    quality: Quality,
) -> dict[TaskId, Reviewer]:
    return {
        task: _reviewer(graph, graph.tasks[task], *wanted, workers, asked)
        for task, every in ladders.items()
        if (wanted := _review_of(graph.tasks[task], every[0], quality))
    }


def _review_of(task: Task, ladder: Ladder, quality: Quality) -> tuple[Tier, str] | None:
    """The tier of who looks at it, and who asks for that."""
    if task.review is not None:
        return task.review, f'review="{task.review}" in the plan'
    if quality is Quality.CHROME and ladder[0].asks_a_model:
        return Tier.OPUS, "--quality chrome, which has each task reviewed,"
    return None


def _reviewer(
    graph: TaskGraph, task: Task, tier: Tier, why: str, workers: Workers, asked: Sequence[str]
) -> Reviewer:
    """The first agent that is there and has that tier; WorkerNotInstalled where none has."""
    names = [name for name in asked if name in workers]
    able = [
        w for n in names if (w := workers[n]).asks_a_model and not w.missing() and tier in w.models
    ]
    if not able:
        raise WorkerNotInstalled(
            f"{task.id}: {why} needs an agent with a model of the tier {tier}, and none is installed "
            f"or mapped in [models.{tier}]"
        )
    worker, model = able[0], able[0].models[tier]
    route = Route(
        worker=worker.name,
        provider=worker.provider(model),
        tier=tier,
        model=model,
        confidence=1.0,
        reason=why.rstrip(","),
    )
    return Reviewer(worker, route, graph.plan_of(task.id), task)


def starts_fresh(task: Task, graph: TaskGraph) -> bool:
    return task.is_fresh or not graph.before(task.id)


def _seconds(ladders: Mapping[TaskId, Sequence[Ladder]], known: Experience) -> dict[TaskId, float]:
    """Of first tries. Figures of a table alone would say nothing of one task against another."""
    if not known.past.every:
        return {}
    firsts = {task: every[0][0].estimated_duration_s for task, every in ladders.items()}
    return {task: seconds for task, seconds in firsts.items() if seconds is not None}


def _environment(root: Path, settings: Settings) -> dict[str, str]:
    """Its secrets are known before the first word of any of it can come back."""
    extra = env_files(root, settings.workspace.env_files)
    redact.pardon(settings.workspace.public_env)
    redact.learn(extra)
    for worker in settings.workers.values():
        redact.learn(worker.env)
    return {**process.environment(settings.workspace.env_pass, extra), MARK: str(root)}


def likely(
    tasks: Iterable[Task],
    scores: Mapping[TaskId, Score],
    settings: Settings,
    *,
    graph: TaskGraph | None = None,
    known: Experience | None = None,
) -> dict[TaskId, tuple[Route, str]]:
    """The first try of each task and why, also where its worker is not installed; without checkpoints."""
    known = known or Experience(settings)
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
        fresh = graph is None or starts_fresh(task, graph)
        route = _ladders(task, scores[task.id], known, chosen[:1], fresh=fresh)[0][0]
        missing = "" if able else f"; {route.worker} is not installed here"
        found[task.id] = (route, f"{route.worker} {route.model or ''}: {route.reason}{missing}")
    return found


def policy(
    settings: Settings,
    rules: Mapping[int, Rule] = NO_RULES,
    quality: Quality = Quality.SHINY,
) -> Policy:
    """What the settings, and what was learned, say about where tasks start."""
    haiku_max, sonnet_max = settings.routing.ends
    return Policy(
        haiku_max=haiku_max,
        sonnet_max=sonnet_max,
        security_floor=settings.routing.security_floor,
        risk_floor=settings.routing.risk_floor,
        rules=rules,
        min_confidence=settings.learning.min_confidence,
        quality=quality,
    )


def _ladders(
    task: Task,
    score: Score,
    known: Experience,
    able: Sequence[Worker],
    *,
    fresh: bool,
    quality: Quality = Quality.SHINY,
) -> tuple[tuple[Route, ...], ...]:
    """One per worker that can do it, the first choice first. SettingsError where a tier that is needed has no model."""
    forecasts = {w.name: _forecasts(task, score, known, w, fresh=fresh) for w in able}
    ladders = [
        routing.ladder(
            task,
            score,
            worker=worker.name,
            tiers=worker.tiers,
            models=worker.models,
            asks_a_model=worker.asks_a_model,
            provider=worker.provider,
            policy=policy(known.settings, known.rules, quality),
            keep=keeper(task, score, known, worker.models, forecasts[worker.name]),
            forecasts=forecasts[worker.name],
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


def _forecasts(
    task: Task, score: Score, known: Experience, worker: Worker, *, fresh: bool
) -> dict[Tier | None, Forecast]:
    """None stands for a worker that has no tiers."""
    own = None if not worker.asks_a_model else worker.name
    models: dict[Tier | None, str | None] = {t: worker.models.get(t) for t in worker.tiers}
    models = models or {None: own}
    seats = {t: Seat(worker.name, worker.provider(m), t, m) for t, m in models.items()}
    return {
        tier: known.foresee(task, score, seat, fresh=fresh).forecast for tier, seat in seats.items()
    }
