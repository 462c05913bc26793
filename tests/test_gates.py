"""What a provider's trouble means: for how long its gate is closed, for whom, and when it is too long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.clock import Moment
from orchestrator.gates import TRANSIENT, Countdown, Gates, gate_of
from orchestrator.model import Event, EventKind, Failure, Outcome, Route, RunId, TaskId, Tier

NOW = 1_700_000_000.0
LIMITED = Outcome(failure=Failure.RATE_LIMIT)
ROUTE = Route(worker="claude", provider="anthropic", tier=Tier.OPUS, confidence=1, reason="r")


def gates(longest_s: float = 1800.0) -> Gates:
    return Gates(longest_s, first_pause_s=1.0)


def event(kind: EventKind, **data: Any) -> Event:
    return Event(seq=1, run=RunId("r"), at="", kind=kind, task=TaskId("p/1"), attempt=1, data=data)


def closed(
    pause: float, *, gate: str = "anthropic", now: float = NOW, known: bool = False
) -> Event:
    return event(EventKind.GATE_CLOSED, gate=gate, pause_s=pause, until=now + pause, known=known)


def answered(gate: Gates, failure: Failure | None) -> None:
    gate.apply(event(EventKind.ATTEMPT_STARTED, route=ROUTE.model_dump(mode="json")))
    gate.apply(event(EventKind.ATTEMPT_FINISHED, outcome={"failure": failure}))


@given(asked=st.floats(min_value=0, max_value=1500))
def test_what_the_provider_asks_for_is_waited_and_a_little_more(asked: float):
    pause = gates().pause_s("p", Outcome(failure=Failure.RATE_LIMIT, retry_after_s=asked), NOW)
    assert pause is not None
    assert asked <= pause <= max(1.0, asked * 1.05 + 0.001)


def test_pauses_grow_while_the_trouble_lasts_and_begin_anew_after_an_answer():
    def longest(times: int) -> float:
        here, now = gates(10**9), NOW
        for _ in range(times):
            here.apply(closed(1.0, now=now))
            now += 10
        return max(here.pause_s("anthropic", LIMITED, now) or 0 for _ in range(200))

    assert longest(0) <= 1.0 < longest(3) <= 8.0
    here = gates()
    for _ in range(6):
        here.apply(closed(1.0, now=NOW - 100))
    answered(here, Failure.VERIFY)
    assert max(here.pause_s("anthropic", LIMITED, NOW) or 0 for _ in range(200)) <= 1.0


@pytest.mark.parametrize("failure", sorted(TRANSIENT))
def test_more_trouble_is_no_answer(failure: Failure):
    here = gates(longest_s=10)
    here.apply(closed(9.5, now=NOW - 100))
    answered(here, failure)
    assert here.pause_s("anthropic", Outcome(failure=failure, retry_after_s=1), NOW) is None


def test_a_wait_that_would_end_beyond_the_longest_is_not_begun():
    asked = Outcome(failure=Failure.RATE_LIMIT, retry_after_s=3600)
    assert gates(1800).pause_s("p", asked, NOW) is None
    here = gates(longest_s=100)
    here.apply(closed(99.5, now=NOW - 1000))
    assert here.pause_s("anthropic", Outcome(failure=Failure.NETWORK, retry_after_s=1), NOW) is None


@given(hours=st.floats(min_value=0.1, max_value=200))
def test_a_quota_whose_end_is_known_is_waited_for_however_long(hours: float):
    here, reset = gates(longest_s=1), NOW + hours * 3600
    used_up = Outcome(failure=Failure.QUOTA, reset_at=reset)
    pause = here.pause_s("anthropic", used_up, NOW)
    assert pause is not None
    assert reset <= NOW + pause <= reset + 30.001
    here.apply(closed(pause, known=True))
    assert here.pause_s("anthropic", used_up, NOW + 1) == 0.0  # a sibling met it too
    answered(here, Failure.QUOTA)
    again = used_up.model_copy(update={"reset_at": reset + 3600})
    assert here.pause_s("anthropic", again, reset + 31) is not None  # it cost no patience


def test_a_quota_that_should_be_open_already_is_not_asked_again_and_again():
    late = Outcome(failure=Failure.QUOTA, reset_at=NOW - 60)
    here, now = gates(longest_s=5), NOW
    for _ in range(1000):
        pause = here.pause_s("anthropic", late, now)
        if pause is None:
            return
        here.apply(closed(pause, now=now))
        now += pause
    pytest.fail("it never gives up")


def test_a_quota_that_does_not_say_until_when_is_asked_for_seldom():
    here, now, waits = gates(), NOW, list[float]()
    while (pause := here.pause_s("anthropic", Outcome(failure=Failure.QUOTA), now)) is not None:
        here.apply(closed(pause, now=now))
        waits.append(pause)
        now += pause + 1
    assert [int(one // 60) for one in waits] == [1, 2, 5, 15]


@pytest.mark.parametrize("odd", [NOW * 1000 + 3_600_000, 1e300, -1.0, 0.0])
def test_an_odd_reset_time_breaks_nothing(odd: float):
    told = Outcome(failure=Failure.QUOTA, reset_at=odd)
    pause = gates(10**6).pause_s("anthropic", told, NOW)
    assert pause is not None
    assert 0 < pause < 4000


def test_a_quota_without_a_known_end_is_waited_for_like_a_limit():
    assert gates(longest_s=0).pause_s("p", Outcome(failure=Failure.QUOTA), NOW) is None


def test_a_quota_that_says_how_long_is_waited_for_so_long():
    """`provider_wait_max_s` is for what nobody knows the end of."""
    told = Outcome(failure=Failure.QUOTA, retry_after_s=3600)
    pause = gates(longest_s=60).pause_s("anthropic", told, NOW)
    assert pause is not None
    assert 3600 <= pause <= 3630


def test_who_meets_the_same_trouble_a_moment_later_closes_nothing_more():
    here = gates()
    here.apply(closed(60))
    assert here.pause_s("anthropic", LIMITED, NOW + 1) == 0.0
    longer = Outcome(failure=Failure.RATE_LIMIT, retry_after_s=300)
    assert (here.pause_s("anthropic", longer, NOW + 1) or 0) >= 300


def test_what_siblings_meet_is_one_wait_and_one_trouble():
    here = gates(longest_s=100)
    for second in range(5):
        here.apply(closed(60, now=NOW + second))
    later = NOW + 64
    assert here.pause_s("anthropic", Outcome(failure=Failure.RATE_LIMIT, retry_after_s=30), later)
    assert (
        here.pause_s("anthropic", Outcome(failure=Failure.RATE_LIMIT, retry_after_s=37), later)
        is None
    )
    assert max(here.pause_s("anthropic", LIMITED, later) or 0 for _ in range(200)) <= 2.0


def test_a_limit_of_one_model_closes_its_tier_only():
    assert gate_of(ROUTE, Outcome(failure=Failure.QUOTA, window="seven_day")) == "anthropic"
    weekly = Outcome(failure=Failure.QUOTA, window="seven_day_opus")
    assert gate_of(ROUTE, weekly) == "anthropic/opus"
    assert gate_of(ROUTE, weekly) in ROUTE.gates
    assert gate_of(ROUTE, weekly) not in ROUTE.model_copy(update={"tier": Tier.HAIKU}).gates


def test_a_worker_without_a_provider_has_a_gate_of_its_own():
    assert gate_of(Route(worker="mine", confidence=1, reason="r"), LIMITED) == "mine"


# --- clocks that jump ------------------------------------------------------------------------------

JUMPS_S = st.sampled_from([0.0, 0.0, 0.0, -3600.0, -1.0, 1.0, 8 * 3600.0])


@given(
    pause=st.floats(min_value=0.1, max_value=7200),
    steps=st.lists(st.tuples(st.floats(min_value=0.1, max_value=600), JUMPS_S), max_size=40),
)
def test_no_jump_of_a_clock_keeps_a_gate_closed_for_longer_than_was_asked(
    pause: float, steps: list[tuple[float, float]]
):
    now, waited = Moment(NOW, 50.0), 0.0
    countdown = Countdown.begin(NOW + pause, pause, now)
    for taken, jump in steps:
        now, waited = Moment(now.wall + taken + jump, now.steady + taken), waited + taken
        left = countdown.left_s(now)
        assert 0.0 <= left <= max(0.0, pause - waited) + 0.001
    if not any(jump > 0 for _, jump in steps):
        assert countdown.left_s(now) == pytest.approx(max(0.0, pause - waited), abs=0.001)


def test_a_gate_opens_on_time_when_the_machine_slept():
    countdown = Countdown.begin(NOW + 3600, 3600, Moment(NOW, 50.0))
    assert countdown.left_s(Moment(NOW + 8 * 3600, 50.3)) == 0.0


@given(back=st.floats(min_value=0, max_value=86400))
def test_an_engine_that_comes_later_by_a_clock_set_back_waits_no_longer_than_the_first(back: float):
    countdown = Countdown.begin(NOW + 60, 60, Moment(NOW - back, 3.0))
    assert countdown.left_s(Moment(NOW - back, 3.0)) == pytest.approx(60, abs=0.001)
    assert countdown.left_s(Moment(NOW - back + 60, 63.1)) == 0.0


def test_what_is_met_after_the_clock_was_set_back_closes_the_gate_again():
    """Else nobody would wait, and the provider be asked without a pause for an hour."""
    here = gates()
    here.apply(closed(60))
    here.apply(event(EventKind.GATE_OPENED, gate="anthropic"))
    assert (here.pause_s("anthropic", LIMITED, NOW - 3600) or 0) > 0
    known = Outcome(failure=Failure.QUOTA, reset_at=NOW - 3000)
    assert (here.pause_s("anthropic", known, NOW - 3600) or 0) >= 600
