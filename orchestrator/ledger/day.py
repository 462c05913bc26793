"""What all runs used since a moment, without reading what is older: budgets of a day ask often. Refuses to count a line twice."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.model import RunId, Usage


class Day:
    """Of one ledger file, for an engine of `run`, whose own lines it passes over. Each look reads only what came since the last.

    A line is parsed only if a day's name stands in it, so a ledger of years costs one pass over its bytes.
    """

    def __init__(self, path: Path, run: RunId) -> None:
        self._path, self._run = path, run
        self._since, self._at = "", 0
        self._names: tuple[bytes, ...] = ()
        self._seen = set[tuple[object, ...]]()
        self._total = Usage.nothing()

    def used(self, since: str, unknown_usd: float) -> Usage:
        """`since` is an ISO time; an attempt that nobody could price counts as `unknown_usd`. A damaged or unreadable ledger counts for nothing: `ledger check` tells of it."""
        if since != self._since:
            self._since, self._at, self._total = since, 0, Usage.nothing()
            self._seen.clear()
            self._names = _names(since)
        with suppress(OSError), self._path.open("rb") as file:
            size = file.seek(0, 2)
            if size < self._at:  # somebody mended or pruned it
                self._since = ""
                return self.used(since, unknown_usd)
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._at += len(line)
                self._take(line, unknown_usd)
        return self._total

    def has(self, run: RunId, task: str, attempt: int) -> bool:
        """Whether what was looked at counts this attempt already."""
        return (run, task, attempt) in self._seen

    def _take(self, line: bytes, unknown_usd: float) -> None:
        if not any(name in line for name in self._names):
            return
        with suppress(ValueError, TypeError, KeyError):
            told: dict[str, Any] = json.loads(line)
            identity = (told["run_id"], told["task_id"], told["attempt"])
            is_old = _at(told["timestamp"]) < _at(self._since)
            if is_old or identity in self._seen or told["run_id"] == self._run:
                return
            if told.get("origin", "live") != "live":
                return  # it was imported: nothing was used for it now
            used = _usage(told, unknown_usd)
            self._seen.add(identity)
            self._total = _sum(self._total, used)


def _usage(told: dict[str, Any], unknown_usd: float) -> Usage:
    tokens, cost = told.get("tokens") or {}, told.get("cost_usd")
    if cost is None:
        cost = unknown_usd if told.get("model_version") else 0.0
    return Usage(
        input_tokens=tokens.get("input") or 0,
        output_tokens=tokens.get("output") or 0,
        cache_write_tokens=tokens.get("cache_write") or 0,
        cost_usd=float(cost),
    )


def _sum(one: Usage, other: Usage) -> Usage:
    names = ("input_tokens", "output_tokens", "cache_write_tokens", "cost_usd")
    return one.model_copy(
        update={name: (getattr(one, name) or 0) + (getattr(other, name) or 0) for name in names}
    )


def _names(since: str) -> tuple[bytes, ...]:
    """The dates, in UTC, that a local day can have: as they stand in a line."""
    first = _at(since)
    days = (first + timedelta(days=more) for more in (0, 1, 2))
    return tuple(day.strftime("%Y-%m-%d").encode() for day in days)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
