"""One plan's tasks -> edges between them, each with its reason. Refuses references to nothing, to itself, and twice the same id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum

from orchestrator.model import Diagnostic, Noun, Plan, PlanId, Severity, Task, TaskId


class Reason(StrEnum):
    """Why one task waits for another."""

    DEPENDS_ON = "depends-on"
    ORDER = "order"  # a plain plan keeps the order of its text
    CHECKPOINT = "checkpoint"
    PLAN = "plan"  # depends_on of the frontmatter
    WAVE = "wave"
    PHASE = "phase"
    CONFLICT = "conflict"  # both write the same file


class Edge(Noun):
    before: TaskId
    after: TaskId
    reason: Reason
    note: str = ""  # the shared file of a conflict


WORD_TASK = re.compile(r"^task[-_ ]*(?=\w)", re.IGNORECASE)


def task_edges(plan: Plan, plans: Mapping[PlanId, Plan], said: list[Diagnostic]) -> Iterator[Edge]:
    """Edges into every task of `plan`; what is wrong is appended to `said`."""
    names = _Names(plan, said)
    barrier: Task | None = None  # the latest checkpoint that holds back what follows
    for index, task in enumerate(plan.tasks):
        earlier = plan.tasks[:index]
        if task.depends_on is not None:
            yield from _explicit(task, names, plans, said)
        elif task.is_checkpoint:
            yield from (_edge(one, task, Reason.CHECKPOINT) for one in earlier)
        elif task.parallel != "can-parallelize" and earlier:
            yield _edge(earlier[-1], task, Reason.ORDER)
        if barrier is not None:
            yield _edge(barrier, task, Reason.CHECKPOINT)
        if task.is_checkpoint and task.depends_on is None:
            barrier = task


def _explicit(
    task: Task, names: _Names, plans: Mapping[PlanId, Plan], said: list[Diagnostic]
) -> Iterator[Edge]:
    for reference in dict.fromkeys(task.depends_on or ()):
        found = names.find(task, reference, plans)
        if found is None:
            known = ", ".join(str(one.ordinal) for one in names.plan.tasks)
            said.append(
                say(
                    names.plan,
                    task,
                    "G501",
                    f'depends-on="{reference}" of {task.id} names no task; this plan has {known}',
                )
            )
        elif found.id == task.id:
            said.append(
                say(names.plan, task, "G502", f"{task.id} depends on itself; remove {reference!r}")
            )
        else:
            yield _edge(found, task, Reason.DEPENDS_ON)


class _Names:
    """What a reference inside one plan can mean: an id, a label where all are unique, an ordinal."""

    def __init__(self, plan: Plan, said: list[Diagnostic]) -> None:
        self.plan = plan
        self._said = said
        self._ordinals = {str(task.ordinal): task for task in plan.tasks}
        labels = Counter(task.label for task in plan.tasks)
        self._labelled = None not in labels and set(labels.values()) == {1}
        self._labels = {task.label: task for task in plan.tasks if task.label is not None}
        self._aliases: dict[str, Task] = {}
        for task in plan.tasks:
            if task.alias is not None and self._aliases.setdefault(task.alias, task) is not task:
                first = self._aliases[task.alias].position.line
                text = f'id="{task.alias}" is already taken by the task at line {first}; rename one'
                said.append(say(plan, task, "G503", text))

    def find(self, task: Task, reference: str, plans: Mapping[PlanId, Plan]) -> Task | None:
        plan_name, slash, ordinal = reference.rpartition("/")
        if slash:
            plan = plans.get(PlanId(plan_name))
            return (
                next((t for t in plan.tasks if str(t.ordinal) == ordinal), None) if plan else None
            )
        if reference in self._aliases:
            return self._aliases[reference]
        return self._numbered(task, WORD_TASK.sub("", reference))

    def _numbered(self, task: Task, number: str) -> Task | None:
        number = number.lstrip("0") or "0" if number.isdigit() else number
        by_label, by_ordinal = self._labels.get(number), self._ordinals.get(number)
        chosen = by_label if self._labelled else by_ordinal or by_label
        if by_label and by_ordinal and by_label.id != by_ordinal.id:
            text = (
                f'depends-on="{number}" of {task.id} could mean "{by_label.title}" (its label) '
                f'or "{by_ordinal.title}" (its place); read as "{chosen.title if chosen else "-"}"'
            )
            self._said.append(say(self.plan, task, "G504", text, Severity.WARNING))
        return chosen


def say(
    plan: Plan, task: Task, code: str, message: str, severity: Severity = Severity.ERROR
) -> Diagnostic:
    place = task.position
    return Diagnostic(
        file=plan.path,
        line=place.line,
        column=place.column,
        code=code,
        severity=severity,
        message=message,
    )


def _edge(before: Task, after: Task, reason: Reason) -> Edge:
    return Edge(before=before.id, after=after.id, reason=reason)
