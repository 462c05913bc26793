"""Rates and means with how many they are of and their 95% intervals. Pure and repeatable; it refuses a figure without its n."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from orchestrator.routing.confidence import wilson

Z = 1.959964  # 95%, two-sided
RESAMPLES, MOST_DRAWN = 1000, 500_000
FEW, SKEWED = 100, 0.25  # fewer values, or a mean of more skewness, are drawn
Drawn = TypeVar("Drawn")


class Rate(NamedTuple):
    """Both are whole, unless it is of several strata (`stratified`)."""

    successes: float
    n: float

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
    """Without an upper end where some of the values are only lower bounds: then it is at least this."""

    n: int
    mean: float
    low: float
    high: float

    @property
    def at_least(self) -> bool:
        return math.isinf(self.high)

    def document(self) -> dict[str, Any]:
        told = self._asdict() | ({"high": None} if self.at_least else {})
        return {name: rounded(value, 8) for name, value in told.items()}


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


def stratified(pairs: Sequence[tuple[Rate, Rate]]) -> tuple[float, float, float]:
    """Difference of two rates within strata, each of which has both, weighted after Mantel and Haenszel.

    The interval is Newcombe's, of the weighted rates at their effective n (Kish): with one stratum it is that of `difference`.
    """
    weights = [one.n * other.n / (one.n + other.n) for one, other in pairs]
    first = _weighted([one for one, _ in pairs], weights)
    second = _weighted([other for _, other in pairs], weights)
    return difference(first, second)


def _weighted(rates: Sequence[Rate], weights: Sequence[float]) -> Rate:
    whole = sum(weights)
    both = list(zip(rates, weights, strict=True))
    share = sum(weight * one.successes / one.n for one, weight in both) / whole
    n = whole**2 / sum(weight**2 / one.n for one, weight in both)
    return Rate(min(n, share * n), n)


def mean(values: Iterable[float | None]) -> Mean | None:
    """Of those that are known, with its bootstrap interval."""
    known = [value for value in values if value is not None]
    return Mean(len(known), sum(known) / len(known), *interval(known)) if known else None


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Of their mean: where it is nearly normal that of all possible drawings by Cornish and Fisher, else of some drawings.

    At the limit of skewness the next term is 1% of the standard error; the ends of 1000 drawings differ by 8% of it by chance.
    """
    n = len(values)
    middle = sum(values) / n
    square = sum((value - middle) ** 2 for value in values) / n
    if math.sqrt(square) <= 1e-12 * abs(middle):
        return middle, middle
    cube = sum((value - middle) ** 3 for value in values) / n
    skewness = cube / square**1.5 / math.sqrt(n)
    if n < FEW or abs(skewness) > SKEWED:
        [ends] = bootstrap(values, lambda drawn: (sum(drawn) / n,))
        return ends
    error, shift = math.sqrt(square / n), skewness * (Z * Z - 1) / 6
    return middle + error * (shift - Z), middle + error * (shift + Z)


def bootstrap(
    given: Sequence[Drawn], figures: Callable[[Sequence[Drawn]], tuple[float, ...]]
) -> list[tuple[float, float]]:
    """Of figures of all, from drawing as many again and again; the same each time it is asked."""
    count = max(100, min(RESAMPLES, MOST_DRAWN // len(given)))
    chance = random.Random(0)  # noqa: S311 - to repeat, not to hide
    drawn = [figures(chance.choices(given, k=len(given))) for _ in range(count)]
    out = int(0.025 * count)
    ordered = [sorted(one) for one in zip(*drawn, strict=True)]
    return [(one[out], one[count - 1 - out]) for one in ordered]


STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)  # of 1 to 10


def student(freedom: int) -> float:
    """How many deviations to each side of a mean 95% are, after Student; from 11 on as a series in 1/freedom."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    first, second = (Z**3 + Z) / 4, (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + first / freedom + second / freedom**2 + third / freedom**3


def foreseen(values: Sequence[float], count: int) -> tuple[float, float] | None:
    """How far below and above `count` times their mean the sum of so many others lies: by their own spread and by that of the mean.

    None of a single value, which has no spread. No sum of what is used is below 0.
    """
    n = len(values)
    if n < 2:
        return None
    middle = sum(values) / n
    spread = math.sqrt(sum((value - middle) ** 2 for value in values) / (n - 1))
    half = student(n - 1) * spread * math.sqrt(count + count**2 / n)
    return min(half, max(0.0, count * middle)), half


def projected(cost: Mean, tasks: int) -> Mean:
    """So many tasks at this mean."""
    return Mean(cost.n, cost.mean * tasks, cost.low * tasks, cost.high * tasks)
