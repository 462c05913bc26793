"""Whether the month's tokens last: what was used, and the days left at the pace of the last seven. Pure; refuses to call nothing known a low figure.

The formula is the stated one (C-22): tokens of this month + whole days left x mean of the seven whole days before today, with a
band from the least to the most of these days. Days are local dates. Days before the first use on record are no quiet days: they
are left out. Where no whole day is known, today counts as one, and is the least that it can be.

The risk is high where that projection is above the limit, medium where only the upper end of its band is, else low. Of windows
that a client has told it is high from 90% of one on (or where its provider has refused), medium from 75% on, until it opens
again: a five-hour window that was told longer ago than that is over, whatever else was told. The worst of them counts.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from math import inf
from typing import Any, Literal, NamedTuple

from orchestrator.model import QuotaWindow

TRAILING = 7  # days
FULL, FILLING = 0.90, 0.75  # of a window: high from here on, and medium
LENGTHS = {"five_hour": 5 * 3600, "seven_day": 7 * 86_400}  # seconds, by how the name begins
LOOKBACK = 2 * TRAILING  # days before today that tell when the first use was

Risk = Literal["low", "medium", "high"]
RANK: tuple[Risk, ...] = ("low", "medium", "high")


class Seen(NamedTuple):
    """A window as a client told it, and when (Unix seconds)."""

    window: QuotaWindow
    at: float

    def is_open_again(self, now: float) -> bool:
        """At the moment that was told, and no later than it is long; where neither is known, after the longest that is."""
        name, opens = self.window.name, self.window.resets_at
        length = next((s for begin, s in LENGTHS.items() if name.startswith(begin)), None)
        if length is None and opens is not None:
            return opens <= now
        return (
            min(inf if opens is None else opens, self.at + (length or max(LENGTHS.values()))) <= now
        )


class Forecast(NamedTuple):
    """Tokens. None where there is nothing to say it by."""

    today: date
    current_month_tokens: int
    days_remaining: int  # whole days after today
    days_known: int  # of the trailing seven; 0: today stands for them
    daily_mean: float | None
    daily_range: tuple[int, int] | None
    projected_total: int | None
    projected_range: tuple[int, int] | None
    quota_limit: int | None
    windows: tuple[Seen, ...]  # that have not opened again
    risk_level: Risk
    reason: str  # of the risk
    recommendations: tuple[str, ...]

    @property
    def risk_told(self) -> str:
        """As people read it: where nothing has a limit, there is nothing that could be low."""
        is_known = self.quota_limit is not None or self.windows
        return self.risk_level.upper() if is_known else "not known"


def first_day(today: date) -> date:
    """From when on uses are needed."""
    return min(today.replace(day=1), today - timedelta(days=LOOKBACK))


def by_day(used: Iterable[tuple[datetime, int]], zone: tzinfo | None) -> dict[date, int]:
    """`zone` None: that of this machine, as it was at each moment."""
    found = defaultdict[date, int](int)
    for at, tokens in used:
        found[at.astimezone(zone).date()] += tokens
    return dict(found)


def forecast(
    daily: Mapping[date, int], now: datetime, limit: int, windows: Sequence[Seen] = ()
) -> Forecast:
    """`now` in the zone whose dates the days are. `limit` 0: none is known."""
    today = now.date()
    month = {day: count for day, count in daily.items() if _is_same_month(day, today)}
    current = sum(count for day, count in month.items() if day <= today)
    left = monthrange(today.year, today.month)[1] - today.day
    days = _trailing(daily, today)
    sample = days or ([daily[today]] if daily.get(today) else [])
    mean = sum(sample) / len(sample) if sample else None
    band = (min(sample), max(sample)) if sample else None
    known = [one for one in windows if not one.is_open_again(now.timestamp())]
    found = Forecast(
        today=today,
        current_month_tokens=current,
        days_remaining=left,
        days_known=len(days),
        daily_mean=mean,
        daily_range=band,
        projected_total=None if mean is None else round(current + left * mean),
        projected_range=None
        if band is None
        else (current + left * band[0], current + left * band[1]),
        quota_limit=limit or None,
        windows=tuple(known),
        risk_level="low",
        reason="",
        recommendations=(),
    )
    risk, reason = max(
        (_of_month(found), *map(_of_window, known)), key=lambda one: RANK.index(one[0])
    )
    found = found._replace(risk_level=risk, reason=reason)
    return found._replace(recommendations=tuple(_recommend(found)))


def _is_same_month(day: date, today: date) -> bool:
    return (day.year, day.month) == (today.year, today.month)


def _trailing(daily: Mapping[date, int], today: date) -> list[int]:
    """Of the whole days before today, the oldest first; a quiet day counts 0 once something was used before it."""
    first = min((day for day, count in daily.items() if count), default=today)
    days = (today - timedelta(days=back) for back in range(TRAILING, 0, -1))
    return [daily.get(day, 0) for day in days if day >= first]


# --- the risk ---------------------------------------------------------------------------------------


def _of_month(found: Forecast) -> tuple[Risk, str]:
    limit, projected, band = found.quota_limit, found.projected_total, found.projected_range
    if limit is None:
        return "low", "no limit of the month is known"
    if found.current_month_tokens > limit:
        return "high", f"the month's limit of {_short(limit)} tokens is used up"
    if projected is None or band is None:
        return "low", "nothing is on record yet"
    if projected > limit:
        over = f"{_short(projected)} of {_short(limit)} tokens"
        return "high", f"the month would end at {over}, {_short(projected - limit)} over"
    if band[1] > limit:
        return (
            "medium",
            f"at the pace of the busiest of these days the month would end at {_short(band[1])} of {_short(limit)} tokens",
        )
    return "low", f"the month would end at {_short(projected)} of {_short(limit)} tokens"


def _of_window(seen: Seen) -> tuple[Risk, str]:
    window = seen.window
    told = f"{window.utilization:.0%} of {window.provider}'s {window.name} window is used"
    if window.is_refused:
        return "high", f"{window.provider} refuses until its {window.name} window opens again"
    return (
        "high"
        if window.utilization >= FULL
        else "medium"
        if window.utilization >= FILLING
        else "low",
        told,
    )


def _recommend(found: Forecast) -> Iterable[str]:
    limit, left = found.quota_limit, found.days_remaining
    if limit is None:
        yield "set quota.month_tokens in .orchestrator/config.toml: without a limit nothing of the month can be at risk"
    elif _of_month(found)[0] == "high" and left and found.current_month_tokens < limit:
        pace = (limit - found.current_month_tokens) / left
        yield f"use at most {_short(pace)} tokens a day from tomorrow on; the mean is {_short(found.daily_mean or 0)}"
    if limit is not None and _of_month(found)[0] != "low":
        yield "start tasks on a cheaper tier (run --quality basic), or put off what can wait (priority: -1 in its plan)"
        yield "raise quota.month_tokens, if your plan allows more"
    for seen in found.windows:
        if _of_window(seen)[0] == "high":
            yield f"leave what can wait until {seen.window.provider}'s {seen.window.name} window opens again"


# --- as text and as a document ----------------------------------------------------------------------


def throttle(found: Forecast, *, on: bool) -> str | None:
    """Why plans of low priority wait; None: they need not (S3-29)."""
    if not on or found.risk_level != "high":
        return None
    return f"behind quota: {found.reason}"


def rows(
    found: Forecast, *, throttles: bool, at: Callable[[float], str], ago: Callable[[float], str]
) -> Iterable[tuple[str, str]]:
    """A name and its words. `at` says a moment, `ago` how long it is past."""
    day = f"{found.today:%Y-%m}"
    yield "month so far", f"{_short(found.current_month_tokens)} new tokens ({day}, with today)"
    if found.daily_mean is None or found.daily_range is None:
        yield "a day", "nothing is on record yet"
    else:
        of = (
            f"the last {found.days_known} days"
            if found.days_known > 1
            else "one day"
            if found.days_known
            else "today so far, at least"
        )
        yield "a day", f"{_short(found.daily_mean)} ({_span(found.daily_range)}), of {of}"
    if found.projected_total is not None and found.projected_range is not None:
        left = f"{found.days_remaining} day{'' if found.days_remaining == 1 else 's'} left"
        yield (
            "end of month",
            f"{_short(found.projected_total)} ({_span(found.projected_range)}), {left}",
        )
    yield "limit", _short(found.quota_limit) if found.quota_limit else "none is known"
    for seen in found.windows:
        window = seen.window
        opens = f", opens again {at(window.resets_at)}" if window.resets_at is not None else ""
        refused = ", refused" if window.is_refused else ""
        yield (
            f"{window.provider} {window.name}",
            f"{window.utilization:.0%} used{refused}{opens} (told {ago(seen.at)} ago)",
        )
    yield "risk", f"{found.risk_told}: {found.reason}"
    if found.risk_level == "high":
        low = (
            "plans with a priority below 0 wait in the daemon"
            if throttles
            else "nothing waits: quota.throttle is off"
        )
        yield "throttling", low


def document(found: Forecast, *, throttles: bool) -> dict[str, Any]:
    """The seed's names, and what stands behind them."""
    pair = {"low": 0, "high": 0}
    return {
        "month": f"{found.today:%Y-%m}",
        "current_month_tokens": found.current_month_tokens,
        "days_remaining": found.days_remaining,
        "days_known": found.days_known,
        "daily_mean": None if found.daily_mean is None else round(found.daily_mean),
        "daily_range": found.daily_range and dict(zip(pair, found.daily_range, strict=True)),
        "projected_total": found.projected_total,
        "projected_range": found.projected_range
        and dict(zip(pair, found.projected_range, strict=True)),
        "quota_limit": found.quota_limit,
        "windows": [
            {**one.window.model_dump(mode="json"), "told_at": one.at} for one in found.windows
        ],
        "risk_level": found.risk_level,
        "reason": found.reason,
        "throttles": throttles and found.risk_level == "high",
        "recommendations": list(found.recommendations),
    }


def _short(count: float) -> str:
    for size, sign in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if count >= size:
            return f"{count / size:.1f}".removesuffix(".0") + sign
    return f"{count:.0f}"


def _span(pair: tuple[int, int]) -> str:
    return f"{_short(pair[0])}-{_short(pair[1])}"
