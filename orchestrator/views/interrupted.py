"""Runs that were cut off, and whether a daemon goes on with them by itself. Refuses to take up what is a person's."""

from __future__ import annotations

from orchestrator.history import History
from orchestrator.journal import RunRow

CODES = (None, 130)  # how a run ends that was not over


def is_ours(row: RunRow, history: History) -> bool:
    """A daemon began it, or the last who went on with it was one."""
    return bool(row.asked.get("unattended")) or history.unattended


def would_go_on(row: RunRow, history: History) -> bool:
    """At the next start of a daemon at the latest."""
    return row.exit_code in CODES and history.cancelled is None and is_ours(row, history)
