"""What `patterns analyze` and the daemon's clock do: count what is new, find candidates, write suggestions. Refuses what its switches forbid."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import OrchestratorError
from orchestrator.model.outloop import Pattern
from orchestrator.outloop import discovery, github, store, suggestion, sync
from orchestrator.outloop.discovery import Thresholds
from orchestrator.outloop.store import Store
from orchestrator.outloop.sync import MONTH
from orchestrator.settings import Settings
from orchestrator.settings.outloop import PatternSettings


class Analysed(NamedTuple):
    """`new`: occurrences. `written`: suggestions that were not there yet. `activated`: patterns whose tool is used from now on.

    `whole`: of each candidate's signature, how many of its tasks asked for nothing else; a tool takes only those.
    """

    new: int = 0
    candidates: tuple[Pattern, ...] = ()
    written: tuple[Path, ...] = ()
    activated: tuple[Pattern, ...] = ()
    whole: Mapping[str, int] = {}


def analyze(root: Path, chosen: Settings) -> Analysed:
    words, new = chosen.patterns, 0
    if words.detect:
        new = sync.sync(root, words.match, chosen.context.tokens_per_file)
        sync.prune(root, chosen.run.retention_days)
    since = sync.ago(MONTH)
    # What takes long where there are many patterns only reads: an engine must write meanwhile.
    with store.reading(root) as kept:
        if not words.discover or kept is None or not kept.patterns():
            return Analysed(new)
        worth = discovery.choose(kept, _least(words), since)
    with store.writing(root) as book:
        found = discovery.nominate(book, worth, since)
        activated = _activated(book, found, words)
        candidates = [one for one in found if one.signature not in {a.signature for a in activated}]
    with store.reading(root) as kept:
        texts = [(one, _text(kept, one, words.match)) for one in candidates] if kept else []
        whole = (
            {one.signature: wholes(kept, one, words.match) for one in candidates} if kept else {}
        )
    written = [
        suggestion.place(root, one) for one, text in texts if suggestion.write(root, one, text)
    ]
    return Analysed(new, tuple(candidates), tuple(written), tuple(activated), whole)


def wholes(book: Store, one: Pattern, match: float) -> int:
    return suggestion.wholes(book.occurrences(one.id), match)


def current(book: Store) -> list[Pattern]:
    """All patterns with what the last 30 days come to by now, the one that would save most first. Nothing is written."""
    monthly = book.monthly(sync.ago(MONTH))
    found = [one.model_copy(update={"monthly_usd": monthly.get(one.id, 0.0)}) for one in book.patterns()]  # fmt: skip
    return sorted(found, key=lambda one: (-one.monthly_usd, -one.occurrences, one.signature))


def find(book: Store, name: str) -> Pattern:
    """One of them, by its number or its signature; UsageError with the nearest one."""
    found = book.find(name)
    return next(one for one in current(book) if one.id == found.id)


class Published(NamedTuple):
    """Patterns with where their issues are, and why there are no more of them."""

    opened: tuple[tuple[Pattern, str], ...] = ()
    trouble: OrchestratorError | None = None


async def publish(
    root: Path, candidates: tuple[Pattern, ...], match: float = suggestion.MATCH
) -> Published:
    """As issues, each once, until one cannot be opened."""
    opened = list[tuple[Pattern, str]]()
    try:
        async for one in _published(root, candidates, match):
            opened.append(one)
    except OrchestratorError as trouble:
        return Published(tuple(opened), trouble)
    return Published(tuple(opened))


async def _published(
    root: Path, candidates: tuple[Pattern, ...], match: float
) -> AsyncIterator[tuple[Pattern, str]]:
    for one in candidates:
        if one.issue is None:
            with store.reading(root) as book:
                body = _text(book, one, match) if book else ""
            name = suggestion.title(one)
            where = await github.open_issue(root, name, body, suggestion.LABELS)
            with store.writing(root) as books:
                books.suggested(one.signature, where)
            yield one, where


def _activated(book: Store, found: list[Pattern], words: PatternSettings) -> list[Pattern]:
    allowed = discovery.activate_themselves(book, found) if words.auto_activate else []
    return discovery.serve_waiting(book) + allowed


def _text(book: Store, one: Pattern, match: float) -> str:
    served = discovery.served_by(book, one)
    return suggestion.render(one, book.occurrences(one.id), served, match, sync.ago(MONTH))


def _least(words: PatternSettings) -> Thresholds:
    return Thresholds(words.min_occurrences, words.min_confidence, words.min_monthly_usd)
