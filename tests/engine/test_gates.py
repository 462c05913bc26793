"""Limits of a provider in whole runs: nobody loses a try, others go on, and what a person settled for quotas is done."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from orchestrator import settings
from orchestrator.model import Attempt, Event, EventKind, Failure, Outcome, Tier, Usage
from orchestrator.workers import Report
from tests.engine.runs import Ran, TieredAgent, Time, resume, run, summary, write_plan

HALF_AN_HOUR = 1800.0  # for which a gate is closed here: no machine is so slow


def count(events: list[Event], kind: EventKind) -> int:
    return sum(event.kind is kind for event in events)


class Provider:
    """How somebody's limit stands; shared by all attempts. `answers` are given in turn, then all is well."""

    def __init__(self, *answers: Outcome) -> None:
        self.answers = list(answers)
        self.calls = 0


class Agent(TieredAgent):
    """Writes the file of its task, unless its provider limits it."""

    models: ClassVar[Mapping[Tier, str]] = {tier: f"{tier}-9" for tier in Tier}

    def __init__(self, name: str, provider: Provider) -> None:
        super().__init__('echo "$ORCHESTRATOR_TASK" > "done.${ORCHESTRATOR_TASK#*/}"')
        self.name, self._provider = name, provider

    def provider(self, model: str | None) -> str | None:
        return f"{self.name}'s"

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        self._provider.calls += 1
        if self._provider.answers:
            answer = self._provider.answers.pop(0)
            return answer.model_copy(update={"usage": Usage(), "session": None})
        return await super().run(attempt, report)


def task(number: int, worker: str | None = None, **more: str) -> str:
    words = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    named = f' worker="{worker}"' if worker else ""
    return (
        f'<task type="auto" depends-on=""{named}{words}><name>Task {number}: x</name><files>done.{number}'
        f"</files><action>x</action><verify><automated>test -e done.{number}</automated></verify>"
        "<done>x</done></task>\n"
    )


def kinds(ran: Ran, kind: EventKind) -> list[Mapping[str, Any]]:
    return [event.data for event in ran.events if event.kind is kind]


async def test_a_limit_closes_its_provider_for_all_five_and_the_other_goes_on(
    tmp_path: Path, hour: Time
):
    """The five slots are free while the limit lasts: the others' tasks are all done before it ends."""
    limited = Outcome(failure=Failure.RATE_LIMIT, retry_after_s=HALF_AN_HOUR, detail="429")
    one, two = Provider(*[limited] * 5), Provider()
    tasks = [task(n, "one" if n <= 6 else "two") for n in range(1, 13)]
    others = {f"demo/{n}" for n in range(7, 13)}
    ran = await run(
        tmp_path,
        write_plan(tmp_path, *tasks),
        workers={"one": Agent("one", one), "two": Agent("two", two)},
        watcher=hour.passes_when(lambda events: others <= finished(events)),
        wait_s=7200,
    )
    assert ran.code == 0
    opened = [event.kind for event in ran.events].index(EventKind.GATE_OPENED)
    assert others <= finished(ran.events[:opened])
    closed = kinds(ran, EventKind.GATE_CLOSED)
    assert {one["gate"] for one in closed} == {"one's"}
    assert min(one["pause_s"] for one in closed) >= HALF_AN_HOUR
    for n in range(1, 13):
        failures = ran.failures(f"demo/{n}")
        assert failures in ([None], [Failure.RATE_LIMIT, None])
        assert len({t.route.tier for t in ran.history.of(f"demo/{n}").tried}) == 1
    assert "was closed 1 time (rate-limit)" in summary(tmp_path / "plans" / "demo-PLAN.md")


def finished(events: list[Event]) -> set[str | None]:
    return {event.task for event in events if event.kind is EventKind.ATTEMPT_FINISHED}


async def test_a_refused_key_starts_nothing_new_and_is_3(tmp_path: Path):
    refused = Outcome(failure=Failure.AUTH, detail="the key was refused (401): log in")
    provider = Provider(refused)
    tasks = [task(n) for n in range(1, 5)]
    ran = await run(
        tmp_path, write_plan(tmp_path, *tasks), workers={"one": Agent("one", provider)}, slots=1
    )
    assert (ran.code, provider.calls) == (3, 1)
    assert ran.history.of("demo/1").last.detail == refused.detail


def used_up(seconds: float = HALF_AN_HOUR) -> Outcome:
    return Outcome(failure=Failure.QUOTA, reset_at=time.time() + seconds, detail="limit")


async def test_a_used_up_quota_is_waited_for_beyond_the_longest_wait(tmp_path: Path, hour: Time):
    """runs.run sets provider_wait_max_s to 2; a known end is waited for however long it takes."""
    workers = {"one": Agent("one", Provider(used_up()))}
    closed = hour.passes_when(lambda events: events[-1].kind is EventKind.GATE_CLOSED)
    with anyio.fail_after(30):
        ran = await run(tmp_path, write_plan(tmp_path, task(1)), workers=workers, watcher=closed)
    assert ran.code == 0
    assert ran.failures("demo/1") == [Failure.QUOTA, None]


def choose(root: Path, on_quota: str) -> None:
    path = root / ".orchestrator" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'[run]\non_quota = "{on_quota}"\n')


async def test_a_used_up_quota_sends_its_tasks_to_the_next_worker_if_so_settled(tmp_path: Path):
    choose(tmp_path, "fallback")
    workers = {
        "one": Agent("one", Provider(used_up(3600))),
        "two": Agent("two", Provider()),
    }
    with anyio.fail_after(30):
        ran = await run(tmp_path, write_plan(tmp_path, task(1), task(2)), workers=workers, slots=1)
    assert ran.code == 0
    assert [t.route.worker for t in ran.history.of("demo/1").tried] == ["one", "two"]
    assert [t.route.worker for t in ran.history.of("demo/2").tried] == ["two"]
    assert {t.route.tier for t in ran.history.of("demo/1").tried} == {Tier.SONNET}


async def test_a_used_up_quota_stops_the_run_if_so_settled_and_it_can_go_on(
    tmp_path: Path, hour: Time
):
    choose(tmp_path, "stop")
    workers = {"one": Agent("one", Provider(used_up()))}
    plan = write_plan(tmp_path, task(1), task(2))
    ran = await run(tmp_path, plan, workers=workers, slots=1)
    assert ran.code == 3
    assert ran.count(EventKind.ATTEMPT_STARTED) == 1
    (draining,) = kinds(ran, EventKind.DRAINING)
    assert "quota of one's is used up" in json.dumps(draining)
    early = await resume(tmp_path, workers=workers)
    assert (early.code, early.count(EventKind.ATTEMPT_STARTED)) == (
        3,
        1,
    )  # it does not sit and wait
    hour.passes()
    assert (await resume(tmp_path, workers=workers)).code == 0


async def test_one_that_took_over_and_cannot_work_stops_nobody(tmp_path: Path, hour: Time):
    """No login there: its task waits for its own worker, and the next one does not go there at all."""
    choose(tmp_path, "fallback")
    refused = Outcome(failure=Failure.AUTH, detail="no login")
    workers = {
        "one": Agent("one", Provider(used_up())),
        "two": Agent("two", Provider(*[refused] * 9)),
    }
    tried = hour.passes_when(lambda events: count(events, EventKind.ATTEMPT_FINISHED) == 2)
    plan = write_plan(tmp_path, task(1), task(2))
    ran = await run(tmp_path, plan, workers=workers, watcher=tried, slots=1)
    assert ran.code == 0
    who = [t.route.worker for n in (1, 2) for t in ran.history.of(f"demo/{n}").tried]
    assert who.count("two") == 1
    assert who[-1] == "one"


async def test_who_took_over_gives_back_when_the_first_is_open_again(tmp_path: Path, hour: Time):
    choose(tmp_path, "fallback")
    workers = {
        "one": Agent("one", Provider(used_up())),
        "two": Agent("two", Provider(used_up(7200))),
    }
    both = hour.passes_when(lambda events: count(events, EventKind.GATE_CLOSED) == 2)
    with anyio.fail_after(30):
        ran = await run(tmp_path, write_plan(tmp_path, task(1)), workers=workers, watcher=both)
    assert [t.route.worker for t in ran.history.of("demo/1").tried] == ["one", "two", "one"]


async def test_a_quota_of_the_past_reroutes_nobody(tmp_path: Path, hour: Time):
    choose(tmp_path, "fallback")
    slow = Outcome(failure=Failure.OVERLOADED, retry_after_s=0.3)
    answers = Provider(used_up(), slow)
    workers = {"one": Agent("one", answers)}
    closed = hour.passes_when(lambda events: events[-1].kind is EventKind.GATE_CLOSED)
    plan = write_plan(tmp_path, task(1))
    ran = await run(tmp_path, plan, workers=workers, watcher=closed, wait_s=60)
    assert (ran.code, ran.failures("demo/1")) == (0, [Failure.QUOTA, Failure.OVERLOADED, None])
    assert ran.count(EventKind.REROUTED) == 0


async def test_what_is_not_waited_for_is_asked_once_and_not_for_every_task(tmp_path: Path):
    far = Outcome(failure=Failure.RATE_LIMIT, retry_after_s=3600, detail="429")
    provider = Provider(*[far] * 20)
    tasks = [task(n) for n in range(1, 9)]
    ran = await run(
        tmp_path, write_plan(tmp_path, *tasks), workers={"one": Agent("one", provider)}, slots=1
    )
    assert (ran.code, provider.calls) == (1, 1)
    assert {ran.failures(f"demo/{n}")[-1] for n in range(1, 9)} == {Failure.UNAVAILABLE}


async def test_who_puts_it_right_resumes_the_run(tmp_path: Path):
    refused = Outcome(failure=Failure.AUTH, detail="the key was refused (401): log in")
    workers = {"one": Agent("one", Provider(refused))}
    assert (await run(tmp_path, write_plan(tmp_path, task(1), task(2)), workers=workers)).code == 3
    assert (await resume(tmp_path, workers=workers)).code == 0


async def test_a_closed_gate_is_still_closed_after_a_resume(tmp_path: Path, hour: Time):
    choose(tmp_path, "stop")
    workers = {"one": Agent("one", Provider(used_up()))}
    assert (await run(tmp_path, write_plan(tmp_path, task(1)), workers=workers)).code == 3
    choose(tmp_path, "wait")
    again = hour.passes_when(lambda events: events[-1].kind is EventKind.RUN_RESUMED)
    ran = await resume(tmp_path, workers=workers, watcher=again)
    assert ran.code == 0
    kinds = [event.kind for event in again.events]
    assert kinds.index(EventKind.GATE_OPENED) < kinds.index(EventKind.ATTEMPT_STARTED)
    assert ran.failures("demo/1") == [Failure.QUOTA, None]


async def test_trouble_without_end_is_unavailable_and_others_are_not_lost(tmp_path: Path):
    down = Outcome(failure=Failure.OVERLOADED, detail="529")
    workers = {"one": Agent("one", Provider(*[down] * 10_000)), "two": Agent("two", Provider())}
    with anyio.fail_after(40):
        ran = await run(
            tmp_path, write_plan(tmp_path, task(1, "one"), task(2, "two")), workers=workers
        )
    assert ran.code == 1
    assert ran.failures("demo/1")[-1] is Failure.UNAVAILABLE
    assert "provider_wait_max_s" in ran.history.of("demo/1").last.detail
    assert ran.failures("demo/2") == [None]


def test_the_three_ways_are_all_that_can_be_settled(tmp_path: Path):
    choose(tmp_path, "ignore")
    with pytest.raises(settings.SettingsError, match="on_quota"):
        settings.load(tmp_path)
