"""Which tier a task starts on, and who said so: the plan, its label, a pattern, what was learned, or its band. Pure; it never goes below a floor unless the plan itself does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.model import Quality, Score, Strategy, Task, Tier
from orchestrator.model.learned import Rule
from orchestrator.routing import patterns

EXPLICIT, LABEL, PATTERN, DEFAULT = 1.0, 0.95, 0.85, 0.6  # how sure each is
WORDS: Mapping[str, Tier] = {
    "trivial": Tier.HAIKU,
    "simple": Tier.HAIKU,
    "standard": Tier.SONNET,
    "complex": Tier.OPUS,
}
ORDER = tuple(Tier)


class Policy(NamedTuple):
    """What the settings and the ledger say. A band holds all complexities up to its end."""

    haiku_max: int = 4
    sonnet_max: int = 8
    security_floor: Tier = Tier.OPUS
    risk_floor: Tier = Tier.OPUS
    rules: Mapping[int, Rule] = {}  # by complexity
    min_confidence: float = 0.7
    quality: Quality = Quality.SHINY


class Floor(NamedTuple):
    tier: Tier
    why: str
    confidence: float


class Choice(NamedTuple):
    tier: Tier
    strategy: Strategy
    confidence: float
    reason: str
    floor: Tier | None = None


def choose(
    task: Task, score: Score, policy: Policy, models: Mapping[Tier, str] | None = None
) -> Choice:
    """Of the first try. `models`: what answers on each tier of its worker; what was learned of others says nothing. None: any."""
    floor = floor_of(task, policy)
    found = _explicit(task)
    if found is not None:
        under = floor is not None and below(found.tier, floor.tier)
        warning = f"; below the floor {floor.tier} ({floor.why})" if floor and under else ""
        return found._replace(reason=found.reason + warning, floor=floor and floor.tier)
    found = (
        _chrome(policy)
        or _label(task)
        or _basic(policy)
        or _pattern(task, policy)
        or _learned(task, score, policy, models)
    )
    found = found or _default(task, score, policy, models)
    if floor is None or not below(found.tier, floor.tier):
        return found._replace(floor=floor and floor.tier)
    reason = f"{floor.why}: not below {floor.tier}; else {found.tier}, {found.reason}"
    return Choice(floor.tier, Strategy.FLOOR, floor.confidence, reason, floor.tier)


def below(one: Tier, other: Tier) -> bool:
    return ORDER.index(one) < ORDER.index(other)


def band(complexity: int, policy: Policy) -> Tier:
    if complexity <= policy.haiku_max:
        return Tier.HAIKU
    return Tier.SONNET if complexity <= policy.sonnet_max else Tier.OPUS


def floor_of(task: Task, policy: Policy) -> Floor | None:
    """The highest of all."""
    found = []
    if task.risk is not None and task.risk.lower() == "high":
        found.append(Floor(policy.risk_floor, 'risk="high" in the plan', LABEL))
    pattern = patterns.floor(task)
    if pattern is not None:
        found.append(Floor(policy.security_floor, f"its title says {pattern.name}", PATTERN))
    return max(found, key=lambda one: ORDER.index(one.tier), default=None)


def explicit(task: Task) -> tuple[Tier, str] | None:
    """What the plan itself asks for: the attribute, else the strongest of its labels."""
    if task.model is not None:
        return task.model, f'model="{task.model}"'
    labelled = [tier for tier in ORDER if f"model:{tier}" in _labels(task)]
    return (labelled[-1], f"the label model:{labelled[-1]}") if labelled else None


def route_to_model(complexity: int, policy: Policy) -> Tier:
    """By the number alone: what was learned for it, else its band."""
    rule = policy.rules.get(complexity)
    if rule is not None and rule.confidence >= policy.min_confidence:
        return rule.tier
    return band(complexity, policy)


# --- each tier of evidence, the surest first ------------------------------------------------------


def _labels(task: Task) -> set[str]:
    return {label.lower() for label in task.labels}


def _explicit(task: Task) -> Choice | None:
    asked = explicit(task)
    if asked is None:
        return None
    return Choice(asked[0], Strategy.EXPLICIT, EXPLICIT, f"{asked[1]} in the plan")


def _chrome(policy: Policy) -> Choice | None:
    if policy.quality is not Quality.CHROME:
        return None
    reason = "--quality chrome starts on the strongest"
    return Choice(ORDER[-1], Strategy.QUALITY, EXPLICIT, reason)


def _basic(policy: Policy) -> Choice | None:
    """A label of the author's knows the task better."""
    if policy.quality is not Quality.BASIC:
        return None
    reason = "--quality basic starts on the cheapest"
    return Choice(ORDER[0], Strategy.QUALITY, EXPLICIT, reason)


def _label(task: Task) -> Choice | None:
    words = [word for word in WORDS if f"complexity:{word}" in _labels(task)]
    if not words:
        return None
    hardest = words[-1]
    reason = f"the label complexity:{hardest} starts on {WORDS[hardest]}"
    return Choice(WORDS[hardest], Strategy.LABEL, LABEL, reason)


def _pattern(task: Task, policy: Policy) -> Choice | None:
    """A guess from the title does not go below the number that the author gave."""
    found = next(patterns.matching(task), None)
    if found is None:
        return None
    tier = policy.security_floor if found.floor else found.tier
    if task.complexity is not None and below(tier, band(task.complexity, policy)):
        return None
    return Choice(tier, Strategy.PATTERN, PATTERN, f"its title says {found.name}: {tier}")


def _learned(
    task: Task, score: Score, policy: Policy, models: Mapping[Tier, str] | None
) -> Choice | None:
    rule = policy.rules.get(score.value)
    if rule is None or _of_another(rule, models):
        return None
    if rule.confidence < policy.min_confidence:
        return None
    weaker = below(rule.tier, band(score.value, policy))
    if weaker and not task.commands and not rule.adopt:
        return None  # no check would show that it failed
    reason = f"learned for complexity {score.value}: {rule.reason}"
    return Choice(rule.tier, Strategy.LEARNED, rule.confidence, reason)


def _of_another(rule: Rule, models: Mapping[Tier, str] | None) -> str:
    """Why its evidence says nothing of this worker's model; empty where it does."""
    here = None if models is None else models.get(rule.tier)
    if models is None or rule.model_id in (None, here):
        return ""
    return f"{rule.model_id} is what was learned of, and {rule.tier} is {here or 'no model'} here"


def _default(task: Task, score: Score, policy: Policy, models: Mapping[Tier, str] | None) -> Choice:
    if task.subagent == "explore":
        reason = 'subagent="explore" starts on haiku'
        return Choice(Tier.HAIKU, Strategy.DEFAULT, DEFAULT, reason)
    reasons = f" ({', '.join(score.reasons)})" if score.reasons else ""
    tier = band(score.value, policy)
    ends = {
        Tier.HAIKU: f"up to {policy.haiku_max}",
        Tier.SONNET: f"up to {policy.sonnet_max}",
        Tier.OPUS: f"above {policy.sonnet_max}",
    }
    reason = f"complexity {score.value}{reasons}: {ends[tier]} starts on {tier}"
    rule = policy.rules.get(score.value)
    if rule is not None and (why := _of_another(rule, models)):
        reason += f"; the rule for it is passed over: {why}"
    return Choice(tier, Strategy.DEFAULT, DEFAULT, reason)
