"""What each run that is alive has set aside and not on the ledger yet, beside it in a file per run. Refuses to count what nobody holds."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from orchestrator.model import RunId

FOLDER = "task_ledger.held"
TURN = ".turn"
MOST = 1_000_000  # bytes of one file


class Aside(NamedTuple):
    """Of one attempt that has no line yet: what is set aside for it, and what of that is surely used."""

    task: str  # as the ledger calls it
    attempt: int
    usd: float = 0.0
    tokens: float = 0.0
    sure_usd: float = 0.0
    sure_tokens: float = 0.0


class Held:
    """Of one run. Its file is locked for as long as its engine lives, so a number of a process that is used again deceives nobody.

    Whoever reads all of them and then writes its own does so in its `turn`: no two take the same dollar. Nobody waits for a
    turn, as its holder may be halted; who does not get it asks again. A folder that cannot be written costs the knowledge, never
    the run.
    """

    def __init__(self, folder: Path, run: RunId) -> None:
        self._folder, self._run = folder / FOLDER, run
        self._file: int | None = None
        self._told: tuple[Aside, ...] = ()

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether it is ours: nobody else reads or writes then."""
        turn, ours = None, True
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            turn = os.open(self._folder / TURN, os.O_RDWR | os.O_CREAT, 0o600)
            ours = _lock(turn)
        except OSError:
            pass  # no folder, or a disk without locks
        try:
            yield ours
        finally:
            if turn is not None:
                os.close(turn)

    def others(self) -> list[tuple[RunId, Aside]]:
        """In a turn. What is left of engines that are gone is removed: their runs say at resume what became of it."""
        found = list[tuple[RunId, Aside]]()
        with suppress(OSError):
            for path in sorted(self._folder.glob("*.json")):
                if path.stem != self._run:
                    found += ((RunId(path.stem), one) for one in _read(path))
        return found

    def tell(self, asides: Iterable[Aside]) -> None:
        """In a turn. All of this run, in place of what was told before."""
        asides = tuple(asides)
        if asides == self._told:
            return
        with suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
                _lock(self._file)
            data = json.dumps(asides).encode()
            os.pwrite(self._file, data, 0)
            os.ftruncate(self._file, len(data))
            self._told = asides

    def is_told(self, asides: Iterable[Aside]) -> bool:
        return tuple(asides) == self._told

    def close(self) -> None:
        """The run is over, and its lines are on the ledger."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file, self._told = None, ()

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._run}.json"


def _read(path: Path) -> list[Aside]:
    """Empty where nobody holds it."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return []
    try:
        if _lock(file):
            path.unlink(missing_ok=True)
            return []
        return [Aside(*one) for one in json.loads(os.pread(file, MOST, 0) or b"[]")]
    except (OSError, ValueError, TypeError):
        return []
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    """Whether it is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
