"""Which conversation an attempt goes on with, and what of it is booked already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pytest

from orchestrator.model import Attempt, Failure, Outcome, Progress, Session, Tier, Usage
from orchestrator.workers import Report
from tests.engine.runs import Ran, TieredAgent, run, write_plan

USED = Usage(input_tokens=100, output_tokens=10, cost_usd=0.5, cost_basis="reported")


NOTHING: Mapping[tuple[str, int], Outcome] = MappingProxyType({})


class Talker(TieredAgent):
    """Keeps conversations; each of its answers can be told beforehand, else it writes its file and is done."""

    sessions: ClassVar = ("resume", "fork")

    def __init__(self, answers: Mapping[tuple[str, int], Outcome] = NOTHING) -> None:
        super().__init__('echo x >> "done.${ORCHESTRATOR_TASK#*/}"')
        self.answers, self.text = answers, ""
        self.given: dict[tuple[str, int], Attempt] = {}

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        key = (attempt.task.partition("/")[2], attempt.number)
        self.given[key] = attempt
        session = attempt.session.id if attempt.session and not attempt.session.fork else None
        name = session or f"s-{key[0]}-{key[1]}"
        report(Progress(session=name, usage=USED))
        outcome = self.answers.get(key) or await super().run(attempt, report)
        return outcome.model_copy(update={"session": name, "text": self.text})

    def session(self, task: str, number: int = 1) -> Session | None:
        return self.given[task, number].session


def task(number: int, model: str = "haiku", check: str = "true", **more: str) -> str:
    words = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    return (
        f'<task type="auto" model="{model}"{words}><name>Task {number}: x</name>'
        f"<files>done.{number}</files><action>x</action>"
        f"<verify><automated>{check}</automated></verify><done>x</done></task>\n"
    )


async def played(root: Path, agent: Talker, *tasks: str) -> Ran:
    return await run(root, write_plan(root, *tasks), workers={"agent": agent}, wait_s=60)


async def test_a_task_that_inherits_goes_on_in_a_copy_of_its_predecessors_session(tmp_path: Path):
    agent = Talker()
    assert (await played(tmp_path, agent, task(1), task(2), task(3))).code == 0
    assert agent.session("1") is None
    assert agent.session("2") == Session(id="s-1-1", fork=True, booked=USED)
    assert agent.session("3") == Session(id="s-2-1", fork=True, booked=add(USED, USED))
    assert "Before this" not in agent.given["2", 1].prompt  # its session knows


def add(one: Usage, two: Usage) -> Usage:
    """Talker reports no totals: what is booked is what was booked before, and what it told."""
    return Usage(
        input_tokens=(one.input_tokens or 0) + (two.input_tokens or 0),
        output_tokens=(one.output_tokens or 0) + (two.output_tokens or 0),
        cost_usd=(one.cost_usd or 0) + (two.cost_usd or 0),
        cost_basis="reported",
    )


@pytest.mark.parametrize(
    "second",
    [
        task(2, context_mode="fresh"),
        task(2, parallel="can-parallelize", depends_on="1"),
        task(2, model="sonnet"),  # another model would read all of it anew
    ],
)
async def test_other_tasks_start_a_session_of_their_own(tmp_path: Path, second: str):
    agent = Talker()
    assert (await played(tmp_path, agent, task(1), second)).code == 0
    assert agent.session("2") is None


async def test_with_another_model_the_results_are_told_in_words(tmp_path: Path):
    agent = Talker()
    agent.text = "wrote the schema"
    assert (await played(tmp_path, agent, task(1), task(2, model="sonnet"))).code == 0
    assert "wrote the schema" in agent.given["2", 1].prompt


async def test_two_predecessors_have_no_common_session(tmp_path: Path):
    agent = Talker()
    tasks = (task(1, depends_on=""), task(2, depends_on=""), task(3, depends_on="1,2"))
    assert (await played(tmp_path, agent, *tasks)).code == 0
    assert agent.session("3") is None


@pytest.mark.parametrize(
    "failure",
    [Failure.RATE_LIMIT, Failure.NETWORK, Failure.MAX_TURNS, Failure.STALLED],
)
async def test_who_was_cut_off_goes_on_where_it_was(tmp_path: Path, failure: Failure):
    """And what its client had counted until then is not booked again."""
    totals = Usage(input_tokens=7, output_tokens=3, cost_usd=0.1, cost_basis="reported")
    cut = Outcome(failure=failure, usage=USED, totals=totals)
    agent = Talker({("1", 1): cut.model_copy(update={"retry_after_s": 0.01})})
    ran = await played(tmp_path, agent, task(1))
    assert ran.code == 0
    assert agent.session("1", 2) == Session(id="s-1-1", fork=False, booked=totals)


async def test_who_failed_by_its_work_starts_anew_with_the_reason(tmp_path: Path):
    agent = Talker()
    ran = await played(tmp_path, agent, task(1, check="test $(wc -l &lt; done.1) -ge 2"))
    assert ran.failures("demo/1") == [Failure.VERIFY, None]
    assert agent.session("1", 2) is None
    assert "An earlier try" in agent.given["1", 2].prompt


async def test_who_cannot_keep_conversations_is_handed_none(tmp_path: Path):
    agent = Talker()
    agent.sessions = ()
    assert (await played(tmp_path, agent, task(1), task(2))).code == 0
    assert agent.session("2") is None


async def test_a_tier_above_starts_anew(tmp_path: Path):
    agent = Talker({("1", n): Outcome(failure=Failure.MAX_TURNS, usage=USED) for n in (1, 2)})
    ran = await played(tmp_path, agent, task(1))
    assert [t.route.tier for t in ran.history.of("demo/1").tried] == [
        Tier.HAIKU,
        Tier.HAIKU,
        Tier.SONNET,
    ]
    assert agent.session("1", 2) is not None
    assert agent.session("1", 3) is None
