"""What is done by the clock: at its time, once however late, and a duty that fails takes nobody with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from orchestrator import clock
from orchestrator.daemon.schedule import Schedule
from tests.cli.projects import DEADLINE_S

DAY_S = 86_400.0
NOW = datetime.now().astimezone()
TO_NOON_S = (NOW.replace(hour=12, minute=0, second=0, microsecond=0) - NOW).total_seconds()


class Duties:
    """What was done, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.said: list[str] = []
        self.fails = False

    async def learn(self) -> str:
        self.done.append("learn")
        if self.fails:
            raise OSError("no disk")
        return "2 rules"

    async def clean(self) -> str:
        self.done.append("clean")
        return "nothing"

    def schedule(self, **times: str) -> Schedule:
        duties = {"learn": self.learn, "clean": self.clean}
        return Schedule(times, duties, self.said.append, look_s=0.01)


@pytest.fixture
def ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """By what it says the clock on the wall goes ahead. It begins at noon: no duty is due while a test goes on."""
    file = tmp_path / "ahead"
    go_ahead(file, 0)
    monkeypatch.setenv(clock.AHEAD, str(file))
    return file


def go_ahead(file: Path, days: float) -> None:
    file.write_text(str(TO_NOON_S + days * DAY_S))


@asynccontextmanager
async def kept(schedule: Schedule) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(schedule.keep)
        yield
        group.cancel_scope.cancel()


async def until(duties: Duties, done: list[str]) -> None:
    await settled(lambda: duties.done == done)


async def settled(claim: Callable[[], object]) -> None:
    deadline = anyio.current_time() + DEADLINE_S
    while not claim():
        assert anyio.current_time() < deadline
        await anyio.sleep(0.01)


async def test_a_duty_is_done_at_its_time_and_once_however_late(ahead: Path):
    duties = Duties()
    schedule = duties.schedule(learn="0 3 * * *", clean="")
    before = schedule.due["learn"]
    assert before[11:16] == "03:00"
    assert "clean" not in schedule.due
    async with kept(schedule):
        go_ahead(ahead, 9)  # it slept for nine nights
        await until(duties, ["learn"])
        await settled(lambda: duties.said)
    assert duties.said == ["learn: 2 rules"]
    assert schedule.done["learn"].endswith(": 2 rules")
    assert schedule.due["learn"] > before
    assert duties.done == ["learn"]


async def test_a_duty_that_fails_is_told_and_the_others_and_the_next_time_come(ahead: Path):
    duties = Duties()
    duties.fails = True
    schedule = duties.schedule(learn="0 3 * * *", clean="30 3 * * *")
    async with kept(schedule):
        go_ahead(ahead, 1)
        await until(duties, ["learn", "clean"])
        again = schedule.due["learn"].replace("T", " ")[:16]
        assert schedule.troubles == {"learn": f"no disk; it is tried again at {again}"}
        duties.fails = False
        go_ahead(ahead, 2)
        await until(duties, ["learn", "clean"] * 2)
        await settled(lambda: not schedule.troubles)
    assert duties.said[0] == f"warning: learn failed: no disk; it is tried again at {again}"


async def test_a_duty_is_done_although_the_clock_was_far_ahead_when_it_began(ahead: Path):
    """A machine without a battery wakes in another year, until it has asked for the time."""
    duties = Duties()
    go_ahead(ahead, 3650)
    schedule = duties.schedule(learn="0 3 * * *")
    far = schedule.due["learn"]
    go_ahead(ahead, 0)
    async with kept(schedule):
        await settled(lambda: schedule.due["learn"] < far)
        assert duties.done == []
        go_ahead(ahead, 1)
        await until(duties, ["learn"])


async def test_where_our_own_bug_is_in_a_duty_is_told(ahead: Path):
    duties, said = Duties(), list[str]()

    async def odd() -> str:
        raise KeyError("x")

    async with kept(Schedule({"odd": "0 3 * * *"}, {"odd": odd}, said.append, look_s=0.01)):
        go_ahead(ahead, 1)
        await settled(lambda: len(said) == 2)
    assert "Traceback" in said[0]
    assert duties.done == []
