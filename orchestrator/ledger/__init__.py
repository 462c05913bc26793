"""Outcomes of all runs of a user as JSON lines: append once, read a window, survive damage; refuses to change what is written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import RecordError
from orchestrator.ledger import mark
from orchestrator.ledger.line import Entry, checksum, encode, entry, in_utc, normalise_id
from orchestrator.model import Noun

__all__ = ["NAME", "Entry", "Window", "append", "entry", "normalise_id", "read"]

NAME = "task_ledger.jsonl"


class Window(Noun):
    """What was read: entries in file order, the damaged lines as (1-based number, why), and bytes that are not there any more."""

    entries: tuple[Entry, ...] = ()
    damaged: tuple[tuple[int, str], ...] = ()
    missing: int = 0


# --- append ---------------------------------------------------------------------------------------


def append(folder: Path, entries: Iterable[Entry]) -> int:
    """All of `entries` or none, on disk when it returns; RecordError says why not. How many bytes are known to be lost."""
    data = b"".join(encode(each) for each in entries)
    if not data:
        return 0
    path = folder / NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as ledger:
            _set_torn_tail_aside(folder, ledger)
            size = os.fstat(ledger).st_size
            _write_once(ledger, data)
            lost = mark.read(folder).lost_at(size)
            mark.write(folder, mark.Mark(size + len(data), lost))
            _sync_folder(folder)
            return lost
    except OSError as error:
        raise RecordError(
            f"{path}: nothing was appended ({error.strerror}); make room or correct the permissions"
        ) from error


@contextmanager
def _locked(path: Path, flags: int, kind: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)


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
    whole = _end_of_last_line(ledger, size)
    if whole == size:
        return
    names = (folder / f"task_ledger.torn-{number}" for number in count(1))
    path = next(name for name in names if not name.exists() or name.stat().st_size == 0)
    with _locked(path, os.O_WRONLY | os.O_CREAT, fcntl.LOCK_EX) as aside:
        _write_once(aside, os.pread(ledger, size - whole, whole))
    _sync_folder(folder)  # the copy must be there before the tail goes
    os.ftruncate(ledger, whole)


def _end_of_last_line(ledger: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(ledger, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- read -----------------------------------------------------------------------------------------


def read(folder: Path, since: str | None = None) -> Window:
    """What is written from `since` on (ISO-8601 with its zone); of two lines of one attempt the first."""
    start = in_utc(since) if since else None
    entries: dict[tuple[str, str, int], Entry] = {}
    damaged: list[tuple[int, str]] = []
    lines, missing = _lines(folder)
    for number, line in enumerate(lines, start=1):
        try:
            found = _parse(line)
        except (ValueError, RecursionError) as error:
            damaged.append((number, _why(error)))
        else:
            entries.setdefault(found.identity, found)
    kept = (each for each in entries.values() if start is None or not _before(each, start))
    return Window(entries=tuple(kept), damaged=tuple(damaged), missing=missing)


def _lines(folder: Path) -> tuple[list[bytes], int]:
    """And how many bytes of them there were once."""
    path = folder / NAME
    try:
        with (
            _locked(path, os.O_RDONLY, fcntl.LOCK_SH) as ledger,
            open(ledger, "rb", closefd=False) as file,
        ):
            lines = file.readlines()
            whole = sum(len(line) for line in lines if line.endswith(b"\n"))
            return lines, mark.read(folder).lost_at(whole)
    except FileNotFoundError:
        return [], mark.read(folder).lost_at(0)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); correct it") from error


def _parse(line: bytes) -> Entry:
    if not line.endswith(b"\n"):
        raise ValueError("is cut off; the next append sets it aside")
    values = json.loads(line.decode())
    if not isinstance(values, dict):
        raise ValueError("is not an object")
    if checksum(values) != values.get("checksum"):
        raise ValueError("has a wrong checksum")
    return Entry.model_validate_json(line)


def _why(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return "is not UTF-8"
        case json.JSONDecodeError() | RecursionError():
            return "is not JSON"
        case ValidationError():
            first = error.errors()[0]
            return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        case _:
            return str(error)


def _before(each: Entry, start: str) -> bool:
    """As times: as text, half a second past noon sorts before noon."""
    return datetime.fromisoformat(each.timestamp) < datetime.fromisoformat(start)
