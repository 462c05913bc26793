"""How sure counts make us: the seed's table, bounds, and what a threshold really lets through."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.routing.confidence import (
    ADOPTED,
    SHOWN,
    cumulative,
    is_cheaper,
    noninferiority,
    quantile,
    seed,
    wilson,
)

counts = st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("samples", "sure"), [(0, 0.0), (5, 0.5), (10, 0.75), (15, 0.875), (20, 0.9375), (100, 0.95)]
)
def test_the_seeds_table(samples: int, sure: float):
    assert seed(samples) == sure


@pytest.mark.parametrize(
    ("passed", "samples", "margin", "sure"),
    [
        (16, 16, 0.05, 0.943),
        (16, 16, 0.0, 0.854),
        (10, 10, 0.05, 0.872),
        (5, 5, 0.05, 0.715),
        (15, 16, 0.05, 0.812),
        (14, 16, 0.05, 0.642),
    ],
)
def test_the_examples_of_the_specification(passed: int, samples: int, margin: float, sure: float):
    assert noninferiority(passed, samples, 9, 10, margin) == pytest.approx(sure, abs=1e-3)


def test_nothing_known_is_nearly_even():
    assert noninferiority(0, 0, 0, 0, 0.05) == pytest.approx(1 - 0.95**2 / 2, abs=1e-4)


@pytest.mark.parametrize(
    ("passed", "samples", "z", "bound"),
    [
        (5, 5, 1.2816, 0.75),
        (4, 5, 1.2816, 0.51),
        (9, 10, 1.2816, 0.72),
        (10, 10, 1.2816, 0.86),
        (6, 6, 1.96, 0.61),
        (2, 2, 1.96, 0.34),
    ],
)
def test_wilson_as_the_specification_has_it(passed: int, samples: int, z: float, bound: float):
    assert wilson(passed, samples, z) == pytest.approx(bound, abs=0.005)


@given(counts, counts, st.floats(0, 0.3))
def test_a_probability_that_grows_with_what_speaks_for_it(
    mine: tuple[int, int], others: tuple[int, int], margin: float
):
    sure = noninferiority(*mine, *others, margin)
    assert 0 <= sure <= 1
    assert noninferiority(mine[0] + 1, mine[1] + 1, *others, margin) >= sure - 1e-6
    assert noninferiority(mine[0], mine[1] + 1, *others, margin) <= sure + 1e-6
    assert noninferiority(*mine, others[0] + 1, others[1] + 1, margin) <= sure + 1e-6
    assert noninferiority(*mine, *others, margin + 0.05) >= sure - 1e-6


@example((6, 6), (51, 51))
@given(counts, counts)
def test_one_is_better_or_the_other(mine: tuple[int, int], others: tuple[int, int]):
    both = noninferiority(*mine, *others, 0) + noninferiority(*others, *mine, 0)
    assert both == pytest.approx(1, abs=1e-3)


@given(counts, st.floats(0.5, 3))
def test_wilson_is_below_the_rate(mine: tuple[int, int], z: float):
    passed, samples = mine
    assert 0 <= wilson(passed, samples, z) <= (passed / samples if samples else 0) + 1e-9


@given(st.floats(0.5, 400), st.floats(0.5, 400), st.floats(0.01, 0.99))
def test_a_quantile_is_where_so_much_lies_below(a: float, b: float, share: float):
    at = quantile(share, (a, b))
    low, high = (cumulative(max(0.0, min(1.0, at + step)), (a, b)) for step in (-1e-5, 1e-5))
    assert low - 1e-9 <= share <= high + 1e-9


def test_cheaper_is_a_matter_of_means_and_errors():
    assert is_cheaper((1.0, 0.1), (1.0, 0.1)) == 0.5
    assert is_cheaper((1.0, 0.1), (2.0, 0.2)) > 0.99 > is_cheaper((1.0, 0.5), (2.0, 1.0)) > 0.5
    assert is_cheaper((0.0, 0.0), (1.0, 0.1)) == 1.0


@pytest.mark.parametrize("counted", [(-1, 3), (4, 3)])
def test_counts_that_cannot_be_are_refused(counted: tuple[int, int]):
    with pytest.raises(ValueError, match="from 0 to all"):
        noninferiority(*counted, 9, 10)


# --- what a rule lets through: exact binomials, never draws ----------------------------------------

Rule = Callable[[int, int], bool]  # passed by the candidate and by the incumbent, of 10 each


def adopted(rule: Rule, candidate: float, incumbent: float = 0.9, samples: int = 10) -> float:
    def chance(passed: int, rate: float) -> float:
        return comb(samples, passed) * rate**passed * (1 - rate) ** (samples - passed)

    pairs = ((i, j) for i in range(samples + 1) for j in range(samples + 1) if rule(i, j))
    return sum(chance(i, candidate) * chance(j, incumbent) for i, j in pairs)


def by(threshold: float) -> Rule:
    return lambda mine, others: noninferiority(mine, 10, others, 10) >= threshold


def the_seeds(mine: int, others: int) -> bool:
    return mine >= others and seed(10) >= SHOWN


def test_a_model_ten_points_worse_is_seldom_adopted():
    assert adopted(by(ADOPTED), 0.8) == pytest.approx(0.048, abs=0.001)
    assert adopted(by(SHOWN), 0.8) == pytest.approx(0.20, abs=0.005)
    assert adopted(the_seeds, 0.8) == pytest.approx(0.38, abs=0.005)
    assert adopted(the_seeds, 0.85) == pytest.approx(0.51, abs=0.005)
