"""The models that the settings know, and which of them a task gets without any learning; refuses to know a model of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

from orchestrator import prices
from orchestrator import settings as configured
from orchestrator.errors import SettingsError
from orchestrator.estimates import bill
from orchestrator.intelligence.records import TaskComplexity, TaskRisk
from orchestrator.model import Tier
from orchestrator.routing.tiers import ORDER, Policy, band, below
from orchestrator.settings import EstimateSettings
from orchestrator.workers import Worker
from orchestrator.workers.registry import known


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """`prior_cost`: dollars for a middling task by the price list, nan where it has no price. Learned costs replace it."""

    model_id: str
    provider: str
    tier: Tier
    display_name: str = ""
    prior_cost: float = nan

    def __post_init__(self) -> None:
        if not self.display_name:
            object.__setattr__(self, "display_name", self.model_id)


STANDARD = Policy()


@dataclass(frozen=True)
class ModelRegistry:
    """`models` in order of preference: of several of one tier the first is the usual one."""

    models: tuple[ModelInfo, ...]
    policy: Policy = STANDARD  # its rules are not asked: they are learned
    _by_id: dict[str, ModelInfo] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.models:
            raise SettingsError(
                "no model is known: write some below [models.haiku], [models.sonnet] or [models.opus]"
            )
        by_id: dict[str, ModelInfo] = {}
        for one in self.models:
            by_id.setdefault(one.model_id, one)
        object.__setattr__(self, "_by_id", by_id)

    def get(self, model_id: str) -> ModelInfo | None:
        return self._by_id.get(model_id)

    def baseline(self, complexity: TaskComplexity, risk: TaskRisk) -> tuple[ModelInfo, str]:
        """By the bands of complexity, with a floor for high risk; and the words for why."""
        score = complexity.score
        wanted, floor = band(score, self.policy), self.policy.risk_floor
        why = f"complexity {complexity} ({score}) starts on {wanted}"
        if risk is TaskRisk.HIGH and below(wanted, floor):
            wanted, why = floor, f"{why}, but high risk asks for {floor} at least"
        return self._usual(wanted), why

    def allowed(self, model: ModelInfo, risk: TaskRisk) -> bool:
        """Whether it is above the floor of that risk."""
        return risk is not TaskRisk.HIGH or not below(model.tier, self.policy.risk_floor)

    def _usual(self, wanted: Tier) -> ModelInfo:
        """The first of that tier, else of the next stronger one, else the strongest that there is."""
        enough = [one for one in self.models if not below(one.tier, wanted)]
        if enough:
            return min(enough, key=lambda one: ORDER.index(one.tier))
        return max(self.models, key=lambda one: ORDER.index(one.tier))


def get_configured_registry(root: Path | None = None) -> ModelRegistry:
    """Of the settings of the project at `root` (default: the working directory): the agents in their order, then all others."""
    found = configured.load(root or Path.cwd())
    workers = known(found)
    names = [name for name in dict.fromkeys((*found.run.agents, *workers)) if name in workers]
    models = [
        _info(found, workers[name], tier, model)
        for name in names
        for tier, model in workers[name].models.items()
    ]
    haiku_max, sonnet_max = found.routing.ends
    policy = Policy(haiku_max, sonnet_max, risk_floor=found.routing.risk_floor)
    return ModelRegistry(_once(models), policy)


def _info(found: configured.Settings, worker: Worker, tier: Tier, model: str) -> ModelInfo:
    return ModelInfo(
        model_id=model,
        provider=worker.provider(model) or worker.name,
        tier=tier,
        display_name=f"{model} ({worker.name})",
        prior_cost=_prior_cost(found, tier, model),
    )


def _prior_cost(found: configured.Settings, tier: Tier, model: str) -> float:
    table: EstimateSettings = found.estimate
    work = table.tokens["other"] * table.tier_factor.get(tier, 1.0)
    usage = prices.price(
        bill(work, table, fresh=True), provider=None, model=model, own=found.prices
    )
    return nan if usage.cost_usd is None else usage.cost_usd


def _once(models: Iterable[ModelInfo]) -> tuple[ModelInfo, ...]:
    found: dict[str, ModelInfo] = {}
    for one in models:
        found.setdefault(one.model_id, one)
    return tuple(found.values())
