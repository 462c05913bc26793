"""Beside the journal: how far it had come, and for tests where the engine ends as by kill -9. Refuses to stop a run."""

from __future__ import annotations

import os
import signal
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from orchestrator.model import EventKind

CRASH_AT = "ORCHESTRATOR_CRASH_AT"


class CrashPoint:
    """For tests: `after:landing` or `before:landing:2` is where this process ends as by kill -9. Empty: nowhere."""

    def __init__(self, words: str) -> None:
        side, _, rest = words.partition(":")
        kind, _, number = rest.partition(":")
        self._at, self._left = (side, kind), int(number or 1)

    def pass_by(self, side: str, kind: EventKind) -> None:
        if self._at == (side, kind):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Reached(NamedTuple):
    """The number of the latest event, and how many lost ones a person knows of."""

    seq: int = 0
    acknowledged: int = 0


class Mark:
    """How far the journal had come, beside it. It is not flushed: it can be behind, never before it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Reached:
        """Nothing where it is missing, or not what was written: damage of the mark is no damage of the journal."""
        with suppress(OSError, ValueError):
            line = self._path.read_bytes()
            seq, acknowledged, _ = line.split()
            found = Reached(int(seq), int(acknowledged))
            if line == _line(found):
                return found
        return Reached()

    def write(self, reached: Reached) -> None:
        """Half of it is not believed, and is written again with the next event."""
        with suppress(OSError):  # a full disk costs the mark, not the run
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(file, _line(reached), 0)
            finally:
                os.close(file)


def _line(reached: Reached) -> bytes:
    numbers = b"%020d %020d" % reached
    return b"%s %08x\n" % (numbers, zlib.crc32(numbers))
