"""Rates and means with how many they are of and their 95% intervals. Pure and repeatable; it refuses a figure without its n."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from orchestrator.routing.confidence import wilson

Z = 1.959964  # 95%, two-sided
RESAMPLES, MOST_DRAWN = 1000, 2_000_000
Drawn = TypeVar("Drawn")


class Rate(NamedTuple):
    successes: int
    n: int

    @property
    def share(self) -> float | None:
        return self.successes / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """After Wilson; nothing is known of nothing."""
        failures = self.n - self.successes
        return wilson(self.successes, self.n, Z), 1 - wilson(failures, self.n, Z)

    def document(self) -> dict[str, Any]:
        low, high = self.interval
        return {
            "successes": self.successes,
            "n": self.n,
            "rate": rounded(self.share),
            "low": rounded(low),
            "high": rounded(high),
        }


class Mean(NamedTuple):
    n: int
    mean: float
    low: float
    high: float

    def document(self) -> dict[str, Any]:
        return {name: rounded(value, 8) for name, value in self._asdict().items()}


def rounded(value: float | None, digits: int = 6) -> float | None:
    return None if value is None else round(value, digits)


def rate(answers: Iterable[bool]) -> Rate:
    given = list(answers)
    return Rate(sum(given), len(given))


def difference(one: Rate, other: Rate) -> tuple[float, float, float]:
    """Of two rates: it, and its interval after Newcombe. Both must be of something."""
    assert one.share is not None
    assert other.share is not None
    (low, high), (least, most) = one.interval, other.interval
    told = one.share - other.share
    below = math.hypot(one.share - low, most - other.share)
    above = math.hypot(high - one.share, other.share - least)
    return told, told - below, told + above


def mean(values: Iterable[float | None]) -> Mean | None:
    """Of those that are known, with its bootstrap interval."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = bootstrap(known, lambda drawn: sum(drawn) / len(drawn))
    return Mean(len(known), sum(known) / len(known), low, high)


def bootstrap(
    given: Sequence[Drawn], figure: Callable[[Sequence[Drawn]], float]
) -> tuple[float, float]:
    """Of a figure of all, from drawing as many again and again; the same each time it is asked."""
    count = max(100, min(RESAMPLES, MOST_DRAWN // len(given)))
    chance = random.Random(0)  # noqa: S311 - to repeat, not to hide
    drawn = sorted(figure(chance.choices(given, k=len(given))) for _ in range(count))
    out = int(0.025 * count)
    return drawn[out], drawn[count - 1 - out]


def projected(cost: Mean, tasks: int) -> Mean:
    """So many tasks at this mean."""
    return Mean(cost.n, cost.mean * tasks, cost.low * tasks, cost.high * tasks)
