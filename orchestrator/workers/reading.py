"""What every client is made of: how it is called, and how its lines are folded. Pure; believes no exit code and no missing word."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator.model import Attempt, Failure, Progress, Step, Tier, Usage
from orchestrator.process import Ended
from orchestrator.spoken import ENDLESS as ENDLESS
from orchestrator.spoken import LONGEST_TARGET as LONGEST_TARGET
from orchestrator.spoken import LONGEST_WORDS as LONGEST_WORDS
from orchestrator.spoken import Event as Event
from orchestrator.spoken import amount_at as amount_at
from orchestrator.spoken import count_at as count_at
from orchestrator.spoken import decode as decode
from orchestrator.spoken import find as find
from orchestrator.spoken import items_at as items_at
from orchestrator.spoken import step as step
from orchestrator.spoken import text_at as text_at
from orchestrator.workers import keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How a client is started. `files` are written into the attempt's own folder first, and named there by `argv` or `env`."""

    argv: tuple[str, ...]
    stdin: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Reading:
    """What is known of an attempt so far. `usage` is of this attempt alone; `totals` are the session's, over all its attempts."""

    finished: bool = False  # its terminal event came; `failure` says whether it ended well
    hopeless: bool = False  # it goes on trying what cannot succeed: end it
    lost: bool = False  # the session that it should go on with is not there
    failure: Failure | None = None
    detail: str = ""
    session: str | None = None
    model: str | None = None
    usage: Usage | None = None
    totals: Usage | None = None
    # where each is told: prices depend on the size
    requests: list[Usage] = field(default_factory=list)
    notional: bool = False  # a subscription pays; the cost is what it would have been
    turns: int | None = None
    text: str = ""
    denials: list[str] = field(default_factory=list)
    retry_after_s: float | None = None
    reset_at: float | None = None
    window: str | None = None
    by_message: dict[str, Usage] = field(default_factory=dict)
    open_steps: dict[str, Step] = field(default_factory=dict)  # tools that have not answered yet

    def fail(self, failure: Failure, detail: str) -> None:
        self.failure, self.detail = failure, detail

    def begin_step(self, key: str, step: Step) -> Progress:
        self.open_steps[key] = step
        words = f"{step.tool}: {step.target}" if step.target else step.tool
        return Progress(doing=" ".join(words.split())[:LONGEST_WORDS])

    def end_step(
        self, key: str, ok: bool | None, exit_code: int | None = None
    ) -> Iterable[Progress]:
        step = self.open_steps.pop(key, None)
        if step is not None:
            yield Progress(step=step.model_copy(update={"ok": ok, "exit_code": exit_code}))


class Client(Protocol):
    """One vendor's command line. Every method is pure but for what it folds into the Reading."""

    name: str
    program: str
    tiers: tuple[Tier, ...] = tuple(Tier)
    sessions: Collection[str] = ()
    passes: tuple[str, ...] = ()
    """Globs of our own variables that it needs: its keys, its home."""
    stop: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    reads: tuple[str, ...] = ()
    """The project's instruction files that it reads by itself."""
    told: tuple[str, ...] = ()
    """Those that the driver puts into `system` for it: the first that is there."""
    caps: Collection[str] = ()
    """What it is told to stop at by itself: "turns", "usd". The driver watches the others."""
    oldest: tuple[int, ...] = ()
    """Versions below lack what it is called with."""
    tells_version: bool = True
    """With --version; a program that nobody knows could do its work instead."""
    probe: tuple[str, ...] = ()
    """Arguments with which it shows that it can work here; they ask no model."""
    probe_fails: str = ""
    """What it means if that fails, with the next step."""

    def needs(self, model: str | None, env: Mapping[str, str]) -> tuple[str, ...]:
        """Of `passes`, what it gets for an attempt with this model; `env` is our own environment."""
        return keys.without_amazon(self.passes, env)

    def homes(self, env: Mapping[str, str], home: Path) -> Iterable[Path]:
        """Folders of its own: sessions, logins, settings. In a sandbox it could not write them, else."""
        return ()

    def own_files(self, env: Mapping[str, str], home: Path) -> Iterable[Path]:
        """The same that are files: it alone knows how a new one begins."""
        return ()

    def provider(self, model: str | None) -> str | None: ...
    def call(self, attempt: Attempt, folder: Path) -> Call: ...
    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        """One line of its stdout."""
        ...

    def read_error(self, line: str, reading: Reading) -> Iterable[Progress]:
        """One line of its stderr, where it tells there what it waits for."""
        return ()

    def conclude(self, ended: Ended, reading: Reading) -> None:
        """What only the exit code and stderr tell; called once, when it is over."""
        ...

    def examine(self, version: str, env: Mapping[str, str], home: Path) -> Iterable[str]:
        """What is wrong or worth knowing about this version and its login, as sentences with the next step."""
        ...
