"""May it start: gate, forecast, budget in that order, each with its own words, at the bounds that are stated."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.amounts import dollars
from orchestrator.model import QuotaWindow, Route
from orchestrator.outloop.admission import Expected, Limits, can_start, closed, expect, must_ask
from orchestrator.outloop.forecast import Forecast, Seen, forecast

NOW = datetime(2026, 4, 16, 12, tzinfo=UTC)
LIMITS = Limits(run_tokens=5_000_000, run_usd=25.0, ask_usd=5.0)
SMALL, DEAR = Expected(1.0, 1000, 3), Expected(9.0, 6_000_000, 3)
QUIET = forecast({}, NOW, 0)


def refused(provider: str = "anthropic") -> Forecast:
    window = QuotaWindow(
        provider=provider,
        name="five_hour",
        utilization=1.0,
        resets_at=NOW.timestamp() + 60,
        is_refused=True,
    )
    return forecast({NOW.date(): 10}, NOW, 5, [Seen(window, NOW.timestamp())])


def asked(
    expected: Expected, found: Forecast, *providers: str, throttles: bool = True
) -> tuple[bool, str]:
    return can_start(
        expected, LIMITS, found, throttles=throttles, at=lambda _: "12:01", providers=providers
    )


def test_s3_32_each_refusal_has_its_own_words_in_its_order():
    gate = "gate closed: anthropic refuses until its five_hour window opens again at 12:01"
    assert asked(DEAR, refused()) == (False, gate)
    month = forecast({NOW.date(): 10}, NOW, 5)
    used_up = "behind quota: the month's limit of 5 tokens is used up"
    assert asked(DEAR, month) == (False, used_up)
    over = "its first tries may read and write 6,000,000 tokens anew, and budget.run_tokens is 5,000,000: some of its tasks would not start"
    assert asked(DEAR, QUIET) == (False, over)
    assert asked(DEAR, month, throttles=False) == (False, over)
    dear = "its first tries are expected to cost $9.00, more than $5.00 (budget.ask_usd)"
    assert asked(DEAR._replace(tokens=0), QUIET) == (False, dear)
    assert asked(SMALL, QUIET) == (True, "")


def test_a_gate_that_another_provider_has_open_refuses_nothing():
    assert closed(refused(), ["anthropic", "openai"], str) is None
    assert closed(refused(), ["openai"], str) is None
    assert closed(refused(), ["anthropic"], str)
    assert closed(QUIET, [], str) is None


@pytest.mark.parametrize(("tokens", "ok"), [(5_000_000, True), (5_000_001, False)])
def test_s3_31_five_million_tokens_are_within_the_budget_and_one_more_is_not(tokens: int, ok: bool):
    found = asked(Expected(0.0, tokens), QUIET)
    assert found[0] is ok
    assert ("5,000,001" in found[1]) is not ok
    none = Limits(run_tokens=0, run_usd=0, ask_usd=0)
    assert can_start(Expected(99.0, 10**9), none, QUIET, throttles=True, at=str)[0]


@pytest.mark.parametrize(("usd", "asks"), [(5.0, False), (5.004, False), (5.01, True)])
def test_s3_02_five_dollars_pass_and_a_cent_more_asks(usd: float, asks: bool):
    assert must_ask(Expected(usd, 0), 5.0) is asks
    assert not must_ask(Expected(usd, 0), 0.0)


@pytest.mark.parametrize(
    ("usd", "limit", "told"),
    [
        (0.0034, 0.0001, "$0.0034, more than $0.0001 (budget.ask_usd)"),
        (0.0034, 0.0034, ""),
        (0.0012, 0.001, "$0.0012, more than $0.001 (budget.ask_usd)"),
        (0.001000001, 0.001, ""),
        (0.014, 0.01, "$0.014, more than $0.01 (budget.ask_usd)"),
    ],
)
def test_less_than_a_cent_is_compared_and_told_as_it_is(usd: float, limit: float, told: str):
    limits = Limits(run_tokens=0, run_usd=0, ask_usd=limit)
    found = can_start(Expected(usd, 0), limits, QUIET, throttles=True, at=str)
    assert found[0] is not bool(told)
    assert found[1].endswith(told)
    over = can_start(Expected(usd, 0), Limits(0, limit, 0), QUIET, throttles=True, at=str)
    assert over[0] is not bool(told)
    assert "$0.00," not in over[1]


@given(st.floats(1e-6, 1e4), st.floats(1e-6, 1e4))
def test_what_is_said_to_be_more_reads_as_more(usd: float, limit: float):
    if must_ask(Expected(usd, 0), limit):
        more, less = (float(dollars(one)[1:].replace(",", "")) for one in (usd, limit))
        assert more > less


def test_the_stricter_of_dollars_and_tokens_refuses():
    both = Limits(run_tokens=100, run_usd=1.0, ask_usd=0)
    told = can_start(Expected(1.01, 100), both, QUIET, throttles=True, at=str)
    assert told == (
        False,
        "its first tries are expected to cost $1.01, and budget.run_usd is $1.00: some of its tasks would not start",
    )


def route(usd: float | None, model: str | None = "m") -> Route:
    return Route(
        worker="w",
        model=model,
        confidence=1,
        reason="",
        estimated_cost_usd=usd,
        estimated_fresh_tokens_high=100,
    )


def test_what_nobody_can_price_counts_as_the_settings_say_and_is_told():
    found = expect([route(0.5), route(None), route(None, model=None)], 1.0)
    assert found == Expected(usd=1.5, tokens=200, tries=2, unpriced=1)
    assert found.told == "$1.50 (1 of its 2 first tries have no known price)"
