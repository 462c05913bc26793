"""The run without I/O: what may start now, and what an event means. Refuses every move that MOVES does not list.

The tracker holds the only copy of the run's state, and the state changes in one way: an event that is
already in the journal is applied. A live run and a resumed one therefore are the same code over the same
events; what a crash can take away is the end of the list, never its meaning. From that follow its rules:

* No clock, no await, no file. Two trackers that saw the same events are equal.
* `ready` and `due` only look; asking twice changes nothing.
* A task is RUNNING from its attempt's first event to its last. An engine that finds one RUNNING after a
  replay knows that it died there, and says so with an INTERRUPTED outcome, which spends no try.
* Dependants of a failed task are SKIPPED at once, and only they. All else goes on.
* If nothing runs, nothing may start, nobody is asked and the run is not over, the graph lies. That is our
  bug, and `ready` says so instead of waiting for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from orchestrator.graph import TaskGraph
from orchestrator.graph.writes import normal, overlaps
from orchestrator.model import (
    Answer,
    Cap,
    Event,
    EventKind,
    Failure,
    Outcome,
    Route,
    Task,
    TaskId,
    TaskState,
)
from orchestrator.reactions import OF_MODELS, REACTIONS, Reaction

MOVES = {  # every legal step; anything else is our bug
    TaskState.WAITING: {TaskState.RUNNING, TaskState.PAUSED, TaskState.SKIPPED},
    TaskState.RUNNING: {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.WAITING, TaskState.PAUSED},
    TaskState.PAUSED: {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.RUNNING},
    TaskState.SUCCEEDED: set(),
    TaskState.FAILED: {TaskState.WAITING},  # a person asks for a retry
    TaskState.SKIPPED: {TaskState.WAITING},
}
FINAL = {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED}


@dataclass(frozen=True, slots=True)
class Start:
    """The tracker's one instruction to the engine."""

    task: Task
    number: int  # of the attempt, 1-based; interrupted ones count, so that it never repeats
    route: Route


class Tracker:
    def __init__(self, graph: TaskGraph, *, capacity: int, fail_fast: bool = False) -> None:
        self._graph = graph
        self._ladders: dict[TaskId, tuple[Route, ...]] = {}
        self._reviewers: dict[TaskId, Route] = {}
        self._capacity = capacity
        self._fail_fast = fail_fast
        self._attempts = dict.fromkeys(graph, 0)
        self._rung = dict.fromkeys(graph, 0)  # place on the ladder of the next try
        self._worker: dict[TaskId, str] = {}  # of the latest attempt
        self._caps: dict[TaskId, tuple[Cap | None, ...]] = {}  # of it, of dollars and of tokens
        self._fought: dict[TaskId, set[str]] = {}  # files in which its work did not fit
        self._touched: dict[TaskId, set[str]] = {}  # what it is seen to write besides its <files>
        self.held: set[TaskId] = set()  # their work waits for a person
        self.refused: set[TaskId] = set()  # the budget has no room for their next try
        self.states = dict.fromkeys(graph, TaskState.WAITING)
        self.stopped: str | None = None  # why no new attempt may start
        self.closed: dict[str, float] = {}  # gate -> Unix seconds: nothing starts before

    @property
    def running(self) -> list[TaskId]:
        return [task for task, state in self.states.items() if state is TaskState.RUNNING]

    @property
    def paused(self) -> list[TaskId]:
        return [task for task, state in self.states.items() if state is TaskState.PAUSED]

    @property
    def done(self) -> bool:
        """Nothing is left to wait for: all final or out of reach for want of money, or stopped with nothing running."""
        if self.stopped is not None:
            return not self.running
        return all(
            state in FINAL or (state is TaskState.WAITING and self._is_unaffordable(task))
            for task, state in self.states.items()
        )

    @property
    def blocked(self) -> bool:
        """Only people can bring the run forward."""
        return bool(self.paused) and not (self.running or self._open() or self.due())

    @property
    def parked(self) -> list[TaskId]:
        """What could start, but for a closed gate. None is closed before the run has begun, and it has no ladders yet."""
        return [task for task in self._open() if self._is_held(task)] if self.closed else []

    def rung(self, task: TaskId) -> int:
        return self._rung[task]

    def route(self, task: TaskId) -> Route:
        """Of its next try."""
        return self._ladders[task][self._rung[task]]

    def gates(self, task: TaskId) -> tuple[str, ...]:
        """What its next try needs to be open: its own, and its reviewer's."""
        reviewer = self._reviewers.get(task)
        own = self.route(task).gates
        return tuple(dict.fromkeys((*own, *reviewer.gates))) if reviewer else tuple(own)

    def ladder(self, task: TaskId) -> tuple[Route, ...]:
        return self._ladders[task]

    def attempts(self, task: TaskId) -> int:
        return self._attempts[task]

    def ready(self, besides: Collection[TaskId] = ()) -> list[Start]:
        """What to start now, most urgent first, never more than the free slots. `besides`: what waits for money."""
        busy, chosen = self.running, list[TaskId]()
        for task in self._open():
            if task in besides:
                continue
            if len(busy) + len(chosen) >= self._capacity:
                break
            clashes = any(self._clash(task, other) for other in (*busy, *chosen))
            if not clashes and not self._is_held(task):
                chosen.append(task)
        waits = busy or chosen or besides or self.paused or self.due() or self.parked
        stuck = not (self.done or waits)
        assert not stuck, "stuck: nothing runs, nothing may start, and the run is not over"
        return [self._start(task) for task in chosen]

    def due(self) -> list[Task]:
        """Checkpoints whose turn it is: ask a person."""
        if self.stopped is not None:
            return []
        return [self._graph.tasks[t] for t in self._graph if self._may_start(t, checkpoint=True)]

    def apply(self, event: Event) -> None:
        """The one way in which anything here changes."""
        APPLY.get(event.kind, _nothing)(self, event)

    def _start(self, task: TaskId) -> Start:
        return Start(self._graph.tasks[task], self._attempts[task] + 1, self.route(task))

    def _clash(self, task: TaskId, other: TaskId) -> bool:
        """They must take turns: by what the plans say, or by what was seen of them."""
        if self._graph.clash(task, other) or self._fought.get(task, set()) & self._fought.get(
            other, set()
        ):
            return True
        declared = self._graph.tasks[task].files or ()
        touched = self._touched.get(other, ())
        return any(overlaps(normal(mine), file) for mine in declared for file in touched)

    def _is_held(self, task: TaskId) -> bool:
        return any(gate in self.closed for gate in self.gates(task))

    def _open(self) -> list[TaskId]:
        """Tasks that may start but for slots and clashes: the longest remaining path first."""
        if self.stopped is not None:
            return []
        mine = [task for task in self._graph if self._may_start(task, checkpoint=False)]
        return sorted(mine, key=lambda task: -self._graph.remaining_s(task))

    def _may_start(self, task: TaskId, *, checkpoint: bool) -> bool:
        return (
            self.states[task] is TaskState.WAITING
            and task not in self.refused
            and self._graph.tasks[task].is_checkpoint is checkpoint
            and all(self.states[t] is TaskState.SUCCEEDED for t in self._graph.before(task))
        )

    def _is_unaffordable(self, task: TaskId) -> bool:
        return bool(self.refused) and not self.refused.isdisjoint(
            {task, *self._graph.all_before(task)}
        )

    def _move(self, task: TaskId, new: TaskState) -> None:
        old = self.states[task]
        assert new in MOVES[old], f"{task} is {old}; it cannot become {new}"
        self.states[task] = new

    def _started(self, task: TaskId, event: Event) -> None:
        self._move(task, TaskState.RUNNING)
        self._worker[task] = event.data.get("route", {}).get("worker", "")
        self._attempts[task] += 1
        reserve = event.data.get("reserve") or {}
        self._caps[task] = (reserve.get("usd_cap"), reserve.get("tokens_cap"))

    def _saw(self, task: TaskId, event: Event) -> None:
        self._touched.setdefault(task, set()).update(event.data["files"])

    def _finished(self, task: TaskId, event: Event) -> None:
        self._touched.pop(task, None)
        outcome = Outcome.model_validate(event.data["outcome"])
        if outcome.failure is None:
            self._move(task, TaskState.SUCCEEDED)
            return
        reaction = REACTIONS[outcome.failure]
        if outcome.failure is Failure.BUDGET:
            reaction = self._after_cap(task)
        if self.route(task).tool and reaction in OF_MODELS:
            reaction = Reaction.NEXT_TRY
        if reaction is Reaction.STOP and self._was_sent_back(task):
            reaction = Reaction.SAME_TRY
        if reaction is Reaction.STOP:
            self.stopped = f"{task} met {outcome.failure}, and somebody must put that right first"
        next_rung = self._next_rung(task, reaction)
        if reaction is Reaction.ONCE_MORE:
            self._fought.setdefault(task, set()).update(outcome.conflicts)
        if next_rung < len(self._ladders[task]):
            self._rung[task] = next_rung
            self._move(task, TaskState.WAITING)
        else:
            self._fail(task)

    def _after_cap(self, task: TaskId) -> Reaction:
        """Who is dearer gets less done under the same cap of dollars. Records of before such caps were told mean the next try."""
        caps, ladder = self._caps.get(task, ()), self._ladders[task]
        if not any(caps):
            return Reaction.NEXT_TRY
        above = self._next_rung(task, Reaction.NEXT_RUNG)
        dollars_alone = caps[0] == Cap.ATTEMPT and caps[1] != Cap.ATTEMPT
        if dollars_alone and above < len(ladder):
            here, then = ladder[self._rung[task]].usd_per_token, ladder[above].usd_per_token
            if here is not None and then is not None and then > here:
                return Reaction.FAIL
        return Reaction.NEXT_RUNG

    def _was_sent_back(self, task: TaskId) -> bool:
        """From a worker that had taken over to its own: the other one's trouble stops nobody."""
        return self._worker[task] not in ("", self.route(task).worker)

    def _next_rung(self, task: TaskId, reaction: Reaction) -> int:
        """The place of the next try; the ladder's length if there is none."""
        ladder, here = self._ladders[task], self._rung[task]
        match reaction:
            case Reaction.ONCE_MORE:
                return len(ladder) if task in self._fought else here
            case Reaction.SAME_TRY | Reaction.STOP:  # who puts it right resumes the run
                return here
            case Reaction.NEXT_TRY:
                return here + 1
            case Reaction.NEXT_RUNG:
                above = range(here + 1, len(ladder))
                return next(
                    (n for n in above if ladder[n].tier is not ladder[here].tier), len(ladder)
                )
            case Reaction.FAIL:
                return len(ladder)

    def _fail(self, task: TaskId) -> None:
        self._move(task, TaskState.FAILED)
        if self._fail_fast and self.stopped is None:
            self.stopped = f"{task} failed, and --fail-fast was asked for"
        for later in self._graph.all_after(task):
            if self.states[later] is TaskState.WAITING:
                self._move(later, TaskState.SKIPPED)

    def _asked(self, task: TaskId, _event: Event) -> None:
        self._move(task, TaskState.PAUSED)

    def _held(self, task: TaskId, _event: Event) -> None:
        self.held.add(task)
        self._move(task, TaskState.PAUSED)

    def _answered(self, task: TaskId, event: Event) -> None:
        if task in self.held:  # its attempt goes on: it lands, or ends as rejected
            self.held.discard(task)
            self._move(task, TaskState.RUNNING)
        elif Answer.model_validate(event.data["answer"]).approved:
            self._move(task, TaskState.SUCCEEDED)
        else:
            self._fail(task)

    def _retry(self, task: TaskId, _event: Event) -> None:
        """From the first rung; what was skipped for this task alone waits again."""
        self._rung[task] = 0
        self._fought.pop(task, None)
        self._move(task, TaskState.WAITING)
        for later in self._graph.all_after(task):
            failed = map(self._is_failed, self._graph.all_before(later))
            if self.states[later] is TaskState.SKIPPED and not any(failed):
                self._move(later, TaskState.WAITING)

    def _is_failed(self, task: TaskId) -> bool:
        return self.states[task] is TaskState.FAILED

    def _rerouted(self, task: TaskId, event: Event) -> None:
        """Another worker goes on where this one must wait: on the same rung."""
        routes = tuple(Route.model_validate(route) for route in event.data["ladder"])
        self._ladders[task] = routes
        self._rung[task] = min(self._rung[task], len(routes) - 1)

    def _short(self, task: TaskId, event: Event) -> None:
        if event.data["stops"]:
            self.refused.add(task)

    def _gate_closed(self, event: Event) -> None:
        gate, until = event.data["gate"], event.data["until"]
        self.closed[gate] = max(until, self.closed.get(gate, until))

    def _gate_opened(self, event: Event) -> None:
        self.closed.pop(event.data["gate"], None)

    def _draining(self, event: Event) -> None:
        self.stopped = event.data["reason"]

    def _planned(self, event: Event) -> None:
        """The ladders are part of the run's start, so that a replay needs no settings of today."""
        self.stopped = None
        self.refused.clear()  # there may be more money now
        told = event.data.get("reviewers", {})
        self._reviewers = {task: Route.model_validate(route) for task, route in told.items()}
        for task, routes in event.data["ladders"].items():
            self._ladders[task] = tuple(Route.model_validate(route) for route in routes)
            self._rung[task] = min(self._rung[task], len(routes) - 1)


def _nothing(_tracker: Tracker, _event: Event) -> None:
    """Kinds that do not change what may start."""


def _task_event(
    change: Callable[[Tracker, TaskId, Event], None],
) -> Callable[[Tracker, Event], None]:
    def apply(tracker: Tracker, event: Event) -> None:
        assert event.task is not None
        change(tracker, event.task, event)

    return apply


APPLY: dict[EventKind, Callable[[Tracker, Event], None]] = {
    EventKind.ATTEMPT_STARTED: _task_event(Tracker._started),
    EventKind.ATTEMPT_FINISHED: _task_event(Tracker._finished),
    EventKind.BUDGET_SHORT: _task_event(Tracker._short),
    EventKind.TOUCHED: _task_event(Tracker._saw),
    EventKind.HELD: _task_event(Tracker._held),
    EventKind.CHECKPOINT_ASKED: _task_event(Tracker._asked),
    EventKind.CHECKPOINT_ANSWERED: _task_event(Tracker._answered),
    EventKind.RETRY_ASKED: _task_event(Tracker._retry),
    EventKind.REROUTED: _task_event(Tracker._rerouted),
    EventKind.GATE_CLOSED: lambda tracker, event: tracker._gate_closed(event),
    EventKind.GATE_OPENED: lambda tracker, event: tracker._gate_opened(event),
    EventKind.DRAINING: lambda tracker, event: tracker._draining(event),
    EventKind.RUN_STARTED: lambda tracker, event: tracker._planned(event),
    EventKind.RUN_RESUMED: lambda tracker, event: tracker._planned(event),
}
