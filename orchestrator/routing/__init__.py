"""Task + score -> the ladder of Routes that its tries walk, each with its reason. Pure; an explicit model is never overridden."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from orchestrator.model import Route, Score, Strategy, Task, Tier
from orchestrator.routing.tiers import EXPLICIT, ORDER, Choice, Policy, below, choose

__all__ = ["Choice", "Forecast", "Kept", "Policy", "choose", "every_rung", "ladder"]


class Forecast(NamedTuple):
    """What one try is expected to take. None is unknown."""

    tokens: int | None = None
    cost_usd: float | None = None
    duration_s: float | None = None
    cost_usd_high: float | None = None  # the upper ends, which budgets set aside
    fresh_tokens_high: int | None = None


class Kept(NamedTuple):
    """The tier of each try, why the first of them, why others are left out, and how likely this was.

    `confidence`: the chance that the check passes in the end, where these tries are those of least expected cost;
    None: the first of them is what the choice says.
    """

    rungs: tuple[Tier, ...]  # one that is tried again stands twice
    why: str = ""
    skipped: Mapping[Tier, str] = {}
    propensity: float = 1.0
    caps: Mapping[Tier, float] = {}  # dollars after which a try gives way to the next
    confidence: float | None = None


Keep = Callable[[Choice, Sequence[Tier]], Kept]


def every_rung(choice: Choice, tiers: Sequence[Tier]) -> Kept:
    """From the first choice up, that one twice; where the worker lacks it the next stronger, else its strongest."""
    rungs = [tier for tier in tiers if not below(tier, choice.tier)] or [tiers[-1]]
    return Kept((rungs[0], *rungs))


def ladder(
    task: Task,
    score: Score,
    *,
    worker: str,
    tiers: Sequence[Tier],
    models: Mapping[Tier, str],
    asks_a_model: bool,
    provider: Callable[[str | None], str | None],
    policy: Policy,
    keep: Keep = every_rung,
    forecasts: Mapping[Tier | None, Forecast] | None = None,
    answers: Mapping[Tier, str] | None = None,
) -> tuple[Route, ...]:
    """One Route per try. `keep` says which tiers these are: the first one twice (the second time with the failure
    text), then each above, unless it knows better.

    `tiers` are those the worker has, weakest first; none: it knows no models. `models` maps a tier to the
    worker's own model id, `answers` to the id that was seen to answer to it; `provider` says whose limits count for one.
    """
    if not tiers:
        forecast = (forecasts or {}).get(None, Forecast())
        return (_only(worker, asks_a_model, provider, forecast),) * 2
    choice = choose(task, score, policy, models if answers is None else answers)
    kept = _lawful(keep(choice, tiers), choice, tiers)
    steps = _steps(choice, kept, worker, tiers, locked=task.model_lock)
    first, *later = (
        Route(
            worker=worker,
            provider=provider(models.get(tier)),
            tier=tier,
            model=models.get(tier),
            reason=_capped(why, kept.caps.get(tier)),
            **_decided(choice, kept, tier),
            **_expected((forecasts or {}).get(tier, Forecast())),
        )
        for tier, why in steps
    )
    left_out = tuple((models.get(one, one), why) for one, why in kept.skipped.items())
    return (first.model_copy(update={"left_out": left_out}), *later)


def _lawful(kept: Kept, choice: Choice, tiers: Sequence[Tier]) -> Kept:
    """Whatever is cheaper: what the plan, or a person, asks for comes first, and nothing goes below a floor."""
    usual = every_rung(choice, tiers)
    explicit = choice.strategy in (Strategy.EXPLICIT, Strategy.QUALITY)
    if explicit and kept.rungs[:1] != usual.rungs[:1]:
        return usual
    least = choice.tier if explicit else choice.floor
    if least is None or not any(below(tier, least) for tier in kept.rungs):
        return kept
    allowed = tuple(tier for tier in kept.rungs if not below(tier, least))
    return kept._replace(rungs=allowed) if allowed else usual


def _steps(
    choice: Choice, kept: Kept, worker: str, tiers: Sequence[Tier], *, locked: bool
) -> list[tuple[Tier, str]]:
    first = kept.rungs[0]
    reason = f"{choice.reason}; {kept.why}" if kept.why else choice.reason
    if kept.confidence is not None:
        reason = f"{kept.why}; without outcomes {choice.tier}: {choice.reason}"
    elif choice.tier not in tiers:
        reason += f"; {worker} has no {choice.tier}, so {first}"
    steps = [(first, reason)]
    for last, tier in pairwise(kept.rungs):
        if tier is not last:
            between = ORDER[ORDER.index(last) + 1 : ORDER.index(tier)]
            told = [
                f"{one} left out: {kept.skipped[one]}" for one in between if one in kept.skipped
            ]
            reason = "; ".join([f"{last} did not pass", *told])
        steps.append((tier, reason))
    return [step for step in steps if not locked or step[0] is first]


def _decided(choice: Choice, kept: Kept, tier: Tier) -> dict[str, Any]:
    by = (choice.strategy, choice.confidence)
    strategy, confidence = (
        (Strategy.CASCADE, kept.confidence) if kept.confidence is not None else by
    )
    return {
        "strategy": strategy,
        "confidence": confidence,
        "floor": choice.floor,
        "cap_usd": kept.caps.get(tier),
        "propensity": kept.propensity,
    }


def _capped(why: str, cap: float | None) -> str:
    return why if cap is None else f"{why}; it gives way at ${cap:.2f}"


def _expected(forecast: Forecast) -> dict[str, float | int | None]:
    return {f"estimated_{name}": value for name, value in forecast._asdict().items()}


def _only(
    worker: str,
    asks_a_model: bool,
    provider: Callable[[str | None], str | None],
    forecast: Forecast,
) -> Route:
    told = "chooses its model itself" if asks_a_model else "runs scripts, no model"
    return Route(
        worker=worker,
        provider=provider(None) if asks_a_model else None,
        model=worker if asks_a_model else None,
        confidence=EXPLICIT,
        reason=f"{worker} {told}",
        strategy=Strategy.WORKER,
        **_expected(forecast),
    )
