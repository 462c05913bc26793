"""What outcomes teach: what counts, what is lent, and what a new model inherits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Failure, Tier
from orchestrator.routing.beliefs import (
    LENT,
    PRIOR_PASSES,
    PRIORS,
    Belief,
    Beliefs,
    Candidate,
    after_failures,
)
from orchestrator.routing.evidence import Audit, Evidence, Trial, band

LADDER = (Candidate(Tier.HAIKU, "h"), Candidate(Tier.SONNET, "s"), Candidate(Tier.OPUS, "o"))
trials = st.lists(
    st.builds(
        Trial,
        model=st.sampled_from(["h", "s", "o"]),
        passed=st.booleans(),
        cost_usd=st.none() | st.floats(0.001, 10),
        complexity=st.integers(1, 10),
        after=st.sampled_from([(), ("h",), ("s",), ("h", "s")]),
        strength=st.sampled_from([0.0, 0.5, 1.0]),
    ),
    max_size=12,
)


def known(*given: Trial, complexity: int = 5, **more: str) -> Beliefs:
    return Beliefs(Evidence.of(given, more), LADDER, complexity)


def many(model: str, passed: int, failed: int, **more: object) -> list[Trial]:
    good = [Trial(model, True, 1.0, **more) for _ in range(passed)]  # type: ignore[arg-type]
    return good + [Trial(model, False, 1.0, **more) for _ in range(failed)]  # type: ignore[arg-type]


def test_from_an_empty_ledger_there_are_stated_priors():
    empty = known()
    for each in LADDER:
        assert empty(each.model).rate == pytest.approx(PRIORS[each.tier].rate)
        assert empty(each.model).cost == pytest.approx(PRIORS[each.tier].share)
    assert empty("o", ("h", "s")).rate < empty("o", ("h",)).rate < empty("o").rate
    assert empty("o", ("h",)).cost > empty("o").cost


def test_estimates_replace_the_stated_shares_and_outcomes_correct_their_scale():
    priced = [
        each._replace(cost_usd=cost) for each, cost in zip(LADDER, (0.2, 0.3, 0.4), strict=True)
    ]
    assert Beliefs(Evidence(), priced, 5)("s").cost == pytest.approx(0.3)
    dearer = Beliefs(Evidence.of([Trial("h", True, 2.0)] * 50), priced, 5)
    assert dearer("o").cost == pytest.approx(4.0)


@pytest.mark.parametrize(
    "failure",
    [Failure.RATE_LIMIT, Failure.QUOTA, Failure.SERVER, Failure.NETWORK, Failure.WORKSPACE],
)
def test_what_is_not_its_doing_never_counts(failure: Failure):
    assert Evidence.of([Trial("h", False, 1.0, failure=failure)]) == Evidence()


def test_imports_and_checks_that_prove_nothing_never_count():
    ignored = [Trial("h", True, 1.0, retroactive=True), Trial("h", True, 1.0, strength=0.0)]
    assert Evidence.of(ignored) == Evidence()
    assert Evidence.of([Trial("h", False, failure=Failure.VERIFY)]) != Evidence()


def test_an_unknown_cost_is_not_nothing():
    assert known(*[Trial("h", True, None)] * 20)("h").cost == known()("h").cost


@given(trials, trials)
def test_the_order_of_outcomes_does_not_matter(some: list[Trial], more: list[Trial]):
    one, other = Evidence.of(some + more), Evidence.of(more + some)
    assert one.tallies.keys() == other.tallies.keys()
    for model in one.tallies:
        for place, tally in one.tallies[model].items():
            assert tally == pytest.approx(other.tallies[model][place])


@given(trials, st.sampled_from([(), ("h",), ("s",), ("h", "s")]), st.integers(1, 10))
def test_beliefs_are_rates_and_move_with_what_is_seen(
    some: list[Trial], after: tuple[str, ...], complexity: int
):
    def belief(*more: Trial) -> Belief:
        return known(*some, *more, complexity=complexity)("o", after)

    now = belief()
    assert 0 < now.rate < 1
    assert now.cost > 0
    place = {"complexity": complexity, "after": after}
    assert belief(Trial("o", True, **place)).rate > now.rate
    assert belief(Trial("o", False, **place)).rate < now.rate
    assert belief(Trial("o", True, 1e6, **place)).cost > now.cost


def test_complexities_lend_to_each_other_but_never_outweigh_what_was_seen():
    elsewhere = many("h", 0, 300, complexity=9)
    lent = known(*elsewhere)("h").rate
    assert lent < known()("h").rate
    seen = known(*elsewhere, *many("h", 95, 5))("h").rate
    assert seen > 0.7
    assert band(2) != band(3)
    assert band(5) == band(8)


def test_a_failure_before_it_is_learned_as_such():
    after = many("o", 2, 38, after=("h",))
    assert known(*after)("o", ("h",)).rate < 0.1
    assert known(*after)("o").rate > known(*after)("o", ("h",)).rate
    assert after_failures(after_failures(0.7, 2), -2) == pytest.approx(0.7)


def test_a_new_id_inherits_at_most_so_many_samples():
    old = many("old", 900, 100)
    heir = Beliefs(Evidence.of(old, {"h": "old"}), LADDER, 5)("h")
    stranger = Beliefs(Evidence.of(old), LADDER, 5)("h")
    assert heir.rate > stranger.rate == pytest.approx(PRIORS[Tier.HAIKU].rate)
    samples = heir.rate * (1 - heir.rate) / heir.rate_error**2 - 1
    assert samples == pytest.approx(PRIOR_PASSES + LENT)
    assert heir.seen == (0, 0)


def test_predecessors_that_go_in_a_circle_end():
    circle = Evidence.of(many("x", 5, 5), {"h": "s", "s": "h"})
    assert Beliefs(circle, LADDER, 5)("h").rate == pytest.approx(PRIORS[Tier.HAIKU].rate)


def test_a_check_is_trusted_by_its_strength_until_it_is_found_out():
    nothing = Evidence()
    assert nothing.trust(1.0).accepts_wrong == pytest.approx(0.05)
    assert nothing.trust(0.5).accepts_wrong == pytest.approx(0.5)
    found = nothing
    for _ in range(30):
        found = found.amend(Audit(1.0, accepted=True, right=False))
    assert found.trust(1.0).accepts_wrong > 0.7
    assert found.trust(0.5) == nothing.trust(0.5)
    for _ in range(90):
        found = found.amend(Audit(1.0, accepted=False, right=False))
    assert found.trust(1.0).accepts_wrong < 0.3
