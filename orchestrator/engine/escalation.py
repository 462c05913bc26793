"""Outcomes of the ledger -> which rungs a task's tries walk. Refuses to touch what a plan, or a person, has said."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from orchestrator.engine.experience import Experience
from orchestrator.engine.proof import expected_strength
from orchestrator.model import Route, RunId, Score, Strategy, Task, TaskId, Tier
from orchestrator.routing import Choice, Forecast, Keep, Kept, every_rung
from orchestrator.routing.beliefs import Beliefs, Candidate
from orchestrator.routing.cascade import STRONG_ENOUGH, Ask, Cascade, plan_rungs
from orchestrator.routing.tiers import below

OURS_TO_CHOOSE = {Strategy.DEFAULT, Strategy.LEARNED}  # all others are somebody's word


class Trying(NamedTuple):
    """How a run may vary the plan. `draw` from [0, 1): the one to try out; None: always that of least expected cost.
    `again`: a failed check has a text, which the first model may see once."""

    draw: float | None = None
    again: bool = True


PLAIN = Trying()


def drawn(run: RunId, task: TaskId) -> float:
    """Of this task in this run, in [0, 1): whoever plans it anew, or goes on with the run, draws the same."""
    digest = hashlib.sha256(f"{run}\0{task}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def is_ours(route: Route) -> bool:
    """Nobody's word: the tries may be planned anew while the first has not begun."""
    return route.strategy is Strategy.CASCADE or route.strategy in OURS_TO_CHOOSE


def keeper(
    task: Task,
    score: Score,
    known: Experience,
    models: Mapping[Tier, str],
    forecasts: Mapping[Tier | None, Forecast],
    trying: Trying = PLAIN,
    reviewed: bool = False,
) -> Keep:
    """The plan of least expected cost, from the first outcome on; every rung where nothing is known or to be chosen.

    `models` are the ids that answer on each tier: what outcomes are counted by. `reviewed`: a second worker looks at it.
    """
    strength = expected_strength(task, known.settings, reviewed)

    def keep(choice: Choice, tiers: Sequence[Tier]) -> Kept:
        low = {one for one in tiers if choice.floor is not None and below(one, choice.floor)}
        candidates = [
            Candidate(tier, models[tier], forecasts[tier].cost_usd)
            for tier in tiers
            if tier in models and tier in forecasts and tier not in low
        ]
        ours = choice.strategy in OURS_TO_CHOOSE and known.settings.routing.cascade
        seen = any(known.evidence.attempts(one.model) for one in candidates)
        if not (ours and seen) or task.model_lock or len(candidates) < 2:
            return every_rung(choice, tiers)
        kept = _kept(candidates, *_plan(task, score, known, candidates, choice, trying, strength))
        under = {tier: f"below the floor {choice.floor}" for tier in tiers if tier in low}
        return kept._replace(skipped={**under, **kept.skipped})

    return keep


def _plan(
    task: Task,
    score: Score,
    known: Experience,
    candidates: Sequence[Candidate],
    choice: Choice,
    trying: Trying,
    strength: float,
) -> tuple[Cascade, bool]:
    """And whether outcomes decided it: a check that proves too little leaves the start to the choice."""
    start = next((one.model for one in candidates if not below(one.tier, choice.tier)), None)
    ask = Ask(
        trust=known.trust(strength),
        start=start,
        again=trying.again,
        risky=is_risky(task),
    )
    beliefs = Beliefs(known.evidence, candidates, score.value)
    draw = trying.draw if known.settings.routing.explore else None
    return plan_rungs(candidates, beliefs, ask, draw), ask.trust.strength >= STRONG_ENOUGH


def is_risky(task: Task) -> bool:
    return (task.risk or "").lower() == "high"


def _kept(candidates: Sequence[Candidate], plan: Cascade, decides: bool) -> Kept:
    tiers = {one.model: one.tier for one in candidates}
    return Kept(
        rungs=tuple(step.tier for step in plan.steps),
        why=plan.reason,
        skipped={tiers[model]: why for model, why in plan.skipped if model in tiers},
        caps={step.tier: step.cap_usd for step in plan.steps if step.cap_usd is not None},
        propensity=plan.propensity,
        confidence=plan.passes if decides else None,
    )
