"""Outcomes of the ledger -> which rungs a task's tries walk. Refuses to touch what a plan, or a person, has said."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from orchestrator.engine.experience import Experience
from orchestrator.model import Score, Strategy, Task, Tier
from orchestrator.routing import Choice, Forecast, Keep, Kept, every_rung
from orchestrator.routing.beliefs import Beliefs, Candidate
from orchestrator.routing.cascade import Ask, Cascade, plan_rungs

OURS_TO_CHOOSE = {Strategy.DEFAULT, Strategy.LEARNED}  # all others are somebody's word


def keeper(
    task: Task,
    score: Score,
    known: Experience,
    models: Mapping[Tier, str],
    forecasts: Mapping[Tier | None, Forecast],
) -> Keep:
    """The plan of least expected cost, from the first outcome on; every rung where nothing is known or to be chosen."""

    def keep(choice: Choice, tiers: Sequence[Tier]) -> Kept:
        candidates = [
            Candidate(tier, models[tier], forecasts[tier].cost_usd)
            for tier in tiers
            if tier in models and tier in forecasts
        ]
        ours = choice.strategy in OURS_TO_CHOOSE and known.settings.routing.cascade
        seen = any(known.evidence.attempts(one.model) for one in candidates)
        if not (ours and seen) or task.model_lock or len(candidates) < 2:
            return every_rung(choice, tiers)
        return _kept(candidates, _plan(task, score, known, candidates, choice))

    return keep


def _plan(
    task: Task,
    score: Score,
    known: Experience,
    candidates: Sequence[Candidate],
    choice: Choice,
) -> Cascade:
    start = next((one.model for one in candidates if one.tier is choice.tier), None)
    ask = Ask(
        trust=known.trust(1.0 if task.commands else 0.0),
        start=start,
        risky=task.risk == "high",
    )
    beliefs = Beliefs(known.evidence, candidates, score.value)
    draw = random.random() if known.settings.routing.explore else None  # noqa: S311 - no secret
    return plan_rungs(candidates, beliefs, ask, draw)


def _kept(candidates: Sequence[Candidate], plan: Cascade) -> Kept:
    tiers = {one.model: one.tier for one in candidates}
    return Kept(
        rungs=tuple(step.tier for step in plan.steps),
        why=plan.reason,
        skipped={tiers[model]: why for model, why in plan.skipped if model in tiers},
        caps={step.tier: step.cap_usd for step in plan.steps if step.cap_usd is not None},
        propensity=plan.propensity,
    )
