"""begin() and resume(): a run from its plans, or from its journal. Refuses before anything starts what could not end well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator import complexity, disk, journal, process, project, redact, routing
from orchestrator.engine import fencing, grounds
from orchestrator.engine.attempt import Means
from orchestrator.engine.books import Books, prune
from orchestrator.engine.edits import Edits
from orchestrator.engine.fencing import Barrier
from orchestrator.engine.hub import Hub
from orchestrator.engine.order import Crew, Order, Screen
from orchestrator.engine.siblings import Siblings
from orchestrator.engine.space import Space, refuse_shortage
from orchestrator.errors import SettingsError, WorkerNotInstalled
from orchestrator.graph import TaskGraph
from orchestrator.history import History, fold
from orchestrator.journal import Journal
from orchestrator.model import EventKind, Route, RunId, Score, Task, TaskId
from orchestrator.process.leftover import MARK, end_leftovers
from orchestrator.project import Loaded, Source
from orchestrator.settings import Settings, env_files
from orchestrator.workers import Worker, registry
from orchestrator.workspace.result import Start

__all__ = ["Crew", "Hub", "Order", "Screen", "begin", "prepare", "resume"]

Workers = Mapping[str, Worker]


def prepare(
    root: Path, graph: TaskGraph, settings: Settings, workers: Workers | None = None
) -> Crew:
    """Who does what; WorkerNotInstalled with every task that nobody can do."""
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
    extra = env_files(root, settings.workspace.env_files)
    redact.pardon(settings.workspace.public_env)
    redact.learn(extra)  # before the first word of any of it can come back
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
        environment={
            **process.environment(settings.workspace.env_pass, extra),
            MARK: str(root),
        },
        timeout_s=settings.run.timeout_s,
        stall_s=settings.run.stall_s,
        silent_s=settings.run.silent_s or None,
        longest_wait_s=settings.run.provider_wait_max_s,
        on_quota=settings.run.on_quota,
        checkpoints=settings.checkpoints,
        max_usd=settings.budget.attempt_usd,
        max_turns=settings.budget.attempt_turns,
    )


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


async def begin(
    root: Path,
    sources: Sequence[Source],
    loaded: Loaded,
    order: Order,
    settings: Settings,
    screen: Screen,
    workers: Workers | None = None,
) -> tuple[RunId, int]:
    """Run the plans from the start. The run's name and the exit code."""
    graph = project.chosen(loaded.checked(), order.only, order.start, order.skip)
    crew = prepare(root, graph, settings, workers)
    boundary = await fencing.choose(settings.sandbox)
    refuse_shortage(root, settings.run.min_free_mb)
    if not order.isolated:
        disk.refuse_unwritable(root / one.path for one in sources)
    with journal.writing(root) as book, Space(root, book, settings.run.min_free_mb) as space:
        await _take_over(root, book, screen)
        prune(root, settings.run.retention_days)
        stored = [journal.store(one.id, one.path, one.content) for one in sources]
        kept = order.model_copy(update={"beside": loaded.beside})
        run = book.begin(kept.model_dump(mode="json"), stored)
        with (
            Books(root, run) as books,
            fencing.raised(boundary, root, books.folder, order, settings) as barrier,
            Edits(root, stored, screen),
        ):
            start = await grounds.start(root, run, order) if order.isolated else None
            means = await _means(root, run, loaded, crew, settings, books, start, barrier)
            hub = _hub(run, root, loaded, graph, crew, order, means, space, screen, books)
            hub.begin(EventKind.RUN_STARTED, start)
            if means.ground is not None:
                await grounds.lay_branch(means.ground, None)
            return run, await hub.run()


async def resume(
    root: Path,
    name: str | None,
    settings: Settings,
    screen: Screen,
    changes: Mapping[str, object],
    retry: Sequence[str] = (),
    workers: Workers | None = None,
) -> tuple[RunId, int]:
    """Go on with a run from the journal's own copy of its plans. `changes` are the new words of its Order."""
    boundary = await fencing.choose(settings.sandbox)
    refuse_shortage(root, settings.run.min_free_mb)
    with journal.writing(root) as book, Space(root, book, settings.run.min_free_mb) as space:
        await _take_over(root, book, screen)
        row = book.find(name)
        order = Order.model_validate({**row.asked, **changes})
        stored = book.plans(row.id)
        sources = [Source(one.id, one.path, one.content) for one in stored]
        loaded = project.reload(root, sources, order.beside, isolated=order.isolated)
        graph = project.chosen(loaded.checked(), order.only, order.start, order.skip)
        crew = prepare(root, graph, settings, workers)
        with (
            Books(root, row.id) as books,
            fencing.raised(boundary, root, books.folder, order, settings) as barrier,
            Edits(root, stored, screen),
        ):
            events = book.events(row.id)
            past = fold(events)
            start = await _started(root, row.id, order, past) if order.isolated else None
            means = await _means(root, row.id, loaded, crew, settings, books, start, barrier)
            if means.ground is not None:
                await grounds.lay_branch(means.ground, past)
            hub = _hub(row.id, root, loaded, graph, crew, order, means, space, screen, books)
            for event in events:
                hub.replay(event)
            hub.begin(EventKind.RUN_RESUMED if events else EventKind.RUN_STARTED, start)
            if means.ground is not None:
                await grounds.recover(means.ground, past, hub.slug, hub.record, screen.warn)
            _catch_up(hub, retry)
            return row.id, await hub.run()


async def _take_over(root: Path, book: Journal, screen: Screen) -> None:
    """From an engine that is gone: what it lost is said, what it left running is ended before anything starts."""
    if book.trouble:
        screen.warn(book.trouble)
    for line in await end_leftovers(root):
        screen.warn(f"ended what an earlier run had left running: {line}")


async def _started(root: Path, run: RunId, order: Order, past: History) -> Start:
    """Where it began; now, if the engine died before it had begun."""
    if past.ground is not None:
        return Start.model_validate(past.ground)
    return await grounds.start(root, run, order)


async def _means(
    root: Path,
    run: RunId,
    loaded: Loaded,
    crew: Crew,
    settings: Settings,
    books: Books,
    start: Start | None,
    barrier: Barrier,
) -> Means:
    own = settings.workspace
    paths = [plan.path for plan in loaded.plans]
    ground = None
    if start is not None:
        ground = await grounds.ground(
            root, run, start, own, books.folder, crew.environment, paths, barrier.fence
        )
    return Means(
        root,
        settings.verify,
        Siblings(settings.run.share_prompt_cache_s),
        ground,
        own.scope,
        own.final_checks,
        own.look_s,
        barrier,
    )


def _catch_up(hub: Hub, retry: Sequence[str]) -> None:
    """What ran when the engine died starts again, and no try is spent; so does what a person asks for."""
    hub.interrupt("the engine died while it ran")
    places = {t.id: (plan, t) for plan in hub.plans.values() for t in plan.tasks}
    trouble = hub.books.catch_up(places, hub.history)
    if trouble:
        hub.screen.warn(trouble)
    for task in retry:
        hub.retry(project.task_named(hub.graph, task).id)


def _hub(
    run: RunId,
    root: Path,
    loaded: Loaded,
    graph: TaskGraph,
    crew: Crew,
    order: Order,
    means: Means,
    space: Space,
    screen: Screen,
    books: Books,
) -> Hub:
    return Hub(
        run=run,
        root=root,
        plans={plan.id: plan for plan in loaded.plans},
        graph=graph,
        crew=crew,
        order=order,
        space=space,
        screen=screen,
        means=means,
        books=books,
    )


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
