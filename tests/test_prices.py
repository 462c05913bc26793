"""A cost is the sum over its requests, by known prices; what is unknown has no cost, and nothing asks the network."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.model import Price, Usage
from orchestrator.prices import price, snapshot

TIERED = "claude-sonnet-4-5"  # twice the price for requests above 200k
CLASSES = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
MEASURED = Usage(input_tokens=2400, output_tokens=90, cache_read_tokens=900, cache_write_tokens=300)

counts = st.integers(0, 500_000)
usages = st.builds(Usage, **dict.fromkeys(CLASSES, counts))
some_requests = st.lists(usages, min_size=1, max_size=6)
prices = st.floats(0, 1000)
own_prices = st.builds(
    Price,
    input=prices,
    output=prices,
    cache_read=st.none() | prices,
    cache_write=st.none() | prices,
)
owns = st.just({}) | st.fixed_dictionaries({TIERED: own_prices})


def cost(
    usage: Usage,
    model: str | None = TIERED,
    provider: str | None = None,
    own: dict[str, Price] | None = None,
    requests: list[Usage] | None = None,
) -> float:
    """Of a usage that has a known one."""
    priced = price(usage, provider=provider, model=model, own=own or {}, requests=requests or ())
    assert priced.cost_basis == "priced"
    assert priced.cost_usd is not None
    return priced.cost_usd


def is_unknown(usage: Usage, model: str | None = TIERED, provider: str | None = None) -> bool:
    priced = price(usage, provider=provider, model=model, own={})
    return (priced.cost_usd, priced.cost_basis) == (None, "unknown")


def together(requests: list[Usage]) -> Usage:
    return Usage(**{name: sum(getattr(each, name) for each in requests) for name in CLASSES})


# --- measured figures -----------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["anthropic", None])
@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("claude-haiku-4-5", 0.003315),  # what Claude Code itself charged for this run
        ("claude-haiku-4-5-20251001", 0.003315),
        ("claude-sonnet-4-5", 0.009945),
        ("claude-opus-4-5", 0.016575),
    ],
)
def test_cost_is_what_was_measured(model: str, dollars: float, provider: str | None):
    assert cost(MEASURED, model, provider) == dollars


def test_reasoning_is_already_in_the_output():
    thought = MEASURED.model_copy(update={"reasoning_tokens": 80})
    assert cost(thought) == cost(MEASURED)


# --- the size of one request decides on the tier --------------------------------------------------


MUCH = Usage(input_tokens=1_000_000, output_tokens=0)


def test_a_million_in_small_requests_costs_half_of_one_large_request():
    small = [Usage(input_tokens=50_000, output_tokens=0)] * 20
    assert cost(MUCH) == 6
    assert cost(MUCH, requests=small) == 3
    assert cost(MUCH.model_copy(update={"requests": 20})) == 3


def test_only_the_large_request_costs_more():
    sizes = [100_000, 300_000, 600_000]
    detail = [Usage(input_tokens=size, output_tokens=0) for size in sizes]
    assert cost(MUCH, requests=detail) == pytest.approx(0.3 + 1.8 + 3.6)


def test_the_cache_counts_for_the_size_of_a_request():
    cached = Usage(input_tokens=10_000, output_tokens=0, cache_read_tokens=300_000)
    assert cost(cached) == pytest.approx(0.06 + 0.18)


@pytest.mark.parametrize("count", [0, None])
def test_a_usage_that_counted_no_requests_is_one(count: int | None):
    assert cost(MUCH.model_copy(update={"requests": count})) == 6


@given(usages, st.integers(1, 50))
def test_shares_cost_what_their_tokens_cost(usage: Usage, count: int):
    own = {TIERED: Price(input=3, output=15, cache_read=0.3, cache_write=3.75)}
    shared = usage.model_copy(update={"requests": count})
    assert cost(shared, own=own) == cost(usage, own=own)


@pytest.mark.parametrize(
    "detail",
    [
        [Usage(input_tokens=50_000, output_tokens=0)] * 19,  # one was not seen
        [Usage(input_tokens=50_000, output_tokens=0)] * 40,  # each was seen twice
        [Usage(input_tokens=50_000)] * 20,
    ],
)
def test_totals_are_believed_against_a_detail_that_does_not_add_up(detail: list[Usage]):
    assert cost(MUCH, requests=detail) == cost(MUCH)


# --- what is always so ----------------------------------------------------------------------------


@given(some_requests, owns)
def test_cost_adds_up_over_requests(requests: list[Usage], own: dict[str, Price]):
    whole = cost(together(requests), own=own, requests=requests)
    assert whole == pytest.approx(sum(cost(each, own=own) for each in requests))


@given(usages, owns)
def test_cost_is_never_negative(usage: Usage, own: dict[str, Price]):
    assert cost(usage, own=own) >= 0


@given(usages, owns, st.sampled_from(CLASSES), counts, st.none() | st.integers(1, 50))
def test_more_tokens_never_cost_less(
    usage: Usage, own: dict[str, Price], name: str, more: int, requests: int | None
):
    usage = usage.model_copy(update={"requests": requests})
    larger = usage.model_copy(update={name: getattr(usage, name) + more})
    assert cost(larger, own=own) >= cost(usage, own=own)


maybe = st.none() | st.integers(-5, -1) | counts


@given(st.builds(Usage, **dict.fromkeys(CLASSES, maybe)), owns)
def test_what_is_unknown_never_becomes_0(usage: Usage, own: dict[str, Price]):
    priced = price(usage, provider="anthropic", model=TIERED, own=own)
    given = [getattr(usage, name) for name in CLASSES]
    known = None not in given[:2] and all((count or 0) >= 0 for count in given)
    assert (priced.cost_usd is not None) == known
    assert priced.cost_basis == ("priced" if known else "unknown")
    assert [getattr(priced, name) for name in CLASSES] == given


@given(st.text(), st.none() | st.text())
def test_any_name_of_a_model_is_known_or_unknown_but_never_free(model: str, provider: str | None):
    found = price(MEASURED, provider=provider, model=model, own={})
    assert found.cost_usd is None or found.cost_usd > 0


# --- unknown --------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google", "nobody", "", None])
@pytest.mark.parametrize("model", ["my-local-model", "claude-haiku-99", "haiku", "", None])
def test_a_model_that_nobody_knows_has_no_cost(model: str | None, provider: str | None):
    assert is_unknown(MEASURED, model, provider)


def test_a_local_model_is_not_priced_as_its_namesake():
    assert is_unknown(MEASURED, "ollama/gpt-5")
    assert is_unknown(MEASURED, "gpt-5", "ollama")


def test_models_listed_without_token_prices_are_not_free():
    """genai-prices answers 0 for them."""
    from genai_prices.data import providers

    names = [(provider.id, model.id) for provider in providers for model in provider.models]
    found = [price(MEASURED, provider=whose, model=name, own={}) for whose, name in names]
    assert sum(each.cost_usd is not None for each in found) > 1000
    assert [each for each in found if each.cost_usd == 0] == []


@pytest.mark.parametrize("missing", ["input_tokens", "output_tokens"])
def test_a_usage_without_input_or_output_has_no_cost(missing: str):
    assert is_unknown(MEASURED.model_copy(update={missing: None}))


def test_a_client_that_tells_no_cache_has_none():
    assert cost(Usage(input_tokens=1000, output_tokens=100)) == pytest.approx(0.0045)


def test_an_attempt_that_died_keeps_its_lower_bound():
    died = MEASURED.model_copy(update={"lower_bound": True})
    assert price(died, provider=None, model=TIERED, own={}).lower_bound
    assert price(died, provider=None, model="nobody's", own={}).lower_bound


# --- who has the word -----------------------------------------------------------------------------


@pytest.mark.parametrize("basis", ["reported", "notional"])
def test_the_clients_own_cost_stays(basis: str):
    told = MEASURED.model_copy(update={"cost_usd": 0.5, "cost_basis": basis})
    assert price(told, provider="anthropic", model=TIERED, own={TIERED: OWN}) is told
    assert price(told, provider=None, model=None, own={}) is told


def test_a_cost_of_unknown_origin_is_replaced():
    """Claude Code prices models that it does not know."""
    guessed = MEASURED.model_copy(update={"cost_usd": 0.0057})
    assert is_unknown(guessed, "my-local-model")
    assert cost(guessed, "claude-haiku-4-5") == 0.003315


OWN = Price(input=1, output=10)


def test_the_users_own_price_wins():
    assert cost(MEASURED, own={TIERED: OWN}) == 0.0045  # the cache as input
    cached = OWN.model_copy(update={"cache_read": 0.0, "cache_write": 2.0})
    assert cost(MEASURED, own={TIERED: cached}) == 0.0039


def test_an_own_price_makes_a_model_known_and_may_be_0():
    assert cost(MEASURED, "my-local-model", own={"my-local-model": Price(input=0, output=0)}) == 0


def test_an_own_price_is_for_this_exact_id():
    assert cost(MEASURED, "claude-haiku-4-5", own={"claude-haiku": OWN}) == 0.003315
    both = {"anthropic/claude-haiku-4-5": OWN, "claude-haiku-4-5": Price(input=9, output=9)}
    assert cost(MEASURED, "anthropic/claude-haiku-4-5", own=both) == 0.0045


@pytest.mark.parametrize("wrong", [-1.0, float("inf"), float("nan")])
def test_a_price_is_a_number_of_dollars(wrong: float):
    with pytest.raises(ValidationError):
        Price(input=1, output=wrong)
    with pytest.raises(ValidationError):
        Price(input=1, output=1, cache_read=wrong)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        (None, "anthropic/claude-haiku-4-5"),
        ("anthropic", "anthropic/claude-haiku-4-5"),
        ("openrouter", "anthropic/claude-haiku-4.5"),
        (None, "openrouter/anthropic/claude-haiku-4.5"),
    ],
)
def test_a_prefix_of_the_model_is_its_provider(provider: str | None, model: str):
    assert cost(MEASURED, model, provider) == 0.003315


def test_another_provider_does_not_sell_what_the_prefix_names():
    assert is_unknown(MEASURED, "anthropic/claude-haiku-4-5", "openai")


# --- the package ----------------------------------------------------------------------------------


def test_the_snapshot_names_the_installed_data():
    assert snapshot() == f"genai-prices {version('genai-prices')}"


LAZY = """
import sys
import orchestrator.cli
from orchestrator.model import Usage
from orchestrator.model import Price
from orchestrator.prices import price, snapshot

usage, own = Usage(input_tokens=1, output_tokens=1), {"mine": Price(input=1, output=1)}
snapshot()
price(usage, provider=None, model="mine", own=own)
price(usage, provider=None, model=None, own=own)
price(Usage(), provider=None, model="claude-haiku-4-5", own=own)
print("genai_prices" in sys.modules)
"""

OFFLINE = """
import sys, threading

def refuse(event, _arguments):
    if event.startswith("socket."):
        raise SystemExit(f"asked the network: {event}")

sys.addaudithook(refuse)
from orchestrator.model import Usage
from orchestrator.prices import price, snapshot

snapshot()
usage = Usage(input_tokens=1000, output_tokens=100)
print(price(usage, provider=None, model="claude-haiku-4-5", own={}).cost_usd, threading.active_count())
"""


def said_by(script: str) -> str:
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_the_package_is_loaded_only_where_it_is_asked():
    assert said_by(LAZY) == "False"


def test_pricing_asks_no_network_and_starts_no_thread():
    assert said_by(OFFLINE) == "0.0015 1"
