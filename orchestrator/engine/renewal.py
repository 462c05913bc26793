"""Plans a task's tries anew just before the first of them: by what this run has seen, and by its draw. It leaves alone what has begun, and what is somebody's word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain

from orchestrator.engine import crew as crews
from orchestrator.engine import offloading
from orchestrator.engine.books import Books
from orchestrator.engine.crew import Crew, Ladder
from orchestrator.engine.escalation import Trying, drawn, is_ours
from orchestrator.engine.experience import Experience, trials
from orchestrator.graph import TaskGraph
from orchestrator.history import History, Tried
from orchestrator.ledger import Entry
from orchestrator.model import Event, EventKind, Route, Strategy, TaskId, Tier
from orchestrator.routing.evidence import Evidence, Trial
from orchestrator.tracker import Tracker

BEGINS = (EventKind.RUN_STARTED, EventKind.RUN_RESUMED)


class Renewal:
    """Of one run. Called with a task that may start now; True: its tries are others from now on, and that is recorded."""

    def __init__(
        self,
        graph: TaskGraph,
        tracker: Tracker,
        history: History,
        crew: Crew,
        books: Books,
        record: Callable[..., Event],
    ) -> None:
        self._graph, self._tracker, self._history = graph, tracker, history
        self._crew, self._books, self._record = crew, books, record
        self._known = crew.known or Experience(crew.settings)
        self._ended = dict[TaskId, int]()  # attempts of each task that are in its trials
        self._trials = dict[TaskId, list[Trial]]()
        # worker, name of a model -> the id that answered
        self._answers = dict[tuple[str, str], str]()
        self._told_off = set[TaskId]()  # tasks whose tool was disabled meanwhile
        self._planned = dict[TaskId, int]()  # how many trials were known when it was planned

    def __call__(self, task: TaskId) -> bool:
        ahead, here = offloading.split(self._tracker.ladder(task))
        rung, tried = self._tracker.rung(task), self._history.of(task).tried
        if ahead and self._tells_off(task, ahead[:rung], here):
            return True
        if rung < len(ahead) or offloading.by_models(tried) or not is_ours(here[0]):
            return False
        self._look()
        outcomes = sum(len(every) for every in self._trials.values())
        if self._planned.get(task) == outcomes:
            return False
        self._planned[task] = outcomes
        anew = self._plan(task, here[0].worker)
        if anew == here or not all(one.tier is None or one.model for one in anew):
            return False
        counted = f"{outcomes} outcome{'s' if outcomes != 1 else ''}"
        said = _tries(anew) != _tries(here)
        why = f"{anew[0].reason} ({counted} of this run)" if said else ""
        self._reroute(task, (*ahead, *anew), why)
        return True

    def _tells_off(self, task: TaskId, over: Ladder, rest: Ladder) -> bool:
        """Its tool was disabled since the run began: a model is next. That is said once. `over`: tries that it had."""
        first = self._tracker.ladder(task)[0]
        why = offloading.stopped(self._crew.workers, first)
        if not why or task in self._told_off:
            return False
        self._told_off.add(task)
        self._reroute(task, (*over, *rest), why)
        return True

    def _reroute(self, task: TaskId, ladder: Ladder, why: str) -> None:
        data = {"ladder": [one.model_dump(mode="json") for one in ladder], "reason": why}
        self._record(EventKind.REROUTED, data, task=task)

    def _plan(self, task: TaskId, name: str) -> Ladder:
        worker = self._crew.workers[name]
        named = {tier: (name, model) for tier, model in worker.models.items()}
        return crews.ladder(
            self._graph.tasks[task],
            self._crew.scores[task],
            self._known,
            worker,
            fresh=crews.starts_fresh(self._graph.tasks[task], self._graph),
            quality=self._crew.quality,
            trying=Trying(drawn(self._books.run, task)),
            answers={t: self._answers[one] for t, one in named.items() if one in self._answers},
        )

    def _look(self) -> None:
        """What has ended since it was last asked."""
        changed = False
        for task, past in self._history.tasks.items():
            ended = [one for one in past.tried if one.outcome is not None]
            if len(ended) != self._ended.get(task, 0):
                self._ended[task], changed = len(ended), True
                self._trials[task] = list(self._read(task, ended))
        if changed:
            base = (self._crew.known or Experience(self._crew.settings)).evidence
            every = chain.from_iterable(self._trials.values())
            evidence = reduce(Evidence.learn, every, base)
            self._known = replace(self._known, evidence=evidence)

    def _read(self, task: TaskId, ended: Sequence[Tried]) -> Iterator[Trial]:
        """As the ledger will tell it."""
        place, plan = self._graph.tasks[task], self._graph.plan_of(task)
        lines = list[Entry]()
        for tried in ended:
            line = self._books.entry(plan, place, self._history, tried)
            if line is not None:
                lines.append(line)
                if line.model_version and tried.route.model:
                    self._answers[tried.route.worker, tried.route.model] = line.model_version
        return (trial for trial in trials(lines) if trial.counts)


def _tries(ladder: Ladder) -> list[str | None]:
    return [one.model for one in ladder]


def as_begun(crew: Crew, events: Iterable[Event]) -> Crew:
    """Of a run that goes on: a task that had begun keeps its tries, as its place among them is counted in these.

    Where who does it was changed since, or the tries are somebody's word, they are those of today.
    """
    ladders, begun = dict[TaskId, Ladder](), set[TaskId]()
    for event in events:
        if event.kind in BEGINS:
            for task, routes in event.data["ladders"].items():
                ladders[task] = tuple(map(Route.model_validate, routes))
        elif event.kind is EventKind.REROUTED and event.task is not None:
            ladders[event.task] = tuple(map(Route.model_validate, event.data["ladder"]))
        elif event.kind is EventKind.ATTEMPT_STARTED and event.task is not None:
            begun.add(event.task)
    kept, others = dict[TaskId, Ladder](), dict[TaskId, tuple[Ladder, ...]]()
    for task, today in crew.ladders.items():
        if task in begun and task in ladders:
            ahead, past = offloading.split(ladders[task])
            _, own = offloading.split(today)
            kept[task] = (*ahead, *(past if past and _stands(past, own, crew) else own))
            every = crew.others.get(task, ())
            others[task] = tuple((*ahead, *offloading.split(one)[1]) for one in every)
    return replace(crew, ladders={**crew.ladders, **kept}, others={**crew.others, **others})


def _stands(past: Ladder, today: Ladder, crew: Crew) -> bool:
    models: Mapping[Tier, str] = crew.workers[today[0].worker].models
    same = all(
        one.worker == today[0].worker and one.tier and models.get(one.tier) == one.model
        for one in past
    )
    return same and is_ours(today[0]) and any(one.strategy is Strategy.CASCADE for one in past)
