"""Who is to do a task, against what the settings know (M0xx)."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.lint.known import Known
from orchestrator.model import Diagnostic, Plan, Tier
from orchestrator.model.codes import diagnostic
from orchestrator.reader.near import hint


def check(plan: Plan, known: Known) -> Iterator[Diagnostic]:
    for task in plan.tasks:
        if task.worker is not None and task.worker not in known.workers:
            text = (
                f'worker="{task.worker}" is not in the settings{hint(task.worker, known.workers)}'
            )
            text += f"; known are {', '.join(sorted(known.workers))}"
            yield diagnostic("M001", plan.path, task.place("worker"), text)
        elif task.worker is not None and task.model is not None:
            tiers = known.tiers.get(task.worker)
            if tiers is not None and task.model not in tiers:
                text = f"{task.worker} has no model for {task.model}; map it below [models.{task.model}]"
                yield diagnostic("M002", plan.path, task.place("model"), text)
        if task.subagent == "explore" and task.model not in (None, Tier.HAIKU):
            text = f'{task.id} explores, for which haiku is enough; model="{task.model}" counts'
            yield diagnostic("M003", plan.path, task.place("model"), text)
