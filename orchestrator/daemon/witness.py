"""Who watches one run of a daemon: its lines for people, and what each worker does now. Refuses to answer for anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.engine import Given
from orchestrator.model import Answer, Event, EventKind, Task, TaskId
from orchestrator.views.text import near
from orchestrator.views.watched import Watched
from orchestrator.views.words import Words

Say = Callable[[str], None]
Heard = Callable[[Event], None]


class Witness:
    """`say` is told lines, `heard` every event. It knows the run once `meet` was called, before its first event."""

    can_ask = False

    def __init__(self, root: Path, say: Say, heard: Heard) -> None:
        self._root, self._say, self._heard = root, say, heard
        self._words: Words | None = None
        self._run, self.isolated, self.has_begun = "", True, False
        self.doing_now: dict[TaskId, str] = {}

    def meet(self, given: Given, past: Sequence[Event]) -> None:
        self._run, self.isolated = f"{given.run}  ", given.order.isolated
        self._words = Words(Watched(given.graph, given.order), self._root)
        for event in past:
            self._words.watched.apply(event)

    @property
    def watched(self) -> Watched:
        assert self._words is not None
        return self._words.watched

    def happened(self, event: Event) -> None:
        self.has_begun = True
        if self._words is not None:
            for line in self._words.lines(event):
                self._say(f"{self._run}{line}")
        if event.kind is EventKind.ATTEMPT_FINISHED and event.task is not None:
            self.doing_now.pop(event.task, None)
        self._heard(event)

    def doing(self, task: TaskId, line: str) -> None:
        self.doing_now[task] = line

    def warn(self, text: str) -> None:
        self._say(f"{self._run}warning: {text}")

    def wrote(self, path: Path) -> None:
        self._say(f"{self._run}summary: {near(self._root, str(path))}")

    async def ask(self, task: Task) -> Answer | None:
        return None
