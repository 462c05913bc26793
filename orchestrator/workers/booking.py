"""A client's figures -> what one attempt used. Pure: running totals become differences, and unknown never becomes 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from orchestrator.model import Usage

Number = TypeVar("Number", int, float)

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "requests",
)


def book(totals: Usage, booked: Usage | None) -> Usage:
    """What came on top of what is booked. A total that fell was reset: then all of it is new."""
    if booked is None or _fell(totals, booked):
        return totals
    counts = {name: _beyond(getattr(totals, name), getattr(booked, name)) for name in COUNTS}
    cost = _beyond(totals.cost_usd, booked.cost_usd)
    return totals.model_copy(
        update={**counts, "cost_usd": None if cost is None else round(cost, 9)}
    )


def add(usages: Iterable[Usage]) -> Usage | None:
    """The sum of what is known; None of nothing. The cost is known only where all are."""
    all_of_them = list(usages)
    if not all_of_them:
        return None
    counts = {name: _sum(getattr(one, name) for one in all_of_them) for name in COUNTS}
    costs = [one.cost_usd for one in all_of_them]
    known = [cost for cost in costs if cost is not None]
    whole = len(known) == len(costs)
    return Usage(
        **counts,
        cost_usd=sum(known) if whole else None,
        cost_basis=all_of_them[-1].cost_basis if whole else "unknown",
        lower_bound=any(one.lower_bound for one in all_of_them),
    )


def _fell(totals: Usage, booked: Usage) -> bool:
    pairs = ((getattr(totals, name), getattr(booked, name)) for name in COUNTS)
    return any(now is not None and then is not None and now < then for now, then in pairs)


def _beyond(total: Number | None, booked: Number | None) -> Number | None:
    return total if total is None or booked is None else total - booked


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
