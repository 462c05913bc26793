"""Outcomes of all runs of a user as JSON lines: append once, read a window, survive damage; refuses to change what is written."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from orchestrator.errors import RecordError
from orchestrator.ledger import mark
from orchestrator.ledger.amendment import Amendment
from orchestrator.ledger.brief import Attempted, Brief, Briefs, skim
from orchestrator.ledger.line import Entry, encode, entry, normalise_id, seal, task_type
from orchestrator.ledger.samples import Samples
from orchestrator.ledger.window import NAME, Window, end_of_last_line, locked, read

__all__ = [
    "NAME",
    "Amendment",
    "Attempted",
    "Brief",
    "Briefs",
    "Entry",
    "Samples",
    "Window",
    "append",
    "entry",
    "normalise_id",
    "read",
    "refusal",
    "seal",
    "skim",
    "task_type",
]

ROOM = 4096  # bytes: more than a line takes

# --- append ---------------------------------------------------------------------------------------


def append(folder: Path, entries: Iterable[Entry | Amendment]) -> int:
    """All of `entries` or none, on disk when it returns; RecordError says why not. How many bytes are known to be lost."""
    data = b"".join(encode(each) for each in entries)
    if not data:
        return 0
    path = folder / NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as ledger:
            _set_torn_tail_aside(folder, ledger)
            size = os.fstat(ledger).st_size
            _write_once(ledger, data)
            lost = mark.read(folder).lost_at(size)
            mark.write(folder, mark.Mark(size + len(data), lost))
            _sync_folder(folder)
            return lost
    except OSError as error:
        raise _refused(path, error) from error


def refusal(folder: Path) -> str | None:
    """Why nothing could be appended now, tried with a file that goes again. None: it could."""
    path = folder / NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with tempfile.TemporaryFile(dir=folder) as room:
            _write_once(room.fileno(), bytes(ROOM))
    except OSError as error:
        return str(_refused(path, error))
    return None


def _refused(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"{path}: nothing was appended ({error.strerror}); make room or correct the permissions"
    )


def _write_once(ledger: int, data: bytes) -> None:
    """A full disk gives a short count and no exception: what was written of it is taken back."""
    size = os.fstat(ledger).st_size
    try:
        written = os.write(ledger, data)
        if written < len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes fitted")
        os.fsync(ledger)
    except OSError:
        os.ftruncate(ledger, size)
        raise


def _set_torn_tail_aside(folder: Path, ledger: int) -> None:
    """A crash can leave a line without its end; another one behind it would be lost with it."""
    size = os.fstat(ledger).st_size
    whole = end_of_last_line(ledger, size)
    if whole == size:
        return
    names = (folder / f"task_ledger.torn-{number}" for number in count(1))
    path = next(name for name in names if not name.exists() or name.stat().st_size == 0)
    with locked(path, os.O_WRONLY | os.O_CREAT, fcntl.LOCK_EX) as aside:
        _write_once(aside, os.pread(ledger, size - whole, whole))
    _sync_folder(folder)  # the copy must be there before the tail goes
    os.ftruncate(ledger, whole)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
