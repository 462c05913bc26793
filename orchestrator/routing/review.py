"""What a plan asks for against what its tasks are (M006). Pure; it warns, the plan's word counts."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.model import Diagnostic, Plan
from orchestrator.model.codes import diagnostic
from orchestrator.routing.tiers import Policy, below, explicit, floor_of


def check(plan: Plan, policy: Policy) -> Iterator[Diagnostic]:
    for task in plan.tasks:
        asked, floor = explicit(task), floor_of(task, policy)
        if task.is_checkpoint or asked is None or floor is None or not below(asked[0], floor.tier):
            continue
        text = (
            f"{asked[1]} of {task.id} counts, though {floor.why}: without it the task would start "
            f"on {floor.tier}; raise it, or let a strong check judge the work"
        )
        place = task.place("model" if task.model is not None else "labels")
        yield diagnostic("M006", plan.path, place, text)
