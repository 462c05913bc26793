"""What a task will use, and when a graph will be done: ranges with the rule of each figure. Pure; it promises nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.estimates.names import settle
from orchestrator.estimates.past import (
    Calibration,
    Group,
    Measured,
    Past,
    asked,
    calibration,
    used,
)
from orchestrator.graph import TaskGraph
from orchestrator.model import Estimate, Noun, Score, Task, TaskId, Tier, Usage
from orchestrator.settings import EstimateSettings

__all__ = [
    "NOTHING",
    "Calibration",
    "Expected",
    "Group",
    "Measured",
    "Past",
    "asked",
    "bill",
    "billing_rule",
    "calibration",
    "expect",
    "kind_of",
    "makespan_s",
    "settle",
    "used",
]

NOTHING = Estimate(low=0, high=0)
UNLEARNED = 0.3  # the confidence of a table (S2-56)
TEST = re.compile(r"(?:^|/)(?:tests?|spec|__tests__)/|[._-](?:test|spec)\.|(?:^|/)test_")
READING = ("mainly reading",)
API = re.compile(r"\b(?:api|endpoints?|routes?|controllers?|handlers?|graphql|webhooks?)\b", re.I)


class Expected(Noun):
    """Of one attempt. `tokens` is work: what is read and written anew.

    `billed` and `cost_usd` are what attempts like it came to; None: there were too few, or the plan says otherwise.
    """

    kind: str
    tokens: Estimate
    duration_s: Estimate
    why: tuple[str, ...]
    billed: Estimate | None = None
    cost_usd: Estimate | None = None
    samples: int = 0  # attempts that these figures are of; 0: they are of the table, or of the plan
    confidence: float = UNLEARNED
    success_rate: float | None = None


def expect(
    task: Task,
    score: Score,
    tier: Tier | None,
    table: EstimateSettings,
    learned: Group | None = None,
) -> Expected:
    """`tier` is None for a worker without a model: it uses no tokens. `learned`: attempts like it, enough of them."""
    if task.is_checkpoint:
        told = "asks a person: no tokens, and the waiting is not counted"
        return Expected(kind="checkpoint", tokens=NOTHING, duration_s=NOTHING, why=(told,))
    kind, because = (learned.kind, "its title") if learned else kind_of(task, score)
    tokens, token_rule = _tokens(task, score, tier, table, kind)
    duration_s, time_rule = _duration(task, score, table)
    values: dict[str, Any] = {"kind": kind, "tokens": tokens, "duration_s": duration_s}
    if learned is not None:
        values |= {"samples": learned.n, "confidence": learned.confidence}
        values |= {"success_rate": learned.success_rate}
        if learned.tokens and tier is not None and task.estimated_tokens is None:
            token_rule = _told(learned, learned.tokens)
            values |= {"billed": _range(learned.tokens), "cost_usd": _range(learned.cost_usd)}
            values |= {"tokens": _range(learned.work or learned.tokens)}
        if learned.duration_s and task.estimated_duration_s is None:
            time_rule = _told(learned, learned.duration_s)
            values |= {"duration_s": _range(learned.duration_s)}
    why = (f"kind {kind}: {because}", f"tokens: {token_rule}", f"time: {time_rule}")
    return Expected(**values, why=why)


def _range(found: Measured | None) -> Estimate | None:
    return None if found is None else Estimate(low=found.low, high=found.high)


def _told(learned: Group, found: Measured) -> str:
    like = f"{learned.kind} on {learned.model}"
    told = f"{found.n} attempts of {like}, complexity {learned.complexity}"
    if not learned.whole:
        told = f"{found.n} attempts of {like}, brought to complexity {learned.complexity}"
    return f"{told}: {found.mean:,.0f} in the mean"


def kind_of(task: Task, score: Score) -> tuple[str, str]:
    """One of the kinds of `[estimate.tokens]`, and why."""
    files = task.files or ()
    if any(reason.startswith("architecture") for reason in score.reasons):
        return "architecture", "it decides architecture"
    if any(reason.startswith("refactoring") for reason in score.reasons):
        return "complex-refactor", "it refactors several files"
    if files and all(TEST.search(file) for file in files):
        return "test-write", "all of its files are tests"
    if not files and any(reason.startswith(READING) for reason in score.reasons):
        return "file-read", "it mainly reads"
    if API.search(task.name):
        return "api-impl", "its name speaks of an API"
    if len(files) == 1:
        return "simple-impl", "it writes one file"
    return "other", "nothing in it says more"


def _tokens(
    task: Task, score: Score, tier: Tier | None, table: EstimateSettings, kind: str
) -> tuple[Estimate, str]:
    if tier is None:
        return NOTHING, "0, no model is asked"
    if task.estimated_tokens is not None:
        return task.estimated_tokens, "<estimated-tokens> of the plan"
    base, factor = table.tokens.get(kind, table.tokens["other"]), table.tier_factor.get(tier, 1.0)
    share = 1 + (score.value - 5) * table.complexity_step
    middle = base * share * factor
    rule = (
        f"{base:.0f} for {kind}, times {share:.2f} for complexity {score.value}, "
        f"times {factor:g} for {tier}, {table.spread:.0%} less or more"
    )
    return _around(middle, 1 - table.spread, 1 + table.spread, -2), rule


def _duration(task: Task, score: Score, table: EstimateSettings) -> tuple[Estimate, str]:
    if task.estimated_duration_s is not None:
        return task.estimated_duration_s, "<estimated-duration> of the plan"
    share = 1 + (score.value - 5) * table.complexity_step
    rule = f"{table.task_s:.0f} s, times {share:.2f} for complexity {score.value}, half to {table.time_spread:g} times"
    middle = table.task_s * share
    return _around(middle, 1 / table.time_spread, table.time_spread), rule


def _around(middle: float, low: float, high: float, digits: int = 0) -> Estimate:
    return Estimate(low=round(middle * low, digits), high=round(middle * high, digits))


def bill(work: float, table: EstimateSettings, *, fresh: bool) -> Usage:
    """All tokens that an attempt with this much work is billed for, by class."""
    anew = work + (table.start_tokens if fresh else 0)
    total = anew / (1 - table.cache_read_share)
    output = min(anew, total * table.output_share)
    return Usage(
        input_tokens=round(anew - output),
        output_tokens=round(output),
        cache_read_tokens=round(total - anew),
        cache_write_tokens=0,
        requests=max(1, round(total / table.request_tokens)),  # prices may differ by their size
    )


def billing_rule(table: EstimateSettings, *, fresh: bool) -> str:
    start = f" and {table.start_tokens} to start" if fresh else ""
    return (
        f"billed: the work{start}, with {table.cache_read_share:.0%} of all read again from the "
        f"cache and {table.output_share:.2%} of it answers, {table.request_tokens} a request"
    )


def makespan_s(graph: TaskGraph, seconds: Mapping[TaskId, float], workers: int) -> float:
    """When all is done if tasks are started as the engine starts them and take so long."""
    clock, done = 0.0, set[TaskId]()
    running: dict[TaskId, float] = {}
    waiting = sorted(graph, key=lambda task: -graph.remaining_s(task))
    while waiting or running:
        for task in list(waiting):
            if done.issuperset(graph.before(task)) and graph.tasks[task].is_checkpoint:
                waiting.remove(task)  # a person needs no slot
                running[task] = clock
            elif _may_start(graph, task, done, running, workers):
                waiting.remove(task)
                running[task] = clock + seconds[task]
        clock = min(running.values())
        ended = {task for task, end in running.items() if end <= clock}
        done |= ended
        running = {task: end for task, end in running.items() if task not in ended}
    return clock


def _may_start(
    graph: TaskGraph, task: TaskId, done: set[TaskId], running: Mapping[TaskId, float], slots: int
) -> bool:
    busy = [one for one in running if not graph.tasks[one].is_checkpoint]
    if len(busy) >= slots or not done.issuperset(graph.before(task)):
        return False
    return not any(graph.clash(task, other) for other in busy)
