"""What tasks write, and what the plan says of it (P605, W8xx)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from orchestrator.graph import Reason, TaskGraph
from orchestrator.graph.plans import phase_folder
from orchestrator.graph.writes import normal, overlaps
from orchestrator.lint.paths import ABSOLUTE
from orchestrator.model import Diagnostic, Plan, Task
from orchestrator.model.codes import diagnostic

LISTED = 5


def check(plan: Plan) -> Iterator[Diagnostic]:
    yield from _leaving(plan)
    listed = [normal(file) for file in plan.files_modified]
    for task in plan.tasks:
        if task.is_checkpoint:
            continue
        if task.files is None:
            text = (
                f"{task.id} does not say what it writes: in the plain directory it runs alone; "
                "add <files>, with `none` where it writes nothing"
            )
            yield diagnostic("W803", plan.path, task.place("files"), text)
        elif plan.frontmatter and listed:
            yield from _undeclared(plan, task, listed)


def _leaving(plan: Plan) -> Iterator[Diagnostic]:
    out = [one for one in plan.files_modified if _leaves(one)]
    if out:
        text = f"files_modified names {_some(out)}; write it relative to the project root"
        yield diagnostic("P605", plan.path, plan.place("files_modified"), text)


def _leaves(file: str) -> bool:
    return bool(ABSOLUTE.match(file)) or ".." in PurePosixPath(file.replace("\\", "/")).parts


def _undeclared(plan: Plan, task: Task, listed: list[str]) -> Iterator[Diagnostic]:
    missing = [f for f in task.files or () if not any(overlaps(normal(f), one) for one in listed)]
    if missing:
        text = f"{_some(missing)} of {task.id} is not in files_modified; add it there"
        yield diagnostic("W802", plan.path, task.place("files"), text)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def meetings(graph: TaskGraph) -> Iterator[Diagnostic]:
    """Tasks of one phase that take turns only because they write the same file; once for two plans."""
    said: set[tuple[str, str]] = set()
    for edge in graph.edges():
        if edge.reason is not Reason.CONFLICT:
            continue
        first, plan = graph.plan_of(edge.before), graph.plan_of(edge.after)
        inside = first.id == plan.id
        if phase_folder(first.path) != phase_folder(plan.path) or (first.id, plan.id) in said:
            continue
        if not inside:
            said.add((first.id, plan.id))
        text = (
            f"{edge.after} waits for {edge.before}: both write {edge.note}; say which is first "
            f"with {'depends-on' if inside else 'depends_on'}, or give them files of their own"
        )
        yield diagnostic("W801", plan.path, graph.tasks[edge.after].place("files"), text)
