"""What the API and the pages see: the daemon, the settings, and the journal through one thread of its own. Refuses to change anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

from orchestrator.errors import UsageError
from orchestrator.history import Tried
from orchestrator.model import RunId, TaskId
from orchestrator.project import Source
from orchestrator.settings import Settings
from orchestrator.views.house import Daemon, Health
from orchestrator.views.past import Past
from orchestrator.web import files
from orchestrator.web.book import Book, Glance
from orchestrator.web.files import Part, Piece
from orchestrator.workspace.difference import Difference, difference

__all__ = ["Book", "Difference", "Glance", "Part", "Piece", "Seen", "Told", "tried_of"]

Value = TypeVar("Value")
Foresee = Callable[
    [Path, Sequence[Source]], Mapping[str, Any]
]  # what `estimate --json` says of plans
DIFF_MOST = 400_000  # bytes of a diff
CHECK_MOST = 1 << 16  # bytes of what one stage of checks printed


@dataclass(frozen=True, slots=True)
class Told:
    """What the daemon told at one moment. A page in a thread has this, and not the daemon, which changes under it."""

    health: Health
    lines: Mapping[RunId, Mapping[TaskId, str]]

    def doing(self, run: RunId) -> Mapping[TaskId, str]:
        return self.lines.get(run, {})


@dataclass(frozen=True)
class Seen:
    """One for each app. `look` is the only way to the journal, so the event loop, and with it the engine, waits for no page."""

    daemon: Daemon
    settings: Settings
    foresee: Foresee | None = None  # None: nobody here can estimate
    _turn: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1), repr=False)
    _diffs: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2), repr=False)
    _studies: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1), repr=False)
    _book: list[Book] = field(default_factory=list, repr=False)

    def told(self) -> Told:
        """For the event loop, as the daemon itself is."""
        health = self.daemon.health()
        return Told(health, {run: dict(self.daemon.doing(run)) for run in health.runs})

    async def look(self, work: Callable[[Book], Value]) -> Value:
        """In a thread, one at a time. `work` must make of runs (they go on changing) what it needs, such as a document or a page."""
        return await to_thread.run_sync(self._with_book, work, limiter=self._turn)

    def _with_book(self, work: Callable[[Book], Value]) -> Value:
        if not self._book:
            self._book.append(Book(self.daemon.root))
        with self._book[0].still():
            return work(self._book[0])

    async def study(self, work: Callable[[], Value]) -> Value:
        """What looks at the ledger and not at the journal, one at a time too, so that pages of runs need not wait for it."""
        return await to_thread.run_sync(work, limiter=self._studies)

    async def transcript(
        self, run: str, task: str, attempt: int, part: Part, start: int, most: int
    ) -> Piece:
        """Bytes from `start` (negative: from the end), at most files.MOST of them."""

        def work(book: Book) -> Piece:
            past, tried = tried_of(book, run, task, attempt)
            return files.piece(past.root, past.row.id, tried, part, start, most)

        return await self.look(work)

    async def diff(self, run: str, task: str, attempt: int) -> Difference:
        """What that try has changed; `why` where there is nothing to show."""

        def work(book: Book) -> tuple[str, str] | str:
            return _ends(tried_of(book, run, task, attempt)[1])

        found = await self.look(work)
        if isinstance(found, str):
            return Difference("", False, found)
        async with self._diffs:
            return await difference(self.daemon.root, *found, DIFF_MOST)


def tried_of(book: Book, run: str, task: str, attempt: int) -> tuple[Past, Tried]:
    """UsageError where there is no such task or try."""
    past = book.run(run)
    wanted = past.task(task).id
    every = past.watched.of(wanted).tried
    found = next((one for one in every if one.number == attempt), None)
    if found is None:
        known = ", ".join(str(one.number) for one in every) or "none yet"
        raise UsageError(f"{wanted} has no try {attempt} in run {past.row.id}; there are: {known}")
    return past, found


def _ends(tried: Tried) -> tuple[str, str] | str:
    """Two commits or trees, or why there are none."""
    work = (tried.latest.work if tried.latest else None) or tried.kept
    if work is None:
        if tried.base is None:
            return "it worked in the plain directory, where git keeps no work of a single try"
        return "nothing is kept of it" if tried.outcome else "its work is not kept yet"
    if work.commit is None:
        return "it changed nothing"
    return work.begin or work.base, work.commit
