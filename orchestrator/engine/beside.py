"""Which files belong to tasks that ran beside a try: the guards must know, also later. Refuses to forget one when its task ends."""

from __future__ import annotations

from orchestrator.graph import TaskGraph
from orchestrator.model import TaskId
from orchestrator.tracker import Tracker


class Beside:
    """Of one run. A set that was handed out grows while the try goes on."""

    def __init__(self, graph: TaskGraph, tracker: Tracker) -> None:
        self._graph, self._tracker = graph, tracker
        self._files: dict[TaskId, set[str]] = {}

    def introduce(self, task: TaskId) -> None:
        """To all that run: each may write what it declares, and is not blamed for what the others do."""
        own, files = self._graph.tasks[task].files or (), set[str]()
        self._files[task] = files
        for other in self._tracker.running:
            files.update(self._graph.tasks[other].files or ())
            self._files.setdefault(other, set()).update(own)

    def files(self, task: TaskId) -> set[str]:
        return self._files[task]
