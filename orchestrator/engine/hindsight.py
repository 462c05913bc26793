"""Whose work was let pass and is found wrong later: a person, a plan's own check, the check of the result. Names nobody where two can be meant."""

from __future__ import annotations

from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import Plan, Task, TaskId

Passed = tuple[Plan, Task, int]  # an attempt that its check had let pass


def rejected(checkpoint: TaskId, graph: TaskGraph, history: History) -> Passed | None:
    """By a person's no: to work that waits to be looked at, or at a checkpoint that stands behind one task only."""
    task = graph.tasks[checkpoint]
    tried = history.of(checkpoint).tried
    if not task.is_checkpoint:
        return (graph.plan_of(checkpoint), task, tried[-1].number) if tried else None
    if task.type != "checkpoint:human-verify":
        return None
    plan = graph.plan_of(checkpoint)
    behind = {one for one in graph.all_before(checkpoint) if not graph.tasks[one].is_checkpoint}
    earlier = {
        one.id for one in plan.tasks if one.ordinal < task.ordinal and not one.is_checkpoint
    }  # also those of an earlier run
    return _passed(behind.pop(), graph, history) if len(behind) == 1 and behind == earlier else None


def refused(graph: TaskGraph, history: History) -> list[Passed]:
    """Whose work stands rejected at a checkpoint: for an engine that goes on, as the one before it may have died with the answer."""
    noes = (
        rejected(task, graph, history)
        for task, past in history.tasks.items()
        if past.answer is not None and not past.answer.approved and past.answer.is_of_a_person
        if task in graph.tasks and graph.tasks[task].is_checkpoint
    )
    return [one for one in noes if one is not None]


def sole(graph: TaskGraph, history: History) -> Passed | None:
    """Of a run in which one task was worked on, and which has all of that task's plan."""
    worked = [task for task, past in history.tasks.items() if past.tried]
    if len(worked) != 1:
        return None
    own = [one for one in graph.plan_of(worked[0]).tasks if not one.is_checkpoint]
    return _passed(worked[0], graph, history) if len(own) == 1 else None


def _passed(task: TaskId, graph: TaskGraph, history: History) -> Passed | None:
    tried = history.of(task).tried
    if not tried or tried[-1].outcome is None or not tried[-1].outcome.ok:
        return None
    return graph.plan_of(task), graph.tasks[task], tried[-1].number
