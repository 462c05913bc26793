"""How long the rest of a run may take, from estimates and from what was measured in it. Refuses to guess without either."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestrator.model import TaskId, TaskState
from orchestrator.views.watched import Watched, seconds

OPEN = (TaskState.WAITING, TaskState.RUNNING)


def left_s(watched: Watched, now: datetime | None = None) -> float | None:
    """The longer of: the longest chain of what is left, all of it spread over the slots.

    None while only people are waited for: nobody knows how long they take.
    """
    if watched.tracker.blocked:
        return None
    usual, rest_s = _usual_s(watched), dict[TaskId, float]()
    for task in watched.in_state(*OPEN):
        expected = _estimate_s(watched, task) or usual
        if expected is None:
            return None
        rest_s[task] = max(0.0, expected - _running_s(watched, task, now or datetime.now(UTC)))
    if not rest_s:
        return None
    return max(_longest_s(watched, rest_s), sum(rest_s.values()) / watched.order.workers)


def _usual_s(watched: Watched) -> float | None:
    """The mean of the attempts that are over."""
    took = [
        taken
        for past in watched.history.tasks.values()
        for tried in past.tried
        if (taken := seconds(tried)) is not None and not tried.interrupted
    ]
    return sum(took) / len(took) if took else None


def _estimate_s(watched: Watched, task: TaskId) -> float | None:
    told = watched.graph.tasks[task].estimated_duration_s
    return (told.low + told.high) / 2 if told else None


def _running_s(watched: Watched, task: TaskId, now: datetime) -> float:
    if watched.states[task] is not TaskState.RUNNING:
        return 0.0
    return seconds(watched.of(task).tried[-1], now) or 0.0


def _longest_s(watched: Watched, rest_s: dict[TaskId, float]) -> float:
    chain: dict[TaskId, float] = {}
    for task in watched.topological:
        if task in rest_s:
            before = (chain.get(one, 0.0) for one in watched.graph.before(task))
            chain[task] = rest_s[task] + max(before, default=0.0)
    return max(chain.values())
