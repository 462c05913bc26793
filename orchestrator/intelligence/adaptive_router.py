"""Which model a task gets, by what earlier ones came to; refuses to leave the baseline on few tasks or little confidence.

The order of its questions is the seed's: the strategy may be the baseline; else there must be enough tasks; else the strategy
picks; else the pick must be sure enough. It tries others only where a check would notice, and never where the risk is high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, isnan, nan
from random import Random
from typing import Any

from orchestrator.intelligence.analytics import PerformanceAnalytics, Role
from orchestrator.intelligence.exploring import adapted_rate
from orchestrator.intelligence.learning import LearningConfig, RoutingStrategy
from orchestrator.intelligence.performance_tracker import PerformanceTracker
from orchestrator.intelligence.records import TaskComplexity, TaskRisk
from orchestrator.intelligence.registry import ModelInfo, ModelRegistry
from orchestrator.intelligence.tally import Tally
from orchestrator.routing.tiers import DEFAULT


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """`estimated_cost`: dollars, by earlier tasks, else by the price list; nan if neither knows. `propensity`: how likely this choice was."""

    model_info: ModelInfo
    rationale: str
    confidence: float
    estimated_cost: float
    propensity: float = 1.0
    explored: bool = False

    @property
    def model_id(self) -> str:
        return self.model_info.model_id

    @property
    def provider(self) -> str:
        return self.model_info.provider


@dataclass(frozen=True, slots=True)
class _Question:
    role: Role
    area: str
    risk: TaskRisk
    complexity: TaskComplexity
    has_check: bool


class AdaptiveModelRouter:
    """`strategy` and `config`: by default what the tracker's settings say, of `config` also what it does not name. `seed` makes what it tries repeatable. With RoutingStrategy.BASELINE it never looks at the tracker."""

    def __init__(
        self,
        registry: ModelRegistry,
        tracker: PerformanceTracker,
        strategy: RoutingStrategy | str | None = None,
        config: LearningConfig | None = None,
        seed: int | None = None,
    ) -> None:
        self.registry, self.tracker = registry, tracker
        self.strategy = RoutingStrategy(strategy or tracker.settings.learning.strategy)
        self._analytics = PerformanceAnalytics(tracker, config)
        self.config = self._analytics.config
        self.exploration_rate = self.config.exploration_rate
        self._random = Random(seed)  # noqa: S311 - it draws models, no secrets

    # --- the two questions ------------------------------------------------------------------------

    def choose_planner(
        self,
        task_risk: TaskRisk | str,
        task_area: str,
        task_complexity: TaskComplexity | str,
        has_check: bool = False,
    ) -> RoutingDecision:
        """Who plans it. `has_check`: something runs that would notice a bad plan."""
        risk, complexity = TaskRisk(task_risk), TaskComplexity(task_complexity)
        return self._choose(_Question("planner", task_area, risk, complexity, has_check))

    def choose_implementer(
        self,
        step_risk: TaskRisk | str,
        step_complexity: TaskComplexity | str,
        step_type: str,
        step_area: str,
        has_check: bool = False,
    ) -> RoutingDecision:
        """Who does it. `has_check`: a command decides whether it is done. `step_type` is only told: no record has it."""
        risk, complexity = TaskRisk(step_risk), TaskComplexity(step_complexity)
        return self._choose(_Question("implementer", step_area, risk, complexity, has_check))

    def _choose(self, asked: _Question) -> RoutingDecision:
        usual, why = self.registry.baseline(asked.complexity, asked.risk)
        if self.strategy is RoutingStrategy.BASELINE:
            return RoutingDecision(usual, f"baseline: {why}", DEFAULT, usual.prior_cost)
        tallies = self._tallies(asked)
        enough = {m: t for m, t in tallies.items() if t.tasks >= self.config.min_samples}
        if not enough:
            least = self.config.min_samples
            return self._baseline(
                usual,
                tallies,
                f"baseline: {why}; insufficient data: no model has {least} {_of(asked)}",
            )
        settled = self._exploit(asked, usual, why, tallies, enough)
        return self._explore(asked, usual, settled, tallies)

    # --- by what is known -------------------------------------------------------------------------

    def _exploit(
        self,
        asked: _Question,
        usual: ModelInfo,
        why: str,
        tallies: Mapping[str, Tally],
        enough: Mapping[str, Tally],
    ) -> RoutingDecision:
        """A pick is held against the usual model: where that is hardly known, nobody can say that it is no worse."""
        pick, known = self._pick(enough), enough.get(usual.model_id)
        if pick is None or pick == usual.model_id:
            words = f"baseline: {why}; {self.strategy} finds nothing better"
            return self._baseline(usual, tallies, words)
        if known is None:
            words = f"baseline: {why}; insufficient data: {usual.model_id} has fewer than {self.config.min_samples} {_of(asked)}"
            return self._baseline(usual, tallies, f"{words} to hold {pick} against")
        sure = self._analytics.confidence(enough[pick], known)
        needed = self.config.min_confidence if asked.has_check else self.config.unguarded_confidence
        if sure < needed:
            words = f"baseline: {why}; {_low(pick, sure, needed, self.config.show_confidence)}"
            return self._baseline(usual, tallies, words)
        told = f"{self.strategy}: {pick} succeeded in {enough[pick].told()} {_of(asked)}"
        info = self._info(pick)
        return RoutingDecision(info, told, sure, _cost(info, enough))

    def _pick(self, enough: Mapping[str, Tally]) -> str | None:
        """None: nothing meets the strategy's terms."""
        match self.strategy:
            case RoutingStrategy.PERFORMANCE:
                return max(
                    enough, key=lambda m: (enough[m].rate or 0, -_cost_or(inf, enough[m]), m)
                )
            case RoutingStrategy.COST:
                floor = self.config.quality_floor
                good = [model for model in enough if (enough[model].rate or 0) >= floor]
                good = [model for model in good if enough[model].costs]
                return min(good, key=lambda m: (_cost_or(inf, enough[m]), m), default=None)
        dearest = max(_cost_or(0.0, tally) for tally in enough.values())
        return max(enough, key=lambda m: (self._worth(enough[m], dearest), m))

    def _worth(self, tally: Tally, dearest: float) -> float:
        """Both parts are 0 to 1. Who costs nobody knows what counts as the dearest."""
        cost = _cost_or(dearest, tally)
        cheap = 1 - cost / dearest if dearest else 1.0
        return self.config.success_weight * (tally.rate or 0) + self.config.cost_weight * cheap

    # --- by trying --------------------------------------------------------------------------------

    def _explore(
        self,
        asked: _Question,
        usual: ModelInfo,
        settled: RoutingDecision,
        tallies: Mapping[str, Tally],
    ) -> RoutingDecision:
        """Now and then another than what is `settled`; either way with how likely that model was in all."""
        others = self._others(asked, settled.model_info, tallies)
        chance = self.exploration_rate if others else 0.0
        if chance == 0 or self._random.random() >= chance:
            return replace(settled, propensity=1 - chance)
        info = self._random.choice(others)
        tally = tallies.get(info.model_id, Tally.of(()))
        words = f"learning: tries {info.model_id}, of which it knows {tally.told()} {_of(asked)}; a check will tell"
        sure = self._analytics.confidence(tally, tallies.get(usual.model_id, Tally.of(())))
        cost = _cost(info, tallies)
        return RoutingDecision(info, words, sure, cost, chance / len(others), explored=True)

    def _others(
        self, asked: _Question, settled: ModelInfo, tallies: Mapping[str, Tally]
    ) -> list[ModelInfo]:
        """Worth a try: nobody where a mistake would not be noticed or would cost too much, nor who is known to be too bad."""
        may = self.strategy is RoutingStrategy.LEARNING and asked.has_check
        if not may or asked.risk is TaskRisk.HIGH:
            return []
        floor = self.config.quality_floor
        return [
            one
            for one in self.registry.models
            if one.model_id != settled.model_id
            and tallies.get(one.model_id, Tally.of(())).interval[1] >= floor
        ]

    # --- what it has learned ----------------------------------------------------------------------

    def get_learning_summary(self) -> dict[str, Any]:
        """Of all tasks of the tracker; nan is a rate of no task."""
        stats = self.tracker.get_statistics()
        found = self._analytics.identify_optimization_opportunities()
        return {
            "strategy": self.strategy.value,
            "total_tasks": stats["total_tasks"],
            "overall_success_rate": stats["success_rate"],
            "success_interval": stats["success_interval"],
            "avg_cost": stats["avg_cost"],
            "exploration_rate": self.exploration_rate,
            "optimization_opportunities": len(found),
            "opportunities": found,
            "models": len(
                {one.implementer_model for one in self.tracker.get_all_records()} - {None}
            ),
        }

    def adapt_strategy(self) -> float:
        """Sets the exploration rate by what there is, and says it: less with more evidence, more when models or results change."""
        self.exploration_rate = adapted_rate(
            self.config.exploration_rate,
            [one.model_id for one in self.registry.models],
            self._analytics.records(),
            self.config.min_samples,
        )
        return self.exploration_rate

    # --- the parts of a decision ------------------------------------------------------------------

    def _tallies(self, asked: _Question) -> dict[str, Tally]:
        """Of models that are configured and above the floor."""
        found = self._analytics.tally_by_model(asked.area, asked.risk, asked.role)
        return {
            model: tally
            for model, tally in found.items()
            if (info := self.registry.get(model)) and self.registry.allowed(info, asked.risk)
        }

    def _baseline(
        self, usual: ModelInfo, tallies: Mapping[str, Tally], words: str
    ) -> RoutingDecision:
        return RoutingDecision(usual, words, DEFAULT, _cost(usual, tallies))

    def _info(self, model: str) -> ModelInfo:
        info = self.registry.get(model)
        assert info is not None, "tallies are of models in the registry"
        return info


def _of(asked: _Question) -> str:
    return f"{asked.area} tasks of {asked.risk} risk as {asked.role}"


def _low(pick: str, sure: float, needed: float, shown: float) -> str:
    if sure < shown:
        return "low confidence in any other"
    return f"low confidence: {pick} is no worse by {sure:.2f}, and {needed:.2f} is needed"


def _cost_or(unknown: float, tally: Tally) -> float:
    return unknown if tally.mean_cost is None else tally.mean_cost


def _cost(info: ModelInfo, tallies: Mapping[str, Tally]) -> float:
    tally = tallies.get(info.model_id)
    learned = nan if tally is None or tally.mean_cost is None else tally.mean_cost
    return info.prior_cost if isnan(learned) else learned
