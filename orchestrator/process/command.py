"""What to run, and how it ended. Refuses words that a program would read as others."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.model import Sandbox

LOST = "it was lost: something killed our process beside it"


class NotStarted(Exception):
    """The program did not begin: the message names what is missing."""


class ProgramMissing(NotStarted):
    """There is no such program on the PATH that was given, or it cannot be executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. The environment is complete as given, but for a mark of ours; `stop` are the signals tried before SIGKILL, `grace_s` after each."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    stdin: bytes = b""
    timeout_s: float
    stall_s: float | None = None  # without output and without CPU
    silent_s: float | None = None  # without output, however busy
    stop: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    grace_s: float = 2.0
    transcript: Path | None = None
    keep_bytes: int = 1 << 16  # of each stream, half head and half tail
    merged: bool = False  # stderr into stdout, in the order written
    sandbox: Sandbox | None = None  # None: it sees and writes what we can


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it ended. Either `exit_code` or `signal`, both None if the warden itself was killed. `survivors`: what it left running."""

    exit_code: int | None
    signal: int | None
    stdout: str
    stderr: str
    timed_out: bool
    stalled: str  # why it was taken for hung; empty: it was not
    duration_s: float
    pulled: bool = False  # ended by its leash
    survivors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def signal_name(self) -> str:
        return name_signal(self.signal or 0)

    @property
    def is_lost(self) -> bool:
        """Its warden was killed: how it ended is known to nobody."""
        return self.exit_code is None and self.signal is None

    @property
    def how(self) -> str:
        """In a few words, where it ended by itself or was killed."""
        if self.is_lost:
            return LOST
        return f"ended by {self.signal_name}" if self.signal else f"exit {self.exit_code}"

    @property
    def left_running(self) -> tuple[str, ...]:
        return tuple(f"ended what it left running: {words}" for words in self.survivors)


def name_signal(number: int) -> str:
    known = {int(one): one.name for one in signal.Signals}
    return known.get(number, f"signal {number}")


def environment(passed: Sequence[str], extra: Mapping[str, str]) -> dict[str, str]:
    """Of our own environment only the names that match an allowed glob, and `extra` over them."""
    own = {
        name: value
        for name, value in os.environ.items()
        if any(fnmatchcase(name, glob) for glob in passed)
    }
    return {**own, **extra}


def refuse_nul(command: Command) -> None:
    """NUL ends a word in an order: what follows it would become another argument or variable."""
    places = [("the working folder", str(command.cwd))]
    places += [(f"argument {number}", word) for number, word in enumerate(command.argv)]
    places += [(f"the variable {name!r}", name + value) for name, value in command.env.items()]
    for place, text in places:
        if "\0" in text:
            raise NotStarted(f"{place} of {command.argv[0]!r} has a NUL in it")
