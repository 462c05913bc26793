"""What a run is asked to do, by whom, and who is told: the engine's side of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.graph import KnownPlan
from orchestrator.model import Answer, Event, Noun, Route, Score, Task, TaskId
from orchestrator.settings import CheckpointSettings, OnQuota
from orchestrator.workers import Worker


class Order(Noun):
    """The words of the command line that a resumed run must remember."""

    only: tuple[str, ...] = ()
    start: tuple[str, ...] = ()  # --from
    skip: tuple[str, ...] = ()
    yes: bool = False
    wait: bool = False
    fail_fast: bool = False
    workers: int = 5
    isolated: bool = False  # each attempt in a git worktree
    include_dirty: bool = False  # what is not committed is part of the base
    beside: tuple[KnownPlan, ...] = ()  # not words, but found with them: what depends_on could name


@dataclass(frozen=True, slots=True)
class Crew:
    """Who can work, what each task's tries are, and what every attempt gets."""

    workers: Mapping[str, Worker]
    ladders: Mapping[TaskId, tuple[Route, ...]]
    others: Mapping[
        TaskId, tuple[tuple[Route, ...], ...]
    ]  # ladders of workers that could take over
    scores: Mapping[TaskId, Score]
    environment: Mapping[str, str]
    timeout_s: float
    stall_s: float
    silent_s: float | None
    longest_wait_s: float  # how long a provider's trouble is waited out
    on_quota: OnQuota
    checkpoints: CheckpointSettings  # when a question is too old
    max_usd: float | None
    max_turns: int | None


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
