"""When a plan wants to be run: words that a person writes, and none that could mean two things."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import clock, reader
from orchestrator.model import PlanId
from orchestrator.reader import timing

PLAN = """---
phase: demo
plan: 01
{front}
---
<objective>x</objective>
<tasks>
<task type="auto"><name>Task 1: x</name><files>a</files><action>x</action>
<verify><automated>test -s a</automated></verify><done>x</done></task>
</tasks>
"""


def read(front: str) -> reader.Reading:
    content = PLAN.format(front=front).encode()
    return reader.read(content, "a-PLAN.md", id=PlanId("a"), max_bytes=10_000, max_tasks=10)


def codes(reading: reader.Reading) -> list[str]:
    return [one.code for one in reading.diagnostics if one.code in ("F210", "F211")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("high", 1), ("Low", -1), ("normal", 0), ("7", 7), ("-3", -3), ('"7"', 7), ("1000", 1000)],
)
def test_a_priority_is_a_word_or_a_whole_number(written: str, meant: int):
    reading = read(f"priority: {written}")
    assert reading.plan is not None
    assert (reading.plan.priority, codes(reading)) == (meant, [])


@pytest.mark.parametrize("written", ["urgent!", "1.5", "1001", "-1001", "[1]", '""'])
def test_another_priority_is_told_and_the_plan_has_the_usual_one(written: str):
    reading = read(f"priority: {written}")
    assert reading.plan is not None
    assert (reading.plan.priority, codes(reading)) == (0, ["F210"])


@pytest.mark.parametrize(
    "written",
    ["2026-12-31", "2026-12-31T22:00", '"2026-12-31 22:00"', "2026-12-31T22:00:00+01:00"],
)
@pytest.mark.parametrize("key", ["not-before", "not_before"])
def test_a_time_is_kept_as_it_was_written(key: str, written: str):
    reading = read(f"{key}: {written}")
    assert reading.plan is not None
    assert codes(reading) == []
    assert reading.plan.not_before is not None
    kept = datetime.fromisoformat(reading.plan.not_before)
    assert kept == datetime.fromisoformat(written.strip('"'))


@pytest.mark.parametrize(
    "written",
    [
        "tonight",
        "22:00",
        "2026-13-01",
        "31.12.2026",
        '""',
        "0001-01-01",
        "9999-12-31T23:59-12:00",
        "9999-12-31",
    ],
)
def test_what_is_no_time_is_an_error_and_nothing_runs_too_early(written: str):
    reading = read(f"not-before: {written}")
    assert "F211" in codes(reading)
    assert any(one.severity == "error" for one in reading.diagnostics)


def test_without_words_a_plan_may_run_now_in_its_turn():
    reading = read("wave: 1")
    assert reading.plan is not None
    assert (reading.plan.priority, reading.plan.not_before, codes(reading)) == (0, None, [])


@given(
    st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.text()))
)
def test_any_words_mean_one_thing_or_nothing(words: object):
    level = timing.priority(words)
    assert level is None or abs(level) <= timing.MOST
    due = timing.not_before(words)
    assert due is None or datetime.fromisoformat(due)


@given(st.datetimes(timezones=st.none() | st.timezones()))
def test_what_is_taken_for_a_time_a_clock_can_show(told: datetime):
    due = timing.not_before(told.isoformat())
    assert due is not None or told.year not in timing.YEARS
    if due is not None:
        clock.at(datetime.fromisoformat(due).timestamp())
