"""begin() and resume(): a run from its plans, or from its journal. Refuses before anything starts what could not end well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator import complexity, journal, process, project, routing, workspace
from orchestrator.engine.attempt import Means
from orchestrator.engine.books import Books, prune
from orchestrator.engine.hub import Hub
from orchestrator.engine.order import Crew, Order, Screen
from orchestrator.errors import WorkerNotInstalled
from orchestrator.gates import Gates
from orchestrator.graph import TaskGraph
from orchestrator.journal import Journal
from orchestrator.model import EventKind, Route, RunId, Score, TaskId
from orchestrator.project import Loaded, Source
from orchestrator.settings import Settings, env_files
from orchestrator.workers import Worker, registry

__all__ = ["Crew", "Hub", "Order", "Screen", "begin", "prepare", "resume"]

Workers = Mapping[str, Worker]


def prepare(
    root: Path, graph: TaskGraph, settings: Settings, workers: Workers | None = None
) -> Crew:
    """Who does what; WorkerNotInstalled with every task that nobody can do."""
    workers = registry.installed() if workers is None else workers
    unable = registry.unable(graph.tasks.values(), workers)
    if unable:
        raise WorkerNotInstalled("\n".join(unable))
    scores = {task: complexity.score(graph.tasks[task]) for task in graph}
    extra = env_files(root, settings.workspace.env_files)
    return Crew(
        workers=workers,
        ladders=_ladders(graph, scores, settings, workers),
        scores=scores,
        environment=process.environment(settings.workspace.env_pass, extra),
        timeout_s=settings.run.timeout_s,
        stall_s=settings.run.stall_s,
    )


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
    workspace.refuse_unwritable(root / one.path for one in sources)
    with journal.writing(root) as book:
        prune(root, settings.run.retention_days)
        stored = [journal.store(one.id, one.path, one.content) for one in sources]
        kept = order.model_copy(update={"beside": loaded.beside})
        run = book.begin(kept.model_dump(mode="json"), stored)
        with Books(root, run) as books:
            hub = _hub(run, root, loaded, graph, crew, order, settings, book, screen, books)
            hub.begin(EventKind.RUN_STARTED)
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
    with journal.writing(root) as book:
        row = book.find(name)
        order = Order.model_validate({**row.asked, **changes})
        stored = book.plans(row.id)
        sources = [Source(one.id, one.path, one.content) for one in stored]
        loaded = project.reload(root, sources, order.beside)
        graph = project.chosen(loaded.checked(), order.only, order.start, order.skip)
        crew = prepare(root, graph, settings, workers)
        with Books(root, row.id) as books:
            hub = _hub(row.id, root, loaded, graph, crew, order, settings, book, screen, books)
            _catch_up(hub, book)
            for task in retry:
                hub.retry(project.task_named(graph, task).id)
            return row.id, await hub.run()


def _catch_up(hub: Hub, book: Journal) -> None:
    """The past through the same tracker; what ran when the engine died starts again, and no try is spent."""
    for event in book.events(hub.id):
        hub.replay(event)
    hub.begin(EventKind.RUN_RESUMED)
    hub.interrupt("the engine died while it ran")
    places = {t.id: (plan, t) for plan in hub.plans.values() for t in plan.tasks}
    trouble = hub.books.catch_up(places, hub.history)
    if trouble:
        hub.screen.warn(trouble)


def _hub(
    run: RunId,
    root: Path,
    loaded: Loaded,
    graph: TaskGraph,
    crew: Crew,
    order: Order,
    settings: Settings,
    book: Journal,
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
        journal=book,
        screen=screen,
        means=Means(root, settings.verify, Gates(settings.run.provider_wait_max_s)),
        books=books,
    )


def _ladders(
    graph: TaskGraph, scores: Mapping[TaskId, Score], settings: Settings, workers: Workers
) -> dict[TaskId, tuple[Route, ...]]:
    ladders = {}
    for task in graph.tasks.values():
        if task.is_checkpoint:
            continue
        worker = registry.choose(task, workers)
        ladders[task.id] = routing.ladder(
            task,
            scores[task.id],
            worker=worker.name,
            tiers=worker.tiers,
            models={},
            haiku_max=settings.routing.haiku_max,
            sonnet_max=settings.routing.sonnet_max,
        )
    return ladders
