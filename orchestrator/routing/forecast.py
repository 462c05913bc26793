"""What a plan of rungs will cost and how often it ends with right work, as far as is believed. Pure arithmetic; it chooses nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from orchestrator.routing.beliefs import Beliefs
from orchestrator.routing.confidence import normal
from orchestrator.routing.evidence import Failed, Trust

STANDS = 0.92  # a stronger model is right where a weaker was: .76-.96 over pairs of models
Z90 = 1.2816
Place = tuple[str, Failed]  # a model, and those that failed before it


class Forecast(NamedTuple):
    """Of one task under one plan. `slopes`: how far the cost moves with one standard error of each belief."""

    cost: float
    success: float
    error: float  # of the success, one standard error
    slopes: Mapping[tuple[str, Place], float]
    passes: float  # the chance that a check passes before the models are at their end


def foresee(
    models: Sequence[str], beliefs: Beliefs, trust: Trust, *, proven: bool = False
) -> Forecast:
    """`models` in order of trying; one that stands twice in a row tries again with the failure's text.

    `proven`: as one would who believes only what each model did in this very place.
    """
    places = [(model, _failed(models[:number])) for number, model in enumerate(models)]
    known = [beliefs(*place).proven if proven else beliefs(*place) for place in places]
    follows, rest = [], 0.0  # what follows each try costs, from the end
    for belief in reversed(known):
        follows.append(rest)
        rest = belief.cost + (1 - belief.rate) * rest
    slopes: dict[tuple[str, Place], float] = {}
    reach, success, doubt = 1.0, 0.0, 0.0
    for place, belief in zip(places, known, strict=True):
        after = follows.pop()
        slopes["cost", place] = reach * belief.cost_error
        slopes["rate", place] = -reach * after * belief.rate_error
        success += reach * (right if follows else truth)(belief.rate, trust)
        doubt += (belief.rate_error / (1 - belief.rate)) ** 2
        reach *= 1 - belief.rate
    return Forecast(rest, success, reach * sqrt(doubt), slopes, 1 - reach)


def surely_lost(models: Sequence[str], beliefs: Beliefs, trust: Trust) -> float:
    """Success that a plan loses against its last model alone, by wrong work that the check lets through: 90% sure to be more.

    Not the difference of two forecasts: those rest on beliefs of different places, and would say more than is known.
    And not the expected loss: a plan refused for an early run of bad luck would never be tried again.
    """
    reach, loss, doubt = 1.0, 0.0, 0.0
    for number, model in enumerate(models[:-1]):
        if model == models[-1]:  # its own second try
            break
        belief = beliefs(model, _failed(models[:number]))
        last = beliefs(models[-1], _failed(models[: number + 1]))
        here = _slip(belief.rate, last.rate, trust)
        worse = _slip(max(0.0, belief.rate - belief.rate_error), last.rate, trust)
        missed = _slip(belief.rate, min(1.0, last.rate + last.rate_error), trust)
        loss += reach * here
        doubt += (reach * (worse - here)) ** 2 + (reach * (missed - here)) ** 2
        reach *= 1 - belief.rate
    return loss - Z90 * sqrt(doubt)


def _slip(rate: float, last: float, trust: Trust) -> float:
    """Wrong work accepted where the last model would have been right, less right work where it would have been wrong."""
    good = right(rate, trust)
    return (rate - good) * truth(last, trust) - good * (1 - STANDS)


def _failed(models: Sequence[str]) -> Failed:
    return tuple(models) if len(models) < 2 else tuple(dict.fromkeys(models))


def truth(passing: float, trust: Trust) -> float:
    """How often work is right that passes so often."""
    power = 1 - trust.rejects_right - trust.accepts_wrong
    if power <= 0:  # the check says nothing: nobody knows
        return 0.0
    return min(1.0, max(0.0, (passing - trust.accepts_wrong) / power))


def right(passing: float, trust: Trust) -> float:
    """How often work passes and is right."""
    return min(passing, truth(passing, trust) * (1 - trust.rejects_right))


def chance_of_less(one: Forecast, other: Forecast, boldness: float = 1.0) -> float:
    """P(the first costs less than the other); beliefs that both rest on move both. `boldness` scales the doubt."""
    keys = one.slopes.keys() | other.slopes.keys()
    spread = sqrt(sum((one.slopes.get(k, 0.0) - other.slopes.get(k, 0.0)) ** 2 for k in keys))
    gap = other.cost - one.cost
    if spread <= 0:
        return 0.5 if gap == 0 else float(gap > 0)
    return normal(gap / (boldness * spread))
