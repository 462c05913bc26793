"""Usage -> its cost in dollars, by the user's own prices or those that genai-prices ships; refuses to guess: what is unknown has no cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version
from itertools import pairwise
from typing import NamedTuple

from orchestrator.model import Price, Usage

MILLION = 1_000_000


class Tokens(NamedTuple):
    """Disjoint counts: `input` is without cache reads and writes."""

    input: int
    output: int
    cache_read: int
    cache_write: int


Rate = Callable[[Tokens], Decimal]  # one request -> dollars; LookupError: has no known price


def price(
    usage: Usage,
    *,
    provider: str | None,
    model: str | None,
    own: Mapping[str, Price],
    requests: Sequence[Usage] = (),
) -> Usage:
    """`usage` with its cost: cost_basis "priced"; cost None and "unknown" where the model or a token count is unknown.

    A cost that the client told stays. Prices have tiers by the size of one request, so `requests` are priced one by one
    if they add up to `usage`. Totals are believed, a detail that does not add up is not: then, as without it,
    `usage.requests` equal shares are priced; without that number too, one request.
    """
    if usage.cost_usd is not None and usage.cost_basis in ("reported", "notional"):
        return usage
    cost = _cost(usage, requests, _rate(provider, model, own)) if model else None
    basis = "unknown" if cost is None else "priced"
    return usage.model_copy(update={"cost_usd": cost, "cost_basis": basis})


def thresholds(*, provider: str | None, model: str, own: Mapping[str, Price]) -> tuple[int, ...]:
    """From so much input of one request on, cache and all, it is priced otherwise. Between them prices add up."""
    if model in own:
        return ()
    import genai_prices  # 0.3 s

    used, (provider, model) = genai_prices.Usage(), _address(provider, model)
    try:
        found = genai_prices.calc_price(used, model, provider_id=provider).model_price
    except LookupError:
        return ()
    tiers = (tier for price in vars(found).values() for tier in getattr(price, "tiers", ()))
    return tuple(sorted({tier.start + 1 for tier in tiers}))


def snapshot() -> str:
    """Whose prices. The package does not date its data, so its version stands for the date."""
    return f"genai-prices {version('genai-prices')}"


def _cost(usage: Usage, requests: Sequence[Usage], rate: Rate) -> float | None:
    total = _tokens(usage)
    if total is None:
        return None
    try:
        return float(sum(rate(each) * times for each, times in _split(total, usage, requests)))
    except LookupError:
        return None


# --- how many tokens in how many requests ---------------------------------------------------------


def _tokens(usage: Usage) -> Tokens | None:
    """None without input or output. Clients without a cache name no cache counts: these are 0 then."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    counts = Tokens(usage.input_tokens, usage.output_tokens, read, write)
    return counts if min(counts) >= 0 else None


def _split(total: Tokens, usage: Usage, requests: Sequence[Usage]) -> Iterator[tuple[Tokens, int]]:
    """Sizes of requests, and how many there are of each."""
    known = [counts for request in requests if (counts := _tokens(request)) is not None]
    if tuple(map(sum, zip(*known, strict=True))) == total:
        return iter([(counts, 1) for counts in known])
    return _shares(total, max(1, usage.requests or 1))


def _shares(total: Tokens, count: int) -> Iterator[tuple[Tokens, int]]:
    """Whole tokens only: what does not divide goes to the first ones, so at most five sizes come out."""
    marks = sorted({0, count, *(part % count for part in total)})
    for first, last in pairwise(marks):
        yield Tokens(*(part // count + (first < part % count) for part in total)), last - first


# --- what one request costs -----------------------------------------------------------------------


def _rate(provider: str | None, model: str, own: Mapping[str, Price]) -> Rate:
    if model in own:
        return _own_rate(own[model])
    return _shipped_rate(*_address(provider, model))


def _address(provider: str | None, model: str) -> tuple[str | None, str]:
    """A prefix, as in anthropic/claude-haiku-4-5, is the provider; at another provider (openrouter) it is part of the id."""
    prefix, slash, rest = model.partition("/")
    return (prefix, rest) if slash and provider in (None, prefix) else (provider, model)


def _own_rate(own: Price) -> Rate:
    read = own.input if own.cache_read is None else own.cache_read
    write = own.input if own.cache_write is None else own.cache_write
    rates = [Decimal(repr(rate)) for rate in (own.input, own.output, read, write)]

    def rate(tokens: Tokens) -> Decimal:
        parts = zip(tokens, rates, strict=True)
        return sum((count * each for count, each in parts), Decimal()) / MILLION

    return rate


def _shipped_rate(provider: str | None, model: str) -> Rate:
    """By the data inside the package, as it stands today; nothing here asks the network."""

    def rate(tokens: Tokens) -> Decimal:
        import genai_prices  # 0.3 s

        used = genai_prices.Usage(
            input_tokens=tokens.input + tokens.cache_read + tokens.cache_write,  # theirs is the sum
            output_tokens=tokens.output,
            cache_read_tokens=tokens.cache_read,
            cache_write_tokens=tokens.cache_write,
        )
        found = genai_prices.calc_price(used, model, provider_id=provider)
        if found.model_price.input_mtok is None or found.model_price.output_mtok is None:
            # the answer is 0 for these
            raise LookupError(f"{model} is listed without token prices")
        return found.total_price

    return rate
