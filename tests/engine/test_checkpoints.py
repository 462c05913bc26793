"""Checkpoints hold back only what depends on them; the run ends with 5 and goes on with the answer."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrator import inbox
from orchestrator.inbox import Letter
from orchestrator.model import Answer, Event, EventKind, RunId, Task, TaskId
from tests.engine.runs import (
    Ran,
    Time,
    Watcher,
    bash,
    checkpoint,
    resume,
    run,
    summary,
    write_plan,
)

OPTIONS = '<options><option id="jwt"><name>JWT</name></option><option id="oauth"><name>OAuth</name></option></options>'


def diamond(root: Path, gate: str) -> Path:
    return write_plan(
        root,
        bash("Task 1: first", "touch one", depends_on="", files="one"),
        gate,
        bash("Task 3: arm", "touch arm", depends_on="1", files="arm"),
        bash("Task 4: join", "touch join", depends_on="2,3", files="join"),
    )


def answer(root: Path, run: RunId, task: str, **values: object) -> None:
    given = Answer.model_validate({"approved": True, "by": "ann"} | values)
    inbox.post(root, Letter(do="answer", run=run, task=TaskId(task), answer=given))


async def test_the_other_arm_finishes_and_the_answer_completes_the_run(tmp_path: Path):
    plan = diamond(tmp_path, checkpoint(depends_on="1"))
    first = await run(tmp_path, plan)
    assert first.code == 5
    assert (tmp_path / "arm").exists()
    assert not (tmp_path / "join").exists()
    assert "status: halted" in summary(plan)
    assert f"orchestrator approve {first.run}" in summary(plan)
    answer(tmp_path, first.run, "demo/2", note="looks good")
    second = await resume(tmp_path)
    assert (second.run, second.code) == (first.run, 0)
    assert (tmp_path / "join").exists()
    assert second.count(EventKind.ATTEMPT_STARTED, "demo/3") == 1
    assert "looks good" in summary(plan)


async def test_a_rejection_fails_it_and_skips_what_waited(tmp_path: Path):
    plan = diamond(tmp_path, checkpoint(depends_on="1"))
    first = await run(tmp_path, plan)
    answer(tmp_path, first.run, "demo/2", approved=False, note="wrong colour")
    assert (await resume(tmp_path)).code == 1
    assert not (tmp_path / "join").exists()
    assert "wrong colour" in summary(plan)


async def test_a_rejected_checkpoint_can_be_asked_again(tmp_path: Path):
    plan = diamond(tmp_path, checkpoint(depends_on="1"))
    first = await run(tmp_path, plan)
    answer(tmp_path, first.run, "demo/2", approved=False, note="wrong colour")
    assert (await resume(tmp_path)).code == 1
    assert (await resume(tmp_path, retry=("2",))).code == 5
    assert "wrong colour" not in summary(plan)
    answer(tmp_path, first.run, "demo/2")
    assert (await resume(tmp_path)).code == 0
    assert (tmp_path / "join").exists()


async def test_a_resume_without_an_answer_still_waits(tmp_path: Path):
    await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")))
    again = await resume(tmp_path)
    assert again.code == 5
    assert again.count(EventKind.CHECKPOINT_ASKED) == 1


async def test_an_answer_on_the_terminal_goes_on_at_once(tmp_path: Path):
    watcher = Watcher(answers={"demo/2": Answer(approved=True, by="terminal")})
    ran = await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")), watcher=watcher)
    assert ran.code == 0


async def test_left_open_on_the_terminal_it_waits(tmp_path: Path):
    watcher = Watcher(answers={"demo/2": None})
    ran = await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")), watcher=watcher)
    assert ran.code == 5


async def test_a_waiting_engine_takes_the_answer_from_the_inbox(tmp_path: Path):
    watcher = Watcher()
    ran: list[Ran] = []

    async def start() -> None:
        plan = diamond(tmp_path, checkpoint(depends_on="1"))
        ran.append(await run(tmp_path, plan, watcher=watcher, wait=True))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(start)
            while not watcher.has_seen(EventKind.CHECKPOINT_ASKED):  # noqa: ASYNC110 - it is told by a plain call
                await anyio.sleep(0.01)
            answer(tmp_path, watcher.events[0].run, "demo/2")
    assert ran[0].code == 0


@pytest.mark.parametrize(
    ("gate", "code", "option"),
    [
        (checkpoint(depends_on="1"), 0, None),
        (checkpoint("decision", OPTIONS, depends_on="1"), 0, "jwt"),
        (checkpoint("human-action", depends_on="1"), 5, None),
        (checkpoint(depends_on="1", gate="blocking-human"), 5, None),
        (checkpoint("human-action", depends_on="1", gate="advisory"), 5, None),
        (checkpoint("tdd-review", depends_on="1", gate="advisory"), 0, None),
    ],
)
async def test_yes_answers_what_it_may(tmp_path: Path, gate: str, code: int, option: str | None):
    ran = await run(tmp_path, diamond(tmp_path, gate), yes=True)
    assert ran.code == code
    given = ran.history.of(TaskId("demo/2")).answer
    assert (given.option if given else None) == option


async def test_an_option_that_does_not_exist_is_refused_and_the_run_still_waits(tmp_path: Path):
    plan = diamond(tmp_path, checkpoint("decision", OPTIONS, depends_on="1"))
    first = await run(tmp_path, plan)
    answer(tmp_path, first.run, "demo/2", option="saml")
    again = await resume(tmp_path)
    assert again.code == 5
    assert "jwt, oauth" in again.watcher.warnings[0]
    answer(tmp_path, first.run, "demo/2", option="oauth")
    assert (await resume(tmp_path)).code == 0


async def test_a_decision_reaches_the_tasks_that_follow(tmp_path: Path):
    plan = diamond(tmp_path, checkpoint("decision", OPTIONS, depends_on="1"))
    first = await run(tmp_path, plan)
    answer(tmp_path, first.run, "demo/2", option="oauth", note="as agreed")
    done = await resume(tmp_path)
    prompts = [e.data["prompt"] for e in done.events if e.kind is EventKind.ATTEMPT_STARTED]
    assert "option oauth" in prompts[-1]
    assert "as agreed" in prompts[-1]
    assert "oauth" in summary(plan)


async def test_an_answer_in_the_last_moment_goes_on(tmp_path: Path):
    """It comes after the engine has looked and before it would end with 5."""

    class Hasty(Watcher):
        def happened(self, event: Event) -> None:
            super().happened(event)
            if event.kind is EventKind.CHECKPOINT_ASKED:
                answer(tmp_path, event.run, "demo/2")

    plan = write_plan(
        tmp_path,
        bash("Task 1: first", "touch one", depends_on="", files="one"),
        checkpoint(depends_on="1"),
        bash("Task 3: join", "touch join", depends_on="2", files="join"),
    )
    with anyio.fail_after(20):
        assert (await run(tmp_path, plan, watcher=Hasty())).code == 0
    assert (tmp_path / "join").exists()


async def test_a_run_can_be_cancelled_as_soon_as_it_is_announced(tmp_path: Path):
    """What was sent to an engine before it is not for this one."""

    class Hasty(Watcher):
        def happened(self, event: Event) -> None:
            super().happened(event)
            if event.kind is EventKind.RUN_STARTED:
                letter = Letter(do="cancel", run=event.run, by="ann", via="dashboard")
                inbox.post(tmp_path, letter)

    plan = write_plan(tmp_path, bash("Task 1: long", "until test -e go; do sleep 0.05; done"))
    with anyio.fail_after(20):
        ran = await run(tmp_path, plan, watcher=Hasty())
    assert ran.code == 130
    assert ran.history.cancelled == "cancelled by ann, on the dashboard"
    assert "**Halted (cancelled by ann, on the dashboard): 0 of 1 task done" in summary(plan)
    inbox.post(tmp_path, Letter(do="cancel", run=ran.run, by="ann"))
    (tmp_path / "go").touch()
    assert (await resume(tmp_path)).code == 0


async def test_what_ran_when_a_person_cancelled_says_so_and_not_that_a_signal_came(tmp_path: Path):
    class Hasty(Watcher):
        def happened(self, event: Event) -> None:
            super().happened(event)
            if event.kind is EventKind.ATTEMPT_STARTED:
                inbox.post(tmp_path, Letter(do="cancel", run=event.run, by="ann", via="command"))

    plan = write_plan(tmp_path, bash("Task 1: long", "sleep 30"))
    with anyio.fail_after(20):
        ran = await run(tmp_path, plan, watcher=Hasty())
    (tried,) = ran.history.of(TaskId("demo/1")).tried
    assert tried.outcome is not None
    assert tried.outcome.detail == "cancelled by ann, by command"


async def test_a_letter_to_another_run_waits_for_it(tmp_path: Path):
    plan = diamond(tmp_path, checkpoint(depends_on="1"))
    answer(tmp_path, RunId("other"), "demo/2")
    assert (await run(tmp_path, plan)).code == 5
    assert len(inbox.look(tmp_path)) == 1


# --- what grows too old ----------------------------------------------------------------------------


def settle(root: Path, expire_s: float, on_expiry: str = "reject") -> None:
    (root / ".orchestrator").mkdir(exist_ok=True)
    text = f'[checkpoints]\nexpire_s = {expire_s}\non_expiry = "{on_expiry}"\n'
    (root / ".orchestrator" / "config.toml").write_text(text)


@pytest.mark.parametrize(
    ("kind", "gate", "approved"),
    [
        ("human-verify", "advisory", True),
        ("human-verify", "blocking", False),
        ("human-verify", "blocking-human", False),
        ("human-action", "advisory", False),
    ],
)
async def test_a_waiting_engine_notices_what_is_too_old(
    tmp_path: Path, kind: str, gate: str, approved: bool
):
    settle(tmp_path, 0.4, "pass-advisory")
    plan = diamond(tmp_path, checkpoint(kind, depends_on="1", gate=gate))
    with anyio.fail_after(20):
        ran = await run(tmp_path, plan, wait=True)
    assert ran.code == (0 if approved else 1)
    past = ran.history.of(TaskId("demo/2"))
    assert past.answer is not None
    assert (past.answer.approved, past.answer.by) == (approved, "expiry")
    assert (tmp_path / "join").exists() is approved
    assert "nobody answered within 0.4s" in summary(plan)


async def test_a_question_that_is_too_old_is_taken_off_the_terminal(tmp_path: Path):
    class Slow(Watcher):
        async def ask(self, task: Task) -> Answer | None:
            await anyio.sleep_forever()

    settle(tmp_path, 0.4)
    with anyio.fail_after(20):
        watcher = Slow(answers={"demo/2": None})
        assert (
            await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")), watcher=watcher)
        ).code == 1


async def test_it_goes_on_growing_old_while_no_engine_runs(tmp_path: Path):
    settle(tmp_path, 0.01)
    plan = diamond(tmp_path, checkpoint(depends_on="1"))
    first = await run(tmp_path, plan, watcher=Watcher())
    settle(tmp_path, 0)  # for the questions of tomorrow
    again = first if first.code == 1 else await resume(tmp_path)
    assert again.code == 1
    assert again.count(EventKind.CHECKPOINT_ASKED) == 1
    assert again.count(EventKind.CHECKPOINT_ANSWERED) == 1


async def test_what_was_asked_before_anything_was_settled_waits_for_ever(tmp_path: Path):
    await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")))
    settle(tmp_path, 0.01)
    assert (await resume(tmp_path)).code == 5


async def test_an_answer_that_came_while_no_engine_ran_counts_before_the_clock(
    tmp_path: Path, hour: Time
):
    settle(tmp_path, 1800.0)
    first = await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")))
    assert first.code == 5
    answer(tmp_path, first.run, "demo/2")
    hour.passes()
    assert (await resume(tmp_path)).code == 0


async def test_what_has_expired_can_be_asked_again(tmp_path: Path):
    settle(tmp_path, 0.3)
    with anyio.fail_after(20):
        first = await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")), wait=True)
    assert first.code == 1
    settle(tmp_path, 0)
    assert (await resume(tmp_path, retry=("2",), wait=False)).code == 5
    answer(tmp_path, first.run, "demo/2")
    assert (await resume(tmp_path, wait=False)).code == 0


# --- several at once -------------------------------------------------------------------------------


async def test_the_second_answer_is_refused_with_the_first_one_in_it(tmp_path: Path):
    first = await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")))
    answer(tmp_path, first.run, "demo/2", note="fine")
    answer(tmp_path, first.run, "demo/2", approved=False, by="bob")
    done = await resume(tmp_path)
    assert done.code == 0
    [told] = done.watcher.warnings
    assert "demo/2 was approved by ann at " in told
    assert inbox.look(tmp_path) == []


async def test_a_letter_that_was_taken_and_not_put_away_is_nothing_to_tell_of(tmp_path: Path):
    first = await run(tmp_path, diamond(tmp_path, checkpoint(depends_on="1")))
    answer(tmp_path, first.run, "demo/2", note="fine")
    answer(tmp_path, first.run, "demo/2", note="fine")  # as after a crash between the two
    done = await resume(tmp_path)
    assert (done.code, done.watcher.warnings) == (0, [])
    assert done.count(EventKind.CHECKPOINT_ANSWERED) == 1


async def test_a_decision_reaches_also_those_farther_behind(tmp_path: Path):
    plan = write_plan(
        tmp_path,
        checkpoint("decision", OPTIONS, depends_on=""),
        bash("Task 2: next", "touch two", depends_on="1", files="two"),
        bash("Task 3: last", "touch three", depends_on="2", files="three", context_mode="fresh"),
        bash("Task 4: beside", "touch four", depends_on="", files="four"),
    )
    first = await run(tmp_path, plan)
    answer(tmp_path, first.run, "demo/1", option="jwt", note="as agreed", via="command")
    done = await resume(tmp_path)
    started = [one for one in done.events if one.kind is EventKind.ATTEMPT_STARTED]
    prompts = {one.task: one.data["prompt"] for one in started}
    assert "approved by a person: option jwt (JWT).\nNote: as agreed" in prompts[TaskId("demo/3")]
    assert "as agreed" in prompts[TaskId("demo/2")]
    assert "as agreed" not in prompts[TaskId("demo/4")]
    answered = done.history.of(TaskId("demo/1")).answered_at
    assert answered is not None
    assert f"approved by ann (by command) on {answered[:10]} {answered[11:16]} UTC" in summary(plan)
