"""Which models try, in which order: never dearer than need be, never weaker than is proven, always with a reason."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestrator.model import Tier
from orchestrator.routing.beliefs import Beliefs, Candidate
from orchestrator.routing.cascade import Ask, Cascade, plan_rungs
from orchestrator.routing.evidence import PERFECT, Evidence, Tally, Trial, Trust, band

LADDER = (Candidate(Tier.HAIKU, "h"), Candidate(Tier.SONNET, "s"), Candidate(Tier.OPUS, "o"))
WEAK = Trust(0.0, 1.0, 0.05)
ONCE = Ask(PERFECT, again=False)
PLACES = [
    ("h", ()),
    ("s", ()),
    ("o", ()),
    ("s", ("h",)),
    ("o", ("h",)),
    ("o", ("s",)),
    ("o", ("h", "s")),
]


def outcomes(
    place: tuple[str, tuple[str, ...]], passed: int, failed: int, cost: float
) -> list[Trial]:
    model, after = place
    return [Trial(model, n < passed, cost, after=after) for n in range(passed + failed)]


def history(found: dict[tuple[str, tuple[str, ...]], tuple[int, int, float]]) -> Evidence:
    tallies: dict[str, dict[tuple[tuple[str, ...], int], Tally]] = {}
    for (model, after), (passed, failed, cost) in found.items():
        n = passed + failed
        tally = Tally(n, passed, n, n * cost, passed, passed * cost)
        tallies.setdefault(model, {})[after, band(5)] = tally
    return Evidence(tallies)


counts = st.tuples(st.integers(0, 99), st.integers(0, 99), st.floats(0.01, 2))
histories = st.fixed_dictionaries(dict.fromkeys(PLACES, counts)).map(history)


def plan(known: Evidence, ask: Ask = ONCE, draw: float | None = None) -> Cascade:
    return plan_rungs(LADDER, Beliefs(known, LADDER, 5), ask, draw)


def expected(models: tuple[str, ...], beliefs: Beliefs) -> float:
    """By enumeration of every way that it can go, not by the recursion of the router."""
    total = 0.0
    for passes in range(len(models) + 1):
        tried = models[: passes + 1]
        known = [beliefs(model, models[:n]) for n, model in enumerate(tried)]
        failed = prod(1 - each.rate for each in known[:passes])
        ended = known[passes].rate if passes < len(models) else 1.0
        total += failed * ended * sum(each.cost for each in known)
    return total


@given(histories)
def test_it_costs_the_least_of_all_subsets_that_end_at_the_strongest(known: Evidence):
    found = plan(known)
    assume(found.models[-1] == "o")
    beliefs = Beliefs(known, LADDER, 5)
    skipped = dict(found.skipped)
    useful = [m for m in ("h", "s") if not skipped.get(m, "").startswith("dearer than")]
    ways = [(*some, "o") for n in range(3) for some in combinations(useful, n)]
    costs = {way: expected(way, beliefs) for way in ways}
    assert found.cost_usd == pytest.approx(min(costs.values()))
    assert found.cost_usd == pytest.approx(costs[found.models])


@given(
    histories,
    st.booleans(),
    st.sampled_from([PERFECT, WEAK, Trust(1.0, 0.2, 0.05)]),
    st.floats(0, 0.999),
)
def test_whatever_is_known(known: Evidence, again: bool, trust: Trust, draw: float):
    found = plan(known, Ask(trust, again=again), draw)
    assert 0 < found.propensity <= 1
    assert 0 <= found.success <= 1
    assert set(found.models) | dict(found.skipped).keys() == {"h", "s", "o"}
    assert not set(found.models) & dict(found.skipped).keys()
    assert all(step.reason for step in found.steps)
    assert all(why for _, why in found.skipped)
    tries = Counter(found.models)
    assert max(tries.values()) <= 1 + again
    assert not any(step.again for step in found.steps[2:])  # one retry, of the first
    assert 0 <= found.passes <= 1
    assert [step.again for step in found.steps] == [
        m in found.models[:n] for n, m in enumerate(found.models)
    ]
    assert list(dict.fromkeys(found.models)) == sorted(tries, key="hso".index)
    assert found.steps[-1].cap_usd is None
    if found.models[-1] != "o":
        assert sum(Beliefs(known, LADDER, 5)("o").seen) >= 50


@settings(max_examples=10, deadline=None)
@given(histories)
def test_the_chances_of_all_draws_are_the_propensities(known: Evidence):
    drawn = [plan(known, draw=(n + 0.5) / 100) for n in range(100)]
    for models, times in Counter(each.models for each in drawn).items():
        chance = next(each.propensity for each in drawn if each.models == models)
        assert times / 100 == pytest.approx(chance, abs=0.021)


def test_a_dominated_model_is_never_tried():
    known = Evidence.of(
        outcomes(("h", ()), 30, 30, 0.9)
        + outcomes(("s", ()), 50, 10, 0.3)
        + outcomes(("o", ()), 50, 10, 1.0)
    )
    for number in range(50):
        found = plan(known, draw=number / 50)
        assert "h" not in found.models
    assert dict(found.skipped)["h"].startswith("dearer than s ($0.8")


def test_a_middle_rung_that_does_not_pay_is_left_out_with_the_sum():
    known = Evidence.of(
        outcomes(("h", ()), 60, 40, 0.035)
        + outcomes(("s", ("h",)), 16, 24, 0.68)
        + outcomes(("o", ("h",)), 17, 23, 0.9)
        + outcomes(("o", ("h", "s")), 5, 19, 1.0)
    )
    found = plan(known)
    assert found.models == ("h", "o")
    assert dict(found.skipped)["s"].startswith("does not pay: passes 4")
    assert found.reason.startswith("least expected cost: $0.")


def test_cheap_first_only_where_it_passes_more_often_than_its_share_of_the_cost():
    for passed, first in ((10, "o"), (90, "h")):
        known = Evidence.of(
            outcomes(("h", ()), passed, 100 - passed, 0.5) + outcomes(("o", ()), 75, 25, 1.0)
        )
        assert plan(known).models[0] == first


@pytest.mark.parametrize("start", [None, "s"])
def test_a_check_that_proves_little_forbids_cheap_first(start: str | None):
    found = plan(Evidence(), Ask(WEAK, start=start, again=False), draw=0.99)
    assert found.models == (("s", "o") if start else ("o",))
    assert found.propensity == 1
    assert "proves too little" in dict(found.skipped)["h"]


def test_a_check_that_is_found_to_let_much_through_forbids_it_too():
    known = Evidence.of(outcomes(("h", ()), 300, 300, 0.1) + outcomes(("o", ("h",)), 240, 60, 1.0))
    assert plan(known).models[0] == "h"
    distrusted = plan(known, Ask(Trust(1.0, 0.45, 0.05), again=False))
    assert "h" not in distrusted.models
    assert "let too much wrong work through" in dict(distrusted.skipped)["h"]


def test_an_order_of_the_plan_itself_is_kept():
    cheap = Evidence.of(outcomes(("h", ()), 99, 1, 0.01))
    ladder = (LADDER[2], LADDER[0])
    found = plan_rungs(ladder, Beliefs(cheap, ladder, 5), Ask(PERFECT, fixed=True), 0.99)
    assert found.models == ("o", "h")
    assert found.propensity == 1


def test_high_risk_and_no_draw_try_nothing_out():
    for ask, draw in ((Ask(PERFECT, risky=True), 0.999), (Ask(PERFECT), None)):
        found = plan(Evidence(), ask, draw)
        assert found.propensity == 1
        assert "tried out" not in found.reason


def test_trying_out_becomes_rare_but_never_ends():
    def chance(times: int) -> float:
        known = Evidence.of(
            outcomes(("h", ()), 6 * times, 4 * times, 0.05)
            + outcomes(("o", ()), 8 * times, 2 * times, 1.0)
            + outcomes(("o", ("h",)), 2 * times, 2 * times, 1.2)
            + outcomes(("s", ()), 7 * times, 3 * times, 0.8)
        )
        return 1 - plan(known, draw=0.0).propensity

    assert chance(1) > chance(4) > chance(40) > chance(200) > 1e-6


def test_it_ends_below_the_strongest_only_where_that_is_proven():
    many = outcomes(("s", ()), 900, 100, 0.3) + outcomes(("o", ()), 600, 400, 1.0)
    lucky = outcomes(("s", ()), 49, 0, 0.3) + outcomes(("o", ()), 0, 49, 1.0)
    assert plan(Evidence.of(lucky)).models[-1] == "o"
    assert plan(Evidence.of(many)).models[-1] != "o"
    assert "is proven to succeed" in dict(plan(Evidence.of(many)).skipped)["o"]
    close = outcomes(("s", ()), 45, 15, 0.3) + outcomes(("o", ()), 45, 15, 1.0)
    assert plan(Evidence.of(close)).models[-1] == "o"


def test_the_second_try_of_the_first_model_where_it_pays():
    again = [Trial("h", True, 0.1, after=("h",))] * 40
    never = [Trial("h", False, 0.9, after=("h",))] * 40
    first = outcomes(("h", ()), 20, 20, 0.1) + outcomes(("o", ("h",)), 20, 20, 1.0)
    assert plan(Evidence.of(first + again), Ask(PERFECT)).models[:2] == ("h", "h")
    assert plan(Evidence.of(first + never), Ask(PERFECT)).models[:2] != ("h", "h")


def test_only_the_first_model_is_tried_twice_and_the_strongest_alone():
    bad, good = outcomes(("h", ()), 1, 60, 0.5), outcomes(("h", ()), 40, 20, 0.05)
    strong = outcomes(("o", ()), 50, 10, 1.0) + outcomes(("o", ("h",)), 15, 5, 1.0)
    strong += outcomes(("s", ()), 5, 20, 0.9)
    assert plan(Evidence.of(bad + strong), Ask(PERFECT)).models == ("o", "o")
    found = plan(Evidence.of(good + strong), Ask(PERFECT))
    assert (found.models[0], found.models.count("o")) == ("h", 1)
    weak = plan(Evidence(), Ask(WEAK, start="s"))
    assert weak.models == ("s", "s", "o")


def test_fewer_tries_do_not_look_cheaper():
    """The strongest alone has a second try, the end of a ladder none: a useless first rung must not pay by that."""
    useless = outcomes(("h", ()), 2, 98, 0.1) + outcomes(("o", ("h",)), 75, 25, 1.0)
    strong = outcomes(("o", ()), 75, 25, 1.0) + outcomes(("s", ()), 10, 50, 1.0)
    again = outcomes(("h", ("h",)), 1, 60, 0.1)
    known = Evidence.of(useless + strong + again)
    found = plan(known, Ask(PERFECT))
    assert found.models == ("o", "o")
    assert dict(found.skipped)["h"].startswith("does not pay")


def test_the_chance_that_its_check_passes_in_the_end():
    known = Evidence.of(outcomes(("h", ()), 6, 4, 0.1) + outcomes(("o", ("h",)), 5, 5, 1.0))
    beliefs = Beliefs(known, LADDER, 5)
    found = plan(known)
    missed = prod(1 - beliefs(m, found.models[:n]).rate for n, m in enumerate(found.models))
    assert found.passes == pytest.approx(1 - missed)


def test_two_tiers_with_one_model_are_one_rung():
    ladder = (Candidate(Tier.HAIKU, "x"), Candidate(Tier.SONNET, "x"), Candidate(Tier.OPUS, "o"))
    found = plan_rungs(ladder, Beliefs(Evidence(), ladder, 5), ONCE)
    assert found.models.count("x") <= 1


def test_a_cap_where_passing_attempts_are_known():
    assert plan(Evidence()).steps[0].cap_usd is None
    known = Evidence.of(outcomes(("h", ()), 60, 40, 0.3) + outcomes(("o", ("h",)), 20, 20, 1.0))
    found = plan(known)
    assert found.models[0] == "h"
    assert found.steps[0].cap_usd == pytest.approx(1.2, rel=0.01)
    assert found.steps[-1].cap_usd is None
