"""May a run start: gate, forecast, budget, in that order, and then whether a person must say so. Pure; refuses nothing without naming the figure and the setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from orchestrator.amounts import dollars, places
from orchestrator.model import Route
from orchestrator.outloop.forecast import Forecast, throttle

By = Literal["gate", "forecast", "budget", "approval"]


class Expected(NamedTuple):
    """Of the first tries of all tasks together: the middle of their dollars, and the most tokens that they may read and write anew."""

    usd: float
    tokens: int
    tries: int = 0  # that ask a model
    unpriced: int = 0  # of these; each counts as budget.unknown_usd

    @property
    def told(self) -> str:
        guess = (
            f" ({self.unpriced} of its {self.tries} first tries have no known price)"
            if self.unpriced
            else ""
        )
        return f"{dollars(self.usd)}{guess}"


class Limits(NamedTuple):
    """0 is no limit."""

    run_tokens: int
    run_usd: float
    ask_usd: float


class Refusal(NamedTuple):
    """`setting` with its `limit`, and what is `expected` of it, in its own unit; none where a gate or a forecast refuses."""

    by: By
    message: str
    setting: str = ""
    limit: float | None = None
    expected: float | None = None


def expect(firsts: Iterable[Route], unknown_usd: float) -> Expected:
    """`firsts`: of each task the route of its first try."""
    asking = [one for one in firsts if one.asks_a_model]
    costs = [one.estimated_cost_usd for one in asking]
    known = [cost for cost in costs if cost is not None]
    unpriced = len(costs) - len(known)
    return Expected(
        usd=math.fsum([*known, unknown_usd * unpriced]),
        tokens=sum(one.estimated_fresh_tokens_high or 0 for one in asking),
        tries=len(asking),
        unpriced=unpriced,
    )


def can_start(
    expected: Expected,
    limits: Limits,
    forecast: Forecast,
    *,
    throttles: bool,
    at: Callable[[float], str],
    providers: Iterable[str] = (),
) -> tuple[bool, str]:
    """S3-32: the message is that of the first that refuses; empty where it can."""
    gate = closed(forecast, providers, at)
    first = next(refusals(expected, limits, gate, throttle(forecast, on=throttles)), None)
    return first is None, "" if first is None else first.message


def closed(forecast: Forecast, providers: Iterable[str], at: Callable[[float], str]) -> str | None:
    """Why no provider of this run would answer now; None: one would, as far as is known. No `providers`: all are meant."""
    wanted = set(providers) or {seen.window.provider for seen in forecast.windows}
    shut = {
        seen.window.provider: seen.window
        for seen in forecast.windows
        if seen.window.is_refused and seen.window.provider in wanted
    }
    if not shut or wanted - shut.keys():
        return None
    window = next(iter(shut.values()))
    until = f" at {at(window.resets_at)}" if window.resets_at is not None else ""
    return (
        f"gate closed: {window.provider} refuses until its {window.name} window opens again{until}"
    )


def refusals(
    expected: Expected, limits: Limits, gate: str | None, waits: str | None
) -> Iterator[Refusal]:
    """All of them, in their order. `gate` and `waits` say why, where they refuse."""
    if gate:
        yield Refusal("gate", gate)
    if waits:
        yield Refusal("forecast", waits)
    if limits.run_tokens and expected.tokens > limits.run_tokens:
        told = f"its first tries may read and write {expected.tokens:,} tokens anew"
        over = f"budget.run_tokens is {limits.run_tokens:,}: some of its tasks would not start"
        figures = ("budget.run_tokens", limits.run_tokens, expected.tokens)
        yield Refusal("budget", f"{told}, and {over}", *figures)
    elif limits.run_usd and _is_above(expected.usd, limits.run_usd):
        over = f"budget.run_usd is {dollars(limits.run_usd)}: some of its tasks would not start"
        told = f"its first tries are expected to cost {expected.told}"
        yield Refusal(
            "budget", f"{told}, and {over}", "budget.run_usd", limits.run_usd, expected.usd
        )
    if must_ask(expected, limits.ask_usd):
        over = f"more than {dollars(limits.ask_usd)} (budget.ask_usd)"
        told = f"its first tries are expected to cost {expected.told}, {over}"
        yield Refusal("approval", told, "budget.ask_usd", limits.ask_usd, expected.usd)


def must_ask(expected: Expected, ask_usd: float) -> bool:
    return bool(ask_usd) and _is_above(expected.usd, ask_usd)


def _is_above(usd: float, limit: float) -> bool:
    """As people read both: to the cent, or to three digits that count where the limit is less than a dollar."""
    digits = places(limit)
    return round(usd, digits) > round(limit, digits)


def approve(refused: Sequence[Refusal]) -> Sequence[Refusal]:
    """Of these, what a person's yes is for: a run that a person starts is not kept waiting, as its gates do that."""
    return [one for one in refused if one.by in ("budget", "approval")]
