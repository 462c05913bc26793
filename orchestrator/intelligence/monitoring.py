"""Has a model got worse, is a task out of line, which of two models is better? Refuses an answer that chance explains. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from orchestrator.intelligence.exploring import RECENT, has_fallen
from orchestrator.intelligence.records import ExecutionRecord
from orchestrator.intelligence.tally import Tally
from orchestrator.routing.confidence import noninferiority

FEWEST = 20  # tasks of a model before one of them can be out of line
FAR = 6.0  # times the median distance from the median
SURE = 0.95


@dataclass(frozen=True, slots=True)
class Degradation:
    model_id: str
    before: Tally
    lately: Tally


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A task whose cost or duration is far above what this model mostly takes."""

    record: ExecutionRecord
    measure: Literal["cost", "duration"]
    value: float
    usual: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of two models on the same kind of tasks. `better` is None where neither is with 95%: `answer` says so."""

    first: Tally
    second: Tally
    better: str | None
    confidence: float
    answer: str


def find_degradations(records: Sequence[ExecutionRecord]) -> list[Degradation]:
    """Models whose last tasks are worse than all before them, beyond chance; by name."""
    found = []
    for model, counted in sorted(_by_model(records).items()):
        if has_fallen(counted):
            ordered = sorted(counted, key=lambda one: one.timestamp)
            before, lately = Tally.of(ordered[:-RECENT]), Tally.of(ordered[-RECENT:])
            found.append(Degradation(model, before, lately))
    return found


def find_anomalies(records: Sequence[ExecutionRecord]) -> list[Anomaly]:
    """In order of the records; none for a model with fewer than 20 tasks."""
    found = []
    for counted in _by_model(records).values():
        costs = [(one, one.own_cost_usd) for one in counted]
        durations = [(one, one.duration_seconds) for one in counted]
        found += _far(costs, "cost") + _far(durations, "duration")
    order = {one.record_id: place for place, one in enumerate(records)}
    return sorted(found, key=lambda one: (order[one.record.record_id], one.measure))


def compare_models(records: Sequence[ExecutionRecord], first: str, second: str) -> Comparison:
    """An A/B comparison over `records`, all of one kind of task."""
    groups = _by_model(records)
    one, other = Tally.of(groups.get(first, ())), Tally.of(groups.get(second, ()))
    ahead = noninferiority(one.successful, one.tasks, other.successful, other.tasks, margin=0.0)
    better, sure = (first, ahead) if ahead >= 0.5 else (second, 1 - ahead)
    if sure < SURE or not one.tasks or not other.tasks:
        told = f"insufficient evidence: {first} {one.told()}, {second} {other.told()}"
        return Comparison(one, other, None, sure, told)
    return Comparison(one, other, better, sure, f"{better} is better, {sure:.1%} sure")


def _by_model(records: Sequence[ExecutionRecord]) -> dict[str, list[ExecutionRecord]]:
    groups: dict[str, list[ExecutionRecord]] = {}
    for one in records:
        if one.counts and one.implementer_model is not None:
            groups.setdefault(one.implementer_model, []).append(one)
    return groups


def _far(
    given: Sequence[tuple[ExecutionRecord, float | None]], measure: Literal["cost", "duration"]
) -> list[Anomaly]:
    """Above only: what is cheap or quick is no trouble."""
    known = [(one, value) for one, value in given if value is not None]
    if len(known) < FEWEST:
        return []
    usual = median(value for _, value in known)
    spread = median(abs(value - usual) for _, value in known)
    if spread == 0:
        return []
    return [
        Anomaly(one, measure, value, usual) for one, value in known if value - usual > FAR * spread
    ]
