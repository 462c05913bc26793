"""A damaged journal set aside, and what is whole of it kept in a new one. Refuses to touch one that is whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.errors import JournalCorrupt, RecordError
from orchestrator.journal import HOME, Journal, file, locked, reading
from orchestrator.journal.file import sql

PARTS = ("journal.db", "journal.db-wal")

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many events and runs were kept, how many events are known to be lost, and where the damaged files lie now."""

    events: int
    runs: int
    lost: int
    aside: Path


@dataclass(slots=True)
class Whole:
    """The rows that stand before the first damage of each table, by what they belong to."""

    runs: dict[str, Row] = field(default_factory=dict)
    plans: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)


def rescue(root: Path) -> Rescued | None:
    """None: there is nothing wrong with it."""
    home = root / HOME
    with locked(root):
        if _is_whole(home / PARTS[0]):
            return None
        try:
            aside = _set_aside(home)
            whole = _read(home / PARTS[0])
            _replace(home, whole)
        except OSError as refused:
            raise RecordError(
                f"cannot rescue {home / PARTS[0]}: {refused.strerror}; make room or correct the permissions"
            ) from refused
    with reading(root) as book:
        return Rescued(len(whole.events), len(whole.runs), book.lost, aside)


def _is_whole(path: Path) -> bool:
    try:
        with file.to_write(path) as connection:
            book = Journal(connection, path)
            for row in book.runs():
                book.plans(row.id)
                book.events(row.id)
    except JournalCorrupt:
        return False
    return True


def _set_aside(home: Path) -> Path:
    """Copies of what is there, before anything touches it: opening alone would change a WAL."""
    aside = home / f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    aside.mkdir(mode=0o700)
    for name in PARTS:
        if (home / name).exists():
            shutil.copy2(home / name, aside / name)
    return aside


def _read(path: Path) -> Whole:
    """A run is whole with all of its plans and nothing else: who lost one would go on with half of the work."""
    found = Whole()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute(
            "PRAGMA writable_schema = ON"
        )  # or SQLite reads nothing of a file that is too short
        with suppress(*file.BROKEN):  # then it has no rows that could be read, either
            _refuse_older(file.version(old, path), path)
        runs, plans, events = (
            list(_rows(old, table, path)) for table in ("whole_runs", "whole_plans", "whole_events")
        )
    counts = Counter(row[1] for row in plans)
    found.runs = {row[1]: row for row in runs if row[4] == counts[row[1]]}
    found.plans = [row for row in plans if row[1] in found.runs]
    found.events = [row for row in events if row[2] in found.runs]
    return found


def _refuse_older(version: int, path: Path) -> None:
    """Its rows have no checksums yet: nobody could tell which of them are whole."""
    if 0 < version < file.VERSION:
        raise JournalCorrupt(
            f"{path} is damaged, and of version {version}, which cannot be rescued; it is left as it is. "
            "Move it away to start anew: what landed is in git"
        )


def _rows(old: sqlite3.Connection, table: str, path: Path) -> Iterator[Row]:
    """Those before the first that is damaged."""
    try:
        for row in old.execute(sql(table)):
            file.whole(row, table, path)
            yield row
    except (*file.BROKEN, JournalCorrupt):
        return


def _replace(home: Path, whole: Whole) -> None:
    draft = home / "journal.rescued"
    draft.unlink(missing_ok=True)
    with file.to_write(draft) as made, file.readable(made, draft):
        made.execute("BEGIN IMMEDIATE")
        made.executemany(sql("add_run"), [_turned(row) for row in whole.runs.values()])
        made.executemany(sql("add_plan"), [_turned(row) for row in whole.plans])
        made.executemany(sql("append_event"), [_turned(row) for row in whole.events])
        made.execute("COMMIT")
        made.execute("PRAGMA journal_mode = DELETE")  # one file, so that one rename is all
    for name in (
        "journal.db-wal",
        "journal.db-shm",
    ):  # of the damaged one; it would be taken for the new one's
        (home / name).unlink(missing_ok=True)
    draft.rename(home / PARTS[0])
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _turned(row: Row) -> Row:
    """As it is inserted: the checksum last."""
    crc, *values = row
    return (*values, crc)
