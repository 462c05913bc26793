"""--quality: where the tasks of a run start and whether each is reviewed; the plan's own word and the floors win."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import model
from orchestrator.cli.options import Level
from orchestrator.model import EventKind, Failure, Outcome, Quality, Score, Strategy, TaskId, Tier
from orchestrator.routing import Kept, Policy, choose, ladder
from tests.build import task
from tests.engine.runs import bash, resume, run, write_plan
from tests.engine.test_reviews import COST, Reviewed

TASK = (
    '<task type="auto" {more}><name>Task 1: {name}</name><files>a.txt</files><action>Write it.</action>'
    "<verify><automated>test -s a.txt</automated></verify><done>x</done></task>\n"
)
WORK = "echo $TIER > a.txt"


def one(name: str = "write", more: str = "") -> str:
    return TASK.format(name=name, more=more)


def start(quality: Quality, complexity: int = 6, **values: object) -> tuple[Tier, Strategy, str]:
    given = {"name": "Task 1: do it", "files": ("a", "b")} | values
    found = choose(task(1, **given), Score(value=complexity, reasons=()), Policy(quality=quality))
    return found.tier, found.strategy, found.reason


def test_s1_08_basic_starts_on_the_cheapest_shiny_as_ever_and_chrome_on_the_strongest():
    told = {quality: start(quality)[:2] for quality in Quality}
    assert told == {
        Quality.BASIC: (Tier.HAIKU, Strategy.QUALITY),
        Quality.SHINY: (Tier.SONNET, Strategy.DEFAULT),
        Quality.CHROME: (Tier.OPUS, Strategy.QUALITY),
    }
    assert "--quality basic" in start(Quality.BASIC)[2]
    assert "--quality chrome" in start(Quality.CHROME)[2]


@pytest.mark.parametrize("quality", Quality)
def test_s1_08_the_plans_own_model_is_never_overridden(quality: Quality):
    assert start(quality, model=Tier.SONNET)[:2] == (Tier.SONNET, Strategy.EXPLICIT)


def test_s1_08_basic_goes_below_no_label_and_no_floor():
    assert start(Quality.BASIC, labels=("complexity:complex",))[0] is Tier.OPUS
    assert start(Quality.BASIC, risk="high")[:2] == (Tier.OPUS, Strategy.FLOOR)
    assert start(Quality.BASIC, name="Task 1: Add OAuth login")[0] is Tier.OPUS


def test_s1_08_what_is_cheaper_by_experience_does_not_overrule_a_person():
    known = {
        "worker": "agent",
        "tiers": tuple(Tier),
        "models": {tier: f"{tier}-9" for tier in Tier},
        "asks_a_model": True,
        "provider": lambda _: None,
    }
    routes = ladder(
        task(1),
        Score(value=5, reasons=()),
        policy=Policy(quality=Quality.CHROME),
        keep=lambda *_: Kept((Tier.HAIKU, Tier.OPUS), why="cheaper"),
        **known,
    )
    assert {route.tier for route in routes} == {Tier.OPUS}


def test_the_words_of_the_command_line_are_those_of_the_engine():
    assert [one.value for one in Level] == [one.value for one in model.Quality]


async def test_s1_08_chrome_has_each_task_of_an_agent_reviewed_and_no_script(tmp_path: Path):
    agent = Reviewed(WORK, "VERDICT: PASS")
    plan = write_plan(tmp_path, one())
    ran = await run(tmp_path, plan, workers={"agent": agent}, quality="chrome")
    (asked,) = agent.seen
    assert (ran.code, asked.route.tier, (tmp_path / "a.txt").read_text()) == (0, "opus", "opus\n")
    assert asked.route.reason.startswith("--quality chrome")


async def test_s1_08_chrome_leaves_scripts_alone(tmp_path: Path):
    plan = write_plan(tmp_path, bash("Task 1: a", "echo > a", "test -e a"))
    ran = await run(tmp_path, plan, quality="chrome")
    assert (ran.code, ran.count(EventKind.REVIEWING)) == (0, 0)


async def test_s1_08_chrome_keeps_the_reviewer_that_the_plan_names(tmp_path: Path):
    agent = Reviewed(WORK, "VERDICT: PASS")
    plan = write_plan(tmp_path, one(more='review="haiku"'))
    await run(tmp_path, plan, workers={"agent": agent}, quality="chrome")
    assert [asked.route.tier for asked in agent.seen] == [Tier.HAIKU]


async def test_s1_08_a_resumed_run_remembers_it(tmp_path: Path):
    """An operator puts the login of the reviewer right, and goes on."""
    no_login = Outcome(failure=Failure.AUTH, detail="log in first", usage=COST)
    agent = Reviewed(WORK, no_login, "VERDICT: PASS")
    plan = write_plan(tmp_path, one())
    ran = await run(tmp_path, plan, workers={"agent": agent}, quality="chrome")
    assert (ran.code, ran.failures("demo/1")) == (3, [Failure.AUTH])
    ran = await resume(tmp_path, workers={"agent": agent})
    (_, tried) = ran.history.of(TaskId("demo/1")).tried
    assert (ran.code, tried.route.tier, tried.review.approved) == (0, Tier.OPUS, True)
