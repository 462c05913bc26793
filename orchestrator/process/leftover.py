"""Processes whose warden is gone, found by the mark in their environment. Refuses to touch one of another project.

The warden ends its tree even when the engine dies by `kill -9`; this is for the day on which the warden died (a person, the
kernel out of memory): the engine that lives ends that one tree, an engine that comes after ends all that is the project's.
That only the holder of the project's lock may do: then no engine lives whose processes they could be. Programs of our own, git above all, are first waited for: ended in the
middle of a write they leave half of it and a lock, and beside them a new engine would meet both. A process is looked at again right before each signal, so a pid that
somebody else has got meanwhile is never hit. Without /proc nobody is found.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio

from orchestrator import redact
from orchestrator.errors import RecordError
from orchestrator.process import brief, warden

MARK = "ORCHESTRATOR_PROJECT"  # in the environment of all that is started for a project
TREE = "ORCHESTRATOR_TREE"  # and of what one warden started, a name of its own
GRACE_S = 2.0
LOOK_S = 0.02
PATIENCE_S = 60.0  # for programs of our own that are at a write
QUIET_S = 0.5  # a shorter wait is not worth a word


async def end_leftovers(root: Path, tell: Callable[[str], None]) -> list[str]:
    """The command lines of those that had to be ended; none that is the project's runs when this returns."""
    agents = await _end_all(f"{MARK}={root}", root)
    await _wait(f"{brief.MARK}={root}", tell)
    return agents + await _end_all(f"{brief.MARK}={root}", root)


async def end(mark: str) -> list[str]:
    """The command lines of those that had to be ended. `mark`: NAME=VALUE in their environment."""
    ended = dict[int, str]()
    for number, limit_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, warden.GIVE_UP_S)):
        limit = time.monotonic() + limit_s
        asked = set[int]()
        while (found := _find(mark)) and time.monotonic() < limit:
            for pid in found:
                ended.setdefault(pid, redact.head(warden.read_command_line(pid), 200))
            for pid in found if number is signal.SIGKILL else set(found) - asked:
                asked.add(pid)
                _signal(pid, mark, number)
            await anyio.sleep(LOOK_S)
    return list(ended.values())


async def _end_all(mark: str, root: Path) -> list[str]:
    ended = await end(mark)
    if left := _find(mark):
        pids = ", ".join(map(str, left))
        raise RecordError(
            f"processes of an earlier run in {root} are still there and cannot be ended: {pids}; end them, then begin again"
        )
    return ended


async def _wait(mark: str, tell: Callable[[str], None]) -> None:
    """Until they have come to their end, as they do by themselves; not for ever."""
    began, told = time.monotonic(), False
    while (found := _find(mark)) and time.monotonic() - began < PATIENCE_S:
        if not told and time.monotonic() - began > QUIET_S:
            what = redact.head(warden.read_command_line(found[0]), 200)
            tell(f"waiting up to {PATIENCE_S:g} s for what an engine that is gone began: {what}")
            told = True
        await anyio.sleep(LOOK_S)


def _find(mark: str) -> list[int]:
    if not warden.LINUX:
        return []
    own = _ourselves()
    every = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in every if pid not in own and _is_marked(pid, mark)]


def _ourselves() -> set[int]:
    """We and those who started us: an agent of an outer run may have."""
    found, pid = set[int](), os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        stat = warden.read_stat(str(pid))
        pid = int(stat[1]) if stat else 0
    return found


def _is_marked(pid: int, mark: str) -> bool:
    """A zombie has no environment any more."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            return os.fsencode(mark) in file.read().split(b"\0")
    except OSError:
        return False


def _signal(pid: int, mark: str, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if _is_marked(pid, mark):
            os.kill(pid, number)
