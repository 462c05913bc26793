"""Five fields of cron -> the next time that they mean. Refuses a time that no clock has."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def after(words: str, now: datetime) -> datetime:
    """ValueError where there is none."""
    try:
        if len(words.split()) != 5:
            raise CronSimError("it has not five fields")
        return next(CronSim(words, now))
    except (CronSimError, StopIteration) as wrong:
        why = str(wrong) or "it never comes"
        raise ValueError(
            f'is no time ({why}); write it as cron does, such as "0 3 * * *", or "" for never'
        ) from wrong


def refuse_strange_times(words: str) -> str:
    if words:
        after(words, SOME_DAY)
    return words
