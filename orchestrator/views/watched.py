"""A run as its events tell it: states, history, sums, time. Refuses to know more than the journal does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.graph import TaskGraph
from orchestrator.history import History, TaskHistory, Tried
from orchestrator.history.waits import STARTS, between
from orchestrator.model import Event, Outcome, RunId, TaskId, TaskState, Usage
from orchestrator.order import Order
from orchestrator.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Spent:
    """What attempts used. None is unknown; not `whole`: at least this much."""

    attempts: int
    tokens: int | None
    cost_usd: float | None
    whole: bool


class Watched:
    def __init__(self, graph: TaskGraph, order: Order) -> None:
        self.graph, self.order = graph, order
        self.tracker = Tracker(graph, capacity=order.workers, fail_fast=order.fail_fast)
        self.history = History()
        self.run: RunId | None = None  # before its first event nobody knows
        self.topological = [task for batch in graph.batches() for task in batch]
        self._sessions_s = 0.0  # that are over
        self._session: datetime | None = None
        self._latest: datetime | None = None
        self._total: Spent | None = None  # until the next event

    def apply(self, event: Event) -> list[TaskId]:
        """The tasks that this event made unreachable."""
        at, self.run = datetime.fromisoformat(event.at), event.run
        if event.kind in STARTS:
            self._sessions_s, self._session = self._lived_s, at
        self._latest, self._total = at, None
        states, before = self.tracker.states, dict(self.tracker.states)
        self.tracker.apply(event)
        self.history.add(event)
        if TaskState.SKIPPED not in states.values():  # mostly, and a large run has many events
            return []
        return [
            task
            for task, state in states.items()
            if state is TaskState.SKIPPED and before[task] is not state
        ]

    @property
    def states(self) -> Mapping[TaskId, TaskState]:
        return self.tracker.states

    @property
    def _lived_s(self) -> float:
        """All sessions, from their first event to their last."""
        if self._session is None or self._latest is None:
            return self._sessions_s
        return self._sessions_s + (self._latest - self._session).total_seconds()

    @property
    def worked_s(self) -> float:
        """Of all sessions, from their first event to their last: to wait for a person is no work."""
        return max(0.0, self._lived_s - self.history.waits.total_s)

    def elapsed_s(self, now: datetime) -> float:
        """Until now, while a session goes on and does not only wait for a person."""
        until = self.history.waits.since
        end = datetime.fromisoformat(until) if until else now
        running = (end - self._session).total_seconds() if self._session else 0.0
        return max(0.0, self._sessions_s + running - self.history.waits.total_s)

    def of(self, task: TaskId) -> TaskHistory:
        """Without a trace in the history of a task that has none."""
        found = self.history.tasks.get(task)
        return TaskHistory() if found is None else found

    def in_state(self, *wanted: TaskState) -> list[TaskId]:
        return [task for task, state in self.states.items() if state in wanted]

    def spent(self, task: TaskId) -> Spent:
        return spent(self.of(task).tried)

    def total(self) -> Spent:
        if self._total is None:
            self._total = spent(one for task in self.graph for one in self.of(task).tried)
        return self._total

    def outcome(self, task: TaskId) -> Outcome | None:
        return self.of(task).last

    def blockers(self, task: TaskId) -> list[TaskId]:
        """What a skipped task is behind."""
        above = self.graph.all_before(task)
        return [one for one in self.graph if one in above and self.states[one] is TaskState.FAILED]


def spent(tried: Iterable[Tried]) -> Spent:
    """One that runs counts with what it told so far."""
    all_of_them = list(tried)
    usages = [_used(one) for one in all_of_them]
    tokens = [usage.tokens if usage else None for usage in usages]
    costs = [usage.cost_usd if usage else None for usage in usages]
    known_tokens = [count for count in tokens if count is not None]
    known_costs = [cost for cost in costs if cost is not None]
    return Spent(
        attempts=len(all_of_them),
        tokens=sum(known_tokens) if known_tokens or not all_of_them else None,
        cost_usd=sum(known_costs) if known_costs or not all_of_them else None,
        whole=None not in tokens
        and None not in costs
        and not any(usage and usage.lower_bound for usage in usages),
    )


def _used(tried: Tried) -> Usage | None:
    if tried.latest is not None:
        return tried.latest.usage
    return tried.so_far if tried.route.asks_a_model else Usage.nothing()


def seconds(tried: Tried, now: datetime | None = None) -> float | None:
    """How long an attempt took, or takes: as long as an engine lived for it, and it did not wait for a person. None: nobody has told its end yet."""
    end = tried.died_at or tried.finished_at
    if tried.is_held and tried.held_at is not None:
        return max(0.0, between(tried.started_at, tried.held_at))
    if tried.outcome is not None and end is not None:
        return max(0.0, between(tried.started_at, end) - _held(tried, end))
    if now is None:
        return None
    taken = (now - datetime.fromisoformat(tried.started_at)).total_seconds()
    return max(0.0, taken - _held(tried, now.isoformat()))


def _held(tried: Tried, end: str) -> float:
    """What of the time until then it waited for a person."""
    if tried.held_at is None:
        return 0.0
    waited = between(tried.held_at, tried.held_until or end)
    return max(0.0, min(waited, between(tried.held_at, end)))
