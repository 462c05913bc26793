"""The month's end: whatever its length, its zone and what is known, by one stated formula with its band."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import QuotaWindow
from orchestrator.outloop.forecast import RANK, Seen, by_day, document, forecast, rows, throttle

M = 1_000_000
HOUR_S, DAY_S = 3600, 86_400
NOON = datetime(2026, 4, 16, 12, tzinfo=UTC)


def days(until: date, *tokens: int) -> dict[date, int]:
    """The last of them is the day before `until`."""
    return {until - timedelta(days=back): count for back, count in enumerate(reversed(tokens), 1)}


def window(
    used: float,
    *,
    resets_at: float | None = None,
    refused: bool = False,
    name: str = "five_hour",
    ago_s: float = 600,
) -> Seen:
    told = QuotaWindow(
        provider="anthropic",
        name=name,
        utilization=used,
        resets_at=resets_at,
        is_refused=refused,
    )
    return Seen(told, NOON.timestamp() - ago_s)


def test_s3_28_the_seeds_figures_give_what_the_formula_says_and_not_its_own():
    """C-22: 185M with 14 days left. Its 345M need 11.4M a day; 185M in 14 days are 13.2M, in 16 days 11.6M, and it says 20M."""
    april = NOON.date()
    evenly = days(april, *[185 * M // 15] * 15)
    found = forecast(evenly, NOON, 300 * M)
    assert (found.days_remaining, found.quota_limit) == (14, 300 * M)
    assert found.current_month_tokens == pytest.approx(185 * M, abs=15)
    assert found.projected_total == pytest.approx(185 * M + 14 * 185 * M / 15, abs=30)  # 357.7M
    assert (found.risk_level, found.reason) == (
        "high",
        "the month would end at 357.7M of 300M tokens, 57.7M over",
    )
    for pace, projected in ((185 / 14, 370), (11.4, 344.6), (20, 465)):
        earlier = 185 * M - 7 * round(pace * M)
        used = days(april, *[earlier // 8] * 8, *[round(pace * M)] * 7)
        total = forecast(used, NOON, 300 * M).projected_total
        assert total == pytest.approx(projected * M, rel=0.001)


@pytest.mark.parametrize(
    ("at", "length"),
    [((2026, 2), 28), ((2028, 2), 29), ((2026, 4), 30), ((2026, 1), 31), ((2026, 12), 31)],
)
def test_s3_28_each_length_of_a_month(at: tuple[int, int], length: int):
    for day in range(1, length + 1):
        now = datetime(*at, day, 23, 59, tzinfo=UTC)
        used = days(now.date(), *range(10, 50))  # 40..49 in the last ten
        used[now.date()] = 7
        found = forecast(used, now, 0)
        assert found.days_remaining == length - day
        assert found.days_known == 7
        month = sum(count for one, count in used.items() if (one.month, one.year) == (at[1], at[0]))
        assert found.current_month_tokens == month
        assert found.projected_total == month + (length - day) * 46
        assert found.projected_range == (month + (length - day) * 43, month + (length - day) * 49)


def test_s3_28_the_first_day_of_a_month_goes_by_the_days_before_it():
    now = datetime(2026, 5, 1, 0, 5, tzinfo=UTC)
    found = forecast(days(now.date(), *[10 * M] * 7), now, 290 * M)
    assert (found.current_month_tokens, found.projected_total) == (0, 300 * M)
    assert found.risk_level == "high"


def test_s3_28_without_data_nothing_is_said():
    found = forecast({}, NOON, 300 * M)
    assert (found.current_month_tokens, found.daily_mean, found.projected_total) == (0, None, None)
    assert (found.risk_level, found.reason) == ("low", "nothing is on record yet")


def test_s3_28_on_the_first_day_of_use_today_is_the_least_that_a_day_can_be():
    found = forecast({NOON.date(): 3 * M}, NOON, 300 * M)
    assert (found.days_known, found.daily_mean, found.projected_total) == (0, 3 * M, 45 * M)


def test_days_before_the_first_use_are_left_out_and_quiet_days_after_it_are_not():
    today = NOON.date()
    assert forecast(days(today, 6, 0), NOON, 0).daily_mean == 3
    assert forecast(days(today, 1, *[0] * 6, 7), NOON, 0).daily_mean == 1
    assert forecast(days(today, *[0] * 6, 7), NOON, 0).daily_mean == 7


@pytest.mark.parametrize(
    ("hour", "zone", "day"),
    [
        (datetime(2026, 3, 31, 22, 30, tzinfo=UTC), "Europe/Berlin", date(2026, 4, 1)),  # +2
        (datetime(2026, 10, 31, 22, 30, tzinfo=UTC), "Europe/Berlin", date(2026, 10, 31)),  # +1
        (datetime(2026, 3, 31, 22, 30, tzinfo=UTC), "America/New_York", date(2026, 3, 31)),
        (datetime(2026, 3, 31, 12, 0, tzinfo=UTC), "Pacific/Auckland", date(2026, 4, 1)),
    ],
)
def test_s3_28_days_are_those_of_the_zone(hour: datetime, zone: str, day: date):
    assert by_day([(hour, 5)], ZoneInfo(zone)) == {day: 5}


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_s3_28_a_day_of_23_or_25_hours_is_one_day(day: date):
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(day.year, day.month, day.day, tzinfo=berlin).astimezone(UTC)
    next_day = day + timedelta(days=1)
    end = datetime(next_day.year, next_day.month, next_day.day, tzinfo=berlin).astimezone(UTC)
    hours = round((end - begin) / timedelta(hours=1))
    assert hours in (23, 25)
    used = [(begin + timedelta(hours=hour), 1) for hour in range(-1, hours + 1)]
    assert by_day(used, berlin) == {day - timedelta(days=1): 1, day: hours, next_day: 1}


@pytest.mark.parametrize(
    ("limit", "risk"),
    [
        (0, "low"),  # none is known
        (2440, "low"),
        (2439, "medium"),
        (2300, "medium"),
        (2299, "high"),
        (899, "high"),
    ],
)
def test_s3_29_the_risk_is_of_the_mean_and_of_the_band(limit: int, risk: str):
    """900 by the 15th, 14 days left, a mean of 100 and 110 at most; plans wait at high only, and where that is on."""
    used = days(NOON.date(), *[25] * 8, 90, 100, 100, 100, 100, 100, 110)
    found = forecast(used, NOON, limit)
    assert (found.current_month_tokens, found.projected_total) == (900, 2300)
    assert found.projected_range == (2160, 2440)
    assert found.risk_level == risk
    assert (throttle(found, on=True) is not None) == (risk == "high")
    assert throttle(found, on=False) is None


@pytest.mark.parametrize(
    ("seen", "risk"),
    [
        (window(0.74), "low"),
        (window(0.75), "medium"),
        (window(0.8999), "medium"),
        (window(0.9), "high"),
        (window(0.1, refused=True), "high"),
        (window(1.0, resets_at=NOON.timestamp()), "low"),  # it is open again
        (window(1.0, resets_at=NOON.timestamp() + 1), "high"),
        (window(1.0, ago_s=5 * HOUR_S - 1), "high"),
        (window(1.0, ago_s=5 * HOUR_S), "low"),  # that long ago it was told at last
        (window(1.0, ago_s=5 * HOUR_S, refused=True), "low"),
        (window(1.0, ago_s=6 * HOUR_S, resets_at=NOON.timestamp() + HOUR_S), "low"),
        (window(1.0, name="seven_day_opus", ago_s=7 * DAY_S - 1), "high"),
        (window(1.0, name="seven_day_opus", ago_s=7 * DAY_S), "low"),
        (window(1.0, name="seven_day", ago_s=20 * DAY_S), "low"),
        (window(1.0, name="overage", ago_s=6 * DAY_S), "high"),  # nobody knows how long it is
        (window(1.0, name="overage", ago_s=7 * DAY_S), "low"),
        (window(1.0, name="month", ago_s=20 * DAY_S, resets_at=NOON.timestamp() + 1), "high"),
    ],
)
def test_the_risk_is_the_worst_of_the_month_and_the_windows(seen: Seen, risk: str):
    assert forecast({}, NOON, 0, [seen]).risk_level == risk
    over = forecast(days(NOON.date(), 10), NOON, 5, [seen])
    assert over.risk_level == "high"


@given(
    st.dictionaries(
        st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.integers(0, 10**9), max_size=60
    ),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
    st.integers(0, 10**12),
)
def test_whatever_was_used_the_projection_is_in_its_band(
    used: dict[date, int], at: datetime, limit: int
):
    found = forecast(used, at.replace(tzinfo=UTC), limit)
    assert found.days_remaining == monthrange(at.year, at.month)[1] - at.day
    if found.projected_total is not None and found.projected_range is not None:
        low, high = found.projected_range
        assert found.current_month_tokens <= low <= found.projected_total <= high
    lower = forecast(used, at.replace(tzinfo=UTC), limit // 2) if limit > 1 else found
    assert RANK.index(lower.risk_level) >= RANK.index(found.risk_level)
    document(found, throttles=True)


def test_s3_33_the_block():
    found = forecast(
        days(NOON.date(), *[10 * M] * 8, *[15 * M] * 7),
        NOON,
        300 * M,
        [window(0.91, resets_at=NOON.timestamp() + 3600)],
    )
    told = rows(found, throttles=True, at=lambda _: "13:00", ago=lambda _: "10m 00s")
    assert "\n".join(f"{name}: {words}" for name, words in told) == (
        "month so far: 185M new tokens (2026-04, with today)\n"
        "a day: 15M (15M-15M), of the last 7 days\n"
        "end of month: 395M (395M-395M), 14 days left\n"
        "limit: 300M\n"
        "anthropic five_hour: 91% used, opens again 13:00 (told 10m 00s ago)\n"
        "risk: HIGH: the month would end at 395M of 300M tokens, 95M over\n"
        "throttling: plans with a priority below 0 wait in the daemon"
    )
    assert found.recommendations == (
        "use at most 8.2M tokens a day from tomorrow on; the mean is 15M",
        "start tasks on a cheaper tier (run --quality basic), or put off what can wait (priority: -1 in its plan)",
        "raise quota.month_tokens, if your plan allows more",
        "leave what can wait until anthropic's five_hour window opens again",
    )
