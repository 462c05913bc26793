"""The tables beside the events, out of a damaged journal into a new one: what can be read of them. Refuses rows that the schema refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from orchestrator.journal import file

# Each after those that it refers to, with how it lies on the disk. Not how far somebody has read: what was lost here is seen
# again by who begins anew, and nothing counts twice.
TABLES: Mapping[str, str] = MappingProxyType(
    {
        "adw_tools": "rowid",
        "operation_patterns": "rowid",
        "pattern_occurrences": "pattern_id {0}, workflow_id {0}, signature",
        "tool_calls": "rowid",
        "hook_events": "rowid",
        "cost_savings_log": "rowid",
    }
)

Row = Mapping[str, Any]


def read(old: sqlite3.Connection) -> dict[str, list[Row]]:
    """From both ends of each table, so that a page that cannot be read costs no row but its own."""
    words, old.text_factory = old.text_factory, bytes
    try:
        return {table: list(_rows(old, table)) for table in TABLES}
    finally:
        old.text_factory = words


def write(made: sqlite3.Connection, found: Mapping[str, Sequence[Row]]) -> None:
    """A person's word on a pattern is kept also where its tool is lost."""
    tools = {row["tool_name"] for row in found["adw_tools"]}
    for table in TABLES:
        for row in found[table]:
            is_lost = table == "operation_patterns" and row["tool_name"] not in tools
            _insert(made, table, {**row, "tool_name": None} if is_lost else row)


def _insert(made: sqlite3.Connection, table: str, row: Row) -> None:
    """What a damaged row says may be nothing that could stand there."""
    places = ", ".join("?" * len(row))
    with suppress(sqlite3.IntegrityError):
        made.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({places})",  # noqa: S608
            tuple(row.values()),
        )


def _rows(old: sqlite3.Connection, table: str) -> Iterator[Row]:
    names = list(_columns(old, table))
    if not names:
        return
    for direction in ("ASC", "DESC"):
        order = f"{TABLES[table].format(direction)} {direction}"
        with suppress(*file.BROKEN):
            query = f"SELECT {', '.join(names)} FROM {table} NOT INDEXED ORDER BY {order}"  # noqa: S608
            for row in old.execute(query):
                with suppress(UnicodeDecodeError):
                    yield dict(zip(names, map(_decoded, row), strict=True))
            return  # all of it was read


def _columns(old: sqlite3.Connection, table: str) -> Iterator[str]:
    """None where it is not there: in a journal of an older version."""
    with suppress(*file.BROKEN):
        for row in old.execute(f"PRAGMA table_info({table})"):
            yield row[1].decode()


def _decoded(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
