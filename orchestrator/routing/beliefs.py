"""From counted outcomes to what is believed of each model in each place of a ladder. Pure; what is borrowed never outweighs what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from orchestrator.model import Tier
from orchestrator.routing.confidence import Counts
from orchestrator.routing.evidence import Evidence, Failed, Tally, band


class Prior(NamedTuple):
    """What is believed of a tier before its model has done anything here."""

    rate: float  # passes a check, as the first to try
    share: float  # of what an attempt of the strongest costs


# 500 public issues in one scaffold: small models pass .35-.66 at 4-13% of the cost of the largest (.70-.76).
# Said of tiers, never of models, and worth PRIOR_PASSES and PRIOR_COSTS attempts: some outcomes replace them.
PRIORS: Mapping[Tier, Prior] = {
    Tier.HAIKU: Prior(rate=0.60, share=0.10),
    Tier.SONNET: Prior(rate=0.70, share=0.50),
    Tier.OPUS: Prior(rate=0.75, share=1.00),
}
PRIOR_PASSES, PRIOR_COSTS = 3.0, 2.0
AGAIN = 0.43  # a second try that sees what failed; a blind one: .05-.17, so there is none
ODDS = 0.40  # a failure before leaves this much of the odds: .22-.45 after one model, .10-.25 after two
DEARER = 1.20  # and a task that another failed at costs so much more: 1.06-1.39 after one
SCATTER = 0.60  # variance of an attempt's cost over the square of its mean: .35-2.7
LENT = 10.0  # samples that a predecessor counts for, at most
# Another band, or another place of the ladder, lends at most so much: ODDS and DEARER are no better than that.
LENT_RATE = 30.0
LENT_COST = 60.0


class Belief(NamedTuple):
    """Of one model in one place: how often it passes, what an attempt costs on average, each with its standard error."""

    rate: float
    rate_error: float
    cost: float
    cost_error: float
    seen: Counts = (0.0, 0.0)  # passed and failed in this very place: nothing stated, nothing lent

    @property
    def proven(self) -> Belief:
        """What its own outcomes here say to one who believes nothing else."""
        rate, error = beta(self.seen[0] + 1, self.seen[1] + 1)
        return self._replace(rate=rate, rate_error=error)


def beta(passed: float, failed: float) -> tuple[float, float]:
    """Mean and standard deviation of a Beta posterior."""
    samples = passed + failed
    rate = passed / samples
    return rate, sqrt(rate * (1 - rate) / (samples + 1))


class Candidate(NamedTuple):
    """A model that may try. `cost_usd`: an estimate of one attempt; None: only its tier is known."""

    tier: Tier
    model: str
    cost_usd: float | None = None


class Beliefs:
    """Of each candidate, after any others failed. Made for one task; it looks at the evidence only when asked."""

    def __init__(
        self, evidence: Evidence, candidates: Sequence[Candidate], complexity: int
    ) -> None:
        self._evidence, self._band = evidence, band(complexity)
        self._candidates = {each.model: each for each in candidates}
        self._known: dict[tuple[str, Failed], Belief] = {}
        self._all_estimated = all(each.cost_usd is not None for each in candidates)
        self._unit = self._measure_unit()

    def __call__(self, model: str, after: Failed = ()) -> Belief:
        """`after` its own id: the second try, with the text of the failure."""
        found = self._known.get((model, after))
        if found is None:
            found = self._known[model, after] = self._believe(model, after)
        return found

    def attempts(self, model: str) -> float:
        return self._evidence.attempts(model)

    def cost_of_passing(self, model: str) -> tuple[float, float]:
        return self._evidence.cost_of_passing(model)

    def _believe(self, model: str, after: Failed) -> Belief:
        """What its tier lets expect, then what is lent, then what it did in this very place: sums, so each is outgrown."""
        again, depth = model in after, len(after)
        rate = AGAIN if again else after_failures(self._prior(model).rate, depth)
        places = self._evidence.tallies.get(model, {})
        here = (after, self._band)
        own = places.get(here, Tally())
        others = {key: each for key, each in places.items() if key != here}
        lent = _at_most(_moved(others, model, again, depth), LENT_RATE, LENT_COST)
        older, theirs = self._evidence.before(model)
        old = _at_most(_moved(theirs, older, again, depth), LENT, LENT)
        sums = (own, lent, old)
        passed = PRIOR_PASSES * rate + sum(each.passed for each in sums)
        failed = PRIOR_PASSES * (1 - rate) + sum(each.samples - each.passed for each in sums)
        weight = PRIOR_COSTS + sum(each.priced for each in sums)
        stated = self._unit * self._share(model) * DEARER ** (0 if again else depth)
        cost = PRIOR_COSTS * stated + sum(each.cost for each in sums)
        seen = (own.passed, own.samples - own.passed)
        mean = cost / weight
        return Belief(*beta(passed, failed), mean, mean * sqrt(SCATTER / weight), seen)

    def _prior(self, model: str) -> Prior:
        return PRIORS[self._candidates[model].tier]

    def _share(self, model: str) -> float:
        estimate = self._candidates[model].cost_usd if self._all_estimated else None
        return self._prior(model).share if estimate is None else estimate

    def _measure_unit(self) -> float:
        """Dollars per stated cost, over all attempts of the candidates: a scale that is wrong for all is soon put right."""
        real = stated = 0.0
        for model in self._candidates:
            for (place, _), tally in self._evidence.tallies.get(model, {}).items():
                real += tally.cost
                depth = 0 if model in place else len(place)
                stated += tally.priced * self._share(model) * DEARER**depth
        return real / stated if real and stated else 1.0


def after_failures(rate: float, failures: float) -> float:
    """The rate of passing where so many other models did not; negative takes their failures back."""
    odds = rate / (1 - rate) * float(ODDS**failures)
    return odds / (1 + odds)


def _moved(
    places: Mapping[tuple[Failed, int], Tally], model: str, again: bool, depth: int
) -> Tally:
    """Tallies of other places as if they were of this one. Second tries speak only of second tries."""
    samples = passed = priced = cost = 0.0
    for (place, _), tally in places.items():
        if (model in place) == again:
            more = depth - len(place)
            rate = (tally.passed + 0.5) / (tally.samples + 1)
            samples += tally.samples
            passed += tally.samples * after_failures(rate, more)
            priced += tally.priced
            cost += tally.cost * DEARER**more
    return Tally(samples, passed, priced, cost)


def _at_most(tally: Tally, samples: float, priced: float) -> Tally:
    rate, price = min(1.0, samples / (tally.samples or 1)), min(1.0, priced / (tally.priced or 1))
    return Tally(
        tally.samples * rate, tally.passed * rate, tally.priced * price, tally.cost * price
    )
