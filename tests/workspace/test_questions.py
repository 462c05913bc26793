"""Work that waits for a person in a git repository: each work is a question of its own, and no clock answers it."""

from __future__ import annotations

from pathlib import Path

from orchestrator import inbox
from orchestrator.inbox import Letter
from orchestrator.model import Answer, EventKind, Failure, TaskId
from tests.engine.runs import Ran, bash, resume
from tests.workspace.repos import git, in_tree, plan_of, run

FREE = {"parallel": "can-parallelize", "depends_on": ""}
STEERS = bash(
    "Task 1: steer", "echo one >> shared; echo x > CLAUDE.md", "grep -q one shared", **FREE
)
BESIDE = bash("Task 2: beside", "echo two >> shared", "grep -q two shared", **FREE)


def approve(ran: Ran, note: str = "") -> None:
    answer = Answer(approved=True, note=note, by="ann")
    inbox.post(ran.root, Letter(do="answer", run=ran.run, task=TaskId("demo/1"), answer=answer))


async def test_a_yes_to_one_work_is_none_to_the_next(root: Path):
    """What was approved did not fit to what had landed meanwhile; what is made anew nobody has seen yet."""
    plan_of(root, STEERS, BESIDE)
    ran = await run(root)
    assert ran.code == 5
    approve(ran)
    again = await resume(root)
    assert again.failures("demo/1")[0] is Failure.CONFLICT
    assert (again.code, again.count(EventKind.HELD)) == (5, 2)
    assert b"CLAUDE.md" not in in_tree(root, f"orchestrator/{ran.run}")
    approve(ran)
    assert (await resume(root)).code == 0
    assert git(root, "show", "HEAD:shared") == "two\none"


async def test_verified_work_that_waits_for_a_person_never_expires(root: Path):
    (root / ".orchestrator").mkdir(exist_ok=True)
    (root / ".orchestrator" / "config.toml").write_text("[checkpoints]\nexpire_s = 0.001\n")
    plan_of(root, STEERS)
    ran = await run(root)
    assert (ran.code, (await resume(root)).code) == (5, 5)
    approve(ran)
    assert (await resume(root)).code == 0


async def test_a_note_on_what_was_held_reaches_the_next_task(root: Path):
    plan_of(root, STEERS, bash("Task 2: next", "echo > f2", "test -e f2", depends_on="1"))
    ran = await run(root)
    approve(ran, "only on pushes")
    done = await resume(root)
    prompts = [e.data["prompt"] for e in done.events if e.kind is EventKind.ATTEMPT_STARTED]
    assert "Note: only on pushes" in prompts[-1]
