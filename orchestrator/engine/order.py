"""What a run is asked to do, and who is told: the engine's side of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from orchestrator.graph import KnownPlan
from orchestrator.model import Answer, Event, Noun, Quality, Task, TaskId


class Order(Noun):
    """The words of the command line that a resumed run must remember."""

    only: tuple[str, ...] = ()
    start: tuple[str, ...] = ()  # --from
    skip: tuple[str, ...] = ()
    yes: bool = False
    wait: bool = False
    fail_fast: bool = False
    workers: int = 5
    budget_usd: float | None = None  # of this run, over the settings; 0: no limit
    budget_tokens: int | None = None
    quality: Quality = Quality.SHINY
    isolated: bool = False  # each attempt in a git worktree
    include_dirty: bool = False  # what is not committed is part of the base
    beside: tuple[KnownPlan, ...] = ()  # not words, but found with them: what depends_on could name


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
