"""Beside the journal: how far it had come, and for tests where the engine ends as by kill -9. Refuses to stop a run."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

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


class Mark:
    """The number of the latest event, beside the journal. It is not flushed: it can be behind, never before."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """0 where it is missing or none."""
        with suppress(OSError, ValueError):
            return int(self._path.read_text())
        return 0

    def reach(self, seq: int) -> None:
        with suppress(OSError):  # a full disk costs the mark, not the run
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.pwrite(file, b"%020d\n" % seq, 0) <= 20:
                    os.ftruncate(file, 0)  # half of the new over the old can be more than both
            finally:
                os.close(file)
