"""Task + score -> the ladder of Routes that its tries walk, each with its reason. Pure; an explicit model is never overridden."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from orchestrator.model import Route, Score, Task, Tier

EXPLICIT, DEFAULT = 1.0, 0.6  # confidence of the plan's own word, and of a band


def ladder(
    task: Task,
    score: Score,
    *,
    worker: str,
    tiers: Sequence[Tier],
    models: Mapping[Tier, str],
    asks_a_model: bool,
    provider: Callable[[str | None], str | None],
    haiku_max: int,
    sonnet_max: int,
) -> tuple[Route, ...]:
    """One Route per try: the first rung twice (the second time with the failure text), then each rung above.

    `tiers` are those the worker has, weakest first; none: it knows no models. `models` maps a tier to the
    worker's own model id, `provider` says whose limits count for one.
    """
    if not tiers:
        return (_only(worker, asks_a_model, provider),) * 2
    wanted, confidence, reason = _first_tier(task, score, haiku_max, sonnet_max)
    order = list(Tier)
    at_least = [tier for tier in tiers if order.index(tier) >= order.index(wanted)]
    rungs = at_least or [tiers[-1]]
    if rungs[0] is not wanted:
        reason += f"; {worker} has no {wanted}, so {rungs[0]}"
    steps = [(rungs[0], reason)] * 2
    if not task.model_lock:
        steps += [(tier, f"{below} did not pass") for below, tier in pairwise(rungs)]
    return tuple(
        Route(
            worker=worker,
            provider=provider(models.get(tier)),
            tier=tier,
            model=models.get(tier),
            confidence=confidence,
            reason=why,
        )
        for tier, why in steps
    )


def _only(worker: str, asks_a_model: bool, provider: Callable[[str | None], str | None]) -> Route:
    if not asks_a_model:
        return Route(worker=worker, confidence=EXPLICIT, reason=f"{worker} runs scripts, no model")
    reason = f"{worker} chooses its model itself"
    return Route(
        worker=worker, provider=provider(None), model=worker, confidence=EXPLICIT, reason=reason
    )


def _first_tier(
    task: Task, score: Score, haiku_max: int, sonnet_max: int
) -> tuple[Tier, float, str]:
    if task.model is not None:
        return task.model, EXPLICIT, f'model="{task.model}" in the plan'
    if task.subagent == "explore":
        return Tier.HAIKU, DEFAULT, 'subagent="explore" starts on haiku'
    reasons = f" ({', '.join(score.reasons)})" if score.reasons else ""
    why = f"complexity {score.value}{reasons}"
    if score.value <= haiku_max:
        return Tier.HAIKU, DEFAULT, f"{why}: up to {haiku_max} starts on haiku"
    if score.value <= sonnet_max:
        return Tier.SONNET, DEFAULT, f"{why}: up to {sonnet_max} starts on sonnet"
    return Tier.OPUS, DEFAULT, f"{why}: above {sonnet_max} starts on opus"
