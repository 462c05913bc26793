"""Which cap of money an attempt is handed, which one it met, and what that says of its next try. Pure; refuses to blame a model for our own want."""

from __future__ import annotations

import math
from typing import NamedTuple

from orchestrator.amounts import dollars
from orchestrator.budget import CENT, NOTHING, Money, known_of
from orchestrator.history import Tried
from orchestrator.model import Cap, Failure, Outcome, Reserve, Route, Usage
from orchestrator.settings.sections import BudgetSettings

LEAST = Money(0.01, 1000)


class Met(NamedTuple):
    """A cap, and how much of what it was; the other of the two is 0."""

    cap: Cap
    most: Money


def of_usd(given: float | None, most: float, route: Route) -> Cap | None:
    """`most`: all that one attempt on this route may have, with its review."""
    if given is None:
        return None
    if given + CENT < most:
        return Cap.SHARE
    return Cap.ATTEMPT if route.cap_usd is None else Cap.ROUTE


def of_tokens(given: float, own: BudgetSettings) -> Cap | None:
    if not math.isfinite(given):
        return None
    return Cap.ATTEMPT if own.attempt_tokens and given >= own.attempt_tokens else Cap.SHARE


def excused(reserve: Reserve | None, outcome: Outcome) -> Outcome:
    """Who was stopped at a share of a budget would have had more of a wider one."""
    review, stopped = outcome.review, outcome.failure
    if review is not None and stopped is Failure.INCONCLUSIVE:
        stopped = review.failure
    found = met(reserve, outcome.usage) if reserve and stopped is Failure.BUDGET else None
    if found is None:
        return outcome
    update: dict[str, object] = {"detail": f"{outcome.detail}; {_why(found)}"}
    if found.cap is Cap.SHARE:
        update["failure"] = Failure.SHORTAGE
    return outcome.model_copy(update=update)


def _why(found: Met) -> str:
    if found.cap is Cap.SHARE:
        return "its budget had no more for it at that time"
    if found.cap is Cap.ROUTE:
        return f"at {dollars(found.most.usd)} its route gives way to the next"
    if found.most.usd:
        return f"one attempt may use {dollars(found.most.usd)}: raise budget.attempt_usd in .orchestrator/config.toml"
    return f"one attempt may use {found.most.tokens:,.0f} new tokens: raise budget.attempt_tokens in .orchestrator/config.toml"


def met(reserve: Reserve, usage: Usage | None) -> Met | None:
    """Of one that was stopped at a cap: some clients end before it and some behind it, so it is the one that it came nearest to."""
    used, found = known_of(usage), list[tuple[float, Met]]()
    if reserve.usd_cap and reserve.max_usd is not None:
        found.append(_near(used.usd, reserve.max_usd, Met(reserve.usd_cap, Money(reserve.max_usd))))
    if reserve.tokens_cap and (most := reserve.max_tokens) is not None:
        found.append(_near(used.tokens, most, Met(reserve.tokens_cap, Money(0.0, most))))
    return max(found, key=lambda one: one[0], default=(0.0, None))[1]


def _near(used: float, most: float, cap: Met) -> tuple[float, Met]:
    return (used / most if most else math.inf, cap)


def least_after(tried: Tried, route: Route) -> Money:
    """What its next try needs where a share was too little for this one: twice as much, so it does not go on in steps that lead nowhere."""
    outcome, reserve = tried.outcome, tried.reserve
    same = (tried.route.worker, tried.route.model) == (route.worker, route.model)
    if outcome is None or outcome.failure is not Failure.SHORTAGE or reserve is None or not same:
        return NOTHING
    found = met(reserve, outcome.usage)
    if found is None:
        return NOTHING
    twice = found.most + found.most
    return twice if twice != NOTHING else LEAST
