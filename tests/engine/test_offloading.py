"""A tool in front of a model: the ladder behind it is the one that would be there without it, whatever becomes of the tool."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from orchestrator import ledger, project, settings
from orchestrator.engine import offloading
from orchestrator.engine.crew import Crew, prepare
from orchestrator.engine.experience import trials
from orchestrator.engine.renewal import as_begun
from orchestrator.model import (
    Attempt,
    Event,
    EventKind,
    Failure,
    Outcome,
    Quality,
    Route,
    RunId,
    Strategy,
    TaskId,
    Tier,
)
from orchestrator.model.outloop import Occurrence, PatternStatus
from orchestrator.outloop import store, sync, toolbox
from orchestrator.outloop.rows import operation
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.settings import ledger_folder
from orchestrator.tracker import Tracker
from orchestrator.workers import Report
from tests.engine import runs
from tests.engine.runs import TieredAgent

SIGNATURE, TOOL = "test:pytest:all", "run_test_workflow"
DO = "demo/1"


@dataclass
class Agent(TieredAgent):
    """It remembers what it was asked."""

    script: str = "true"
    asked: list[Attempt] = field(default_factory=list)

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        self.asked.append(attempt)
        return await super().run(attempt, report)


class LoggedOut(Agent):
    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        return Outcome(failure=Failure.AUTH, detail="the key was refused")


def task(name: str = "Run the tests", action: str = "Run them.", **attributes: str) -> str:
    check = "./pytest"
    words = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return (
        f'<task type="auto" {words}>\n<name>{name}</name>\n<action>{action}</action>\n'
        f"<verify><automated>{check}</automated></verify>\n<done>done</done>\n</task>\n"
    )


def learn(root: Path, script: str | None = None) -> None:
    """A pattern in use, of three tasks that an agent did; its tool is the one that ships, or has this script."""
    seen = [
        Occurrence(
            workflow=f"old {n}", operation=operation(SIGNATURE), at=sync.ago(2), similarity=100,
            tokens=100 * n, cost_usd=0.1, command="pytest", ok=True,
        )
        for n in (1, 2, 3)
    ]  # fmt: skip
    with store.writing(root) as book:
        toolbox.register(book)
        if script is not None:
            (root / "own.sh").write_text(script)
            own = {
                "script": str(root / "own.sh"),
                "shipped": False,
                "digest": toolbox.digest(root / "own.sh"),
            }
            book.keep_tool(toolbox.shipped()[1].model_copy(update=own))
        book.record(seen)
        steps = (
            PatternStatus.CANDIDATE,
            PatternStatus.APPROVED,
            PatternStatus.IMPLEMENTED,
            PatternStatus.ACTIVE,
        )
        for step in steps:
            book.move(SIGNATURE, step, "me", tool=TOOL)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    program(tmp_path, "echo '2 passed in 0.1s'")
    return tmp_path


def repo(root: Path) -> None:
    (root / ".gitignore").write_text(".orchestrator/\n")
    for words in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "a"],
        ["config", "user.email", "a@b.c"],
        ["add", "-A"],
        ["commit", "-qm", "base"],
    ):
        subprocess.run(["git", "-C", root, *words], check=True, timeout=60)


def program(root: Path, script: str) -> None:
    (root / "pytest").write_text(f"#!/bin/sh\n{script}\n")
    (root / "pytest").chmod(0o755)


def crew(
    root: Path, agent: TieredAgent, quality: Quality = Quality.SHINY, **patterns: object
) -> Crew:
    conf = settings.load(root, {"patterns": patterns} if patterns else {})
    files = project.find((root / "plans",))
    loaded = project.load(
        root, project.sources(root, files), conf.reader, project.others(root, files)
    )
    return prepare(root, loaded.checked(), conf, {"agent": agent}, quality)


# --- the run ----------------------------------------------------------------------------------------


async def test_a_matched_task_is_done_by_the_tool_and_the_model_hears_nothing_of_it(
    root: Path,
) -> None:
    runs.write_plan(root, task())
    learn(root)
    agent = Agent()
    ran = await runs.run(root, workers={"agent": agent})
    assert (ran.code, agent.asked) == (0, [])
    (tried,) = ran.history.of(TaskId(DO)).tried
    assert (tried.route.strategy, tried.route.tool, tried.route.pattern) == (
        Strategy.OFFLOAD,
        TOOL,
        SIGNATURE,
    )
    assert tried.outcome is not None
    assert tried.outcome.usage is not None
    assert (tried.outcome.usage.tokens, tried.outcome.usage.cost_usd) == (0, 0.0)
    with store.reading(root) as book:
        assert book is not None
        (saved,) = book.savings()
        assert (saved.tokens, saved.baseline, saved.workflow) == (200, 3, f"{ran.run} {DO} 1")


async def test_a_tool_whose_check_is_red_saves_nothing_and_the_model_begins_where_it_would_have(
    root: Path,
) -> None:
    runs.write_plan(root, task())
    learn(root, "exit 0")
    agent = Agent("printf '#!/bin/sh\\necho 1 passed in 1s\\n' > pytest")
    program(root, "echo '1 failed in 1s'; exit 1")
    without = crew(root, Agent(), offload=False).ladders[TaskId(DO)]
    ran = await runs.run(root, workers={"agent": agent})
    assert ran.code == 0
    assert ran.failures(DO) == [Failure.VERIFY, Failure.VERIFY, None]
    (asked,) = agent.asked
    assert asked.route == without[0]
    assert "1 failed" in asked.prompt
    assert asked.session is None
    with store.reading(root) as book:
        assert book is not None
        assert (book.savings(), [one.ok for one in book.calls()]) == ([], [False, False])


async def test_a_tool_that_is_not_done_in_time_stops_no_run(root: Path) -> None:
    runs.write_plan(root, task())
    learn(root, "sleep 30")
    with store.writing(root) as book:
        book.keep_tool(book.tool(TOOL).model_copy(update={"timeout_s": 0.3}))
    ran = await runs.run(root, workers={"agent": Agent()})
    assert (ran.code, ran.failures(DO)) == (0, [Failure.TIMEOUT, Failure.TIMEOUT, None])
    told = ran.history.of(TaskId(DO)).tried[0].outcome
    assert told is not None
    assert told.detail.startswith("not done within 0.3 s")


async def test_three_failures_within_a_run_spare_the_tasks_that_come_later(root: Path) -> None:
    """Two tries of the first, one of the second: its retry and the third task go to the model at once, and that is said."""
    runs.write_plan(root, task(), task(), task())
    learn(root, "echo broken; exit 9")
    agent = Agent()
    ran = await runs.run(root, workers={"agent": agent}, slots=1)
    assert ran.code == 0
    failed = [ran.failures(f"demo/{n}") for n in (1, 2, 3)]
    assert failed == [[Failure.EXIT, Failure.EXIT, None], [Failure.EXIT, None], [None]]
    said = [one.data["reason"] for one in ran.events if one.kind is EventKind.REROUTED]
    assert said.count(f"the tool {TOOL} is disabled: it failed 3 times in a row") == 2
    assert any(f"orchestrator tools enable {TOOL}" in one for one in ran.watcher.warnings)
    with store.reading(root) as book:
        assert book is not None
        assert book.find(SIGNATURE).status is PatternStatus.IMPLEMENTED


async def test_a_tool_that_changes_what_its_manifest_does_not_name_has_failed(
    root: Path,
) -> None:
    """In a worktree: nothing of it lands, and the message names the file and the manifest."""
    runs.write_plan(root, task())
    learn(root, "echo x > stray.txt; exit 0")
    repo(root)
    ran = await runs.run(root, workers={"agent": Agent()}, isolated=True)
    assert ran.failures(DO) == [Failure.SCOPE, Failure.SCOPE, None]
    told = ran.history.of(TaskId(DO)).tried[0].outcome
    assert told is not None
    assert "`writes` of its manifest does not name: stray.txt" in told.detail
    assert not (root / "stray.txt").exists()


async def test_a_tool_that_a_person_disables_meanwhile_is_not_tried_again(root: Path) -> None:
    runs.write_plan(root, task(), task())
    learn(root)

    found = crew(root, Agent())
    assert offloading.stopped(found.workers, found.ladders[TaskId(DO)][0]) == ""
    with store.writing(root) as book:
        toolbox.disable(book, TOOL, "not now", "me")
    why = offloading.stopped(found.workers, found.ladders[TaskId(DO)][0])
    assert why == f"the tool {TOOL} is disabled: not now"


async def test_what_was_not_booked_when_the_program_was_killed_is_booked_when_the_run_goes_on(
    root: Path,
) -> None:
    runs.write_plan(root, task(), task("Make it", "Make it.").replace("./pytest", "test -e made"))
    learn(root)
    ran = await runs.run(root, workers={"agent": Agent("exit 1")}, slots=1)
    assert ran.code == 1
    with closing(sqlite3.connect(root / ".orchestrator" / "journal.db")) as book, book:
        book.execute("DELETE FROM tool_calls")
        book.execute("DELETE FROM cost_savings_log")
    await runs.resume(root, workers={"agent": Agent("touch made")}, retry=("2",))
    with store.reading(root) as there:
        assert there is not None
        assert [one.workflow for one in there.calls()] == [f"{ran.run} {DO} 1"]
        assert [one.tokens for one in there.savings()] == [200]


@pytest.mark.parametrize("check", ["true", "./pytest && ./deploy.sh"])
async def test_a_task_without_a_check_of_nothing_but_the_verb_is_a_models(
    root: Path, check: str
) -> None:
    runs.write_plan(root, task().replace("./pytest", check))
    learn(root)
    assert not offloading.split(crew(root, Agent()).ladders[TaskId(DO)])[0]


async def test_a_tool_is_no_evidence_about_a_model(root: Path) -> None:
    runs.write_plan(root, task())
    learn(root, "exit 9")
    await runs.run(root, workers={"agent": Agent()})
    lines = ledger.read(ledger_folder()).entries
    tools = [one for one in lines if one.worker == "tool"]
    assert [
        (one.model_version, one.model_routed, one.tokens_total, one.cost_usd, one.outcome)
        for one in tools
    ] == [(None, None, 0, 0.0, "failed")] * 2
    (model,) = [one for one in lines if one.worker == "agent"]
    assert model.escalated_from is None
    assert [one.model for one in trials(lines)] == [model.model_version]


async def test_a_run_that_goes_on_keeps_its_place_though_its_tool_is_gone_meanwhile(
    root: Path,
) -> None:
    runs.write_plan(root, task())
    learn(root, "exit 9")
    ran = await runs.run(root, workers={"agent": Agent("exit 1")})
    assert ran.code == 1
    models = [one.route.model for one in ran.history.of(TaskId(DO)).tried]
    assert models[:2] == [None, None]
    agent = Agent()
    with store.writing(root) as book:
        toolbox.disable(book, TOOL, "no", "me")
    again = await runs.resume(root, workers={"agent": agent}, retry=("1",))
    assert again.code == 0
    (asked,) = agent.asked
    assert asked.route.model == models[2]


async def test_after_a_tool_a_models_tries_are_planned_anew_by_what_the_run_has_seen(
    root: Path,
) -> None:
    """As those of any task that no model has begun."""
    first = task("Make it", "Make it.").replace("./pytest", "test -e made")
    runs.write_plan(root, first, task())
    learn(root, "exit 9")
    agent = Agent("touch made")
    ran = await runs.run(root, workers={"agent": agent}, slots=1)
    assert ran.code == 0
    assert ran.failures("demo/2") == [Failure.EXIT, Failure.EXIT, None]
    assert ran.count(EventKind.REROUTED, "demo/2") == 1
    assert agent.asked[1].route.strategy is Strategy.CASCADE


async def test_after_a_tool_a_models_first_try_is_still_its_first_for_the_budget(
    root: Path,
) -> None:
    prices = "".join(
        f'[prices."{tier}-9"]\ninput = {usd}\noutput = {usd}\n'
        for tier, usd in ((Tier.HAIKU, 1), (Tier.SONNET, 5), (Tier.OPUS, 25))
    )
    budget = "[budget]\nrun_usd = 3.0\ndear_share = 0.15\n"
    runs.write_plan(root, task(**{"estimated-complexity": "6"}))
    learn(root, "exit 9")
    (root / ".orchestrator" / "config.toml").write_text(budget + prices)
    agent = Agent()
    ran = await runs.run(root, workers={"agent": agent})
    assert ran.code == 0
    assert (agent.asked[0].route.strategy, agent.asked[0].route.tier) == (
        Strategy.BUDGET,
        Tier.HAIKU,
    )


async def test_after_a_tool_the_trouble_of_a_model_means_what_it_always_means(root: Path) -> None:
    """A key that is refused stops the run: the tool's tries in front make nobody a worker that only took over."""
    runs.write_plan(root, task())
    learn(root, "exit 9")
    ran = await runs.run(root, workers={"agent": LoggedOut()})
    assert ran.failures(DO) == [Failure.EXIT, Failure.EXIT, Failure.AUTH]
    assert ran.count(EventKind.REROUTED) == 0
    assert ran.code == 3


def test_a_task_that_had_begun_keeps_its_place_whatever_is_matched_today(root: Path) -> None:
    runs.write_plan(root, task(), task())
    bare = crew(root, Agent())
    learn(root)
    matched = crew(root, Agent())

    def begun(of: Crew) -> list[Event]:
        told = {"ladders": of.told["ladders"], "reviewers": {}}
        started = {"route": of.told["ladders"][DO][0]}
        return [
            happened(EventKind.RUN_STARTED, told),
            happened(EventKind.ATTEMPT_STARTED, started, 1),
        ]

    kept = as_begun(bare, begun(matched)).ladders
    assert kept[TaskId(DO)] == matched.ladders[TaskId(DO)]
    assert kept[TaskId("demo/2")] == bare.ladders[TaskId("demo/2")], "it had not begun"
    kept = as_begun(matched, begun(bare)).ladders
    assert kept[TaskId(DO)] == bare.ladders[TaskId(DO)]
    assert kept[TaskId("demo/2")] == matched.ladders[TaskId("demo/2")]


# --- who does what ----------------------------------------------------------------------------------


async def test_with_chrome_a_person_wants_the_strongest_and_gets_it(root: Path) -> None:
    runs.write_plan(root, task())
    learn(root)
    ladder = crew(root, Agent(), Quality.CHROME).ladders[TaskId(DO)]
    assert offloading.split(ladder)[0] == ()


titles = st.sampled_from(
    ["Run the tests", "Build the login page", "Run the tests and fix what fails", "Write tests"]
)
more = st.sampled_from(
    [{}, {"model": "opus"}, {"subagent": "general"}, {"tdd": "true"}, {"estimated-complexity": "9"}]
)


@hypothesis(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(titles, more), min_size=1, max_size=4))
def test_s3_35_switched_off_routes_are_those_of_a_project_without_patterns(
    root: Path, tasks: list[tuple[str, dict[str, str]]]
) -> None:
    runs.write_plan(root, *(task(name, **given) for name, given in tasks))
    bare = root / "bare"
    bare.mkdir(exist_ok=True)
    runs.write_plan(bare, *(task(name, **given) for name, given in tasks))
    if not (root / ".orchestrator").exists():
        learn(root)
    without, off, on = crew(bare, Agent()), crew(root, Agent(), offload=False), crew(root, Agent())
    assert (off.ladders, off.others, off.notes) == (without.ladders, without.others, without.notes)
    assert off.told == without.told
    for (name, words), (task_id, ladder) in zip(tasks, on.ladders.items(), strict=True):
        ahead, behind = offloading.split(ladder)
        assert behind == without.ladders[task_id]
        is_plain = name == "Run the tests" and set(words) <= {"estimated-complexity"}
        assert len(ahead) == (2 if is_plain else 0)


# --- the tracker -------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", list(Failure))
def test_after_a_tool_comes_the_next_try_whatever_kept_it(root: Path, failure: Failure) -> None:
    """But for what is nobody's fault, and what ends a task in any case."""
    runs.write_plan(root, task())
    conf = settings.load(root)
    files = project.find((root / "plans",))
    shape = project.load(
        root, project.sources(root, files), conf.reader, project.others(root, files)
    ).checked()
    tool = Route(worker="tool", confidence=1, reason="", tool=TOOL, pattern=SIGNATURE)
    model = Route(worker="agent", confidence=1, reason="", tier=Tier.HAIKU, model="m")
    tracker = Tracker(shape, capacity=1)
    ladder = [one.model_dump(mode="json") for one in (tool, tool, model, model)]
    tell(tracker, EventKind.RUN_STARTED, {"ladders": {DO: ladder}})
    tell(tracker, EventKind.ATTEMPT_STARTED, {"route": ladder[0]}, 1)
    outcome = Outcome(failure=failure, conflicts=("a",))
    tell(tracker, EventKind.ATTEMPT_FINISHED, {"outcome": outcome.model_dump(mode="json")}, 1)
    expected = {Reaction.SAME_TRY: 0, Reaction.FAIL: 0}.get(REACTIONS[failure], 1)
    assert tracker.stopped is None
    assert tracker.rung(TaskId(DO)) == expected


def tell(
    tracker: Tracker, kind: EventKind, data: dict[str, Any], attempt: int | None = None
) -> None:
    tracker.apply(happened(kind, data, attempt))


def happened(kind: EventKind, data: dict[str, Any], attempt: int | None = None) -> Event:
    given = TaskId(DO) if attempt else None
    return Event(seq=1, run=RunId("r"), at="", kind=kind, task=given, attempt=attempt, data=data)
