"""The month as a picture: its sums, where they go and the limit, in every month and at its ends. Pure."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.outloop.forecast import forecast
from orchestrator.web.shapes_quota import HEIGHT, picture, short

NOON = datetime(2026, 4, 16, 12, tzinfo=UTC)


def points(words: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (one.split(",") for one in words.split())]


def test_ten_a_day_go_on_to_300_below_a_limit_of_400():
    daily = {NOON.date() - timedelta(days=n): 10 for n in range(16)}
    found = picture(forecast(daily, NOON, 400), daily)
    assert found is not None
    used, ahead = points(found.used), points(found.ahead)
    assert [x for x, _ in used] == [round(100 * day / 30, 2) for day in range(17)]
    assert used[0] == (0, HEIGHT)
    assert ahead[0] == used[-1]
    assert ahead[1][0] == 100
    assert found.limit is not None
    assert 0 < found.limit < ahead[1][1] < used[-1][1]
    # 160 of 16 days, 300 of 30: on one line
    assert abs((HEIGHT - ahead[1][1]) * 16 - (HEIGHT - used[-1][1]) * 30) < 1
    assert found.told == "160 tokens until day 16; at the end of the month 300 (300 to 300), of a limit of 400"  # fmt: skip
    assert [one.word for one in found.days] == ["day 0", "7", "14", "21", "30"]


def test_nothing_on_record_is_no_picture_and_the_last_day_has_nothing_ahead():
    assert picture(forecast({}, NOON, 400), {}) is None
    last = NOON.replace(day=30)
    daily = {last.date(): 5, last.date() - timedelta(days=1): 7}
    found = picture(forecast(daily, last, 0), daily)
    assert found is not None
    assert (found.ahead, found.band, found.limit) == ("", "", None)
    assert points(found.used)[-1][0] == 100


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC)),
    st.lists(st.integers(0, 10**12), min_size=1, max_size=31),
    st.integers(0, 10**13),
)
def test_all_of_it_lies_within_its_frame(now: datetime, counts: list[int], limit: int):
    daily = {now.date() - timedelta(days=n): count for n, count in enumerate(counts)}
    found = picture(forecast(daily, now, limit), daily)
    if found is None:
        return
    every = [one for words in (found.used, found.ahead, found.band) for one in points(words)]
    every += [(0.0, one.at) for one in found.grid] + [(0.0, found.limit or 0.0)]
    assert all(0 <= x <= 100 and 0 <= y <= HEIGHT for x, y in every)
    ups = [y for _, y in points(found.used)]
    assert ups == sorted(ups, reverse=True)
    assert len(ups) == now.day + 1
    assert len(found.grid) <= 4
    assert found.days[-1].word == str(monthrange(now.year, now.month)[1])


def test_amounts_are_short():
    told = {0: "0", 950: "950", 12_000: "12k", 5_450_000: "5.45M", 2e9: "2G"}
    assert {count: short(count) for count in told} == told
