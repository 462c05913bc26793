"""The journal as it grows, for who looks on all the time: what came after a number. Refuses to count what is missing: `reading` does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from orchestrator import clock
from orchestrator.journal import HOME, file
from orchestrator.journal.file import StoredPlan, sql
from orchestrator.model import Event, RunId

NEWEST = (1 << 63) - 1
SETTLED_S = 0.1  # the clock of files goes in steps: two writes within one can look the same


class Span(NamedTuple):
    """The numbers of a run's first and last event; other runs' may stand between."""

    first: int
    last: int


def after(root: Path, seq: int, most: int) -> list[Event]:
    """Of all runs, in their order; none where nothing ever ran."""
    with _opened(root) as (path, connection):
        if connection is None:
            return []
        rows = connection.execute(sql("after"), (seq, most)).fetchall()
        return file.events(path, rows)


def of_run(root: Path, run: RunId, seq: int, last: int, most: int = NEWEST) -> list[Event]:
    """Behind the number `seq`, up to `last`."""
    with _opened(root) as (path, connection):
        if connection is None:
            return []
        rows = connection.execute(sql("between"), (seq, last, run, most)).fetchall()
        return file.events(path, rows)


def latest(root: Path) -> int:
    """The number of the last event; 0: there is none."""
    with _opened(root) as (_, connection):
        return int(connection.execute(sql("latest")).fetchone()[0]) if connection else 0


def sessions(root: Path) -> set[str]:
    """The clients' own names of all sessions in which attempts worked."""
    with _opened(root) as (path, connection):
        if connection is None:
            return set()
        with file.readable(connection, path):
            return {row[0] for row in connection.execute(sql("sessions"))}


def spans(root: Path) -> dict[RunId, Span]:
    with _opened(root) as (_, connection):
        rows = connection.execute(sql("spans")).fetchall() if connection else []
        return {RunId(run): Span(first, last) for run, first, last in rows}


def which(root: Path) -> tuple[int, int] | None:
    """Another file is another journal. None: there is none yet."""
    try:
        told = (root / HOME / "journal.db").stat()
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino


def stands(root: Path) -> tuple[tuple[int, ...], ...] | None:
    """Another one after each write, and far cheaper than to look. None: there is no journal, or it was written just now."""
    db = root / HOME / "journal.db"
    try:
        told = [db.stat()]
    except FileNotFoundError:
        return None
    with suppress(FileNotFoundError):
        told.append(file.wal_of(db).stat())
    if max(one.st_mtime for one in told) > clock.wall() - SETTLED_S:
        return None
    return tuple((one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns) for one in told)


def plans(root: Path, run: RunId) -> list[StoredPlan]:
    with _opened(root) as (path, connection):
        rows = connection.execute(sql("plans"), (run,)).fetchall() if connection else []
        return file.plans(path, rows)


@contextmanager
def _opened(root: Path) -> Iterator[tuple[Path, sqlite3.Connection | None]]:
    path = root / HOME / "journal.db"
    if which(root) is None:
        yield path, None
        return
    with file.to_read(path) as connection:
        if connection is None:
            yield path, None
            return
        with file.readable(connection, path):
            yield path, connection
