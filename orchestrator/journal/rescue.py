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
from orchestrator.journal import HOME, beside, carry, file, locked, reading, writing
from orchestrator.journal.file import sql
from orchestrator.journal.marks import Mark
from orchestrator.model import EventKind

DB, WAL = "journal.db", "journal.db-wal"
CHECKED = 2  # the first version whose rows have checksums
USER_VERSION = 60  # where it stands in a file
FRAME = 24  # bytes before each page of a WAL, behind its own header of 32

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many events and runs are there, how many events are known to be lost, and where the damaged files lie now.

    `aside` None: nothing was damaged, and what is lost was only said.
    """

    events: int
    runs: int
    lost: int
    aside: Path | None


@dataclass(slots=True)
class Whole:
    """The rows that can be believed, the highest number that any event had, and what stood beside the events."""

    runs: dict[str, Row] = field(default_factory=dict)
    plans: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    last: int = 0
    beside: dict[str, list[carry.Row]] = field(default_factory=dict)


def rescue(root: Path) -> Rescued | None:
    """None: there is nothing wrong with it. What is lost is known to a person from now on."""
    home, aside = root / HOME, None
    with locked(root):
        if not _is_whole(root):
            try:
                aside = _set_aside(home)
                _lend_beginning(home)
                _replace(home, _read(home / DB))
            except OSError as refused:
                raise RecordError(
                    f"cannot rescue {home / DB}: {refused.strerror}; make room or correct the permissions"
                ) from refused
    with writing(root) as book:
        if aside is None and not book.trouble:
            return None
        book.acknowledge()
        runs = book.runs()
        events = sum(len(book.events(row.id)) for row in runs)
        return Rescued(events, len(runs), book.lost, aside)


def _is_whole(root: Path) -> bool:
    try:
        with reading(root) as book:
            book.look_through()
            for row in book.runs():
                book.plans(row.id)
                book.events(row.id)
        with beside.to_read(root) as found, closing(sqlite3.connect(":memory:")) as copy:
            if found is not None:  # of a file that it may only read SQLite checks no constraints
                found.backup(copy)
                file.look_through(copy)
    except JournalCorrupt:
        return False
    return True


def _set_aside(home: Path) -> Path:
    """Copies of what is there, before anything touches it: opening alone would change a WAL."""
    aside = home / f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    aside.mkdir(mode=0o700)
    for name in (DB, WAL):
        if (home / name).exists():
            shutil.copy2(home / name, aside / name)
    return aside


def _lend_beginning(home: Path) -> None:
    """An empty file beside a full WAL: on the beginning that it had SQLite takes the WAL for its own, and reads the rest.

    A new journal's file holds its schema alone, and the WAL all that came then. One of an older version fits on its first
    page, which the WAL has, too.
    """
    if file.size(home / DB) or not file.size(home / WAL):
        return
    found = _first_page((home / WAL).read_bytes())
    if not found or int.from_bytes(found[USER_VERSION : USER_VERSION + 4], "big") == file.VERSION:
        lent = home / "journal.lent"
        lent.unlink(missing_ok=True)
        with file.to_write(lent):
            pass
        found = lent.read_bytes()
        lent.unlink()
    (home / DB).write_bytes(found)


def _first_page(wal: bytes) -> bytes:
    """As the WAL has it last; empty where it has none."""
    page, found = int.from_bytes(wal[8:12], "big"), b""
    for at in range(32, len(wal) - FRAME - page + 1, FRAME + page) if page else ():
        if int.from_bytes(wal[at : at + 4], "big") == 1:
            found = wal[at + FRAME : at + FRAME + page]
    return found


def _read(path: Path) -> Whole:
    """A run is whole with all of its plans and nothing else: who lost one would go on with half of the work."""
    found = Whole()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        # or SQLite reads nothing of a file that is too short
        old.execute("PRAGMA writable_schema = ON")
        with suppress(*file.BROKEN):  # then it has no rows that could be read, either
            _refuse_older(file.version(old, path), path)
        runs = [row for row in _rows(old, "whole_runs") if _is_sound(row)]
        plans = [row for row in _rows(old, "whole_plans") if _is_sound(row)]
        events = list(_rows(old, "whole_events"))
        found.beside = carry.read(old)
    counts = Counter(row[1] for row in plans)
    found.runs = {row[1]: row for row in runs if row[4] == counts[row[1]]}
    found.plans = [row for row in plans if row[1] in found.runs]
    found.events = [row for row in _before_damage(events) if row[2] in found.runs]
    found.last = max((row[1] for row in events if isinstance(row[1], int)), default=0)
    return found


def _before_damage(events: Sequence[Row]) -> Iterator[Row]:
    """Of each run what stands before the first event that is damaged or missing: any run that goes on behind it may have lost it."""
    seen, cut, expected = set[str](), set[str](), 1
    for row in events:
        if not _is_sound(row):
            cut |= seen
            continue
        _, seq, run, _, kind, *_ = row
        if seq != expected:
            cut |= seen
        expected = seq + 1
        if run not in seen and kind != EventKind.RUN_STARTED:
            cut.add(run)  # its beginning is lost
        seen.add(run)
        if run not in cut:
            yield row


def _refuse_older(version: int, path: Path) -> None:
    """Its rows have no checksums yet: nobody could tell which of them are whole."""
    if 0 < version < CHECKED:
        raise JournalCorrupt(
            f"{path} is damaged, and of version {version}, which cannot be rescued; it is left as it is. "
            "Move it away to start anew: what landed is in git"
        )


def _rows(old: sqlite3.Connection, table: str) -> Iterator[Row]:
    """As far as they can be read at all."""
    with suppress(*file.BROKEN):
        yield from old.execute(sql(table))


def _is_sound(row: Row) -> bool:
    crc, *values = row
    return bool(crc == file.checksum(values))


def _replace(home: Path, whole: Whole) -> None:
    draft, mark = home / "journal.rescued", Mark(home / "journal.mark")
    draft.unlink(missing_ok=True)
    with file.to_write(draft) as made, file.readable(made, draft):
        made.execute("BEGIN IMMEDIATE")
        made.executemany(sql("add_run"), [_turned(row) for row in whole.runs.values()])
        made.executemany(sql("add_plan"), [_turned(row) for row in whole.plans])
        made.executemany(sql("append_event"), [_turned(row) for row in whole.events])
        carry.write(made, whole.beside)
        made.execute("COMMIT")
        made.execute("PRAGMA journal_mode = DELETE")  # one file, so that one rename is all
    reached = mark.read()
    mark.write(reached._replace(seq=max(reached.seq, whole.last)))
    for name in (WAL, "journal.db-shm"):  # of the damaged one; it would be taken for the new one's
        (home / name).unlink(missing_ok=True)
    draft.rename(home / DB)
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _turned(row: Row) -> Row:
    """As it is inserted: the checksum last."""
    crc, *values = row
    return (*values, crc)
