"""Which files each task's guard must leave alone, and what it remembers from the first try on. Forgets nothing within a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.model import Task, TaskId
from orchestrator.verify import guard
from orchestrator.verify.guard import Guard


class Neighbours:
    """A later try is judged by the check files of the first: what a failed one changed is no new base.

    But what another task wrote since then, as it declared, is that task's work.
    """

    def __init__(self) -> None:
        self._others: dict[TaskId, set[str]] = {}  # began -> declared files of all that ran since
        self._guards: dict[TaskId, Guard] = {}

    def introduce(self, task: Task, running: Sequence[Task]) -> set[str]:
        """The files that belong to others; it grows while the task runs."""
        mine = self._others.setdefault(task.id, set())
        for other in running:
            mine.update(other.files or ())
        for began, files in self._others.items():
            if began != task.id:
                files.update(task.files or ())
        return mine

    def remember(self, task: Task, commands: Sequence[str], workspace: Path) -> Guard:
        if task.id not in self._guards:
            exempt = self._others.get(task.id, set())
            self._guards[task.id] = guard.remember(commands, workspace, task.files, exempt)
        return self._guards[task.id]
