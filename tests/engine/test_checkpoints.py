"""Checkpoints hold back only what depends on them; the run ends with 5 and goes on with the answer."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrator import inbox
from orchestrator.inbox import Letter
from orchestrator.model import Answer, Event, EventKind, RunId, TaskId
from tests.engine.runs import Ran, Watcher, bash, checkpoint, resume, run, summary, write_plan

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


async def test_a_letter_to_another_run_waits_for_it(tmp_path: Path):
    plan = diamond(tmp_path, checkpoint(depends_on="1"))
    answer(tmp_path, RunId("other"), "demo/2")
    assert (await run(tmp_path, plan)).code == 5
    assert len(inbox.look(tmp_path)) == 1
