"""When `learn` runs by itself: what crontab and systemd of this user really say. Refuses to name a day on which nothing would happen."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

NOTHING = "nothing is scheduled (docs/learning.md has the lines for cron and systemd)"
TIMER = "orchestrator-learn.timer"
CALLED = re.compile(r"\borchestrator\s+learn\b")
NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))  # minute, hour, day, month, weekday
WORDS = {
    name: str(number)
    for names, begin in (
        ("jan feb mar apr may jun jul aug sep oct nov dec", 1),
        ("sun mon tue wed thu fri sat", 0),
    )
    for number, name in enumerate(names.split(), begin)
}
FARTHEST = timedelta(days=366 * 8)  # 29 February, over a year of 100 without one


def next_run(now: datetime | None = None) -> str:
    """The first of all that are scheduled, in local time."""
    now = now or datetime.now().astimezone()
    found = [(when, "crontab") for when in _of_cron(now)] + [(w, "systemd") for w in _of_systemd()]
    if not found:
        return NOTHING
    when, who = min(found)
    return f"{when:%Y-%m-%d %H:%M} ({who})"


# --- cron -----------------------------------------------------------------------------------------


def _of_cron(now: datetime) -> list[datetime]:
    times = [after(line, now) for line in cron_lines(_said("crontab", "-l"))]
    return [when for when in times if when is not None]


def cron_lines(table: str) -> list[str]:
    """The five fields of each line that calls `orchestrator learn`."""
    found = []
    for line in table.splitlines():
        words = line.split()
        if line.lstrip().startswith("#") or not CALLED.search(line):
            continue
        found += [NAMED.get(words[0], " ".join(words[:5]))]
    return found


def after(fields: str, now: datetime) -> datetime | None:
    """The first time after `now` that five fields of cron mean. None: never, or they are none."""
    try:
        parts = zip(fields.lower().split(), FIELDS, strict=True)
        minutes, hours, days, months, weekdays = (_values(text, *ends) for text, ends in parts)
    except ValueError:
        return None
    weekdays |= {0} if 7 in weekdays else set()
    every_day, every_weekday = (fields.split()[place].startswith("*") for place in (2, 4))
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    end = day + FARTHEST
    while day < end:
        in_days, in_weekdays = day.day in days, day.isoweekday() % 7 in weekdays
        both = in_days and in_weekdays
        if day.month in months and (both if every_day or every_weekday else in_days or in_weekdays):
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    if (when := day.replace(hour=hour, minute=minute)) > now:
                        return when
        day += timedelta(days=1)
    return None


def _values(text: str, low: int, high: int) -> set[int]:
    found = set[int]()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = (str(low) + "-" + str(high) if span == "*" else span).partition("-")
        begin = int(WORDS.get(first, first))
        end = int(WORDS.get(last, last)) if last else (high if step else begin)
        if not low <= begin <= end <= high:
            raise ValueError(f"{part} is not within {low}-{high}")
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


# --- systemd --------------------------------------------------------------------------------------


def _of_systemd() -> list[datetime]:
    told = _said(
        "systemctl",
        "--user",
        "show",
        TIMER,
        "--property=NextElapseUSecRealtime",
        "--timestamp=unix",
    )
    found = re.search(r"=@(\d+)", told)
    return [datetime.fromtimestamp(int(found[1])).astimezone()] if found else []


def _said(*argv: str) -> str:
    """Nothing where there is no such program, or it does not answer."""
    import anyio

    from orchestrator.process import brief

    call = partial(brief.call, argv, cwd=Path.home(), env=os.environ, timeout_s=5.0)
    try:
        done = anyio.run(call)
    except (OSError, brief.TooLong):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.code == 0 else ""
