"""The tasks of a run as rows, and what is still to come of it. Pure but for the clock it is told; it refuses to guess where nothing was estimated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.history import Tried
from orchestrator.model import TaskId, TaskState
from orchestrator.views import money, waiting
from orchestrator.views.past import Past
from orchestrator.views.text import counted, plain
from orchestrator.views.watched import Spent, seconds
from orchestrator.views.words import by, reason, said, weakness
from orchestrator.web.shapes import ORDER, iso, unix

PAGE = 50
URGENCY = (
    TaskState.PAUSED, TaskState.RUNNING, TaskState.FAILED,
    TaskState.WAITING, TaskState.SKIPPED, TaskState.SUCCEEDED,
)  # fmt: skip
OPEN = {TaskState.WAITING, TaskState.RUNNING, TaskState.PAUSED}


class Row(NamedTuple):
    task: TaskId
    title: str
    state: str
    note: str
    tries: int
    model: str
    spent: Spent
    taken_s: float | None
    since: str | None  # it runs since then


class Forecast(NamedTuple):
    """Of what is not done. None: not all of it was estimated."""

    tasks: int
    left_s: float | None
    cost_usd: float | None
    unknown: int  # tasks without an estimate


def page(past: Past, number: int) -> list[TaskId]:
    """All in the order of their plans; of many, those first that a person looks for."""
    every = list(past.graph)
    if len(every) > PAGE:
        states = past.watched.states
        every = [task for wanted in URGENCY for task in every if states[task] is wanted]
    return every[(number - 1) * PAGE : number * PAGE]


def row(past: Past, task: TaskId, doing: str, now: float) -> Row:
    watched = past.watched
    told, state = watched.of(task), past.state(task)
    last = told.tried[-1] if told.tried else None
    running = state == TaskState.RUNNING and last is not None
    since = last.started_at if running and last is not None else None
    taken = [found for one in told.tried if (found := seconds(one)) is not None]
    if since:
        taken.append(max(0.0, now - unix(since)))
    return Row(
        task,
        plain(past.graph.tasks[task].title, 160),
        state,
        note(past, task, doing),
        len(told.tried),
        _model(past, task, last),
        watched.spent(task),
        sum(taken) if taken else None,
        iso(now - sum(taken)) if since else None,
    )


def _model(past: Past, task: TaskId, last: Tried | None) -> str:
    """Who did it, or will."""
    if past.graph.tasks[task].is_checkpoint:
        return "a person"
    if last is not None:
        return plain(last.model or by(last.route), 48)
    try:
        route = past.watched.tracker.route(task)
    except KeyError:  # nothing has begun, so nothing was chosen
        return ""
    return plain(by(route), 48)


def note(past: Past, task: TaskId, doing: str) -> str:
    """What it does now, else why it is not done, else what to know of it."""
    watched = past.watched
    told, last = watched.of(task), watched.outcome(task)
    match watched.states[task]:
        case TaskState.RUNNING:
            died = "its engine died; it starts again at resume"
            return died if past.broken_off else plain(doing, 160) or "works"
        case TaskState.PAUSED:
            return "waits for your answer"
        case TaskState.SKIPPED:
            return f"behind {', '.join(watched.blockers(task))}, which failed"
        case TaskState.WAITING:
            return _waits(past, task)
        case TaskState.FAILED:
            if told.answer is not None and not told.answer.approved:
                return said(told.answer)
            return reason(last) if last and last.failure else ""
        case _:
            return said(told.answer) if told.answer else (last and weakness(last)) or ""


def _waits(past: Past, task: TaskId) -> str:
    watched = past.watched
    if short := money.waits(watched, task):
        return short
    before = [one for one in past.graph.before(task) if watched.states[one] in OPEN]
    last = watched.outcome(task)
    again = f"{reason(last)}; tries again" if last and last.failure else ""
    if before:
        more = f" and {len(before) - 3} more" if len(before) > 3 else ""
        return f"after {', '.join(before[:3])}{more}"
    if closed := waiting.behind(watched, task):
        return f"{again}{'; ' if again else ''}{', '.join(closed)} is closed"
    if watched.tracker.stopped:
        return again or "not started"
    return again or "waits for a free slot"


def counts(past: Past) -> Counter[str]:
    return Counter(past.state(task) for task in past.graph)


def progress(found: Mapping[str, int]) -> str:
    """In words, what a bar shows."""
    parts = [f"{found[name]} {name}" for name in ORDER if found.get(name)]
    return f"{counted(sum(found.values()), 'task')}: {', '.join(parts)}"


def forecast(past: Past, now: float) -> Forecast | None:
    """The longest chain, or all work over the slots, whichever is longer. None where nothing is left."""
    watched, seconds_, usd = past.watched, dict[TaskId, float](), 0.0
    open_ = [task for task in watched.topological if watched.states[task] in OPEN]
    work = [task for task in open_ if not past.graph.tasks[task].is_checkpoint]
    if not work or not watched.history.started_at:
        return None
    blank, dear = 0, 0
    for task in work:
        route = watched.tracker.route(task)
        taken = _taken(past, task, now)
        if route.estimated_duration_s is None:
            blank += 1
        else:
            seconds_[task] = max(0.0, route.estimated_duration_s - taken)
        if route.asks_a_model and route.estimated_cost_usd is None:
            dear += 1
        elif watched.states[task] is TaskState.WAITING:
            usd += route.estimated_cost_usd or 0.0
    left = None if blank else _span(past, open_, seconds_)
    return Forecast(len(work), left, None if dear else usd, max(blank, dear))


def _taken(past: Past, task: TaskId, now: float) -> float:
    last = past.watched.of(task).tried[-1:]
    return max(0.0, now - unix(last[0].started_at)) if last and last[0].outcome is None else 0.0


def _span(past: Past, open_: list[TaskId], seconds_: Mapping[TaskId, float]) -> float:
    until: dict[TaskId, float] = {}
    for task in open_:
        before = max((until.get(one, 0.0) for one in past.graph.before(task)), default=0.0)
        until[task] = before + seconds_.get(task, 0.0)
    return max(max(until.values()), sum(seconds_.values()) / past.watched.order.workers)
