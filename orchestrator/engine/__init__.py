"""begin() and resume(): a run from its plans, or from its journal. Refuses before anything starts what could not end well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio import to_thread

from orchestrator import disk, journal, project
from orchestrator.engine import crediting, fencing, grounds, naming
from orchestrator.engine.attempt import Means
from orchestrator.engine.books import Books, Outcomes, prune
from orchestrator.engine.crew import Crew, Workers, likely, may_vary, planned, policy, prepare
from orchestrator.engine.edits import Edits
from orchestrator.engine.experience import Experience, Foreseen, Seat, gather, lessons
from orchestrator.engine.fencing import Barrier, Boundary
from orchestrator.engine.finale import Turn
from orchestrator.engine.hindsight import refused
from orchestrator.engine.hub import Hub
from orchestrator.engine.renewal import as_begun
from orchestrator.engine.screen import Screen
from orchestrator.engine.siblings import Siblings
from orchestrator.engine.signals import heeded
from orchestrator.engine.slots import Slots
from orchestrator.engine.space import Space, refuse_shortage
from orchestrator.engine.treasurer import remembered
from orchestrator.graph import TaskGraph
from orchestrator.history import History, fold
from orchestrator.journal import Journal, StoredPlan
from orchestrator.model import Event, EventKind, RunId
from orchestrator.order import Order
from orchestrator.process import brief
from orchestrator.process.leftover import end_leftovers
from orchestrator.project import Loaded, Source
from orchestrator.settings import Settings
from orchestrator.workspace import Ground
from orchestrator.workspace.result import Start

__all__ = [
    "Crew",
    "Engine",
    "Experience",
    "Foreseen",
    "Given",
    "Hub",
    "Order",
    "Screen",
    "Seat",
    "Slots",
    "begin",
    "gather",
    "held",
    "lessons",
    "likely",
    "may_vary",
    "planned",
    "policy",
    "prepare",
    "prune",
    "resume",
]


Heed = Callable[[Hub], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Given:
    """What a run is made of, as it was when it began, and who watches it now."""

    run: RunId
    order: Order
    stored: Sequence[StoredPlan]
    loaded: Loaded
    graph: TaskGraph
    crew: Crew
    screen: Screen


async def begin(
    root: Path,
    sources: Sequence[Source],
    loaded: Loaded,
    order: Order,
    settings: Settings,
    screen: Screen,
    workers: Workers | None = None,
    crew: Crew | None = None,
) -> tuple[RunId, int]:
    """Run the plans from the start, alone in the project. The run's name and the exit code. `crew`: who has prepared one."""
    if crew is None:
        graph = project.chosen(loaded.checked(), order.only, order.start, order.left_out)
        crew = prepare(root, graph, settings, workers, order.quality)
    if not order.isolated:
        disk.refuse_unwritable(root / one.path for one in sources)
    async with held(root, settings, screen.warn) as engine:
        given = engine.new(sources, loaded, order, crew, screen)
        return given.run, await engine.play(given)


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
    async with held(root, settings, screen.warn) as engine:
        given, events = await engine.old(name, settings, screen, changes, workers)
        return given.run, await engine.play(given, events, retry)


@asynccontextmanager
async def held(
    root: Path,
    settings: Settings,
    warn: Callable[[str], None],
    slots: Slots | None = None,
    heed: Heed = heeded,
) -> AsyncIterator[Engine]:
    """The project, with the sole right to work in it, and nothing left running in it by an engine that is gone."""
    boundary = await fencing.choose(settings.sandbox)
    refuse_shortage(root, settings.run.min_free_mb)
    with journal.writing(root) as book:
        if book.trouble:
            warn(book.trouble)
        for line in await end_leftovers(root, warn):
            warn(f"ended what an earlier run had left running: {line}")
        with brief.held(root):
            prune(root, settings.run.retention_days)
            yield Engine(root, book, boundary, slots or Slots(), heed)


@dataclass(frozen=True, slots=True)
class Engine:
    """The holder of a project. Runs share its journal, its slots, and the turn to hand over; `heed` says who can end them."""

    root: Path
    book: Journal
    boundary: Boundary
    slots: Slots
    heed: Heed
    turn: anyio.Lock = field(default_factory=anyio.Lock)
    live: dict[RunId, Hub] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=Outcomes)

    def new(
        self,
        sources: Sequence[Source],
        loaded: Loaded,
        order: Order,
        crew: Crew,
        screen: Screen,
    ) -> Given:
        """A run of these plans, on record from now on."""
        graph = project.chosen(loaded.checked(), order.only, order.start, order.left_out)
        stored = [journal.store(one.id, one.path, one.content) for one in sources]
        kept = order.model_copy(update={"beside": loaded.beside})
        run = self.book.begin(kept.model_dump(mode="json"), stored)
        return Given(run, order, stored, loaded, _weighed(graph, crew, screen), crew, screen)

    async def old(
        self,
        name: str | None,
        settings: Settings,
        screen: Screen,
        changes: Mapping[str, object],
        workers: Workers | None = None,
    ) -> tuple[Given, list[Event]]:
        """A run of the journal, with its past. The ledger is read in a thread: other runs go on meanwhile."""
        row = self.book.find(name)
        events = self.book.events(row.id)
        order = Order.model_validate({**row.asked, **remembered(events), **changes})
        stored = self.book.plans(row.id)
        sources = [Source(one.id, one.path, one.content) for one in stored]
        loaded = project.reload(self.root, sources, order.beside, isolated=order.isolated)
        graph = project.chosen(loaded.checked(), order.only, order.start, order.left_out)
        crew = await to_thread.run_sync(
            prepare, self.root, graph, settings, workers, order.quality, row.id
        )
        crew = as_begun(crew, events)
        graph = _weighed(graph, crew, screen)
        return Given(row.id, order, stored, loaded, graph, crew, screen), events

    async def play(
        self, given: Given, events: Sequence[Event] = (), retry: Sequence[str] = ()
    ) -> int:
        """A run from wherever it is: its past is applied by the code that its present is applied by. The exit code."""
        for told in await naming.spare(self.root, given.loaded.plans, given.crew):
            given.screen.warn(told)
        past, settings = fold(events), given.crew.settings
        links = await fencing.links(self.boundary, self.root, given.order)
        with (
            Books(self.root, given.run, given.crew.strength, self.outcomes) as books,
            Space(self.root, self.book, settings.run.min_free_mb) as space,
            fencing.raised(
                self.boundary, self.root, books.folder, given.order, settings, links
            ) as barrier,
            Edits(self.root, given.stored, given.screen),
        ):
            start = await self._start(given, past)
            ground = await self._ground(given, start, books, barrier) if start else None
            if ground is not None:
                await grounds.lay_branch(ground, past)
            hub = self._hub(given, ground, books, barrier, space)
            for event in events:
                hub.replay(event)
            with self._announced(hub):
                hub.begin(EventKind.RUN_RESUMED if events else EventKind.RUN_STARTED, start)
                if ground is not None:
                    warn = given.screen.warn
                    await grounds.recover(ground, past, hub.slug, hub.record, warn)
                if events:
                    await _catch_up(hub, retry)
                async with self.heed(hub):
                    return await hub.run()

    @contextmanager
    def _announced(self, hub: Hub) -> Iterator[None]:
        """Before its first event: who looks knows that somebody works on it."""
        self.live[hub.id] = hub
        self.book.announce(self.live)
        try:
            yield
        finally:
            del self.live[hub.id]
            self.book.announce(self.live)

    async def _start(self, given: Given, past: History) -> Start | None:
        """Where it began; now, if it did not begin yet. None: in the plain directory."""
        if not given.order.isolated:
            return None
        if past.ground is not None:
            return Start.model_validate(past.ground)
        async with self.turn:  # what another run hands over meanwhile would be taken for a person's
            return await grounds.start(self.root, given.run, given.order)

    async def _ground(self, given: Given, start: Start, books: Books, barrier: Barrier) -> Ground:
        return await grounds.ground(
            self.root,
            given.run,
            start,
            given.crew.settings.workspace,
            books.folder,
            given.crew.environment,
            [plan.path for plan in given.loaded.plans],
            barrier.fence,
        )

    def _hub(
        self, given: Given, ground: Ground | None, books: Books, barrier: Barrier, space: Space
    ) -> Hub:
        settings = given.crew.settings
        siblings = Siblings(settings.run.share_prompt_cache_s)
        return Hub(
            run=given.run,
            root=self.root,
            plans={plan.id: plan for plan in given.loaded.plans},
            graph=given.graph,
            crew=given.crew,
            order=given.order,
            space=space,
            screen=given.screen,
            means=Means(self.root, settings, siblings, ground, barrier),
            books=books,
            slots=self.slots,
            turn=Turn(self.turn, given.order.unattended),
        )


def _weighed(graph: TaskGraph, crew: Crew, screen: Screen) -> TaskGraph:
    """By what tasks like these took, where that is known."""
    for note in crew.notes:
        screen.warn(note)
    return graph.weighed(crew.seconds) if crew.seconds else graph


async def _catch_up(hub: Hub, retry: Sequence[str]) -> None:
    """What ran when the engine died starts again, and no try is spent; so does what a person asks for."""
    hub.interrupt("the engine died while it ran")
    places = {t.id: (plan, t) for plan in hub.plans.values() for t in plan.tasks}
    if trouble := hub.books.catch_up(places, hub.history):
        hub.screen.warn(trouble)
    hub.books.wrong += [(t.id, number) for _, t, number in refused(hub.graph, hub.history)]
    await crediting.make_up(hub.crew, hub.books, hub.history, hub.screen.warn)
    for task in retry:
        hub.retry(project.task_named(hub.graph, task).id)
