"""What an adaptive router is told of how to learn; refuses weights that weigh nothing. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orchestrator.intelligence.words import Word
from orchestrator.routing.confidence import ADOPTED, MARGIN, SHOWN

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]


class RoutingStrategy(Word):
    """BASELINE learns nothing; LEARNING is BALANCED that also tries others."""

    BASELINE = "baseline"
    PERFORMANCE = "performance"
    COST = "cost"
    BALANCED = "balanced"
    LEARNING = "learning"


class LearningConfig(BaseModel):
    """The two weights are brought to a sum of 1. Three levels of confidence: shown, used, used with no check behind it.

    What is not given is, for a router or analytics over a tracker, what the settings say (`over`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_samples: Annotated[int, Field(ge=1)] = 5  # fewer are not looked at
    success_weight: Weight = 0.7
    cost_weight: Weight = 0.3
    exploration_rate: Share = 0.1
    show_confidence: Share = 0.6
    min_confidence: Share = SHOWN  # with a check behind it: what fails is noticed and done again
    unguarded_confidence: Share = ADOPTED
    margin: Share = MARGIN  # a rate that is lower by up to this much counts as no worse
    quality_floor: Share = 0.8  # of the success rate, for COST
    window_days: Annotated[int, Field(ge=1)] | None = None  # what is older is not looked at

    @model_validator(mode="before")
    @classmethod
    def bring_weights_to_a_sum_of_1(cls, values: Any) -> Any:
        given = {"success_weight": 0.7, "cost_weight": 0.3, **values}
        try:
            success, cost = float(given["success_weight"]), float(given["cost_weight"])
        except (TypeError, ValueError):
            return given  # the fields say what is wrong
        if success < 0 or cost < 0:
            return given
        if success + cost == 0:
            raise ValueError("success_weight and cost_weight are both 0: one must weigh something")
        total = success + cost
        return {**given, "success_weight": success / total, "cost_weight": cost / total}

    def over(self, usual: Self) -> Self:
        """`usual`, with what was given here in its place. The weights go together, and always count as given."""
        return usual.model_copy(
            update={name: getattr(self, name) for name in self.model_fields_set}
        )
