"""Where each try works and what it begins with, from the history of its run. Decides, and does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import Failure, TaskId, TaskState
from orchestrator.workspace import Place

CLEAN = {None, Failure.INTERRUPTED, Failure.CONFLICT, Failure.WORKSPACE}  # the next try begins anew

States = Mapping[TaskId, TaskState]


def place(
    task: TaskId,
    graph: TaskGraph,
    history: History,
    states: States,
    *,
    home: Path,
    slug: str,
    tip: str,
) -> Place:
    """A task keeps its worktree over its tries. One that goes on with its predecessor's conversation takes over its worktree."""
    past = history.of(task)
    if not past.tried:
        path = _inherited(task, graph, history, states)
        return Place(Path(path) if path else home / slug, tip)
    last, is_first = past.tried[-1], past.began == len(past.tried)
    failure = last.outcome.failure if last.outcome else None
    path = last.workspace or str(home / slug)
    if is_first or failure in CLEAN or last.base is None:
        return Place(Path(path), tip)
    made = (last.outcome.work if last.outcome else None) or last.kept
    base, commit = (made.base, made.commit) if made else (last.base, None)
    return Place(Path(path), base, commit, stays=True)


def _inherited(task: TaskId, graph: TaskGraph, history: History, states: States) -> str | None:
    """The worktree of the one predecessor in its plan, if nobody else has taken it over."""
    before = predecessor(task, graph, history)
    if before is None or states[before] is not TaskState.SUCCEEDED:
        return None
    path = history.of(before).tried[-1].workspace
    return path if path and history.holders.get(path) == before else None


def predecessor(task: TaskId, graph: TaskGraph, history: History) -> TaskId | None:
    """The one task that this one goes on from; None where it starts fresh, or where there are several."""
    if graph.tasks[task].is_fresh:
        return None
    plan = graph.plan_of(task).id
    near = [t for t in graph.before(task) if graph.plan_of(t).id == plan and history.of(t).tried]
    return near[0] if len(near) == 1 else None


def has_heir(task: TaskId, graph: TaskGraph, states: States) -> bool:
    """Somebody who waits may take its worktree over."""
    plan = graph.plan_of(task).id
    return any(
        states[one] is TaskState.WAITING
        and not graph.tasks[one].is_fresh
        and graph.plan_of(one).id == plan
        and task in graph.before(one)
        for one in graph
    )


def needs(task: TaskId, graph: TaskGraph, history: History) -> list[str]:
    """The commits that its base must contain."""
    commits = (history.of(one).commit for one in graph.all_before(task))
    return [commit for commit in commits if commit is not None]
