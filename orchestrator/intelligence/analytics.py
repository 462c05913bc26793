"""What records say of models, kinds of tasks and providers, each rate with its number and interval; refuses to rank what few tasks say nothing of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Literal, Self

from orchestrator import clock
from orchestrator.intelligence.learning import LearningConfig
from orchestrator.intelligence.performance_tracker import PerformanceTracker
from orchestrator.intelligence.records import ExecutionRecord
from orchestrator.intelligence.tally import Interval, Tally, known, mean
from orchestrator.routing.confidence import noninferiority

Role = Literal["implementer", "planner"]
Metric = Literal["success_rate", "cost", "duration"]
ROLES: tuple[Role, ...] = ("implementer", "planner")
INSUFFICIENT = "insufficient evidence"
MOST_ERRORS = 5


@dataclass(frozen=True, slots=True)
class ModelPerformance:
    """Of one model in one role. Shares of gates and reviews are of those whose answer is known."""

    model_id: str
    role: Role
    total_tasks: int
    successful: int
    partial: int
    failed: int
    blocked: int
    success_rate: float
    success_interval: Interval
    partial_rate: float
    avg_cost_per_task: float | None
    tasks_of_known_cost: int
    avg_duration: float | None
    avg_retries: float
    quality_gate_rate: float | None
    code_review_rate: float | None
    plan_review_rate: float | None
    common_errors: tuple[tuple[str, int], ...]


class Ranked(tuple[str, float]):
    """(model, value of the metric), with what stands behind it in `tally`."""

    tally: Tally
    sufficient: bool

    def __new__(cls, model_id: str, value: float, tally: Tally, sufficient: bool = True) -> Self:
        ranked = super().__new__(cls, (model_id, value))
        ranked.tally, ranked.sufficient = tally, sufficient
        return ranked


@dataclass(frozen=True, slots=True)
class TaskPattern:
    """Of one area and risk. `best_...` is None where no model has enough tasks: `note` says so then."""

    task_area: str
    task_risk: str
    total_tasks: int
    tally: Tally
    best_implementer: Ranked | None
    best_planner: Ranked | None
    common_errors: tuple[tuple[str, int], ...]
    cost_range: tuple[float, float] | None
    duration_range: tuple[float, float] | None
    note: str


class PerformanceAnalytics:
    """Over what `tracker` has of the last `window_days`. Every answer is worked out when it is asked for."""

    def __init__(self, tracker: PerformanceTracker, config: LearningConfig | None = None) -> None:
        self.tracker = tracker
        self.config = config.over(tracker.config) if config else tracker.config

    def records(self) -> list[ExecutionRecord]:
        """Those of the window, which is that of `orchestrator learn`; what is older stays in the ledger."""
        found, days = self.tracker.get_all_records(), self.config.window_days
        if days is None:
            return found
        start = datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=days)
        second = start.isoformat(timespec="seconds")[:19]  # all of the ledger's times are in UTC
        return [one for one in found if one.timestamp[:19] >= second]

    def analyze_model_performance(
        self, model_id: str, role: Role = "implementer"
    ) -> ModelPerformance | None:
        """None without a task that says something about it."""
        found = self._of(role).get(model_id, [])
        tally = Tally.of(found)
        if tally.rate is None:
            return None
        counted = [one for one in found if one.counts]
        return ModelPerformance(
            model_id=model_id,
            role=role,
            total_tasks=tally.tasks,
            successful=tally.successful,
            partial=tally.partial,
            failed=tally.failed,
            blocked=tally.blocked,
            success_rate=tally.rate,
            success_interval=tally.interval,
            partial_rate=tally.partial / tally.tasks,
            avg_cost_per_task=tally.mean_cost,
            tasks_of_known_cost=len(tally.costs),
            avg_duration=tally.mean_duration,
            avg_retries=sum(one.num_retries for one in counted) / len(counted),
            quality_gate_rate=mean(known(one.quality_gate_passed for one in counted)),
            code_review_rate=mean(known(one.code_review_passed for one in counted)),
            plan_review_rate=mean(known(one.plan_review_passed for one in counted)),
            common_errors=_errors(counted),
        )

    def analyze_task_pattern(self, task_area: str, task_risk: str) -> TaskPattern | None:
        """None without a task of that area and risk."""
        found = [one for one in self._records(task_area, task_risk) if one.counts]
        if not found:
            return None
        tally = Tally.of(found)
        best = {role: self._best(task_area, task_risk, role) for role in ROLES}
        return TaskPattern(
            task_area=task_area,
            task_risk=task_risk,
            total_tasks=tally.tasks,
            tally=tally,
            best_implementer=best["implementer"],
            best_planner=best["planner"],
            common_errors=_errors(found),
            cost_range=_range(tally.costs),
            duration_range=_range(tally.durations),
            note="" if best["implementer"] else self._too_few(),
        )

    def rank_models_for_task(
        self,
        task_area: str,
        task_risk: str,
        role: Role = "implementer",
        metric: Metric = "success_rate",
    ) -> list[Ranked]:
        """Best first, ties by lower cost; models with too few tasks come last, whatever their rate."""
        value, sign = _metric(metric)
        tallies = self.tally_by_model(task_area, task_risk, role)
        ranked = [
            Ranked(model, found, tally, tally.tasks >= self.config.min_samples)
            for model, tally in tallies.items()
            if (found := value(tally)) is not None
        ]
        return sorted(ranked, key=lambda one: (not one.sufficient, sign * one[1], *_tie(one)))

    def tally_by_model(self, task_area: str, task_risk: str, role: Role) -> dict[str, Tally]:
        """Models with a task that counts."""
        groups = _by_model(self._records(task_area, task_risk), role)
        tallies = {model: Tally.of(found) for model, found in groups.items()}
        return {model: tally for model, tally in tallies.items() if tally.tasks}

    def get_provider_comparison(self) -> dict[str, dict[str, Any]]:
        """By who implemented; providers with a task that counts, by name."""
        groups: dict[str, list[ExecutionRecord]] = {}
        for one in self.records():
            if one.implementer_provider and one.implementer_model:
                groups.setdefault(one.implementer_provider, []).append(one)
        tallies = {name: Tally.of(groups[name]) for name in sorted(groups)}
        return {
            name: {
                "total_tasks": tally.tasks,
                "successful": tally.successful,
                "partial": tally.partial,
                "failed": tally.failed,
                "blocked": tally.blocked,
                "success_rate": tally.rate,
                "success_interval": tally.interval,
                "avg_cost": tally.mean_cost,
                "avg_duration": tally.mean_duration,
            }
            for name, tally in tallies.items()
            if tally.tasks
        }

    def identify_optimization_opportunities(
        self, min_cost_savings: float | None = None
    ) -> list[dict[str, Any]]:
        """Cheaper models that are no worse within the margin, as sure as `show_confidence`; dearest first.

        `min_cost_savings`, dollars per task: by default what the settings say (0.01).
        """
        usual = self.tracker.settings.analytics.optimization_threshold
        least = usual if min_cost_savings is None else min_cost_savings
        found = [
            self._opportunity(area, risk, role, least)
            for area, risk in self.kinds()
            for role in ROLES
        ]
        good = [one for one in found if one is not None]
        return sorted(good, key=lambda one: -one["savings_per_task"])

    def kinds(self) -> list[tuple[str, str]]:
        """(area, risk) of all tasks that count, by name."""
        counted = (one for one in self.records() if one.counts)
        return sorted({(one.task_area, one.task_risk) for one in counted if one.task_area})

    # --- the parts of it --------------------------------------------------------------------------

    def _opportunity(self, area: str, risk: str, role: Role, least: float) -> dict[str, Any] | None:
        """From the model that does most of these tasks (of two: the dearer) to the cheapest that may take its place."""
        tallies = self.tally_by_model(area, risk, role)
        enough = {m: t for m, t in tallies.items() if t.tasks >= self.config.min_samples}
        if not enough:
            return None
        current = max(enough, key=lambda model: (enough[model].tasks, _cost(enough[model]), model))
        paid = enough[current].mean_cost
        for model in sorted(enough, key=lambda one: (_cost(enough[one]), one)):
            new = enough[model].mean_cost
            if model == current or paid is None or new is None or paid - new < least:
                continue
            sure = self.confidence(enough[model], enough[current])
            if sure >= self.config.show_confidence:
                found = (current, enough[current]), (model, enough[model])
                return {
                    "task_area": area,
                    "task_risk": risk,
                    "role": role,
                    **_change(*found),
                    "confidence": sure,
                }
        return None

    def confidence(self, candidate: Tally, incumbent: Tally) -> float:
        """That its success rate is no more than the margin below the other's."""
        return noninferiority(
            candidate.successful,
            candidate.tasks,
            incumbent.successful,
            incumbent.tasks,
            margin=self.config.margin,
        )

    def _best(self, area: str, risk: str, role: Role) -> Ranked | None:
        ranked = self.rank_models_for_task(area, risk, role)
        return ranked[0] if ranked and ranked[0].sufficient else None

    def _too_few(self) -> str:
        return f"{INSUFFICIENT}: no model has {self.config.min_samples} tasks here"

    def _records(self, area: str, risk: str) -> list[ExecutionRecord]:
        of_area = (one for one in self.records() if one.task_area == area)
        return [one for one in of_area if one.task_risk == str(risk)]

    def _of(self, role: Role) -> dict[str, list[ExecutionRecord]]:
        return _by_model(self.records(), role)


def _by_model(records: Iterable[ExecutionRecord], role: Role) -> dict[str, list[ExecutionRecord]]:
    if role not in ROLES:
        raise ValueError(f"{role!r} is no role: write {' or '.join(ROLES)}")
    groups: dict[str, list[ExecutionRecord]] = {}
    for one in records:
        model = one.implementer_model if role == "implementer" else one.planner_model
        if model is not None:
            groups.setdefault(model, []).append(one)
    return groups


def _metric(metric: Metric) -> tuple[Callable[[Tally], float | None], int]:
    """How it is read, and whether more is better (-1) or worse."""
    found: dict[str, tuple[Callable[[Tally], float | None], int]] = {
        "success_rate": (lambda tally: tally.rate, -1),
        "cost": (lambda tally: tally.mean_cost, 1),
        "duration": (lambda tally: tally.mean_duration, 1),
    }
    if metric not in found:
        raise ValueError(f"{metric!r} is no metric: write one of {', '.join(found)}")
    return found[metric]


def _tie(one: Ranked) -> tuple[float, str]:
    return (_cost(one.tally), one[0])


def _cost(tally: Tally) -> float:
    """An unknown one is behind all others."""
    return inf if tally.mean_cost is None else tally.mean_cost


def _change(old: tuple[str, Tally], new: tuple[str, Tally]) -> dict[str, Any]:
    (current, before), (recommended, after) = old, new
    assert before.mean_cost is not None
    assert after.mean_cost is not None
    return {
        "current_model": current,
        "current_cost": before.mean_cost,
        "recommended_model": recommended,
        "new_cost": after.mean_cost,
        "savings_per_task": before.mean_cost - after.mean_cost,
        "current_success_rate": before.rate,
        "current_tasks": before.tasks,
        "current_interval": before.interval,
        "new_success_rate": after.rate,
        "new_tasks": after.tasks,
        "new_interval": after.interval,
    }


def _errors(records: Iterable[ExecutionRecord]) -> tuple[tuple[str, int], ...]:
    counts = Counter(one.error_type for one in records if one.error_type)
    return tuple(counts.most_common(MOST_ERRORS))


def _range(values: tuple[float, ...]) -> tuple[float, float] | None:
    return (min(values), max(values)) if values else None
