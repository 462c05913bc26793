"""The page of patterns: what is done again and again, what waits for a word, what tools saved, what was read in vain, whether the month lasts. Refuses what was not measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import clock, context
from orchestrator.errors import OrchestratorError
from orchestrator.model.outloop import (
    Context,
    Occurrence,
    Pattern,
    PatternStatus,
    Profile,
    Tool,
    ToolStatus,
)
from orchestrator.outloop import analysis, discovery, forecast, quota, store, suggestion, toolbox
from orchestrator.outloop.patterns import wilson
from orchestrator.outloop.store import Store
from orchestrator.settings import Settings
from orchestrator.views import saved, tooling
from orchestrator.views.text import duration, plain
from orchestrator.web import pages_learned, shapes_quota
from orchestrator.web.pages_learned import Level

TOP = 25  # patterns
STUDIED = 40  # of these, whose files are looked through
SHOWN = 10  # of these, that are shown
LATEST = 3  # examples of a candidate
RISKS = {"low": "ok", "medium": "warn", "high": "bad"}


class Candidate(NamedTuple):
    pattern: Pattern
    tool: str | None  # that could do it
    latest: tuple[Occurrence, ...]  # the newest first
    extent: str  # what of it a tool could take over


class Health(NamedTuple):
    tool: Tool
    level: Level
    said: str
    is_on: bool


def version(root: Path) -> object:
    """Of all that the page is made of: the ledger and the store. The events of a run that goes on are no part of it."""
    with store.reading(root) as book:
        return pages_learned.version(), book.stands() if book else None


def page(root: Path, chosen: Settings) -> dict[str, Any]:
    with store.reading(root) as book:
        every = analysis.current(book) if book else []
        told = _of(book, every, chosen) if book else _nothing()
        tools = [_health(one) for one in toolbox.known(book)]
        told_saved = saved.report(book, chosen.patterns.match)
    statuses = {str(one): sum(each.status is one for each in every) for one in PatternStatus}
    return {
        "top": every[:TOP],
        "total": len(every),
        "statuses": statuses,
        "tools": tools,
        "saved": told_saved,
        "switches": chosen.patterns,
        **told,
        **_quota(root, chosen),
    }


def _nothing() -> dict[str, Any]:
    return {"candidates": [], "read": None, "profiles": []}


def _of(book: Store, every: Sequence[Pattern], chosen: Settings) -> dict[str, Any]:
    match = chosen.patterns.match
    candidates = [one for one in every if one.status is PatternStatus.CANDIDATE]
    read, profiles = _contexts(book, every[:STUDIED], chosen.context.tokens_per_file)
    return {
        "candidates": [_candidate(book, one, match) for one in candidates],
        "read": read,
        "profiles": profiles[:SHOWN],
    }


def _candidate(book: Store, one: Pattern, match: float) -> Candidate:
    tool = discovery.served_by(book, one)
    seen = book.occurrences(one.id)
    extent = suggestion.extent(seen, match)
    return Candidate(one, tool.name if tool else None, tuple(reversed(seen[-LATEST:])), extent)


def _health(tool: Tool) -> Health:
    low, high = wilson(tool.successes, tool.calls)
    rate = tool.success_rate
    told = f"{tool.successes} of {tool.calls} calls"
    found = Level(tool.name, told, None if rate is None else 100 * rate, 100 * low, 100 * high, tool.calls)  # fmt: skip
    is_on = tool.status is ToolStatus.ENABLED
    return Health(tool, found, plain(tooling.health(tool)), is_on)


def _contexts(
    book: Store, every: Sequence[Pattern], per_file: int
) -> tuple[Context | None, list[Profile]]:
    """Of all that was read in these patterns' tasks together, and of each pattern; the one with most in vain first."""
    sessions = {one.id: {seen.workflow for seen in book.occurrences(one.id)} for one in every}
    told = {
        one.session: context.calculate(one.payload["loaded"], set(one.payload["used"]), per_file)
        for one in book.file_accesses(set().union(*sessions.values()))
    }
    profiles = [_profile(one, sessions[one.id], told) for one in every]
    found = [one for one in profiles if one]
    whole = context.together(told.values())
    found.sort(key=lambda one: -one.attempts * one.mean_waste_tokens)
    return whole if whole.loaded else None, found


def _profile(one: Pattern, sessions: set[str], told: Mapping[str, Context]) -> Profile | None:
    return context.profile(one.signature, [told[name] for name in sessions if name in told])


def _quota(root: Path, chosen: Settings) -> dict[str, Any]:
    """What cannot be read is said, and the rest of the page is there."""
    now = clock.wall()
    try:
        found, daily = quota.days(root, chosen.quota, now)
    except (OrchestratorError, OSError) as trouble:
        return {"quota": None, "quota_rows": [], "quota_trouble": str(trouble), "month": None}
    rows = forecast.rows(
        found,
        throttles=chosen.quota.throttle,
        at=clock.at,
        ago=lambda then: duration(max(0.0, now - then)),
    )
    return {
        "quota": found,
        "quota_rows": list(_without_risk(rows)),
        "quota_trouble": "",
        "month": shapes_quota.picture(found, daily),
        "risk": RISKS.get(found.risk_told.lower(), "idle"),
    }


def _without_risk(rows: Any) -> Iterator[tuple[str, str]]:
    """It has a place of its own."""
    return ((name, word) for name, word in rows if name != "risk")
