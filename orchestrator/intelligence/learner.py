"""Outcomes -> which tier is as good as the usual one and costs less, by complexity. Pure: samples in, rules and a report out; it blames no model for others.

Each sample is folded into its group as it comes, so a million of them need no more memory than ten. What is compared:

* Groups are of one complexity and one resolved model id: an alias never mixes two models. Of an attempt that ended before
  anybody had answered only the name is on record: it was the id that answered to it before, else the one that did after it.
* Each against the model of the tier that the bands choose. Without outcomes of that there is no comparison, and no rule.
* But for `seed` only first tries count: a retry has read the failure before it, and an escalation gets the tasks that
  another model could not do. And only what a check, a review or a person has judged: a pass that nothing proved says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.estimates.names import Names
from orchestrator.intelligence.comparison import (
    INHERITED,
    SUMS,
    Comparison,
    Group,
    Heir,
    Policy,
    judge,
)
from orchestrator.model import Failure, Noun, Tier, Verified
from orchestrator.model.learned import LIVE, OF_THE_MODEL, Sample
from orchestrator.routing import lineage

# Ended by itself, and nobody looked at what it made.
ENDED = {
    *(Failure.EXIT, Failure.TIMEOUT, Failure.STALLED, Failure.NO_RESULT),
    *(Failure.MAX_TURNS, Failure.BUDGET, Failure.CONTEXT, Failure.REFUSED),
}


Groups = dict[tuple[int, str], Group]  # by complexity and model id


@dataclass(slots=True)
class Pool:
    """What has been folded so far."""

    policy: Policy
    groups: Groups = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    nameless: dict[str, Groups] = field(default_factory=dict)  # by worker: nobody has answered yet
    passed: Counter[str] = field(default_factory=Counter)
    loaded: int = 0

    def add(self, one: Sample) -> None:
        self.loaded += 1
        tier, model_id = one.model_routed, one.model_version
        if tier is None or model_id is None:
            self.passed["no model" if model_id is None else "a model of no tier"] += 1
            return
        if one.origin == LIVE:
            self.names.add(one.worker, one.asked, model_id)
        if why := self._no_evidence(one):
            self.passed[why] += 1
            return
        known = self.names.resolve(one.worker, model_id) if one.asked == model_id else model_id
        waits = known == one.asked
        groups = self.nameless.setdefault(one.worker, {}) if waits else self.groups
        key = (one.complexity_estimated, known)
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(*key, tier, one.provider)
        group.add(one)

    def settle(self) -> None:
        """At the end: who has answered to a name later."""
        for worker, groups in self.nameless.items():
            for (complexity, asked), group in groups.items():
                group.model_id = self.names.resolve(worker, asked)
                of_it = self.groups.setdefault((complexity, group.model_id), group)
                if of_it is not group:
                    of_it.join(group)
        self.nameless.clear()

    def _no_evidence(self, one: Sample) -> str:
        if one.origin != LIVE:
            return "imported"
        if one.outcome == "failed" and one.failure not in OF_THE_MODEL:
            return "not the model's doing"
        if self.policy.is_seed:
            return ""
        if one.attempt > 1 or one.escalated_from is not None:
            return "not a first try"
        if one.outcome == "success" and not _is_judged(one):
            return "judged by nothing"
        return "judged by nothing" if _is_a_bare_word(one) else ""

    @property
    def analysed(self) -> int:
        return self.loaded - self.passed.total()


def _is_judged(one: Sample) -> bool:
    return one.verified not in (None, Verified.NONE.value) and one.verify_strength != 0


def _is_a_bare_word(one: Sample) -> bool:
    """A failure by its caller's word alone: the same caller's successes are no evidence, so all of them would look failed."""
    return one.outcome == "failed" and one.verified == Verified.NONE and one.failure in ENDED


# --- what follows ---------------------------------------------------------------------------------


class Learned(Noun):
    rules: tuple[Comparison, ...]  # at most one a complexity
    others: tuple[Comparison, ...]  # looked at, and not enough
    alone: tuple[int, ...]  # complexities at which nothing could be compared
    loaded: int
    analysed: int
    passed: dict[str, int]
    groups: int = 0  # of one complexity and one model id


def learn(
    samples: Iterable[Sample], policy: Policy, before: Mapping[int, Mapping[str, Any]] | None = None
) -> Learned:
    """`before` is the evidence of each rule that is in force, by complexity: what was the usual model then hardly runs since."""
    pool = Pool(policy)
    for one in samples:
        pool.add(one)
    pool.settle()
    ages = _ages(pool.groups.values())
    rules, others, alone = [], [], []
    for complexity in sorted({complexity for complexity, _ in pool.groups}):
        found = list(_compare(complexity, pool, ages, (before or {}).get(complexity)))
        good = [one for one in found if not one.missing]
        best = min(good, key=_preference, default=None)
        rules += [best] if best else []
        others += [one for one in found if one is not best]
        alone += [] if found else [complexity]
    return Learned(
        rules=tuple(rules),
        others=tuple(others),
        alone=tuple(alone),
        loaded=pool.loaded,
        analysed=pool.analysed,
        passed=dict(sorted(pool.passed.items())),
        groups=len(pool.groups),
    )


def _preference(one: Comparison) -> tuple[bool, float, float]:
    return (not one.evidence["adopt"], one.metrics["avg_cost_usd"], -one.confidence)


_Ages = dict[tuple[Tier, str | None], list[lineage.Span]]


def _ages(groups: Iterable[Group]) -> _Ages:
    """By tier and provider."""
    return lineage.ages(
        ((one.tier, one.provider), one.model_id, one.first, one.last) for one in groups
    )


def _compare(
    complexity: int, pool: Pool, ages: _Ages, before: Mapping[str, Any] | None
) -> Iterator[Comparison]:
    policy = pool.policy
    here = {model: one for (level, model), one in pool.groups.items() if level == complexity}
    current = [here[found[-1].model] for found in ages.values() if found[-1].model in here]
    usual_tier = policy.usual(complexity)
    usual = max((one for one in current if one.tier is usual_tier), key=_last, default=None)
    if not policy.is_seed:
        usual = _carried(complexity, usual, usual_tier, policy, before)
    if usual is None:
        return
    for one in current:
        if one.tier is not usual_tier:
            yield judge(_heir(one, here, ages, policy), _heir(usual, here, ages, policy), policy)


def _last(group: Group) -> str:
    return group.last


def _heir(one: Group, here: Mapping[str, Group], ages: _Ages, policy: Policy) -> Heir:
    """A new model id starts with what its predecessor has shown, worth ten samples at most."""
    spans = ages.get((one.tier, one.provider), [])
    older = [model for model in lineage.gone(spans, one.first) if model in here]
    if policy.is_seed or not older:
        return Heir(one, one.successes, one.tries)
    kept = here[older[-1]].at_most(INHERITED)
    return Heir(
        one, one.successes + kept.successes, one.tries + kept.tries, kept.tries, kept.model_id
    )


def _carried(
    complexity: int,
    usual: Group | None,
    tier: Tier,
    policy: Policy,
    before: Mapping[str, Any] | None,
) -> Group | None:
    """While a rule is in force the usual model runs seldom: too few of its own, and what was known of it still counts."""
    older = None if before is None else _remembered(complexity, tier, before)
    if (usual and usual.tries >= policy.min_samples) or older is None:
        return usual
    return usual if usual and usual.tries > older.tries else older


def _remembered(complexity: int, tier: Tier, before: Mapping[str, Any]) -> Group | None:
    """The usual model as it was when the rule was made. None: of another tier, or not ours to read."""
    try:
        known = before["incumbent"]
        sums: dict[str, Any] = {name: float(known["sums"][name]) for name in SUMS}
        if known["model"] != tier:
            return None
        return Group(complexity, known["model_id"], tier, known["provider"], **sums).at_most(
            INHERITED
        )
    except (KeyError, TypeError, ValueError):
        return None
