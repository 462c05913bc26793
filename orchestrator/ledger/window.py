"""Lines of the ledger read again: whole ones as entries, damage by number, amendments applied. Refuses to hold up who appends."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from orchestrator.errors import RecordError
from orchestrator.ledger import mark
from orchestrator.ledger.amendment import KIND, Amendment, Identity, applied, latest
from orchestrator.ledger.line import VERSION, Entry, checksum, in_utc, is_sealed
from orchestrator.model import Noun

NAME = "task_ledger.jsonl"
FIRST_KEY = b'{"kind":"'  # of every line that is not of an attempt
STAMP = b'"timestamp":"'


class Window(Noun):
    """What was read, in file order. Lines are told as (1-based number, why)."""

    entries: tuple[Entry, ...] = ()  # as they count now: amendments are applied
    damaged: tuple[tuple[int, str], ...] = ()
    missing: int = 0  # bytes that were there once
    amendments: tuple[Amendment, ...] = ()
    false_accepts: frozenset[Identity] = frozenset()  # passed, and were wrong all the same
    false_rejects: frozenset[Identity] = frozenset()
    repeated: tuple[int, ...] = ()  # lines of an attempt that had one already
    strange: tuple[tuple[int, str], ...] = ()  # whole, but of a newer version


def read(folder: Path, since: str | None = None) -> Window:
    """Attempts that ended from `since` on (ISO-8601 with its zone); of two lines of one attempt the first.

    Lines that are older are passed over unread, damaged or not: without `since` all are looked at.
    """
    start, second = in_window(since) if since else (None, b"")
    found = _Found()
    with opened(folder) as (lines, missing):
        for number, line in enumerate(lines, start=1):
            if not is_surely_older(line, second) or line.startswith(FIRST_KEY):
                found.take(number, line)
    now = latest(found.amendments)
    kept = {
        key: (one, applied(one, now.get(key)))
        for key, one in found.entries.items()
        if start is None or not before(one.timestamp, start)
    }
    turned = {key: after.outcome for key, (one, after) in kept.items() if after is not one}
    turned = {key: to for key, to in turned.items() if to != kept[key][0].outcome}
    return Window(
        entries=tuple(after for _, after in kept.values()),
        damaged=tuple(found.damaged),
        missing=missing,
        amendments=tuple(found.amendments),
        false_accepts=frozenset(key for key, to in turned.items() if to == "failed"),
        false_rejects=frozenset(key for key, to in turned.items() if to == "success"),
        repeated=tuple(found.repeated),
        strange=tuple(found.strange),
    )


class _Found:
    def __init__(self) -> None:
        self.entries: dict[Identity, Entry] = {}
        self.amendments: list[Amendment] = []
        self.damaged: list[tuple[int, str]] = []
        self.strange: list[tuple[int, str]] = []
        self.repeated: list[int] = []

    def take(self, number: int, line: bytes) -> None:
        try:
            refuse_damage(line)
            one = parse(line)
        except (ValueError, RecursionError) as error:
            self.damaged.append((number, _why(error)))
            return
        if one is None:
            self.strange.append((number, "is of a kind that this version does not know"))
            return
        if one.v > VERSION:
            text = f"was written by a newer version ({one.v}); what is known of it is read"
            self.strange.append((number, text))
        if isinstance(one, Amendment):
            self.amendments.append(one)
        elif self.entries.setdefault(one.identity, one) is not one:
            self.repeated.append(number)


def parse(line: bytes) -> Entry | Amendment | None:
    """Of a whole line. None: sealed, and no business of ours."""
    if line.startswith(FIRST_KEY):
        if not line.startswith(FIRST_KEY + KIND.encode() + b'"'):
            return None
        return Amendment.model_validate_json(line)
    return Entry.model_validate_json(line)


def in_window(since: str) -> tuple[str, bytes]:
    """Where it begins, in UTC; and its second, for `is_surely_older`."""
    start = in_utc(since)
    return start, start[:19].encode()


def is_whole(line: bytes) -> bool:
    """As `read` sees it."""
    try:
        refuse_damage(line)
        parse(line)
    except (ValueError, RecursionError):
        return False
    return True


# --- one line -------------------------------------------------------------------------------------


def refuse_damage(line: bytes) -> None:
    """ValueError says what is wrong with it."""
    if is_sealed(line):
        return
    if not line.endswith(b"\n"):
        raise ValueError("is cut off; the next append sets it aside")
    values = json.loads(line.decode())
    if not isinstance(values, dict):
        raise ValueError("is not an object")
    if checksum(values) != values.get("checksum"):
        raise ValueError("has a wrong checksum")


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


def is_surely_older(line: bytes, second: bytes) -> bool:
    """Seen without reading all of it: two times in UTC compare as text, to the second."""
    start = line.find(STAMP) + len(STAMP)
    end = line.find(b'"', start)
    in_the_form = start >= len(STAMP) and line[end - 1 : end] == b"Z"
    return in_the_form and line[start : start + 19] < second


def before(stamp: str, start: str) -> bool:
    """As times: as text, half a second past noon sorts before noon."""
    return datetime.fromisoformat(stamp) < datetime.fromisoformat(start)


# --- the file -------------------------------------------------------------------------------------


@contextmanager
def locked(path: Path, flags: int, kind: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Iterator[bytes], int]]:
    """Its lines as they are at this moment, and how many bytes of them there were once.

    The lock is held only to see how long it is: what is written never changes, so whoever appends need not wait.
    """
    path = folder / NAME
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield iter(()), mark.read(folder).lost_at(0)
        return
    except OSError as error:
        raise unreadable(path, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        size = os.fstat(file.fileno()).st_size
        lost = mark.read(folder).lost_at(end_of_last_line(file.fileno(), size))
        fcntl.flock(file, fcntl.LOCK_UN)
        yield _lines(file, size), lost


def unreadable(path: Path, error: OSError) -> RecordError:
    steps = {
        errno.EISDIR: f"it is a folder; move it away: mv {path} {path}.folder",
        errno.EACCES: f"chmod u+r {path}, and u+x for its folders",
    }
    step = steps.get(
        error.errno or 0,
        "look at the file and its disk, or set ORCHESTRATOR_INTELLIGENCE_DIR to another folder",
    )
    return RecordError(f"{path}: cannot be read ({error.strerror}). Next: {step}")


def _lines(file: BinaryIO, size: int) -> Iterator[bytes]:
    for line in file:
        size -= len(line)
        if size < 0:  # appended meanwhile
            return
        yield line


def end_of_last_line(ledger: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(ledger, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
