"""Who watches a run: the engine's side of every screen. Refuses to let it change anything but by its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from orchestrator.model import Answer, Event, Task, TaskId


class Screen(Protocol):
    """Who watches a run. Nothing it does can change the run, but for the answers it brings."""

    @property
    def can_ask(self) -> bool: ...
    def happened(self, event: Event) -> None: ...
    def doing(self, task: TaskId, line: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def wrote(self, path: Path) -> None: ...
    async def ask(self, task: Task) -> Answer | None:
        """None: left open. Cancelled when somebody else answers or the run ends."""
        ...
