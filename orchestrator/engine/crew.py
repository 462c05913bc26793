"""Who does what: each task's tries, and what every attempt gets. Refuses tasks that nobody can do before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator import complexity, process, redact, routing
from orchestrator.engine import experience, offloading
from orchestrator.engine.escalation import PLAIN, Trying, is_risky, keeper
from orchestrator.engine.experience import Experience, Seat
from orchestrator.engine.proof import expected_strength
from orchestrator.engine.review import Reviewer
from orchestrator.errors import SettingsError, WorkerNotInstalled
from orchestrator.graph import TaskGraph
from orchestrator.model import Check, Quality, Route, RunId, Score, Strategy, Task, TaskId, Tier
from orchestrator.model.learned import Rule
from orchestrator.outloop import profiles
from orchestrator.outloop.offload import Found
from orchestrator.process.leftover import MARK
from orchestrator.routing import Policy
from orchestrator.settings import Settings, env_files
from orchestrator.workers import Worker, registry
from orchestrator.workers.tool import NAME as TOOL

Workers = Mapping[str, Worker]
Ladder = tuple[Route, ...]
NO_RULES: Mapping[int, Rule] = MappingProxyType({})
NO_ANSWERS: Mapping[Tier, str] = MappingProxyType({})


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
    known: Experience | None = None  # None: the tables of the settings alone
    quality: Quality = Quality.SHINY
    needed: Mapping[TaskId, Sequence[str]] = field(default_factory=dict)  # files of its pattern
    stays: Mapping[TaskId, str] = field(default_factory=dict)  # why no tool does it

    def strength(self, task: Task, before: Sequence[Check]) -> float:
        """What a pass of its check proves. `before`: how its commands stood; nothing where nobody looked."""
        return expected_strength(task, self.settings, task.id in self.reviewers, before)

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
        learned = {
            "stays": dict(self.stays),
            "needed": {k: list(v) for k, v in self.needed.items()},
        }
        return {
            "ladders": ladders,
            "reviewers": reviewers,
            **{key: value for key, value in learned.items() if value},
        }


def prepare(
    root: Path,
    graph: TaskGraph,
    settings: Settings,
    workers: Workers | None = None,
    quality: Quality = Quality.SHINY,
    run: RunId | None = None,
) -> Crew:
    """WorkerNotInstalled with every task that nobody can do. `run`: one that goes on, and knows its own outcomes."""
    asked: Sequence[str] = list(workers or ())
    if workers is None:
        workers = registry.known(settings)
        asked = registry.order(settings, workers)
    tools = partial(offloading.first, root, settings, quality)
    if unable := registry.unable(graph.tasks.values(), workers, asked, tools):
        raise WorkerNotInstalled("\n".join(unable))
    scores = {
        task: complexity.score(graph.tasks[task], settings.complexity.model_dump())
        for task in graph
    }
    known = experience.gather(settings, run)
    ladders = _everyones(graph, scores, known, workers, asked, quality)
    asking = [graph.tasks[task] for task, every in ladders.items() if every[0][0].asks_a_model]
    found = offloading.find(root, asking, settings, quality)
    tries = {task: offloading.ahead(found, task, every) for task, every in ladders.items()}
    return Crew(
        workers={**workers, TOOL: offloading.worker(found, root)},
        ladders={task: every[0] for task, every in tries.items()},
        others={task: every[1:] for task, every in tries.items()},
        scores=scores,
        seconds=_seconds(ladders, known),
        reviewers=_reviewers(graph, ladders, workers, asked, quality),
        notes=(*known.notes, *found.notes),
        environment=_environment(root, settings),
        settings=settings,
        known=known,
        quality=quality,
        needed=_needed(root, graph, settings),
        stays=found.stays,
    )


def _needed(root: Path, graph: TaskGraph, settings: Settings) -> Mapping[TaskId, Sequence[str]]:
    """What cannot be read of it is no trouble of a run."""
    if settings.context.profiles == "off":
        return {}
    checks = {task.id: task.commands for task in graph.tasks.values()}
    try:
        return profiles.needed(root, checks, settings)
    except Exception:  # the run does without it, whatever is wrong here
        return {}


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
        if (wanted := _asks_for_review(graph.tasks[task], every[0][0].asks_a_model, quality))
    }


def _asks_for_review(task: Task, asks_a_model: bool, quality: Quality) -> tuple[Tier, str] | None:
    """The tier of who looks at it, and who asks for that."""
    if task.review is not None:
        return task.review, f'review="{task.review}" in the plan'
    if quality is Quality.CHROME and asks_a_model:
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
    root: Path | None = None,
) -> dict[TaskId, tuple[Route, str]]:
    """The first try of each task and why, also where its worker is not installed; without checkpoints."""
    found = planned(tasks, scores, settings, graph=graph, known=known, root=root)
    return {task: (tries[0], told) for task, (tries, told) in found.items()}


def planned(
    tasks: Iterable[Task],
    scores: Mapping[TaskId, Score],
    settings: Settings,
    *,
    graph: TaskGraph | None = None,
    known: Experience | None = None,
    root: Path | None = None,
) -> dict[TaskId, tuple[Ladder, str]]:
    """All tries of each, before any run has tried something out. `root`: of the project whose tools may do them; None: no tool does."""
    tasks = list(tasks)
    found = _by_models(tasks, scores, settings, graph, known)
    asking = [task for task in tasks if task.id in found and found[task.id][0][0].asks_a_model]
    tools = offloading.find(root, asking, settings, Quality.SHINY) if root else Found()
    for task, match in tools.matches.items():
        (tries,) = offloading.ahead(tools, task, [found[task][0]])
        found[task] = (tries, f"{match.tool.name}: {match.reason}")
    return found


def _by_models(
    tasks: Sequence[Task],
    scores: Mapping[TaskId, Score],
    settings: Settings,
    graph: TaskGraph | None,
    known: Experience | None,
) -> dict[TaskId, tuple[Ladder, str]]:
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
        tries = _ladders(task, scores[task.id], known, chosen[:1], fresh=fresh)[0]
        route = tries[0]
        missing = "" if able else f"; {route.worker} is not installed here"
        found[task.id] = (tries, f"{route.worker} {route.model or ''}: {route.reason}{missing}")
    return found


def may_vary(task: Task, route: Route, settings: Settings) -> bool:
    """A run may try out other models than it says."""
    ours = route.strategy is Strategy.CASCADE and not is_risky(task)
    return ours and settings.routing.explore


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
    ladders = [ladder(task, score, known, one, fresh=fresh, quality=quality) for one in able]
    for route in ladders[0]:
        if route.tier is not None and route.model is None:
            raise SettingsError(
                f"{task.id} needs {route.worker} on the tier {route.tier}, and no model is mapped to it; "
                f'write [models.{route.tier}] {route.worker} = "MODEL" into .orchestrator/config.toml'
            )
    return tuple(one for one in ladders if all(r.tier is None or r.model for r in one))


def ladder(
    task: Task,
    score: Score,
    known: Experience,
    worker: Worker,
    *,
    fresh: bool,
    quality: Quality = Quality.SHINY,
    trying: Trying = PLAIN,
    answers: Mapping[Tier, str] = NO_ANSWERS,
) -> Ladder:
    """Of one worker. `answers`: ids that were seen to answer on a tier, besides what is known already."""
    seats = _seats(worker)
    known = known.facing(list(seats.values()))
    forecasts = {
        tier: known.foresee(task, score, seat, fresh=fresh).forecast for tier, seat in seats.items()
    }
    ids = {**known.ids(worker.name, worker.models), **answers}
    reviewed = _asks_for_review(task, worker.asks_a_model, quality) is not None
    return routing.ladder(
        task,
        score,
        worker=worker.name,
        tiers=worker.tiers,
        models=worker.models,
        asks_a_model=worker.asks_a_model,
        provider=worker.provider,
        policy=policy(known.settings, known.rules, quality),
        keep=keeper(task, score, known, ids, forecasts, trying, reviewed=reviewed),
        forecasts=forecasts,
        answers=ids,
    )


def _seats(worker: Worker) -> dict[Tier | None, Seat]:
    """None stands for a worker that has no tiers."""
    own = None if not worker.asks_a_model else worker.name
    models: dict[Tier | None, str | None] = {t: worker.models.get(t) for t in worker.tiers}
    models = models or {None: own}
    return {t: Seat(worker.name, worker.provider(m), t, m) for t, m in models.items()}
