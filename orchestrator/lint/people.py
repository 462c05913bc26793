"""What a plan asks of people, and whether it says so (C0xx)."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.model import Diagnostic, Plan, Task
from orchestrator.model.codes import diagnostic

TRUE, FALSE = ("true", "yes"), ("false", "no")
ASKING = ("what-built", "how-to-verify", "decision", "action", "instructions", "verification")


def check(plan: Plan) -> Iterator[Diagnostic]:
    yield from _autonomy(plan)
    decided = False
    for task in plan.tasks:
        decided |= task.type == "checkpoint:decision"
        yield from _asked(plan, task) if task.is_checkpoint else _unasked(plan, task)
        if not decided:
            yield from _one_way(plan, task)


def _autonomy(plan: Plan) -> Iterator[Diagnostic]:
    said = str(plan.frontmatter.get("autonomous", "")).strip().lower()
    asking = [task.id for task in plan.tasks if task.is_checkpoint]
    place = plan.place("autonomous")
    if asking and plan.frontmatter and said not in FALSE:
        told = "autonomous: true" if said in TRUE else "without autonomous: false"
        text = f"{told}, but {asking[0]} asks a person; write autonomous: false"
        yield diagnostic("C001", plan.path, place, text)
    if not asking and said in FALSE and plan.tasks:
        text = "autonomous: false, but no task asks a person; write true, or add the checkpoint"
        yield diagnostic("C002", plan.path, place, text)


def _asked(plan: Plan, task: Task) -> Iterator[Diagnostic]:
    if not task.name.strip() and not any(task.text(tag).strip() for tag in ASKING):
        text = f"{task.id} stops for a person and asks nothing; add <what-built> or <decision>"
        yield diagnostic("C003", plan.path, task.position, text)
    if task.type == "checkpoint:decision" and not task.options:
        text = f"{task.id} asks for a decision without options; add <options> with <option id=…>"
        yield diagnostic("C004", plan.path, task.position, text)


def _unasked(plan: Plan, task: Task) -> Iterator[Diagnostic]:
    if "gate" in task.attributes:
        text = f"gate= means nothing on {task.id}, which asks nobody; remove it"
        yield diagnostic("C006", plan.path, task.place("gate"), text)


def _one_way(plan: Plan, task: Task) -> Iterator[Diagnostic]:
    step = next((one for one in task.elements if one.tag == "reversibility"), None)
    if step is not None and step.attributes.get("rating", "").strip() == "one-way":
        text = (
            f"{task.id} cannot be undone and no decision is asked for before it in this plan; "
            "put a checkpoint:decision in front of it"
        )
        yield diagnostic("C005", plan.path, step.position, text)
