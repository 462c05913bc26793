"""Who is to do a task, against what the settings know (M0xx)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from orchestrator import complexity
from orchestrator.lint.known import Known
from orchestrator.model import Diagnostic, Plan, Task, Tier
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
        for text in _unknown(task):
            yield diagnostic("M004", plan.path, task.place("labels"), text)
        for text in _contradictions(task):
            yield diagnostic("M005", plan.path, task.place("labels"), text)


VALUES = {"model": tuple(Tier), "complexity": tuple(complexity.RANGES)}


def _unknown(task: Task) -> Iterator[str]:
    for label in task.labels:
        key, colon, value = label.lower().partition(":")
        if colon and key in VALUES and value not in VALUES[key]:
            known = ", ".join(VALUES[key])
            yield f"the label {label} of {task.id} means nothing{hint(value, {*VALUES[key]})}; known are {known}"


def _contradictions(task: Task) -> Iterator[str]:
    words = complexity.words(task)
    given = [(f"complexity:{word}", complexity.RANGES[word]) for word in words]
    number = task.complexity
    if number is not None:
        given.append((f'estimated-complexity="{number}"', (number, number)))
    for (one, (low, high)), (other, (least, most)) in combinations(given, 2):
        if high < least or most < low:
            counts = "the number" if number is not None else f"complexity:{words[-1]}"
            yield f"{one} and {other} of {task.id} contradict each other; {counts} is its complexity"
    models = [tier for tier in Tier if f"model:{tier}" in {one.lower() for one in task.labels}]
    asked = task.model or (models[-1] if models else None)
    for tier in models:
        if tier is not asked:
            yield f"the label model:{tier} of {task.id} has no effect: {asked} is asked for, too, and counts"
