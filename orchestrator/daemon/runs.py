"""The runs of one daemon: which go on, which are tried again and when, which broke off. Refuses to keep one that goes on among the others."""

from __future__ import annotations

from orchestrator.daemon.witness import Witness
from orchestrator.errors import UsageError
from orchestrator.history import fold
from orchestrator.inbox import Letter
from orchestrator.journal import Journal
from orchestrator.model import EventKind, RunId
from orchestrator.views.interrupted import CODES, would_go_on


class Runs:
    def __init__(self) -> None:
        self.going: dict[RunId, Witness] = {}
        self.waiting: dict[RunId, float] = {}  # when each is tried next, Unix seconds
        self.crashed: dict[RunId, str] = {}  # why; until it goes on again
        self._told: dict[RunId, str] = {}

    @property
    def busy(self) -> set[RunId]:
        """They go on, or are about to."""
        return {*self.going, *self.waiting}

    def due(self, now: float) -> list[RunId]:
        return [run for run, at in self.waiting.items() if at <= now]

    def goes_on(self, run: RunId, witness: Witness) -> None:
        """Whoever wanted it: whatever was to become of it before is over."""
        self.forget(run)
        self.going[run] = witness

    def breaks_off(self, run: RunId, why: str) -> bool:
        """False: it was tried once more, and is as it was."""
        before, self._told[run] = self._told.get(run), why
        self.crashed[run] = why
        return why != before

    def forget(self, run: RunId) -> None:
        self.waiting.pop(run, None)
        self.crashed.pop(run, None)


def interrupted(book: Journal) -> list[RunId]:
    """What nobody ended or cancelled, the oldest first."""
    rows = [row for row in reversed(book.runs()) if row.exit_code in CODES]
    return [row.id for row in rows if would_go_on(row, fold(book.events(row.id)))]


def cancel(book: Journal, letter: Letter) -> None:
    """No daemon takes it up again. UsageError: none would."""
    row = book.find(letter.run)
    if not would_go_on(row, fold(book.events(row.id))):
        raise UsageError(f"run {letter.run} does not go on now; there is nothing to stop")
    record_cancel(book, letter)


def record_cancel(book: Journal, letter: Letter) -> None:
    book.append(letter.run, EventKind.DRAINING, letter.cancels)
