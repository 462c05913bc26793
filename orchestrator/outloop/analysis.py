"""What `patterns analyze` and the daemon's clock do: count what is new, find candidates, write suggestions. Refuses what its switches forbid."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from orchestrator import clock
from orchestrator.model.outloop import Pattern
from orchestrator.outloop import discovery, github, store, suggestion, sync
from orchestrator.outloop.discovery import Thresholds
from orchestrator.outloop.store import Store
from orchestrator.settings import Settings
from orchestrator.settings.outloop import PatternSettings

DAY_S = 86_400
MONTH = 30  # days


class Analysed(NamedTuple):
    """`new`: occurrences. `written`: suggestions that were not there yet. `activated`: patterns whose tool is used from now on."""

    new: int = 0
    candidates: tuple[Pattern, ...] = ()
    written: tuple[Path, ...] = ()
    activated: tuple[Pattern, ...] = ()


def analyze(root: Path, chosen: Settings) -> Analysed:
    words, new = chosen.patterns, 0
    if words.detect:
        new = sync.sync(root, words.match, chosen.context.tokens_per_file)
        _prune(root, chosen.run.retention_days)
    since = _since()
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
    written = [
        suggestion.place(root, one) for one, text in texts if suggestion.write(root, one, text)
    ]
    return Analysed(new, tuple(candidates), tuple(written), tuple(activated))


async def publish(
    root: Path, candidates: tuple[Pattern, ...], match: float = suggestion.MATCH
) -> list[tuple[Pattern, str]]:
    """As issues, each once: with where they are."""
    opened = []
    for one in candidates:
        if one.issue is None:
            with store.reading(root) as book:
                body = _text(book, one, match) if book else ""
            name = suggestion.title(one)
            where = await github.open_issue(root, name, body, suggestion.LABELS)
            with store.writing(root) as books:
                books.suggested(one.signature, where)
            opened.append((one, where))
    return opened


def _prune(root: Path, days: int) -> None:
    """A month stays in any case: what a pattern saves is told of it."""
    with store.reading(root) as kept:
        if kept is None:
            return
    with store.writing(root) as book:
        book.prune(_since(max(days, MONTH)))


def _activated(book: Store, found: list[Pattern], words: PatternSettings) -> list[Pattern]:
    allowed = discovery.activate_themselves(book, found) if words.auto_activate else []
    return discovery.serve_waiting(book) + allowed


def _text(book: Store, one: Pattern, match: float) -> str:
    served = discovery.served_by(book, one)
    return suggestion.render(one, book.occurrences(one.id), served, match)


def _least(words: PatternSettings) -> Thresholds:
    return Thresholds(words.min_occurrences, words.min_confidence, words.min_monthly_usd)


def _since(days: int = MONTH) -> str:
    at = datetime.fromtimestamp(clock.wall() - days * DAY_S, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
