"""One model against the usual one at one complexity: is it no worse, is it cheaper, how sure is that. Pure; refuses to be surer than its method allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.model import Noun, Tier
from orchestrator.model.learned import Sample
from orchestrator.routing import confidence

INHERITED = 10.0  # the most that older evidence counts for, in samples
ROUNDING = 1e-9  # relative: sums of equal costs are not quite equal


class Method(StrEnum):
    """What confidence means. Each is computed for every comparison; one of them decides."""

    NONINFERIORITY = "noninferiority"
    WILSON = "wilson"
    SEED = "seed"


class Policy(Noun):
    """When a rule is a rule."""

    method: Method = Method.NONINFERIORITY
    min_confidence: float = 0.7
    adoption_confidence: float = 0.9
    cost_confidence: float = 0.9
    margin: float = 0.05
    min_samples: int = 5
    haiku_max: int = 4
    sonnet_max: int = 8

    @property
    def is_seed(self) -> bool:
        return self.method is Method.SEED

    def usual(self, complexity: int) -> Tier:
        if complexity <= self.haiku_max:
            return Tier.HAIKU
        return Tier.SONNET if complexity <= self.sonnet_max else Tier.OPUS


SUMS = (
    *("tries", "successes", "partials", "priced", "cost", "cost_squared"),
    *("timed", "seconds"),
)

# --- groups ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Group:
    """Sums over attempts of one model at one complexity."""

    complexity: int
    model_id: str
    tier: Tier
    provider: str | None
    tries: float = 0
    successes: float = 0
    partials: float = 0
    priced: float = 0  # cost is known, and all of it
    cost: float = 0.0
    cost_squared: float = 0.0
    timed: float = 0
    seconds: float = 0.0
    first: str = ""
    last: str = ""

    def add(self, one: Sample) -> None:
        self.tries += 1
        self.successes += one.outcome == "success"
        self.partials += one.outcome == "partial"
        if one.cost_usd is not None and not one.lower_bound:
            self.priced += 1
            self.cost += one.cost_usd
            self.cost_squared += one.cost_usd * one.cost_usd
        if one.duration_seconds is not None:
            self.timed += 1
            self.seconds += one.duration_seconds
        self.first = min(self.first or one.timestamp, one.timestamp)
        self.last = max(self.last, one.timestamp)

    def join(self, other: Group) -> None:
        """What turned out to be of the same model."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first = min(self.first or other.first, other.first or self.first)
        self.last = max(self.last, other.last)

    @property
    def rate(self) -> float:
        return self.successes / self.tries if self.tries else 0.0

    @property
    def avg_cost(self) -> float | None:
        return self.cost / self.priced if self.priced else None

    @property
    def avg_seconds(self) -> float | None:
        return self.seconds / self.timed if self.timed else None

    def at_most(self, samples: float) -> Group:
        """The same rates and costs, told by so many samples."""
        share = min(1.0, samples / self.tries) if self.tries else 0.0
        less = {name: getattr(self, name) * share for name in SUMS}
        known = {name: getattr(self, name) for name in self.__slots__}
        return Group(**(known | less))


@dataclass(slots=True)
class Heir:
    """A group, with what it inherits."""

    own: Group
    successes: float
    tries: float
    inherited: float = 0.0
    from_model: str | None = None


# --- judging --------------------------------------------------------------------------------------


class Comparison(Noun):
    """One model against the usual one. `confidence` is that of the policy's method."""

    complexity: int
    tier: Tier
    confidence: float
    reason: str
    metrics: dict[str, Any]
    evidence: dict[str, Any]
    missing: str = ""  # why it is no rule; empty: it is one


def judge(one: Heir, usual: Heir, policy: Policy) -> Comparison:
    """Whether it may take the place of the usual model, with all that this was decided by."""
    sure = _confidences(one, usual, policy.margin)
    cheaper = probably_cheaper(one.own, usual.own)
    level = sure[policy.method]
    adopt = level >= (policy.min_confidence if policy.is_seed else policy.adoption_confidence)
    return Comparison(
        complexity=one.own.complexity,
        tier=one.own.tier,
        confidence=round(level, 4),
        reason=_reason(one.own, usual.own, policy),
        metrics=_metrics(one.own),
        evidence={
            "model_id": one.own.model_id,
            "provider": one.own.provider,
            "method": policy.method,
            "adopt": adopt,
            "confidences": {method: round(value, 4) for method, value in sure.items()},
            "cost_lower": None if cheaper is None else round(cheaper, 4),
            "margin": 0.0 if policy.is_seed else policy.margin,
            "partial_rate": _share(one.own.partials, one.own.tries),
            **_inheritance(one),
            "incumbent": _incumbent(usual),
        },
        missing=_missing(one, usual, policy, level, cheaper),
    )


def _confidences(one: Heir, usual: Heir, margin: float) -> dict[Method, float]:
    return {
        Method.NONINFERIORITY: confidence.noninferiority(
            one.successes, one.tries, usual.successes, usual.tries, margin
        ),
        Method.WILSON: confidence.wilson(one.successes, one.tries),
        Method.SEED: confidence.seed(int(one.own.tries)),
    }


def probably_cheaper(one: Group, usual: Group) -> float | None:
    """P(its mean cost is lower). None: nobody can tell from so few."""
    if min(one.priced, usual.priced) < 2:
        return None
    return confidence.is_cheaper(_mean_cost(one), _mean_cost(usual))


def _mean_cost(group: Group) -> tuple[float, float]:
    """Dollars, and their standard error."""
    n, mean = group.priced, group.cost / group.priced
    variance = (group.cost_squared - group.cost * mean) / (n - 1)
    return mean, 0.0 if variance < ROUNDING * mean * mean else math.sqrt(variance / n)


def _missing(one: Heir, usual: Heir, policy: Policy, sure: float, cheaper: float | None) -> str:
    """The first thing that keeps it from being a rule."""
    cost, other = one.own.avg_cost, usual.own.avg_cost
    least = 1 if policy.is_seed else policy.min_samples
    if min(one.own.tries, usual.tries) < least or one.own.tries < policy.min_samples:
        return f"too few samples ({one.own.tries:g} and {usual.own.tries:g})"
    if cost is None or other is None:
        return "no cost is known"
    if cost >= other * (1 - ROUNDING):
        return f"not cheaper (${cost:.4f} against ${other:.4f})"
    if policy.is_seed and one.own.rate < usual.own.rate:
        return f"less success ({one.own.rate:.0%} against {usual.own.rate:.0%})"
    if policy.method is Method.WILSON and one.own.rate < usual.own.rate - policy.margin:
        return f"less success ({one.own.rate:.0%} against {usual.own.rate:.0%})"
    if sure < policy.min_confidence:
        return f"confidence {_percent(sure)}"
    if not policy.is_seed and (cheaper is None or cheaper < policy.cost_confidence):
        return f"not surely cheaper ({_percent(cheaper or 0.0)})"
    return ""


def _percent(share: float) -> str:
    """Rounded down: 69.9% is not 70%."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:g}%"


def _reason(one: Group, usual: Group, policy: Policy) -> str:
    """Better is the seed's word: nobody has asked whether it is, only whether it is no worse."""
    word = "Better than" if policy.is_seed else "No worse than"
    if one.rate < usual.rate:
        word = "Nearly as good as"
    mine, theirs = (
        f"{_dollars(each.avg_cost)} avg cost ({each.tries:g} samples)" for each in (one, usual)
    )
    return f"{word} {usual.tier}: {one.rate:.0%} success, {mine}; {usual.tier}: {usual.rate:.0%}, {theirs}"


def _dollars(usd: float | None) -> str:
    return "unknown" if usd is None else f"${usd:.4f}"


def _metrics(one: Group) -> dict[str, Any]:
    """The four of the seed, of its own attempts."""
    return {
        "success_rate": _share(one.successes, one.tries),
        "avg_cost_usd": None if one.avg_cost is None else round(one.avg_cost, 9),
        "avg_duration_sec": None if one.avg_seconds is None else round(one.avg_seconds, 3),
        "sample_size": int(one.tries),
    }


def _share(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole else 0.0


def _inheritance(one: Heir) -> dict[str, Any]:
    if one.from_model is None:
        return {}
    return {"inherited": {"model_id": one.from_model, "samples": round(one.inherited, 3)}}


def _incumbent(usual: Heir) -> dict[str, Any]:
    own = usual.own
    return {
        "model": own.tier,
        "model_id": own.model_id,
        "provider": own.provider,
        **_metrics(own),
        **_inheritance(usual),
        "sums": {name: getattr(own, name) for name in SUMS},
    }
