"""What the page of a task shows: what the plan says of it, and every try from its route to what followed. Refuses to reason anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from orchestrator.history import Tried
from orchestrator.model import Check, Failure, Task, TaskState, Usage
from orchestrator.views import money
from orchestrator.views.past import Past
from orchestrator.views.text import plain
from orchestrator.views.watched import seconds
from orchestrator.views.words import followed, reason, said, weakness, who
from orchestrator.web import pages_run, pages_tasks
from orchestrator.web.shapes import iso

STEPS = 40  # the latest
CLASSES = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cache read", "cache_read_tokens"),
    ("cache write", "cache_write_tokens"),
    ("of output: reasoning", "reasoning_tokens"),
)


class Pair(NamedTuple):
    """One check, before the work and after it."""

    command: str
    before: Check | None
    after: Check | None


class Shown(NamedTuple):
    tried: Tried
    who: str
    state: str
    result: str
    follows: str
    taken_s: float | None
    since: str | None
    usage: Usage | None
    classes: tuple[tuple[str, int | None], ...]
    decided: str
    expected: tuple[int, float | None, float | None] | None
    checks: tuple[Pair, ...]
    budget: tuple[str, ...]
    steps_left_out: int


def page(past: Past, task: Task, doing: str, now: float) -> dict[str, Any]:
    told = past.watched.of(task.id)
    every = told.tried
    shown = [_shown(past, task, *pair, now) for pair in zip_longest(every, every[1:])]
    edges = [edge for edge in past.graph.edges() if edge.after == task.id]
    questions = [one for one in pages_run.questions(past) if one.task == task.id]
    after = sorted(one for one in past.graph if task.id in past.graph.before(one))
    return {
        "run": past.row.id,
        "live": past.live,
        "task": task,
        "title": plain(task.title, 300),
        "plan": past.graph.plan_of(task.id),
        "row": pages_tasks.row(past, task.id, doing, now),
        "tries": shown[::-1],
        "before": [(edge.before, str(edge.reason), past.state(edge.before)) for edge in edges],
        "after": [(one, past.state(one)) for one in after],
        "score": every[-1].score if every else None,
        "questions": questions,
        "answer": said(told.answer) if told.answer else None,
        "answered_at": told.answered_at,
        "retry": past.watched.states[task.id] is TaskState.FAILED,
        "commit": told.commit,
    }


def _shown(past: Past, task: Task, one: Tried, following: Tried | None, now: float) -> Shown:
    outcome, usage = one.outcome, one.latest.usage if one.latest else one.so_far
    runs = outcome is None and past.live and not one.is_held
    taken = seconds(one, datetime.fromtimestamp(now, UTC) if runs else None)
    failure, state = outcome.failure if outcome else None, past.watched.states[task.id]
    return Shown(
        one,
        who(one.route),
        _state(one, runs),
        _result(one, runs),
        followed(state, failure, following, live=past.live) if failure else "",
        taken,
        iso(now - taken) if runs and taken is not None else None,
        usage,
        tuple((name, getattr(usage, key)) for name, key in CLASSES) if usage else (),
        _decided(one),
        _expected(one),
        tuple(_pairs(one.before, outcome.verdict.checks if outcome and outcome.verdict else ())),
        tuple(row for _, row in money.tried(one)),
        max(0, len(one.steps) - STEPS) + one.steps_left_out,
    )


def _state(one: Tried, runs: bool) -> str:
    if one.is_held:
        return "paused"
    if one.outcome is None:
        return "running" if runs else "interrupted"
    if one.outcome.failure is Failure.INTERRUPTED:
        return "interrupted"
    return "succeeded" if one.outcome.ok else "failed"


def _result(one: Tried, runs: bool) -> str:
    outcome = one.outcome
    if outcome is not None:
        doubt = weakness(outcome) if outcome.ok else None
        return (doubt or "succeeded") if outcome.ok else reason(outcome)
    if one.in_review:
        return "its checks were green; a second worker looks at it"
    if one.verified is not None:
        return (
            f"its checks were green; it {'waits for a person' if one.held else 'has only to land'}"
        )
    return "runs" if runs else "its engine died in it; it starts again at resume"


def _decided(one: Tried) -> str:
    """What chose the route, and how sure it was."""
    route = one.route
    parts = [str(route.strategy)] if route.strategy else []
    parts.append(f"confidence {route.confidence:g}")
    parts += [f"drawn with {route.propensity:g}"] if route.propensity < 1 else []
    parts += [f"never below {route.floor}"] if route.floor else []
    return ", ".join(parts)


def _expected(one: Tried) -> tuple[int, float | None, float | None] | None:
    route = one.route
    if not route.estimated_tokens:
        return None
    return route.estimated_tokens, route.estimated_cost_usd, route.estimated_duration_s


def _pairs(before: Sequence[Check], after: Sequence[Check]) -> Iterator[Pair]:
    commands = dict.fromkeys(one.command for one in (*before, *after))
    first = {one.command: one for one in before}
    last = {one.command: one for one in after}
    for command in commands:
        yield Pair(plain(command, 400), first.get(command), last.get(command))
