"""Which tasks of a plain plan may run together: edges that its text gives reason for; where in doubt, they wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from orchestrator.graph.writes import common, normal
from orchestrator.model import Noun, Plan, Task

# What is written here is used by everything after it.
SHARED = re.compile(
    r"(?:^|/)(?:package(?:-lock)?\.json|pnpm-lock\.yaml|yarn\.lock|Cargo\.(?:toml|lock)|go\.(?:mod|sum|work)|"
    r"pyproject\.toml|requirements[\w.-]*\.txt|Gemfile(?:\.lock)?|pubspec\.yaml|build\.gradle(?:\.kts)?|"
    r"settings\.gradle(?:\.kts)?|tsconfig[\w.]*\.json|[\w.-]*config\.\w+|schema\.\w+|Makefile|Dockerfile|"
    r"docker-compose[\w.-]*\.ya?ml)$|migrations?/|(?:^|/)\.env|types?\.\w+$|(?:^|/)(?:index|mod|lib|__init__)\.\w+$"
)
LEAST_NAME = 4  # characters; shorter file names are in too many words


class Waits(Noun):
    """The task of this ordinal is waited for, and why."""

    before: int
    why: str


def infer(plan: Plan) -> dict[int, tuple[Waits, ...]] | None:
    """For each task by ordinal whom it waits for, directly; None where the author has said something of it."""
    if any({"depends-on", "parallel"} & set(task.attributes) for task in plan.tasks):
        return None
    every: dict[int, dict[int, str]] = {}
    for task in plan.tasks:
        earlier = plan.tasks[: task.ordinal - 1]
        found = {one.ordinal: why for one in earlier if (why := _reason(one, task)) is not None}
        every[task.ordinal] = found
    return {ordinal: _direct(ordinal, every) for ordinal in every}


def _direct(ordinal: int, every: Mapping[int, Mapping[int, str]]) -> tuple[Waits, ...]:
    """Without those that another one waits for already."""
    behind: dict[int, set[int]] = {}
    for number, found in every.items():  # in order: whoever is waited for is there already
        behind[number] = set(found).union(*(behind[one] for one in found))
    mine = every[ordinal]
    implied = set[int]().union(*(behind[one] for one in mine))
    return tuple(Waits(before=one, why=why) for one, why in mine.items() if one not in implied)


def _reason(first: Task, then: Task) -> str | None:
    """Why `then` must wait for `first`, which stands before it; None if nothing speaks for it."""
    for task in (first, then):
        if task.is_checkpoint:
            return f"task {task.ordinal} asks a person"
        if not task.files:
            return f"task {task.ordinal} does not say what it writes"
    if first.type == "tracer":
        return f"task {first.ordinal} is the tracer"
    mine, theirs = (frozenset(map(normal, task.files or ())) for task in (first, then))
    if (file := common(mine, theirs)) is not None:
        return f"both write {file}"
    if shared := next((file for file in sorted(mine) if SHARED.search(file)), None):
        return f"task {first.ordinal} writes {shared}, which others use"
    tested = PurePosixPath(min(mine)).stem.split(".")[0]
    if (first.tdd or then.tdd) and any(tested in file for file in theirs):
        return "test and code of one thing"
    return _mention(first, then, mine)


def _mention(first: Task, then: Task, mine: frozenset[str]) -> str | None:
    text = "\n".join(element.text for element in then.elements if element.tag != "metrics")
    for file in sorted(mine):
        path = PurePosixPath(file)
        names = {file, path.name, path.stem} if len(path.stem) >= LEAST_NAME else {file, path.name}
        if said := next(
            (name for name in sorted(names, key=len, reverse=True) if name in text), None
        ):
            return f"it names {said} of task {first.ordinal}"
    number = re.escape(first.label or str(first.ordinal))
    if re.search(rf"\b(?:tasks?|step)\s+{number}\b", text, re.I):
        return f"it names task {first.label or first.ordinal}"
    if re.search(
        r"\b(?:previous|prior|preceding|earlier|above|all)\s+(?:tasks?|steps?)\b", text, re.I
    ):
        return "it speaks of the tasks before it"
    return None
