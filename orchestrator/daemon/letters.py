"""Letters to runs that do not go on: a run of the daemon goes on with its letter. Refuses to lose what a person wrote, and to take up what is theirs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator import inbox
from orchestrator.daemon.lasting import told, trace
from orchestrator.daemon.runs import Runs, record_cancel
from orchestrator.errors import UnknownRun, UsageError
from orchestrator.history import fold
from orchestrator.inbox import Letter
from orchestrator.journal import Journal
from orchestrator.model import RunId
from orchestrator.views.interrupted import CODES, is_ours


class Letters:
    """Of one daemon, and to its runs."""

    def __init__(
        self,
        root: Path,
        say: Callable[[str], None],
        runs: Runs,
        go_on: Callable[[RunId], Coroutine[Any, Any, None]],
        cancel: Callable[[Letter], Coroutine[Any, Any, bool]],
    ) -> None:
        self._root, self._say, self._runs = root, say, runs
        self._go_on, self._cancel = go_on, cancel
        self._later: dict[Path, float] = {}  # when each of those that are kept is tried next
        self._told: dict[Path, str] = {}

    def due(self, busy: Collection[RunId], now: float) -> list[tuple[Path, Letter]]:
        """To none of the runs that go on, or are about to: those read their own. Who waits for its turn can be stopped."""
        found = inbox.look(self._root)
        names = {path for path, _ in found}
        self._later = {path: at for path, at in self._later.items() if path in names}
        self._told = {path: why for path, why in self._told.items() if path in names}
        return [
            (path, letter)
            for path, letter in found
            if letter.run not in busy
            or (letter.do == "cancel" and letter.run in self._runs.waiting)
            if self._later.get(path, 0.0) <= now
        ]

    async def answer(self, path: Path, letter: Letter, book: Journal, again: float) -> None:
        """The run reads it when it goes on. `again`: when that is tried once more."""
        try:
            row = book.find(letter.run)
        except UnknownRun:
            return self._put_away(path, letter, "there is no such run")
        if row.exit_code == 0:
            return self._put_away(path, letter, "it is done")
        if letter.do == "cancel":
            return await self._stop(path, letter)
        history = fold(book.events(row.id))
        if row.id in self._runs.crashed:
            return self._keep(path, letter, f"it broke off{_resume(row.id)}", math.inf)
        if history.cancelled:
            return self._keep(path, letter, f"it was cancelled{_resume(row.id)}", math.inf)
        if not is_ours(row, history):
            why = f"no daemon began it{_resume(row.id)}"
            return self._keep(path, letter, why, math.inf)
        try:
            await self._go_on(row.id)
        except Exception as trouble:  # of this run alone, and it may pass
            if self._told.get(path) != told(trouble):
                trace(trouble, self._say)
            self._keep(path, letter, told(trouble), again)

    async def _stop(self, path: Path, letter: Letter) -> None:
        try:
            await self._cancel(letter)
        except UsageError:
            self._put_away(path, letter, "it does not go on")
        else:
            inbox.discard(path)

    def _put_away(self, path: Path, letter: Letter, why: str) -> None:
        inbox.discard(path)
        self._later[path] = math.inf  # one that could not be removed is said once, too
        self._say(f"warning: a letter to run {letter.run} is put away: {why}")

    def _keep(self, path: Path, letter: Letter, why: str, until: float) -> None:
        self._later[path] = until
        if self._told.get(path) != why:
            self._say(f"warning: a letter to run {letter.run} waits: {why}")
        self._told[path] = why


def take_cancels(root: Path, book: Journal) -> None:
    """What an engine that is gone had no time to read: such a run is not taken up again."""
    for path, letter in inbox.look(root):
        if letter.do != "cancel":
            continue
        with suppress(UnknownRun):
            if book.find(letter.run).exit_code in CODES:
                record_cancel(book, letter)
        inbox.discard(path)


def _resume(run: RunId) -> str:
    return f". Next: resume it on its page, or end the daemon, then: orchestrator resume {run}"
