"""Figures: running totals become differences that add up, and unknown never becomes 0."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Usage
from orchestrator.workers.booking import COUNTS, add, book

counts = st.integers(0, 10**9)
spent = st.lists(st.fixed_dictionaries({name: counts for name in COUNTS}), min_size=1, max_size=6)
known = st.none() | counts
usages = st.lists(
    st.builds(
        Usage,
        **{name: known for name in COUNTS},
        cost_usd=st.none() | st.floats(0, 1e6),
        lower_bound=st.booleans(),
    ),
    max_size=5,
)


def used(of: dict[str, int]) -> Usage:
    return Usage(**of, cost_usd=of["output_tokens"] / 1024, cost_basis="reported")


def sums(parts: list[dict[str, int]]) -> list[dict[str, int]]:
    """Running totals."""
    return [
        {name: sum(one[name] for one in parts[: end + 1]) for name in COUNTS}
        for end in range(len(parts))
    ]


@given(spent)
def test_the_differences_of_running_totals_are_what_was_spent(parts: list[dict[str, int]]) -> None:
    booked = None
    for total, part in zip(map(used, sums(parts)), map(used, parts), strict=True):
        difference = book(total, booked)
        assert difference.cost_usd == pytest.approx(part.cost_usd, abs=1e-8)
        assert difference.model_copy(update={"cost_usd": part.cost_usd}) == part
        booked = total


@given(spent, st.integers(1, 10**9))
def test_a_total_that_fell_is_all_new(parts: list[dict[str, int]], more: int) -> None:
    """The client began to count again, for example on another machine."""
    before = used({name: value + more for name, value in sums(parts)[-1].items()})
    assert book(used(parts[0]), before) == used(parts[0])


@given(usages)
def test_a_sum_knows_what_one_part_knows_and_no_cost_that_one_part_lacks(
    parts: list[Usage],
) -> None:
    total = add(parts)
    if total is None:
        assert parts == []
        return
    for name in COUNTS:
        told = [value for one in parts if (value := getattr(one, name)) is not None]
        assert getattr(total, name) == (sum(told) if told else None)
    costs = [one.cost_usd for one in parts]
    assert (total.cost_usd is None) == (None in costs)
    assert (total.cost_basis == "unknown") or total.cost_usd is not None
    assert total.lower_bound == any(one.lower_bound for one in parts)


@pytest.mark.parametrize(
    ("totals", "booked", "difference"),
    [
        ({"input_tokens": 5}, None, {"input_tokens": 5}),
        ({"input_tokens": 5}, {}, {"input_tokens": 5}),
        ({"input_tokens": 5}, {"output_tokens": 3}, {"input_tokens": 5}),
        ({}, {"input_tokens": 5}, {}),
        ({"input_tokens": 5}, {"input_tokens": 5}, {"input_tokens": 0}),
        ({"input_tokens": 5, "output_tokens": 1}, {"input_tokens": 4, "output_tokens": 2}, {"input_tokens": 5, "output_tokens": 1}),
        ({"cost_usd": 0.3}, {"cost_usd": 0.1}, {"cost_usd": 0.2}),
    ],
)  # fmt: skip
def test_unknown_stays_unknown(totals: Any, booked: Any, difference: Any) -> None:
    known = None if booked is None else Usage(**booked)
    assert book(Usage(**totals), known) == Usage(**difference)
