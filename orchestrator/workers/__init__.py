"""The one thing that the engine knows about agents; it refuses to know any of them by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from orchestrator.model import Attempt, Outcome, Progress, Task, Tier

Report = Callable[[Progress], None]


class Condition(NamedTuple):
    """How a worker stands on this machine. `problem`: it cannot work, with the next step; `notes` are worth knowing."""

    version: str | None
    problem: str | None = None
    notes: tuple[str, ...] = ()


class Worker(Protocol):
    """Runs one attempt. Never raises for a failing agent: that is an Outcome.

    On cancellation it re-raises and leaves no process behind.
    """

    name: str
    tiers: tuple[Tier, ...]
    """The tiers that it can be asked for; () = it cannot be told which model to take."""
    asks_a_model: bool
    """Without one it uses no tokens and costs nothing."""
    models: Mapping[Tier, str]
    """Its own id for each of them."""
    sessions: Collection[str]
    """What it can do with an earlier conversation: "resume", "fork"."""

    def provider(self, model: str | None) -> str | None:
        """Whose limits count for this model id."""
        ...

    def refuses(self, task: Task) -> str | None:
        """Why it cannot do this task; None = it can."""
        ...

    def missing(self) -> str | None:
        """Why it is not usable on this machine, with the next step; None = it is."""
        ...

    def has_no_login(self) -> bool:
        """No login or key of it can be seen here; it may have one all the same."""
        ...

    async def examine(self) -> Condition:
        """How it stands on this machine. Spends nothing."""
        ...

    async def run(self, attempt: Attempt, report: Report) -> Outcome: ...
