"""What a daemon tells of itself, and what it can be asked to do: the one door between it and its pages. Refuses to know how either works."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from orchestrator.model import Diagnostic, Noun, RunId, TaskId

State = Literal[
    "arriving", "broken", "untrusted", "unapproved", "later", "behind", "queued", "running"
]


class Waiting(Noun):
    """A plan in the watched folder that is not done, and why it does not run now."""

    path: str  # below the root
    sha256: str | None  # of what is there now; None: it is still being written
    state: State
    why: str
    since: str = Field(description="When its file was last changed, or put there (ISO).")
    priority: int = 0
    run: RunId | None = None  # that runs it, or had its last revision
    asks_usd: float | None = Field(
        default=None, description="A person must say that it may cost so much, with `trust`."
    )
    diagnostics: tuple[Diagnostic, ...] = ()
    diff: str = Field(
        default="",
        description="Unified: against the text that `run` had; of a text that is untrusted and new, all of it.",
    )
    is_whole: bool = Field(
        default=True, description="false: `diff` is too long to be shown, and is cut or left out."
    )


class Health(Noun):
    """`reasons` is empty where all is well."""

    status: Literal["ok", "degraded"]
    reasons: tuple[str, ...]
    version: str
    pid: int
    started_at: str = Field(description="When this daemon began (ISO): anew at each restart.")
    watching: str | None  # the folder, below the root
    runs: tuple[RunId, ...]  # that go on now
    busy: int  # attempts that run, over all of them
    slots: int
    schedules: Mapping[str, str] = {}  # what is done by the clock -> when next
    # of these since this daemon began -> when last, and what came of it
    done: Mapping[str, str] = {}


class Trust(Noun):
    """Only what the person has seen: other bytes are another plan."""

    path: str
    sha256: str
    usd: float | None = None  # it may be expected to cost so much


class Enqueue(Noun):
    paths: tuple[str, ...]
    again: bool = False  # also what is done


class Cancel(Noun):
    run: RunId
    via: str = ""  # command or dashboard


class Resume(Noun):
    run: RunId
    budget_usd: float | None = None
    budget_tokens: int | None = None
    plan_budget_usd: float | None = None  # of each plan
    plan_budget_tokens: int | None = None


Act = Trust | Enqueue | Cancel | Resume


class Daemon(Protocol):
    @property
    def root(self) -> Path: ...
    async def waiting(self) -> tuple[Waiting, ...]: ...
    def health(self) -> Health:
        """This and `doing` are for the daemon's own event loop."""
        ...

    def doing(self, run: RunId) -> Mapping[TaskId, str]:
        """The latest line of what each worker does."""
        ...

    async def rung(self, seen: int) -> int:
        """Waits until something has happened since `seen` (0: now is something) and returns what to ask with next."""
        ...

    async def act(self, asked: Act, by: str) -> str:
        """What was done, in a person's words; an OrchestratorError says why not."""
        ...
