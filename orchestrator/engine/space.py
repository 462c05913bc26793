"""Room on the disk: refuses new work while there is too little, and keeps a reserve so that what runs can still be recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from orchestrator import disk
from orchestrator.errors import JournalCorrupt, RecordError
from orchestrator.journal import HOME, Journal
from orchestrator.model import Event, EventKind, Failure, Outcome, RunId
from orchestrator.tracker import Tracker

RESERVE = f"{HOME}/reserve"
RESERVE_BYTES = 1 << 20  # some hundred events: all that can still come of what runs
UNWRITTEN = ("unable to write", "No space left on device")  # git's words for a full disk
MAY_BE_MEANT = {  # failures that a full disk can be behind
    Failure.VERIFY,
    Failure.INCONCLUSIVE,
    Failure.EXIT,
    Failure.NO_RESULT,
    Failure.KILLED,
    Failure.WORKSPACE,
}


def refuse_shortage(root: Path, least_mb: int) -> None:
    """Before anything is begun."""
    if short := disk.shortage((root, root / HOME), least_mb):
        raise RecordError(f"{short}; free some, then do the same again")


class Space:
    """For one engine, while it is entered. `journal` is written through it, so that a full disk does not lose what runs."""

    def __init__(self, root: Path, journal: Journal, least_mb: int) -> None:
        self.journal = journal
        self._places, self._least_mb = (root, root / HOME), least_mb
        self._reserve = root / RESERVE
        self.stopped = False

    def __enter__(self) -> Space:
        self._lay_aside()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._free()

    def append(self, run: RunId, kind: EventKind, data: Mapping[str, Any], **place: Any) -> Event:
        """As the journal's own; where that has no room any more, once again with what was laid aside."""
        try:
            return self.journal.append(run, kind, data, **place)
        except JournalCorrupt:
            raise
        except RecordError:
            if not self._free():
                raise
            return self.journal.append(run, kind, data, **place)

    def watch(self, tracker: Tracker, record: Callable[..., Event]) -> None:
        """Before anything new starts: what runs ends, and nothing more begins, while there is too little."""
        if self.stopped or not tracker.ready():
            return
        short = disk.shortage(self._places, self._least_mb)
        if short is None:
            self._lay_aside()
            return
        self._stop(record, short)

    def stop_if_short(self, record: Callable[..., Event], said: str) -> bool:
        """Whether what went wrong can be the disk's doing. `said`: by what went wrong; it may have left room behind."""
        short = disk.shortage(self._places, self._least_mb)
        if short is None and any(words in said for words in UNWRITTEN):
            short = f"git could not write in {self._places[0]}, as on a full disk"
        if short is not None and not self.stopped:
            self._stop(record, short)
        return short is not None

    def _stop(self, record: Callable[..., Event], short: str) -> None:
        self.stopped = True
        record(EventKind.DRAINING, {"reason": f"{short}; free some, then resume"})

    def excuse(self, outcome: Outcome) -> Outcome:
        """A try that failed on a full disk is spent for nothing: it was interrupted, and starts again."""
        if outcome.failure not in MAY_BE_MEANT:
            return outcome
        short = disk.shortage(self._places, self._least_mb)
        if short is None:
            return outcome
        detail = f"{short}; it said {outcome.failure}: {outcome.detail}"
        return outcome.model_copy(update={"failure": Failure.INTERRUPTED, "detail": detail})

    def _lay_aside(self) -> None:
        """Really taken on the disk, not a hole in a file."""
        if self._reserve.exists():
            return
        try:
            file = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, b"\0" * RESERVE_BYTES)
            finally:
                os.close(file)
        except OSError:  # then there is less of it, or none
            return

    def _free(self) -> bool:
        """Whether there was something."""
        with suppress(OSError):
            self._reserve.unlink()
            return True
        return False
