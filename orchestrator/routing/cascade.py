"""Which models try a task, in which order: the plan of least expected cost that the check allows, each choice with its reason. Pure; it refuses to end below the strongest without proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import sqrt
from typing import NamedTuple

from orchestrator.model import Tier
from orchestrator.routing.beliefs import Beliefs, Candidate
from orchestrator.routing.confidence import is_cheaper
from orchestrator.routing.evidence import Trust
from orchestrator.routing.forecast import Forecast, chance_of_less, foresee, surely_lost

Models = tuple[str, ...]

STRONG_ENOUGH = 0.5  # a check below it decides nothing: prose, or green before the work
SUCCESS_MARGIN = 0.02  # success that a plan may lack against the strongest alone
SURE = 0.9  # P that another is cheaper, before a rung counts as dominated
KNOWN = 10  # tries of both, before it can: an early outlier would keep it out for ever
# An attempt that has spent so many times what a passing one of its model costs seldom passes: the next one takes
# over. Not before WINS passes are known, and never below so much of what the last rung would cost: that is cheap.
LONG, WINS, CHEAP = 4.0, 5, 0.5
STARTS = 50  # of the strongest on fresh tasks, before a plan may end below it
FAR = 2.33  # standard errors of that bound: 99%, because it is looked at again and again
BOLDNESS = 0.4  # of exploration: 1 is a plan tried as often as it may be the cheapest
MOST = 0.8  # of the choices of one task may be exploration, while nothing is known
LEAST = 0.3  # tries that every plan keeps per attempt so far (and 100): a change is noticed, for ever less


class Step(NamedTuple):
    """One try. `again`: the same model a second time, with the text of the failure."""

    tier: Tier
    model: str
    again: bool
    cap_usd: float | None  # stop it there, and let the next one try; None: no such sum
    reason: str


class Cascade(NamedTuple):
    """The tries of a task until its check passes, the models left out, and what is expected of it."""

    steps: tuple[Step, ...]
    skipped: tuple[tuple[str, str], ...]  # model, why
    cost_usd: float
    success: float
    passes: float  # the chance that its check passes in the end
    propensity: float  # how likely this plan was; 1: nothing was left to chance
    reason: str

    @property
    def models(self) -> Models:
        return tuple(step.model for step in self.steps)


class Ask(NamedTuple):
    """What is asked for one task. `start`: where it begins if the check is too weak to decide (None: the strongest)."""

    trust: Trust
    start: str | None = None
    again: bool = True  # a failed check has a text that the first model may see once
    risky: bool = False  # nothing is tried out on a task of high risk
    margin: float = SUCCESS_MARGIN
    fixed: bool = False  # the plan says the order itself: it is kept


def plan_rungs(
    candidates: Sequence[Candidate], beliefs: Beliefs, ask: Ask, draw: float | None = None
) -> Cascade:
    """`candidates` weakest first, at least one, and none that may not run. `draw` from [0, 1) allows exploration;
    None: the cheapest plan, always.

    Expected costs count every try until one passes, each under the belief of its model after those before it failed.
    """
    rungs = _without_twins(candidates)
    if ask.fixed:
        order = tuple(each.model for each in candidates)
        return _told(candidates, order, beliefs, ask, 1.0, "the plan says the order itself")
    if ask.trust.strength < STRONG_ENOUGH:
        models = tuple(each.model for each in rungs)
        order = models[models.index(ask.start or models[-1]) :]
        order = _begun(order, ask.again)
        why = f"its check proves too little (strength {ask.trust.strength:g}) to begin below {order[0]}"
        return _told(candidates, order, beliefs, ask, 1.0, why)
    options = _options(rungs, beliefs, ask)
    chances = _chances(options, _tries(options, beliefs), ask, draw)
    order = _drawn(chances, draw)
    cheapest = next(iter(chances))
    why = "least expected cost"
    if order != cheapest:
        why = f"tried out, to learn what it costs: {' then '.join(cheapest)} is expected to cost less, by too few tasks to be sure"
    return _told(candidates, order, beliefs, ask, chances[order], why)


# --- what may be chosen ----------------------------------------------------------------------------


def _options(rungs: Sequence[Candidate], beliefs: Beliefs, ask: Ask) -> dict[Models, Forecast]:
    """Every plan that is allowed, with what is expected of it. The strongest alone always is."""
    strongest = rungs[-1].model
    alone = _alone(strongest, ask.again)
    useful = tuple(each.model for each in rungs if _dominating(each, rungs, beliefs) is None)
    found = {}
    for models in _orders(useful, ask.again):
        if models[-1] == strongest:
            allowed = surely_lost(models, beliefs, ask.trust) <= ask.margin
        else:
            allowed = _is_proven(models, alone, beliefs, ask)
        if allowed:
            found[models] = foresee(_once_at_the_end(models), beliefs, ask.trust)
    return found


def _once_at_the_end(models: Models) -> Models:
    """A model alone has a second try, the last of a ladder has none: were it counted, fewer tries would look cheaper."""
    return models[:1] if len(set(models)) == 1 else models


def _is_proven(models: Models, alone: Models, beliefs: Beliefs, ask: Ask) -> bool:
    """The lower bound of its success against the strongest alone, by what both did and by all that is believed.

    Looked at before every task, so one run of luck must not be enough: many starts of the strongest, and a far bound.
    """
    if sum(beliefs(alone[0]).seen) < STARTS:
        return False
    for proven in (True, False):
        mine = foresee(models, beliefs, ask.trust, proven=proven)
        theirs = foresee(alone, beliefs, ask.trust, proven=proven)
        doubt = FAR * sqrt(mine.error**2 + theirs.error**2)
        if mine.success - doubt < theirs.success - ask.margin:
            return False
    return True


def _orders(models: Models, again: bool) -> Iterator[Models]:
    """Every subset in its order; with `again` the first may have a second try, and one that is alone has it."""
    for size in range(1, len(models) + 1):
        for chosen in combinations(models, size):
            if size > 1:
                yield chosen
            if size == 1 or again:
                yield _begun(chosen, again)


def _begun(models: Models, again: bool) -> Models:
    """With the second try of the first, the only one that there is."""
    return (models[0], *models) if again else models


def _alone(model: str, again: bool) -> Models:
    return _begun((model,), again)


def _without_twins(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """One rung per model: a second try without anything new is blind."""
    last = {each.model: each for each in candidates}
    return tuple(each for each in candidates if last[each.model] is each)


def _dominating(rung: Candidate, rungs: Sequence[Candidate], beliefs: Beliefs) -> Candidate | None:
    """One above it that surely costs less per attempt and passes no less often."""
    mine = beliefs(rung.model)
    for other in rungs[rungs.index(rung) + 1 :]:
        theirs = beliefs(other.model)
        if min(beliefs.attempts(rung.model), beliefs.attempts(other.model)) < KNOWN:
            continue  # an early outlier would keep it out, and nothing more would be learned of it
        cheaper = is_cheaper((theirs.cost, theirs.cost_error), (mine.cost, mine.cost_error))
        if cheaper >= SURE and theirs.rate >= mine.rate:
            return other
    return None


# --- which of them, and how likely ------------------------------------------------------------------


def _tries(options: Mapping[Models, Forecast], beliefs: Beliefs) -> float:
    """Attempts of these very models: a new id makes exploration younger."""
    return sum(map(beliefs.attempts, {model for models in options for model in models}))


def _chances(
    options: Mapping[Models, Forecast], tries: float, ask: Ask, draw: float | None
) -> dict[Models, float]:
    """How likely each plan is chosen: in the measure that it may be the cheapest, within bounds."""
    cheapest = min(options, key=lambda models: (options[models].cost, len(models)))  # comes first
    if draw is None or ask.risky:
        return {cheapest: 1.0}
    least = LEAST / (100 + tries)
    best = options[cheapest]
    chances = {
        models: max(least, chance_of_less(forecast, best, BOLDNESS))
        for models, forecast in options.items()
        if models != cheapest
    }
    total = sum(chances.values())
    if total > MOST:
        chances = {models: chance * MOST / total for models, chance in chances.items()}
    return {cheapest: 1 - min(total, MOST), **chances}


def _drawn(chances: Mapping[Models, float], draw: float | None) -> Models:
    left = draw or 0.0
    for models, chance in chances.items():
        if left < chance:
            return models
        left -= chance
    return next(iter(chances))


# --- what is told of it -----------------------------------------------------------------------------


def _told(
    candidates: Sequence[Candidate],
    order: Models,
    beliefs: Beliefs,
    ask: Ask,
    propensity: float,
    why: str,
) -> Cascade:
    forecast = foresee(order, beliefs, ask.trust)
    alone = foresee(_alone(candidates[-1].model, ask.again), beliefs, ask.trust)
    tiers = {each.model: each.tier for each in candidates}
    steps = tuple(
        Step(
            tiers[model],
            model,
            model in order[:number],
            None if ask.fixed else _cap(order, number, beliefs),
            _step(order, number, beliefs),
        )
        for number, model in enumerate(order)
    )
    reason = (
        f"{why}: ${forecast.cost:.2f} a task, ${alone.cost:.2f} with {candidates[-1].model} alone"
    )
    left = [each for each in candidates if each.model not in order]
    skipped = tuple((each.model, _skip(each, candidates, order, beliefs, ask)) for each in left)
    return Cascade(
        steps, skipped, forecast.cost, forecast.success, forecast.passes, propensity, reason
    )


def _cap(order: Models, number: int, beliefs: Beliefs) -> float | None:
    model, last = order[number], order[-1]
    wins, cost = beliefs.cost_of_passing(model)
    if model == last or wins < WINS:
        return None
    return max(LONG * cost, CHEAP * beliefs(last, tuple(dict.fromkeys(order[: number + 1]))).cost)


def _step(order: Models, number: int, beliefs: Beliefs) -> str:
    model, before = order[number], tuple(dict.fromkeys(order[:number]))
    belief = beliefs(model, before)
    told = f"passes about {belief.rate:.0%} at ${belief.cost:.2f}"
    if model in before:
        return f"again with the failure's text: {told}"
    return f"{told} where {' and '.join(before)} failed" if before else told


def _skip(
    rung: Candidate, candidates: Sequence[Candidate], order: Models, beliefs: Beliefs, ask: Ask
) -> str:
    belief = beliefs(rung.model)
    if ask.trust.strength < STRONG_ENOUGH:
        return f"its check proves too little (strength {ask.trust.strength:g}) to try a cheaper model first"
    better = _dominating(rung, candidates, beliefs)
    if better is not None:
        other = beliefs(better.model)
        return (
            f"dearer than {better.model} (${belief.cost:.2f} an attempt, not ${other.cost:.2f}) "
            f"and passes no more often ({belief.rate:.0%}, not {other.rate:.0%})"
        )
    models = [each.model for each in candidates]
    place = models.index(rung.model)
    at = next((n for n, model in enumerate(order) if models.index(model) > place), len(order))
    return _not_paying(rung.model, order, at, beliefs, ask)


def _not_paying(model: str, order: Models, at: int, beliefs: Beliefs, ask: Ask) -> str:
    """Put where it belongs into the plan, what would it add?"""
    if at == len(order):
        return f"{' then '.join(order)} is proven to succeed as often without it"
    inserted = foresee((*order[:at], model, *order[at:]), beliefs, ask.trust)
    belief = beliefs(model, tuple(dict.fromkeys(order[:at])))
    rest = foresee(order, beliefs, ask.trust)
    follows = beliefs(order[at], tuple(dict.fromkeys(order[:at])))
    told = (
        f"passes {belief.rate:.0%} at {belief.cost / follows.cost:.0%} of the cost of {order[at]}"
    )
    if inserted.cost >= rest.cost:
        return f"does not pay: {told}, so a task would cost ${inserted.cost - rest.cost:.2f} more"
    return f"left out: {told}, and its check would let too much wrong work through"
