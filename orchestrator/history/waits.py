"""When a run only waited for people: a question was open, and nothing ran. Refuses to call that work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.model import Event, EventKind, TaskId

STARTS = {EventKind.RUN_STARTED, EventKind.RUN_RESUMED}
WORKS = {EventKind.PLAN_CHECKING, EventKind.RESULT_CHECKING, EventKind.RUN_FINISHED}


@dataclass(slots=True)
class Waits:
    over: list[tuple[str, str]] = field(default_factory=list)  # from, to
    total_s: float = 0.0  # of these
    since: str | None = None  # it waits now
    _busy: set[TaskId] = field(default_factory=set)
    _open: set[TaskId] = field(default_factory=set)  # their questions are
    _held: set[TaskId] = field(default_factory=set)  # of these their work waits, and then goes on

    def add(self, event: Event, latest_at: str) -> None:
        """`latest_at`: the event before. Between two engines nobody waited."""
        self._close(latest_at if event.kind in STARTS else event.at)
        if event.task is not None:
            self._move(event.task, event.kind)
        waits = self._open and not self._busy and event.kind not in WORKS
        self.since = event.at if waits else None

    def _move(self, task: TaskId, kind: EventKind) -> None:
        match kind:
            case EventKind.ATTEMPT_STARTED:
                self._busy.add(task)
            case EventKind.ATTEMPT_FINISHED:
                self._busy.discard(task)
            case EventKind.HELD:
                self._busy.discard(task)
                self._open.add(task)
                self._held.add(task)
            case EventKind.CHECKPOINT_ASKED:
                self._open.add(task)
            case EventKind.CHECKPOINT_ANSWERED | EventKind.RETRY_ASKED:
                self._open.discard(task)
                if task in self._held:
                    self._held.discard(task)
                    self._busy.add(task)

    def _close(self, at: str) -> None:
        if self.since is not None and at > self.since:
            self.over.append((self.since, at))
            self.total_s += between(self.since, at)


def between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
