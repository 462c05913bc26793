"""Figures of patterns, tools, savings and the month's tokens for Prometheus. Refuses to keep others from being told: what cannot be read is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from orchestrator import clock
from orchestrator.errors import OrchestratorError
from orchestrator.model.outloop import PatternStatus, ToolStatus
from orchestrator.outloop import quota, store
from orchestrator.outloop.forecast import RANK
from orchestrator.outloop.store import Store
from orchestrator.settings import Settings
from orchestrator.web.metrics import Family, Rows, text


def render(root: Path, chosen: Settings) -> str:
    return text([*_kept(root), *_month(root, chosen)])


def _kept(root: Path) -> list[Family]:
    try:
        with store.reading(root) as book:
            return list(_of(book)) if book else []
    except (OrchestratorError, OSError):
        return []


def _of(book: Store) -> Iterator[Family]:
    statuses = Counter(one.status for one in book.patterns())
    rows = [({"status": str(one)}, float(statuses[one])) for one in PatternStatus]
    yield Family("orchestrator_patterns", "gauge", "Operations seen, by status", rows)
    calls = Counter(one.ok for one in book.calls())
    told = [({"ok": str(ok).lower()}, float(calls[ok])) for ok in (True, False)]
    yield Family("orchestrator_tool_calls_total", "counter", "Tasks that a tool tried", told)
    off = sum(one.status is ToolStatus.DISABLED for one in book.tools())
    says = "Tools that are switched off"
    yield Family("orchestrator_tools_disabled", "gauge", says, [({}, float(off))])
    saved = book.savings()
    tokens = float(sum(one.tokens for one in saved))
    says = "Tokens that tools saved, against measured tasks"
    yield Family("orchestrator_saved_tokens_total", "counter", says, [({}, tokens)])
    usd = float(sum(one.cost_usd for one in saved))
    says = "Dollars of them, as far as known"
    yield Family("orchestrator_saved_cost_usd_total", "counter", says, [({}, usd)])


def _month(root: Path, chosen: Settings) -> Iterator[Family]:
    """Without a limit of the month the ledger is not read, which can be long."""
    try:
        found = quota.risk(root, chosen.quota, clock.wall())
    except (OrchestratorError, OSError):
        return
    rows = [({"risk": one}, float(one == found.risk_level)) for one in RANK]
    yield Family("orchestrator_quota_risk", "gauge", "1 at the risk that there is", rows)
    if found.quota_limit and found.projected_total is not None:
        figures: Rows = [({}, float(found.projected_total))]
        says = "Tokens at the end of the month, at the pace of the last days"
        yield Family("orchestrator_quota_projected_tokens", "gauge", says, figures)
