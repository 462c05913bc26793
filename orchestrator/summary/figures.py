"""Attempts -> numbers: what they used, and how far they ran side by side. It refuses to count what is unknown as 0."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from orchestrator.history import Tried
from orchestrator.model import Tier, Usage

CLASSES = ("input", "output", "cache_read", "cache_write", "reasoning")  # reasoning is in output
FOREVER = datetime.max.replace(tzinfo=UTC)
_RANK = {tier: rank for rank, tier in enumerate(Tier)}


@dataclass(frozen=True, slots=True)
class Spending:
    """Sums of what is known; None where nothing is. `..._bound`: some attempt is missing in the sum."""

    tokens: int | None
    by_class: dict[str, int | None]
    tokens_bound: bool
    cost_usd: float | None
    cost_basis: str
    cost_bound: bool


def _usage(tried: Tried) -> Usage | None:
    """Of one that has not ended, what is known of its end."""
    return tried.latest.usage if tried.latest else None


def spend(tries: Sequence[Tried]) -> Spending:
    used = [_usage(one) for one in tries]
    tokens = [usage.tokens if usage else None for usage in used]
    costs = [usage.cost_usd if usage else None for usage in used]
    died = any(usage is not None and usage.lower_bound for usage in used)
    return Spending(
        tokens=_total(tokens),
        by_class={name: _total(_tokens_of(used, name)) for name in CLASSES},
        tokens_bound=died or None in tokens,
        cost_usd=_total_usd(costs),
        cost_basis=_basis(used),
        cost_bound=died or None in costs,
    )


def count_escalations(tries: Sequence[Tried]) -> int:
    """Steps to a stronger tier; back to the first rung after `retry` is none."""
    tiers = [one.route.tier for one in tries if one.route.tier is not None]
    return sum(_RANK[after] > _RANK[before] for before, after in pairwise(tiers))


def _total(values: Iterable[int | None]) -> int | None:
    """Of nothing it is 0: no attempt, nothing used."""
    values = list(values)
    known = [value for value in values if value is not None]
    return sum(known) if known or not values else None


def _total_usd(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known or not values else None


def _tokens_of(used: Iterable[Usage | None], name: str) -> list[int | None]:
    return [None if usage is None else getattr(usage, f"{name}_tokens") for usage in used]


def _basis(used: Iterable[Usage | None]) -> str:
    """Of the costs that are known."""
    found = {usage.cost_basis for usage in used if usage and usage.cost_usd is not None}
    return found.pop() if len(found) == 1 else "mixed" if found else "unknown"


# --- time ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """When an attempt ran. `end` is None where nobody saw it; then it ran no longer than to `limit`."""

    start: datetime
    end: datetime | None
    limit: datetime

    @property
    def seconds(self) -> float | None:
        return None if self.end is None else (self.end - self.start).total_seconds()

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.limit


@dataclass(frozen=True, slots=True)
class Pace:
    worked_s: float | None  # all attempts, one after the other
    makespan_s: float | None  # from the first start to the last end
    idle_s: float  # of the makespan, when no attempt ran: stopped, or waiting
    max_parallel: int
    speedup: float | None
    efficiency: float | None


def span(tried: Tried, resumed_at: Iterable[str]) -> Span:
    """An attempt that died with its engine ended with the last word of that engine; others may have run until its death."""
    start = datetime.fromisoformat(tried.started_at)
    told = datetime.fromisoformat(tried.finished_at) if tried.finished_at else FOREVER
    if told < start:  # somebody set the clock back
        return Span(start, None, start)
    if tried.died_at is None:
        return Span(start, None if told is FOREVER else told, told)
    end = datetime.fromisoformat(tried.died_at)
    later = (at for one in resumed_at if (at := datetime.fromisoformat(one)) >= end)
    return Span(start, end, min(later, default=end))


def spans(tried: Tried, resumed_at: Iterable[str]) -> list[Span]:
    """Without the time in which it waited for a person."""
    whole = span(tried, resumed_at)
    if tried.held_at is None:
        return [whole]
    held = max(whole.start, datetime.fromisoformat(tried.held_at))
    until = datetime.fromisoformat(tried.held_until) if tried.held_until else FOREVER
    limit = min(held, whole.limit)
    first = Span(whole.start, limit, limit)
    return [first, Span(until, whole.end, whole.limit)] if until < whole.limit else [first]


def worked(spans: Iterable[Span]) -> float | None:
    known = [one.seconds for one in spans if one.seconds is not None]
    return math.fsum(known) if known else None


def pace(spans: Sequence[Span]) -> Pace:
    """speedup = worked / makespan; efficiency = speedup / most attempts at once, so never above 1."""
    total, ends = worked(spans), [one.end for one in spans if one.end is not None]
    makespan = (max(ends) - min(one.start for one in spans)).total_seconds() if ends else None
    most = max((max(1, sum(o.holds(one.start) for o in spans)) for one in spans), default=0)
    speedup = total / makespan if total is not None and makespan else None
    return Pace(
        worked_s=total,
        makespan_s=makespan,
        idle_s=max(0.0, makespan - _busy(spans)) if makespan else 0.0,
        max_parallel=most,
        speedup=speedup,
        efficiency=None if speedup is None else min(1.0, speedup / most),
    )


def _busy(spans: Iterable[Span]) -> float:
    """Seconds in which at least one of them ran."""
    busy, until = 0.0, None
    for one in sorted(spans, key=lambda one: one.start):
        if one.end is None:
            continue
        start = one.start if until is None else max(one.start, until)
        busy += max(0.0, (one.end - start).total_seconds())
        until = one.end if until is None else max(one.end, until)
    return busy
