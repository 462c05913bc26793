"""Processes whose warden is gone, found by the mark in their environment. Refuses to touch one of another project.

The warden ends its tree even when the engine dies by `kill -9`; this is for the day on which the warden died (a person, the
kernel out of memory): the engine that lives ends that one tree, an engine that comes after ends all that is the project's.
That only the holder of the project's lock may do: then no engine lives whose processes they could be. A warden that was only
stopped is woken, as it ends its tree better than we could, and is ended itself if it does not. Programs of our own, git above
all, are first waited for: ended in the middle of a write they leave half of it and a lock, and beside them a new engine would
meet both. A process is looked at again right before each signal, so a pid that somebody else has got meanwhile is never hit.
Without /proc nobody is found.
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
TREE = "ORCHESTRATOR_TREE"  # of one warden and what it started, a name of its own
WARDEN = "ORCHESTRATOR_WARDEN"  # of a warden itself: the project again
GRACE_S = 2.0
LOOK_S = 0.02
PATIENCE_S = 60.0  # for programs of our own that are at a write
QUIET_S = 0.5  # a shorter wait is not worth a word


async def end_leftovers(root: Path, tell: Callable[[str], None]) -> list[str]:
    """The command lines of those that had to be ended; none that is the project's runs when this returns."""
    theirs, wardens, ours = f"{MARK}={root}", f"{WARDEN}={root}", f"{brief.MARK}={root}"
    if not await look(theirs, wardens, ours):
        return []
    wake(wardens)
    agents = await _end_all(theirs, root)
    await _wait(wardens, tell, warden.GIVE_UP_S, "the wardens of an engine that is gone")
    await _wait(ours, tell, PATIENCE_S, "what an engine that is gone began")
    return [*agents, *await _end_all(wardens, root), *await _end_all(ours, root)]


def wake(mark: str) -> None:
    """A warden that was stopped hears nothing, and only it knows those of its tree that have thrown their mark away."""
    for pid in _find(mark):
        _signal(pid, mark, signal.SIGCONT)


async def end(mark: str) -> list[str]:
    """The command lines of those that had to be ended. `mark`: NAME=VALUE in their environment. Cancelled, it asks nobody first."""
    ended = dict[int, str]()
    try:
        for number, limit_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, warden.GIVE_UP_S)):
            await _ask(mark, number, limit_s, ended)
    finally:
        for pid in _find(mark):
            _signal(pid, mark, signal.SIGKILL)
    return list(ended.values())


async def _ask(mark: str, number: signal.Signals, limit_s: float, ended: dict[int, str]) -> None:
    """Each once, but for what nobody can refuse: until none is there."""
    limit = time.monotonic() + limit_s
    asked = set[int]()
    while (found := await look(mark)) and time.monotonic() < limit:
        for pid in found:
            ended.setdefault(pid, redact.head(warden.read_command_line(pid), 200))
        for pid in found if number is signal.SIGKILL else set(found) - asked:
            asked.add(pid)
            _signal(pid, mark, number)
        await anyio.sleep(LOOK_S)


async def _end_all(mark: str, root: Path) -> list[str]:
    ended = await end(mark)
    if left := _find(mark):
        pids = ", ".join(map(str, left))
        raise RecordError(
            f"processes of an earlier run in {root} are still there and cannot be ended: {pids}; end them, then begin again"
        )
    return ended


async def _wait(mark: str, tell: Callable[[str], None], limit_s: float, who: str) -> None:
    """Until they have come to their end, as they do by themselves; not for ever."""
    began, told = time.monotonic(), False
    while (found := await look(mark)) and time.monotonic() - began < limit_s:
        if not told and time.monotonic() - began > QUIET_S:
            what = redact.head(warden.read_command_line(found[0]), 200)
            tell(f"waiting up to {limit_s:g} s for {who}: {what}")
            told = True
        await anyio.sleep(LOOK_S)


async def look(*marks: str) -> list[int]:
    """Twice before nobody is said to be there: in the moment of its exec a process shows no environment."""
    found = _find(*marks)
    if not found:
        await anyio.sleep(LOOK_S)
    return found or _find(*marks)


def _find(*marks: str) -> list[int]:
    if not warden.LINUX:
        return []
    own, wanted = _ourselves(), set(map(os.fsencode, marks))
    try:
        every = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:  # no descriptor is free
        return []
    return [pid for pid in every if pid not in own and not wanted.isdisjoint(_environment(pid))]


def _ourselves() -> set[int]:
    """We and those who started us: an agent of an outer run may have."""
    found, pid = set[int](), os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        stat = warden.read_stat(str(pid))
        pid = int(stat[1]) if stat else 0
    return found


def _environment(pid: int) -> list[bytes]:
    """A zombie has none any more."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def _signal(pid: int, mark: str, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if os.fsencode(mark) in _environment(pid):
            os.kill(pid, number)
