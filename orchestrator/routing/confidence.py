"""How sure counted successes make us that one model may replace another. Pure arithmetic; it refuses counts that cannot be."""

from __future__ import annotations

from functools import lru_cache
from math import erfc, exp, lgamma, log, log1p, sqrt

MARGIN = 0.05  # success that a cheaper model may lack and still count as no worse
SHOWN = 0.70  # may be explored and shown
ADOPTED = 0.90  # may replace a default without a check behind it
Z95 = 1.6449  # one-sided 95%
POINTS = 128  # of the quadrature: 1e-4 for any counts up to some thousands

Counts = tuple[float, float]  # passed, failed; fractions are pseudo-samples


def seed(samples: int) -> float:
    """The seed's table as a formula: half of the remaining doubt goes with each 5 samples, whatever they say."""
    if samples < 0:
        raise ValueError(f"{samples} samples: a count is 0 or more")
    return float(min(0.95, 1 - 2 ** (-samples / 5)))


def wilson(passed: float, samples: float, z: float = Z95) -> float:
    """The lower bound of a success rate, one-sided at `z`; 0 without samples."""
    _, failed = _counted(passed, samples)
    if not samples:
        return 0.0
    rate, square = passed / samples, z * z / samples
    spread = z * sqrt(rate * (1 - rate) / samples + square / (4 * samples))
    bound = (rate + square / 2 - spread) / (1 + square)
    return 0.0 if failed == samples else max(0.0, min(1.0, bound))


def noninferiority(
    passed: float, samples: float, of_passed: float, of_samples: float, margin: float = MARGIN
) -> float:
    """P(rate >= rate of the other - margin | counts), each rate with its own Beta(1, 1) prior."""
    mine, others = _counted(passed, samples), _counted(of_passed, of_samples)
    return is_no_worse((mine[0] + 1, mine[1] + 1), (others[0] + 1, others[1] + 1), margin)


@lru_cache(maxsize=4096)
def is_no_worse(beta: Counts, other: Counts, margin: float = MARGIN) -> float:
    """P(p >= q - margin) for p and q of two Beta posteriors: the other's density times our upper tail.

    By midpoints over where the other has its mass.
    """
    low, high = _mass(other)
    total = weight = 0.0
    for step in range(POINTS):
        t = (step + 0.5) / POINTS
        q = low + (high - low) * t * t * (3 - 2 * t)  # dense at both ends, where a mass may stand
        density = _density(q, other) * t * (1 - t)
        weight += density
        total += density * (1 - cumulative(q - margin, beta))
    return max(0.0, min(1.0, total / weight))


def cumulative(x: float, beta: Counts) -> float:
    """P(p <= x) for p ~ Beta: the regularised incomplete beta function, by its continued fraction."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    a, b = beta
    if x > (a + 1) / (a + b + 2):
        return 1 - cumulative(1 - x, (b, a))
    front = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a
    return min(1.0, front * _fraction(x, a, b))


def quantile(share: float, beta: Counts) -> float:
    """The rate that `share` of the posterior lies below, by halving: 1e-6."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if cumulative(middle, beta) < share else (low, middle)
    return (low + high) / 2


def is_cheaper(cost: tuple[float, float], other: tuple[float, float]) -> float:
    """P(mean cost < mean cost of the other): each a mean in dollars and its standard error, normal on their logarithms."""
    (mean, error), (of, of_error) = cost, other
    if min(mean, of) <= 0:
        return 0.5 if mean == of else float(mean < of)
    spread = sqrt((error / mean) ** 2 + (of_error / of) ** 2)
    gap = log(of / mean)
    return normal(gap / spread) if spread else (0.5 if gap == 0 else float(gap > 0))


def normal(z: float) -> float:
    """P(a standard normal value <= z)."""
    return 0.5 * erfc(-z / sqrt(2))


def _counted(passed: float, samples: float) -> Counts:
    if not 0 <= passed <= samples:
        raise ValueError(f"{passed} of {samples} passed: from 0 to all of them can")
    return passed, samples - passed


def _mass(beta: Counts) -> tuple[float, float]:
    a, b = beta
    mean = a / (a + b)
    reach = 8 * sqrt(mean * (1 - mean) / (a + b + 1))
    return max(0.0, mean - reach), min(1.0, mean + reach)


def _density(x: float, beta: Counts) -> float:
    a, b = beta
    return exp((a - 1) * log(x) + (b - 1) * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b))


def _fraction(x: float, a: float, b: float) -> float:
    """Lentz's method: it converges in some tens of steps for x below the mean."""
    tiny = 1e-30
    c, d = 1.0, 1 / _kept(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            d = 1 / _kept(1 + part * d, tiny)
            c = _kept(1 + part / c, tiny)
            value *= c * d
        if abs(c * d - 1) < 1e-10:
            break
    return value


def _kept(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
