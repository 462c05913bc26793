"""Rates, means and their intervals, against the figures that FEATURES states and the definitions themselves."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.reports.rates import (
    Mean,
    Rate,
    bootstrap,
    difference,
    interval,
    mean,
    projected,
    stratified,
)


@pytest.mark.parametrize(("successes", "n", "low"), [(6, 6, 0.61), (2, 2, 0.34)])
def test_c_06_a_few_straight_successes_show_little(successes: int, n: int, low: float):
    assert round(Rate(successes, n).interval[0], 2) == low


@given(st.integers(0, 200), st.integers(0, 200))
def test_an_interval_holds_its_rate_and_more_of_the_same_makes_it_narrower(s: int, f: int):
    found, twice = Rate(s, s + f), Rate(2 * s, 2 * (s + f))
    low, high = found.interval
    assert 0 <= low <= high <= 1
    if found.share is None:
        assert (low, high) == (0, 1)
    else:
        assert low - 1e-9 <= found.share <= high + 1e-9
        assert twice.interval[1] - twice.interval[0] < high - low


def test_the_difference_of_two_rates_after_newcombe():
    """56 of 70 against 48 of 80: 0.2, 0.0524 to 0.3339 (his own example)."""
    told, low, high = difference(Rate(56, 70), Rate(48, 80))
    assert (round(told, 4), round(low, 4), round(high, 4)) == (0.2, 0.0524, 0.3339)


@pytest.mark.parametrize(
    ("tasks", "usd", "other"), [(100, 0.325, 1.0), (1000, 3.25, 10.0), (10_000, 32.5, 100.0)]
)
def test_c_05_s1_19_the_scaling_table_with_its_factor_of_ten_corrected(
    tasks: int, usd: float, other: float
):
    """75% at $0.001 and 25% at $0.010."""
    routed = mean([0.001] * 75 + [0.010] * 25)
    assert routed is not None
    found = projected(routed, tasks)
    assert found.mean == pytest.approx(usd)
    assert found.low < found.mean < found.high
    assert projected(Mean(1, 0.01, 0.01, 0.01), tasks).mean == pytest.approx(other)


def test_a_mean_is_of_what_is_known_and_the_same_each_time():
    found = mean([1.0, None, 3.0])
    assert found is not None
    assert (found.n, found.mean) == (2, 2.0)
    assert found == mean([1.0, None, 3.0])
    assert mean([None]) is None


@pytest.mark.parametrize(("n", "shape"), [(150, 0.5), (1000, 1.0), (3000, 1.2)])
def test_the_interval_of_many_is_that_of_drawings_within_their_own_chance(n: int, shape: float):
    chance = random.Random(n)
    values = [chance.lognormvariate(0, shape) for _ in range(n)]
    [drawn] = bootstrap(values, lambda some: (sum(some) / n,))
    low, high = interval(values)
    assert (low, high) == pytest.approx(drawn, abs=0.06 * (drawn[1] - drawn[0]))
    assert sum(values) / n - low < 0.99 * (high - sum(values) / n), "dear ones stand further off"


def test_one_value_far_from_all_others_is_not_taken_for_normal():
    """Drawn none to three times: between 0 and 3 of 200, and never below 0."""
    low, high = interval([1.0] + [0.0] * 199)
    assert low == 0.0
    assert high == pytest.approx(3 / 200)


def test_of_one_stratum_the_difference_is_newcombes_own():
    pair = (Rate(56, 70), Rate(48, 80))
    assert stratified([pair]) == pytest.approx(difference(*pair))


@given(
    st.lists(st.tuples(*[st.integers(1, 60)] * 2, *[st.floats(0, 1)] * 2), min_size=1, max_size=5)
)
def test_of_strata_the_difference_is_between_theirs(strata: list[tuple[int, int, float, float]]):
    pairs = [(Rate(round(a * n), n), Rate(round(b * m), m)) for n, m, a, b in strata]
    told, low, high = stratified(pairs)
    each = [difference(*pair)[0] for pair in pairs]
    assert min(each) - 1e-9 <= told <= max(each) + 1e-9
    assert low - 1e-9 <= told <= high + 1e-9
