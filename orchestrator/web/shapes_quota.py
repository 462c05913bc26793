"""A month of tokens as a picture: the sum so far, where it goes, the limit. Pure; refuses to draw where nothing is on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

from orchestrator.outloop.forecast import Forecast

HEIGHT = 200  # px of the plot
ROOM = 1.08  # above the highest
STEPS = (1, 2, 2.5, 5, 10)
LINES = 4  # of the grid, at most
SIGNS = ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k"))


class Mark(NamedTuple):
    at: float  # per cent of the width, or px from the top
    word: str
    anchor: str = "middle"


class Picture(NamedTuple):
    """Points as SVG has them, in a box of 100 by HEIGHT."""

    used: str
    ahead: str  # empty: the month's last day
    band: str
    limit: float | None  # px from the top
    today: float  # per cent
    days: tuple[Mark, ...]
    grid: tuple[Mark, ...]
    told: str
    height: int = HEIGHT


def picture(found: Forecast, daily: Mapping[date, int]) -> Picture | None:
    total, band = found.projected_total, found.projected_range
    if total is None or band is None:
        return None
    last = found.today.day + found.days_remaining
    top = ROOM * max(band[1], found.current_month_tokens, found.quota_limit or 0, 1)

    def point(day: float, tokens: float) -> str:
        return f"{round(100 * day / last, 2)},{_y(tokens, top)}"

    sums = _sums(found.today, daily)
    begin = point(found.today.day, found.current_month_tokens)
    ends = [point(last, count) for count in (total, band[1], band[0])]
    is_last = not found.days_remaining
    return Picture(
        used=" ".join(point(day, count) for day, count in enumerate(sums)),
        ahead="" if is_last else f"{begin} {ends[0]}",
        band="" if is_last else f"{begin} {ends[1]} {ends[2]}",
        limit=_y(found.quota_limit, top) if found.quota_limit else None,
        today=round(100 * found.today.day / last, 2),
        days=tuple(_days(last)),
        grid=tuple(Mark(_y(count, top), short(count)) for count in _grid(top)),
        told=_told(found, total, band),
    )


def short(count: float) -> str:
    for size, sign in SIGNS:
        if count >= size:
            return f"{count / size:.3g}{sign}"
    return f"{count:.0f}"


def _y(tokens: float, top: float) -> float:
    return round(HEIGHT * (1 - tokens / top), 2)


def _sums(today: date, daily: Mapping[date, int]) -> list[int]:
    """At the end of each day of the month, from 0 before the first."""
    sums = [0]
    for day in range(1, today.day + 1):
        sums.append(sums[-1] + daily.get(today - timedelta(days=today.day - day), 0))
    return sums


def _days(last: int) -> list[Mark]:
    """The ends of some days, each in its place; the last at the edge."""
    shown = [Mark(round(100 * day / last, 2), str(day)) for day in (7, 14, 21)]
    return [Mark(0, "day 0", "start"), *shown, Mark(100, str(last), "end")]


def _grid(top: float) -> list[float]:
    least = top / LINES
    power = 10 ** (len(str(int(least))) - 1)
    step = next(one * power for one in STEPS if one * power >= least)
    return [n * step for n in range(1, LINES + 1) if n * step < top]


def _told(found: Forecast, total: int, band: tuple[int, int]) -> str:
    limit = f", of a limit of {short(found.quota_limit)}" if found.quota_limit else ""
    return (
        f"{short(found.current_month_tokens)} tokens until day {found.today.day}; at the end of the month "
        f"{short(total)} ({short(band[0])} to {short(band[1])}){limit}"
    )
