"""Which worktree each attempt of a run gets, and when one is put away. Refuses to put away what somebody may go on in."""

from __future__ import annotations

from pathlib import Path

from orchestrator.engine import handing, places
from orchestrator.engine.books import Books
from orchestrator.engine.crew import Crew
from orchestrator.engine.screen import Screen
from orchestrator.engine.site import Site
from orchestrator.graph import TaskGraph
from orchestrator.history import History, Tried
from orchestrator.model import Attempt, Reserve, RunId, Task, TaskId, TaskState
from orchestrator.prompt import referred
from orchestrator.tracker import Start, Tracker
from orchestrator.workspace import GitRefused, Ground, Place


class Sites:
    """Of one run. In the plain directory all work in the root, and there is nothing to put away."""

    def __init__(
        self,
        *,
        run: RunId,
        root: Path,
        graph: TaskGraph,
        history: History,
        tracker: Tracker,
        crew: Crew,
        ground: Ground | None,
        books: Books,
        screen: Screen,
    ) -> None:
        self._run, self._root, self._graph = run, root, graph
        self._history, self._tracker, self._crew = history, tracker, crew
        self._ground, self._books, self._screen = ground, books, screen
        self._ordinals = {task: number for number, task in enumerate(crew.scores, 1)}

    def hand(self, start: Start, reserve: Reserve | None) -> tuple[Attempt, Site | None]:
        """What a new attempt is handed, and its worktree."""
        task = start.task.id
        if self._ground is None:
            return self._attempt(start, self._root, reserve), None
        place = places.place(
            task,
            self._graph,
            self._history,
            self._tracker.states,
            home=self._ground.home,
            slug=self.slug(task),
            tip=self._ground.tip,
        )
        past = self._history.of(task)
        last = past.tried[-1] if past.tried else None
        site = self._site(self._ground, start, place, _begin(last) if place.stays else None)
        work = last.outcome.work if last and last.outcome else None
        site.seen = work.tree if work else None
        return self._attempt(start, place.path, reserve), site

    def again(self, task: Task, tried: Tried) -> tuple[Attempt, Site]:
        """The same for an attempt that is verified and has to land."""
        assert self._ground is not None
        assert tried.base is not None
        start = Start(task, tried.number, tried.route)
        site = self._site(
            self._ground, start, Place(Path(tried.workspace), tried.base), tried.begin
        )
        site.landed = tried.landing
        return self._attempt(start, site.place.path), site

    async def put_away(self, task: TaskId) -> None:
        """Its worktree, when it is over and nobody goes on in it. A trouble with that is no trouble of the run."""
        states, path = self._tracker.states, Path(self._history.of(task).tried[-1].workspace)
        over = states[task] in (TaskState.SUCCEEDED, TaskState.FAILED)
        mine = self._history.holders.get(str(path)) == task
        heir = places.has_heir(task, self._graph, states)
        if self._ground is None or not over or not mine or heir:
            return
        try:
            await self._ground.close(path)
        except (GitRefused, OSError) as trouble:
            self._screen.warn(f"the worktree {path} is still there: {trouble}")

    def _site(self, ground: Ground, start: Start, place: Place, begin: str | None) -> Site:
        task = start.task
        plan = self._graph.plan_of(task.id)
        return Site(
            ground=ground,
            place=place,
            plan=plan,
            task=task,
            run=self._run,
            number=start.number,
            route=start.route,
            ref=ground.ref(self.slug(task.id), start.number),
            needs=places.needs(task.id, self._graph, self._history),
            context=(*referred(plan), plan.path),
            begin=begin,
        )

    def _attempt(self, start: Start, place: Path, reserve: Reserve | None = None) -> Attempt:
        name = self._books.name(start.task.id, self._ordinals[start.task.id], start.number)
        return handing.hand(
            start,
            run=self._run,
            root=self._root,
            place=place,
            graph=self._graph,
            history=self._history,
            crew=self._crew,
            transcript=self._books.folder / name,
            reserve=reserve,
        )

    def slug(self, task: TaskId) -> str:
        """Of a task, in names of worktrees and refs; whoever takes a worktree over has refs of its own."""
        return self._books.slug(task, self._ordinals[task])


def _begin(last: Tried | None) -> str | None:
    """The tree that the tries in this worktree began with."""
    work = last.outcome.work if last and last.outcome else None
    return (work and work.begin) or (last and last.begin) or None
