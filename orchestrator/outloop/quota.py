"""The month's tokens out of the ledger, and what clients told of their quotas out of the journal, for a forecast. Refuses to ask a provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, tzinfo
from pathlib import Path

from pydantic import ValidationError

from orchestrator import ledger
from orchestrator.journal import HOME, beside, file
from orchestrator.model import EventKind, QuotaWindow
from orchestrator.outloop.forecast import Forecast, Seen, by_day, first_day, forecast
from orchestrator.settings import QuotaSettings, ledger_folder

NEWEST = 20_000  # events that are looked through: what was told before them is long past
MOST = 50  # of these, that tell of a quota
TOLD = """
SELECT crc, seq, run, at, kind, task, attempt, data FROM events
WHERE seq > (SELECT coalesce(max(seq), 0) FROM events) - ? AND kind = ? AND instr(data, '"windows"')
ORDER BY seq DESC LIMIT ?"""


def look(root: Path, settings: QuotaSettings, wall: float, zone: tzinfo | None = None) -> Forecast:
    """At this Unix time; `zone` None: that of this machine. RecordError and OSError say what could not be read."""
    return days(root, settings, wall, zone)[0]


def days(
    root: Path, settings: QuotaSettings, wall: float, zone: tzinfo | None = None
) -> tuple[Forecast, dict[date, int]]:
    """The same, with the tokens of each day that it is made of."""
    now = datetime.fromtimestamp(wall).astimezone(zone)
    start = datetime.combine(first_day(now.date()), datetime.min.time(), zone).astimezone()
    daily = by_day(_used(start), zone)
    return forecast(daily, now, settings.month_tokens, windows(root)), daily


def risk(root: Path, settings: QuotaSettings, wall: float) -> Forecast:
    """The same for who asks often: without a limit of the month nothing of the ledger can be at risk, and it is not read."""
    if settings.month_tokens:
        return look(root, settings, wall)
    return forecast({}, datetime.fromtimestamp(wall).astimezone(), 0, windows(root))


def _used(since: datetime) -> Iterator[tuple[datetime, int]]:
    """Of all projects, as budgets count: what was read and written anew, of attempts that were made here."""
    for one in ledger.skim(ledger_folder(), since.isoformat()).entries:
        tokens = (one.tokens.input, one.tokens.output, one.tokens.cache_write)
        if one.origin == "live":
            yield datetime.fromisoformat(one.timestamp), sum(filter(None, tokens))


def windows(root: Path) -> list[Seen]:
    """The last word of this project's agents on each window."""
    with beside.to_read(root) as connection:
        if connection is None:
            return []
        rows = connection.execute(TOLD, (NEWEST, EventKind.WORKER_REPORTED, MOST)).fetchall()
        events = file.events(root / HOME / "journal.db", reversed(rows))
    found: dict[tuple[str, str], Seen] = {}
    for event in events:
        at = datetime.fromisoformat(event.at).timestamp()
        for told in event.data.get("windows", ()):
            with suppress(ValidationError):
                one = QuotaWindow.model_validate(told)
                found[one.provider, one.name] = Seen(one, at)
    return list(found.values())
