"""The journal's file: opened, brought to today's schema, checked row by row. Refuses damage, and files of a newer version."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from orchestrator.errors import JournalCorrupt, JournalTooNew, RecordError
from orchestrator.model import Event, EventKind, Noun, PlanId, RunId, TaskId

VERSION = 3
BROKEN = (sqlite3.DatabaseError, UnicodeDecodeError)  # the words of an error can be damaged, too


class StoredPlan(Noun):
    """A plan as it was when its run began."""

    id: PlanId
    path: str
    sha256: str
    content: bytes


@cache
def sql(name: str) -> str:
    return files("orchestrator.journal").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")


@contextmanager
def to_write(path: Path) -> Iterator[sqlite3.Connection]:
    """Made if it is missing, and of today's schema."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as refused:
        text = f"cannot write {path}: {refused.strerror}; make room or make it writable"
        raise RecordError(text) from refused
    with _connected(f"{path.resolve().as_uri()}?mode=rw", path) as connection:
        with readable(connection, path):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            found = version(connection, path)
            look_through(connection)
            migrate(connection, found)
            if not found:  # from its beginning there is a file that is no empty one
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield connection


@contextmanager
def to_share(path: Path) -> Iterator[sqlite3.Connection]:
    """To write beside who holds the journal: what is written waits for its turn."""
    with _connected(f"{path.resolve().as_uri()}?mode=rw", path) as connection:
        with readable(connection, path):
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        yield connection


@contextmanager
def to_read(path: Path) -> Iterator[sqlite3.Connection | None]:
    """None while there is nothing in it yet. One of an older version is read as today's, and stays as it is."""
    _undo_half(path)
    with _connected(f"{path.resolve().as_uri()}?mode=ro{_alone(path)}", path) as connection:
        with readable(connection, path):
            found = version(connection, path)
        if found in (0, VERSION):
            yield connection if found else None
            return
        with _connected(":memory:", path) as copy:
            with readable(copy, path):
                connection.backup(copy)
                # an engine may have brought it further meanwhile
                migrate(copy, version(copy, path))
            yield copy


@contextmanager
def readable(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """What SQLite says becomes an error that names the file and the next step."""
    try:
        yield
    except BROKEN as broken:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise _trouble(path, broken) from broken


def look_through(connection: sqlite3.Connection) -> None:
    """All pages are what they say; not what stands in them."""
    (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        raise sqlite3.DatabaseError(state)


def checksum(values: Sequence[Any]) -> int:
    """Of a row without its own: text, numbers, NULL and bytes, in the order of the table."""
    plain = [value.hex() if isinstance(value, bytes) else value for value in values]
    return zlib.crc32(json.dumps(plain).encode())


def whole(row: Sequence[Any], what: str, path: Path) -> Sequence[Any]:
    """The row behind its checksum, which is first."""
    crc, *values = row
    if crc != checksum(values):
        raise damaged(f"{what} in {path} is damaged: its checksum is not that of its content")
    return values


def plans(path: Path, rows: Sequence[Sequence[Any]]) -> list[StoredPlan]:
    """Rows of a run's plans behind how many there are: all of them, each whole and each one once."""
    found = [row for _, *row in rows if row[1] is not None]
    named = [whole(row, f"plan {row[4]} of run {row[1]}", path) for row in found]
    if rows and [place for _, place, *_ in named] != list(range(rows[0][0])):
        raise damaged(f"{path} is damaged: a run has not the {rows[0][0]} plans that it had")
    return [StoredPlan(id=p[2], path=p[3], sha256=p[4], content=p[5]) for p in named]


def event(path: Path, row: Sequence[Any]) -> Event:
    """A row of events, whole and known."""
    seq, run, at, kind, task, attempt, data = whole(row, f"event {row[1]}", path)
    if kind not in set(EventKind):
        raise JournalTooNew(
            f"event {seq} in {path} is a {kind!r}, which this orchestrator does not know: "
            "a newer one wrote it; upgrade"
        )
    return Event(
        seq=seq,
        run=RunId(run),
        at=at,
        kind=EventKind(kind),
        task=TaskId(task) if task else None,
        attempt=attempt,
        data=json.loads(data),
    )


def events(path: Path, rows: Iterable[Sequence[Any]]) -> list[Event]:
    """Rows of events in their order, each whole and each one once: a page's damaged pointer can name its neighbour again."""
    found = [event(path, row) for row in rows]
    for one, following in pairwise(found):
        if following.seq <= one.seq:
            raise damaged(f"{path} is damaged: event {following.seq} stands behind {one.seq}")
    return found


def damaged(what: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"{what}; nothing was changed. `orchestrator recover` keeps what is whole of it"
    )


def _undo_half(path: Path) -> None:
    """Who was killed while the file became a journal left a change half done, and who only reads may not undo it."""
    left = path.with_name(f"{path.name}-journal")
    if size(left) and os.access(path.parent, os.W_OK):
        whole = f"{path.resolve().as_uri()}?mode=rw"
        with _connected(whole, path) as connection, readable(connection, path):
            version(connection, path)


def _alone(path: Path) -> str:
    """On a read-only disk SQLite could make no index of the WAL; where there is no WAL it needs none."""
    is_whole = size(wal_of(path)) == 0
    return "&immutable=1" if is_whole and not os.access(path.parent, os.W_OK) else ""


def wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def size(path: Path) -> int:
    """In bytes; 0 where there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _connected(uri: str, path: Path) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0)
    except sqlite3.Error as broken:
        raise _trouble(path, broken) from broken
    try:
        yield connection
    finally:
        connection.close()


def version(connection: sqlite3.Connection, path: Path) -> int:
    """Of its schema; 0: nothing is in it."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise JournalTooNew(
            f"{path} was written by a newer orchestrator (version {found}, this one knows "
            f"{VERSION}); upgrade, or move the file away to start anew"
        )
    return found


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """From that version to today's, each step whole or not at all."""
    connection.create_function("checksum", -1, lambda *values: checksum(values), deterministic=True)
    for step in range(version + 1, VERSION + 1):
        script = sql(f"schema_{step}")
        connection.executescript(f"BEGIN;\n{script}\nPRAGMA user_version = {step};\nCOMMIT;")


def _trouble(path: Path, broken: Exception) -> RecordError:
    worse = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, None}
    code = getattr(broken, "sqlite_errorcode", None)
    if code is not None and code & 0xFF not in worse:
        return RecordError(
            f"cannot use {path}: {broken}; nothing is lost. Put that right (space, permissions), "
            "then: orchestrator resume"
        )
    what = str(broken).splitlines()[-1]
    return damaged(f"{path} is damaged: {what}")
