"""Declared paths that leave the project, as far as their text tells (P6xx)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from orchestrator.model import Diagnostic, Plan, Position, Severity, Task

ABSOLUTE = re.compile(r"^(/|~|[A-Za-z]:[\\/])")


def check(plan: Plan) -> Iterator[Diagnostic]:
    for task in plan.tasks:
        for file in dict.fromkeys(task.files or ()):
            if ABSOLUTE.match(file):
                text = f"<files> of {task.id} names {file}; write it relative to the project root"
                yield _say(plan, task, "P601", text)
            elif ".." in PurePosixPath(file.replace("\\", "/")).parts:
                text = (
                    f"<files> of {task.id} names {file}, which may leave the project; no '..' here"
                )
                yield _say(plan, task, "P602", text)


def _say(plan: Plan, task: Task, code: str, message: str) -> Diagnostic:
    place = _place(task)
    return Diagnostic(
        file=plan.path,
        line=place.line,
        column=place.column,
        code=code,
        severity=Severity.ERROR,
        message=message,
    )


def _place(task: Task) -> Position:
    return next((e.position for e in task.elements if e.tag == "files"), task.position)
