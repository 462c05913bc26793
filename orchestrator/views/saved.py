"""What tools saved, out of the store: each saving with the measured tasks that it was booked against. Refuses to compute; reports.offloaded does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.model.outloop import Occurrence, Saving
from orchestrator.outloop import offload
from orchestrator.outloop.store import Store
from orchestrator.reports import offloaded
from orchestrator.reports.offloaded import Entry


def report(
    book: Store | None, least: float, days: int | None = None, since: str = ""
) -> dict[str, Any]:
    """As a document. `least`: from which similarity on a task was nothing but the operation (patterns.match). `since`: ISO-8601; empty: all."""
    head = {"version": 1, "report": "savings", "window_days": days}
    if book is None:
        return head | offloaded.document([], [])
    calls = [one for one in book.calls() if one.at >= since]
    savings = [one for one in book.savings() if one.at >= since]
    ids = {one.signature: one.id for one in book.patterns()}
    wanted = {one.pattern for one in savings if one.pattern in ids}
    seen = {name: book.occurrences(ids[name]) for name in wanted if name}
    entries = [_entry(one, seen.get(one.pattern or "", ()), least) for one in savings]
    return head | offloaded.document(calls, entries)


def _entry(saving: Saving, seen: Sequence[Occurrence], least: float) -> Entry:
    """With those that were there when it was booked."""
    before = [one for one in offload.measured(seen, least) if one.at <= saving.at]
    if len(before) != saving.baseline:
        return Entry(saving, None, None)
    costs = tuple(one.cost_usd for one in before if one.cost_usd is not None)
    return Entry(saving, tuple(float(one.tokens or 0) for one in before), costs)
