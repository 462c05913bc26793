"""Declared paths that leave the project, as far as their text tells (P6xx)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from orchestrator.model import Diagnostic, Plan
from orchestrator.model.codes import diagnostic

ABSOLUTE = re.compile(r"^(/|~|[A-Za-z]:[\\/])")


def check(plan: Plan) -> Iterator[Diagnostic]:
    for task in plan.tasks:
        for file in dict.fromkeys(task.files or ()):
            if ABSOLUTE.match(file):
                text = f"<files> of {task.id} names {file}; write it relative to the project root"
                yield diagnostic("P601", plan.path, task.place("files"), text)
            elif ".." in PurePosixPath(file.replace("\\", "/")).parts:
                text = (
                    f"<files> of {task.id} names {file}, which may leave the project; no '..' here"
                )
                yield diagnostic("P602", plan.path, task.place("files"), text)
