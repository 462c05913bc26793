"""Whole runs: order, tries, failures, checkpoints, SUMMARY and ledger. Parallelism is proven by tasks that wait for each other."""

from __future__ import annotations

from pathlib import Path
from typing import Never

import anyio
import pytest

from orchestrator import ledger
from orchestrator.errors import PlanError, WorkerNotInstalled
from orchestrator.model import Attempt, EventKind, Failure, Outcome, Tier, Verified
from orchestrator.settings import ledger_folder
from orchestrator.workers import Report
from orchestrator.workers.shell import ShellWorker
from tests.engine.runs import TieredAgent, bash, resume, run, summary, write_plan

MEET = "touch {me}; until test -e {other}; do sleep 0.02; done"


async def test_five_tasks_run_at_once(tmp_path: Path):
    """Each of five waits until all five are there: with four slots this would never end."""
    gather = "touch on.{n}; until test $(ls on.* | wc -l) -eq 5; do sleep 0.02; done"
    tasks = [
        bash(f"Task {n}: meet", gather.format(n=n), depends_on="", files=f"f{n}")
        for n in range(1, 6)
    ]
    with anyio.fail_after(30):
        assert (await run(tmp_path, write_plan(tmp_path, *tasks))).code == 0


async def test_never_more_than_five_run_at_once(tmp_path: Path):
    look = "touch on.{n}; set -- on.*; echo $# >> seen; rm on.{n}"
    tasks = [
        bash(f"Task {n}: look", look.format(n=n), depends_on="", files=f"f{n}")
        for n in range(1, 41)
    ]
    ran = await run(tmp_path, write_plan(tmp_path, *tasks))
    assert ran.code == 0
    assert max(map(int, (tmp_path / "seen").read_text().split())) <= 5
    running = most = 0
    for event in ran.events:
        running += (event.kind is EventKind.ATTEMPT_STARTED) - (
            event.kind is EventKind.ATTEMPT_FINISHED
        )
        most = max(most, running)
    assert most == 5


async def test_a_diamond_joins_after_both_arms(tmp_path: Path):
    plan = write_plan(
        tmp_path,
        bash("Task 1: first", "echo 1 >> log", depends_on="", files="a"),
        bash(
            "Task 2: left",
            MEET.format(me="l", other="r") + "; echo 2 >> log",
            depends_on="1",
            files="b",
        ),
        bash(
            "Task 3: right",
            MEET.format(me="r", other="l") + "; echo 3 >> log",
            depends_on="1",
            files="c",
        ),
        bash("Task 4: join", "echo 4 >> log", depends_on="2,3", files="d"),
    )
    with anyio.fail_after(30):
        ran = await run(tmp_path, plan)
    first, *middle, last = (tmp_path / "log").read_text().split()
    assert (ran.code, first, set(middle), last) == (0, "1", {"2", "3"}, "4")
    assert "status: complete" in summary(plan)


async def test_a_check_that_passes_at_the_third_try_walks_the_rungs(tmp_path: Path):
    """haiku, haiku with the failure text, sonnet: as PRODUCT §3 says."""
    agent = TieredAgent('echo "$TIER" >> tiers; touch copy; cat > prompt.$ORCHESTRATOR_ATTEMPT')
    plan = write_plan(
        tmp_path,
        '<task type="auto" estimated-complexity="2"><name>Task 1: climb</name><files>tiers</files>'
        "<action>Climb.</action><verify><automated>echo need three; test $(wc -l &lt; tiers) -ge 3"
        "</automated></verify><done>x</done></task>\n",
        bash("Task 2: after", "cp tiers copy", depends_on="1", files="copy", worker="agent"),
    )
    ran = await run(tmp_path, plan, workers={"agent": agent})
    assert ran.code == 0
    assert (tmp_path / "tiers").read_text().split()[:3] == ["haiku", "haiku", "sonnet"]
    assert ran.failures("demo/1") == [Failure.VERIFY, Failure.VERIFY, None]
    assert "earlier try" not in (tmp_path / "prompt.1").read_text()
    told = (tmp_path / "prompt.2").read_text()
    assert "earlier try of this task failed (verify)" in told
    assert "\nneed three" in told
    text = summary(plan)
    assert "haiku-9" in text
    assert "sonnet-9" in text
    starts = [e for e in ran.events if e.kind is EventKind.ATTEMPT_STARTED]
    assert [e.task for e in starts] == ["demo/1"] * 3 + ["demo/2"]


async def test_the_ledger_has_a_line_for_every_try(tmp_path: Path):
    agent = TieredAgent('echo "$TIER" >> tiers')
    task = (
        '<task type="auto" model="haiku"><name>Task 1: climb</name><files>tiers</files><action>x</action>'
        "<verify><automated>grep -q opus tiers</automated></verify><done>x</done></task>\n"
    )
    ran = await run(tmp_path, write_plan(tmp_path, task), workers={"agent": agent})
    assert ran.code == 0
    lines = ledger.read(ledger_folder()).entries
    assert [line.model_routed for line in lines] == ["haiku", "haiku", "sonnet", "opus"]
    assert [line.outcome for line in lines] == ["failed", "failed", "failed", "success"]
    assert [line.escalated_from for line in lines] == [None, None, Tier.HAIKU, Tier.SONNET]
    assert sum(line.cost_usd or 0 for line in lines) == pytest.approx(0.01 + 0.01 + 0.05 + 0.25)


async def test_what_never_passes_fails_and_only_its_dependants_are_skipped(tmp_path: Path):
    plan = write_plan(
        tmp_path,
        bash("Task 1: bad", "echo x >> bad", "false", depends_on="", files="bad"),
        bash("Task 2: behind", "touch behind", depends_on="1", files="behind"),
        bash("Task 3: free", "touch free", "test -e free", depends_on="", files="free"),
        bash("Task 4: behind it", "touch far", depends_on="2", files="far"),
    )
    ran = await run(tmp_path, plan)
    assert ran.code == 1
    assert (tmp_path / "bad").read_text() == "x\nx\n"
    assert (tmp_path / "free").exists()
    assert not (tmp_path / "behind").exists()
    assert not (tmp_path / "far").exists()
    assert "status: halted" in summary(plan)


async def test_fail_fast_starts_nothing_more(tmp_path: Path):
    plan = write_plan(
        tmp_path,
        bash("Task 1: bad", "exit 1", depends_on="", files="a"),
        bash("Task 2: behind", "touch behind", depends_on="1", files="b"),
        bash("Task 3: later", "touch later", depends_on="", files="c"),
    )
    ran = await run(tmp_path, plan, fail_fast=True, slots=1)
    assert ran.code == 1
    assert ran.failures("demo/1") == [Failure.EXIT, Failure.EXIT]
    assert not (tmp_path / "later").exists()


async def test_a_worker_that_says_done_is_not_believed(tmp_path: Path):
    ran = await run(
        tmp_path, write_plan(tmp_path, bash("Task 1: lie", "echo all done", "test -e it"))
    )
    assert ran.failures("demo/1") == [Failure.VERIFY, Failure.VERIFY]


async def test_a_check_that_was_green_before_proves_nothing(tmp_path: Path):
    ran = await run(tmp_path, write_plan(tmp_path, bash("Task 1: x", "true", "true", files="a")))
    outcome = ran.history.of("demo/1").last
    assert ran.code == 0
    assert outcome
    assert outcome.verdict
    assert (outcome.verdict.verified, outcome.verdict.strength) == (Verified.COMMAND, 0.0)
    assert "green before the work" in outcome.verdict.warnings[0]


async def test_a_red_check_that_turns_green_proves_all(tmp_path: Path):
    ran = await run(
        tmp_path, write_plan(tmp_path, bash("Task 1: x", "touch a", "test -e a", files="a"))
    )
    outcome = ran.history.of("demo/1").last
    assert outcome
    assert outcome.verdict
    assert outcome.verdict.strength == 1.0


async def test_a_worker_that_edits_the_check_gains_nothing(tmp_path: Path):
    (tmp_path / "check.sh").write_text("test -e work\n")
    task = bash("Task 1: cheat", "echo true > check.sh", "bash check.sh", files="work")
    ran = await run(tmp_path, write_plan(tmp_path, task))
    assert ran.code == 1
    assert (tmp_path / "check.sh").read_text() == "test -e work\n"


async def test_prose_alone_succeeds_unverified(tmp_path: Path):
    task = bash("Task 1: x", "touch a").replace("<done>", "<verify>Looks right</verify><done>")
    ran = await run(tmp_path, write_plan(tmp_path, task))
    outcome = ran.history.of("demo/1").last
    assert outcome
    assert outcome.verdict
    assert (ran.code, outcome.verdict.verified) == (0, Verified.NONE)


async def test_plan_level_checks_decide_too(tmp_path: Path):
    tail = "<verification>\n```bash\ntest -e never\n```\n</verification>\n"
    plan = write_plan(tmp_path, bash("Task 1: x", "touch a", files="a"), tail=tail)
    ran = await run(tmp_path, plan)
    assert ran.code == 1
    assert "status: halted" in summary(plan)


async def test_a_task_that_nobody_can_do_is_refused_before_anything_starts(tmp_path: Path):
    agentic = '<task type="auto"><name>Task 2: think</name><action>Think.</action></task>\n'
    plan = write_plan(tmp_path, bash("Task 1: x", "touch a", files="a"), agentic)
    with pytest.raises(WorkerNotInstalled, match=r"demo/2 .*think"):
        await run(tmp_path, plan)
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / ".orchestrator").exists()


async def test_a_bad_plan_is_refused_before_anything_starts(tmp_path: Path):
    plan = write_plan(tmp_path, bash("Task 1: x", "touch a", depends_on="7"))
    with pytest.raises(PlanError) as caught:
        await run(tmp_path, plan)
    assert [one.code for one in caught.value.diagnostics] == ["G501"]
    assert not (tmp_path / "a").exists()


async def test_two_plans_of_a_folder_are_one_run(tmp_path: Path):
    write_plan(tmp_path, bash("Task 1: a", "echo a >> log", files="log"), name="01-01")
    head = "---\nphase: demo\nplan: 02\ndepends_on: [01-01]\n---\n"
    write_plan(tmp_path, bash("Task 1: b", "echo b >> log", files="log"), name="01-02", head=head)
    ran = await run(tmp_path)
    assert ran.code == 0
    assert (tmp_path / "log").read_text().split() == ["a", "b"]
    assert len(ran.watcher.summaries) >= 2


async def test_only_from_and_skip_choose_and_leave_the_plan_halted(tmp_path: Path):
    tasks = [bash(f"Task {n}: t", f"echo {n} >> log", files=f"f{n}") for n in (1, 2, 3, 4)]
    plan = write_plan(tmp_path, *tasks)
    ran = await run(tmp_path, plan, start=("2",), skip=("3",))
    assert ran.code == 0
    assert (tmp_path / "log").read_text().split() == ["2", "4"]
    assert "status: halted" in summary(plan)


async def test_a_plan_without_a_chosen_task_keeps_its_summary(tmp_path: Path):
    one = write_plan(tmp_path, bash("Task 1: a", "touch a", files="a"), name="01-01")
    two = write_plan(tmp_path, bash("Task 1: b", "touch b", files="b"), name="01-02")
    assert (await run(tmp_path)).code == 0
    before = summary(two)
    assert (await run(tmp_path, one, two, only=("01-01/1",))).code == 0
    assert summary(two) == before


async def test_trouble_of_the_provider_spends_no_try(tmp_path: Path):
    class Limited(TieredAgent):
        calls = 0

        async def run(self, attempt: Attempt, report: Report) -> Outcome:
            outcome = await super().run(attempt, report)
            type(self).calls += 1
            if type(self).calls == 1:
                return outcome.model_copy(
                    update={"failure": Failure.RATE_LIMIT, "retry_after_s": 0.05}
                )
            return outcome

    task = '<task type="auto"><name>Task 1: x</name><files>a</files><action>x</action></task>\n'
    ran = await run(tmp_path, write_plan(tmp_path, task), workers={"agent": Limited("touch a")})
    assert ran.code == 0
    assert ran.failures("demo/1") == [Failure.RATE_LIMIT, None]
    first, second = ran.history.of("demo/1").tried
    assert first.route == second.route
    assert ran.count(EventKind.GATE_CLOSED) == ran.count(EventKind.GATE_OPENED) == 1


async def test_a_broken_worker_is_an_outcome_and_the_run_goes_on(tmp_path: Path):
    class Broken(TieredAgent):
        async def run(self, attempt, report) -> Never:  # noqa: ANN001
            raise RuntimeError("no such thing")

    tasks = (
        '<task type="auto" worker="agent"><name>Task 1: x</name><files>a</files><action>x</action></task>\n',
        bash("Task 2: y", "touch y", depends_on="", files="y"),
    )
    workers = {"shell": ShellWorker(), "agent": Broken("true")}
    ran = await run(tmp_path, write_plan(tmp_path, *tasks), workers=workers)
    assert ran.code == 1
    assert (tmp_path / "y").exists()
    assert "no such thing" in ran.history.of("demo/1").last.detail


async def test_a_failed_task_is_retried_with_what_was_skipped(tmp_path: Path):
    plan = write_plan(
        tmp_path,
        bash("Task 1: x", "test -e mended && touch a", "test -e a", files="a"),
        bash("Task 2: y", "touch b", "test -e b", files="b"),
    )
    assert (await run(tmp_path, plan)).code == 1
    (tmp_path / "mended").touch()
    ran = await resume(tmp_path, retry=("1",))
    assert ran.code == 0
    assert ran.failures("demo/1") == [Failure.EXIT, Failure.EXIT, None]
    assert "status: complete" in summary(plan)


async def test_every_event_is_in_the_journal_before_anybody_is_told(tmp_path: Path):
    ran = await run(tmp_path, write_plan(tmp_path, bash("Task 1: x", "touch a", files="a")))
    assert ran.watcher.events == ran.events
    assert next(e.kind for e in ran.events) is EventKind.RUN_STARTED
    assert [e.kind for e in ran.events][-1] is EventKind.RUN_FINISHED


async def test_the_second_try_is_measured_against_what_was_before_the_first(tmp_path: Path):
    """The first try writes what the check wants, and fails otherwise: the work began with it."""
    script = "touch a; test -e again || { touch again; exit 1; }"
    plan = write_plan(tmp_path, bash("Task 1: x", script, "test -e a", files="a"))
    ran = await run(tmp_path, plan)
    assert ran.failures("demo/1") == [Failure.EXIT, None]
    assert ran.history.of("demo/1").last.verdict.strength == 1
    assert [len(tried.before) for tried in ran.history.of("demo/1").tried] == [1, 0]


async def test_what_a_person_made_green_by_hand_proves_nothing_for_the_retry(tmp_path: Path):
    plan = write_plan(tmp_path, bash("Task 1: x", "test -e a", "test -e a", files="a"))
    assert (await run(tmp_path, plan)).code == 1
    (tmp_path / "a").touch()
    ran = await resume(tmp_path, retry=("1",))
    assert ran.code == 0
    assert ran.history.of("demo/1").last.verdict.strength == 0


async def test_a_summary_in_the_plain_directory_is_told_of_once(tmp_path: Path):
    """It is written when its plan is over, and again at the end."""
    ran = await run(tmp_path, write_plan(tmp_path, bash("Task 1: one", "touch one")))
    assert ran.code == 0
    assert ran.watcher.summaries == [tmp_path / "plans" / "demo-SUMMARY.md"]
