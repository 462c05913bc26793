"""The tables beside the events: who does not hold the journal may write them, too, in short transactions. Refuses to write events."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import JournalLocked
from orchestrator.journal import HOME, file, locked, refuse_emptied

PATIENCE_S = 2.0  # an engine that begins, or another like us, makes the journal in less


@contextmanager
def to_read(root: Path) -> Iterator[sqlite3.Connection | None]:
    """None where nothing is there yet."""
    path = root / HOME / "journal.db"
    refuse_emptied(path)
    if not path.exists():
        yield None
        return
    with file.to_read(path) as connection:
        if connection is None:
            yield None
            return
        with file.readable(connection, path):
            yield connection


@contextmanager
def to_write(root: Path) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it or nothing. It makes the journal where there is none; JournalLocked where an older engine holds it."""
    path = root / HOME / "journal.db"
    refuse_emptied(path)
    _make(root, path)
    with file.to_share(path) as connection, file.readable(connection, path):
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


def _make(root: Path, path: Path) -> None:
    """Of today. Who holds it may be doing just that."""
    limit = time.monotonic() + PATIENCE_S
    while not _is_of_today(path):
        try:
            with locked(root), file.to_write(path):
                pass
        except JournalLocked:  # it has waited for a moment already
            if time.monotonic() >= limit:
                raise


def _is_of_today(path: Path) -> bool:
    if not path.exists():
        return False
    with file.to_share(path) as connection, file.readable(connection, path):
        return file.version(connection, path) == file.VERSION
