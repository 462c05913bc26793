"""The one thing that the engine knows about agents; it refuses to know any of them by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from orchestrator.model import Attempt, Outcome, Task, Tier

Report = Callable[[str], None]
"""One short line: what it does now."""


class Worker(Protocol):
    """Runs one attempt. Never raises for a failing agent: that is an Outcome.

    On cancellation it re-raises and leaves no process behind.
    """

    name: str
    tiers: tuple[Tier, ...]
    """The tiers that it can be asked for; () = it knows no models."""

    def refuses(self, task: Task) -> str | None:
        """Why it cannot do this task; None = it can."""
        ...

    def missing(self) -> str | None:
        """Why it is not usable on this machine, with the next step; None = it is."""
        ...

    async def run(self, attempt: Attempt, report: Report) -> Outcome: ...
