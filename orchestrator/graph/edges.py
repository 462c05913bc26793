"""One plan's tasks -> edges between them, each with its reason. Refuses references to nothing, to itself, and twice the same id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from orchestrator.model import Diagnostic, Noun, Plan, Task, TaskId
from orchestrator.model.codes import diagnostic


class Reason(StrEnum):
    """Why one task waits for another."""

    DEPENDS_ON = "depends-on"
    ORDER = "order"  # a plain plan keeps the order of its text
    CHECKPOINT = "checkpoint"
    TRACER = "tracer"  # a slice through everything, before it is widened
    PLAN = "plan"  # depends_on of the frontmatter
    WAVE = "wave"
    PHASE = "phase"
    CONFLICT = "conflict"  # both write the same file


class KnownPlan(Noun):
    """A plan of the project that is not part of the run."""

    path: str
    finished: bool
    halted: bool = False  # its SUMMARY says so


class Edge(Noun):
    before: TaskId
    after: TaskId
    reason: Reason
    note: str = ""  # the shared file of a conflict


EMPTY = {"none", "-", "n/a", "task"}  # "Task 1" comes as two words
WORD_TASK = re.compile(r"^task[-_ ]*(?=\w)", re.IGNORECASE)


class Finds(Protocol):
    """Who knows the plans beside this one."""

    def named(self, plan: Plan, name: str) -> Plan | KnownPlan | None: ...


def task_edges(plan: Plan, book: Finds, said: list[Diagnostic]) -> Iterator[Edge]:
    """Edges into every task of `plan`; what is wrong is appended to `said`."""
    names = _Names(plan, said)
    barrier: Task | None = None  # the latest checkpoint that holds back what follows
    tracer: Task | None = None
    for index, task in enumerate(plan.tasks):
        earlier = plan.tasks[:index]
        if task.depends_on is not None:
            yield from _explicit(task, names, book, said)
        elif task.is_checkpoint:
            yield from (_edge(one, task, Reason.CHECKPOINT) for one in earlier)
        elif task.parallel != "can-parallelize" and earlier:
            yield _edge(earlier[-1], task, Reason.ORDER)
        if barrier is not None:
            yield _edge(barrier, task, Reason.CHECKPOINT)
        if tracer is not None:
            yield _edge(tracer, task, Reason.TRACER)
        if task.is_checkpoint and task.depends_on is None:
            barrier = task
        if task.type == "tracer" and task.depends_on is None:
            tracer = task


def _explicit(task: Task, names: _Names, book: Finds, said: list[Diagnostic]) -> Iterator[Edge]:
    for twice in [name for name, count in Counter(task.depends_on or ()).items() if count > 1]:
        text = f'depends-on of {task.id} names "{twice}" twice; once is enough'
        said.append(say(names.plan, task, "G508", text))
    for reference in dict.fromkeys(task.depends_on or ()):
        if reference.lower() in EMPTY:
            continue
        if "/" in reference:
            yield from _across(task, reference, names.plan, book, said)
            continue
        found = names.find(task, reference)
        if found is None:
            text = f'depends-on="{reference}" of {task.id} names no task; this plan has {names}'
            said.append(say(names.plan, task, "G501", text))
        else:
            if found.ordinal > task.ordinal:
                text = f'depends-on="{reference}" of {task.id} names a later task; move it in front of it'
                said.append(say(names.plan, task, "G507", text))
            yield from _waits(names.plan, found, task, reference, said)


def _across(
    task: Task, reference: str, plan: Plan, book: Finds, said: list[Diagnostic]
) -> Iterator[Edge]:
    """`08-02/4`: a task of another plan. One of a finished plan is met."""
    name, _, number = reference.rpartition("/")
    other = book.named(plan, name)
    if isinstance(other, KnownPlan):
        if not other.finished:
            text = f'depends-on="{reference}" of {task.id} is in {other.path}, which is not finished and not part of this run'
            said.append(say(plan, task, "G506", f"{text}: run it first, or run their folder"))
        return
    known = {str(one.ordinal): one for one in other.tasks} if other else {}
    found = known.get(_plain(number))
    if other is None or found is None:
        what = f"plan {other.id} has {', '.join(known)}" if other else f"no plan is called {name}"
        text = f'depends-on="{reference}" of {task.id} names no task: {what}'
        said.append(say(plan, task, "G501", text))
    else:
        yield from _waits(plan, found, task, reference, said)


def _waits(
    plan: Plan, before: Task, task: Task, reference: str, said: list[Diagnostic]
) -> Iterator[Edge]:
    if before.id == task.id:
        text = f"{task.id} depends on itself; remove {reference!r}"
        said.append(say(plan, task, "G502", text))
    else:
        yield _edge(before, task, Reason.DEPENDS_ON)


class _Names:
    """What a reference inside one plan can mean: an id, a label where all are unique, an ordinal."""

    def __init__(self, plan: Plan, said: list[Diagnostic]) -> None:
        self.plan = plan
        self._said = said
        self._ordinals = {str(task.ordinal): task for task in plan.tasks}
        labelled = [(_plain(task.label), task) for task in plan.tasks if task.label is not None]
        self._labels = dict(labelled)
        self._labelled = len(self._labels) == len(plan.tasks)
        self._aliases: dict[str, Task] = {}
        for task in plan.tasks:
            if task.alias is not None and self._aliases.setdefault(task.alias, task) is not task:
                first = self._aliases[task.alias].position.line
                text = f'id="{task.alias}" is already taken by the task at line {first}; rename one'
                said.append(say(plan, task, "G503", text))

    def __str__(self) -> str:
        """What a reference could have been."""
        return ", ".join(self._labels if self._labelled else self._ordinals)

    def find(self, task: Task, reference: str) -> Task | None:
        if reference in self._aliases:
            return self._aliases[reference]
        number = _plain(WORD_TASK.sub("", reference))
        by_label, by_ordinal = self._labels.get(number), self._ordinals.get(number)
        chosen = by_label if self._labelled else by_ordinal or by_label
        if by_label and by_ordinal and by_label.id != by_ordinal.id:
            text = (
                f'depends-on="{number}" of {task.id} could mean "{by_label.title}" (its label) '
                f'or "{by_ordinal.title}" (its place); read as "{chosen.title if chosen else "-"}"'
            )
            self._said.append(say(self.plan, task, "G504", text))
        return chosen


def _plain(number: str) -> str:
    """`01` is `1`, `1a` stays."""
    return number.lstrip("0") or number


def say(plan: Plan, task: Task, code: str, message: str) -> Diagnostic:
    return diagnostic(
        code, plan.path, task.place("id" if code == "G503" else "depends-on"), message
    )


def _edge(before: Task, after: Task, reason: Reason) -> Edge:
    return Edge(before=before.id, after=after.id, reason=reason)
