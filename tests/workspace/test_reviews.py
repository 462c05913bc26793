"""Reviews in worktrees and over crashes, and the probe: what lands is what was kept before, whatever a reviewer does there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from orchestrator import journal, ledger
from orchestrator.model import Attempt, CheckResult, EventKind, Failure, Outcome, TaskId
from orchestrator.settings import ledger_folder
from orchestrator.workers import Report
from orchestrator.workers.shell import ShellWorker
from tests.conftest import REPOSITORY
from tests.engine.runs import HEAD, Ran, TieredAgent, bash, resume
from tests.engine.test_reviews import COST, Reviewed, task
from tests.workspace.repos import Flags, data, git, in_tree, landed, plan_of, run, wait_for

TWO = HEAD.replace("workspace: directory\n", "")
PROBE = "[verify]\nprobe = true\n"


class Meddler(Reviewed):
    """A reviewer that does something in the worktree before it answers."""

    def __init__(self, script: str, meddle: str, *answers: Outcome | str) -> None:
        super().__init__(script, *answers)
        self.meddle = meddle

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        if attempt.name.startswith("review: "):
            await anyio.run_process(["bash", "-ec", self.meddle], cwd=attempt.workspace)
        return await super().run(attempt, report)


def agent_plan(root: Path, check: str, *others: str) -> None:
    plan_of(root, task(check), *others, head=TWO)


def names(root: Path, commit: str) -> set[bytes]:
    return set(in_tree(root, commit))


MEDDLE = "echo mine > a.txt; echo x > junk.txt; rm second.txt; git add -A; git commit -qm mine"


async def test_s1_14_the_reviewer_reads_the_diff_and_what_it_changes_does_not_land(root: Path):
    agent_plan(root, "grep -q hello a.txt")
    agent = Meddler("echo hello > a.txt", MEDDLE, "VERDICT: PASS")
    ran = await run(root, workers={"agent": agent})
    assert ran.code == 0
    (asked,) = agent.seen
    assert "+hello" in asked.prompt
    commit = landed(ran, "demo/1")
    kept = data(ran, EventKind.WORK_KEPT)[-1]["work"]["commit"]
    assert in_tree(root, commit) == in_tree(root, kept)
    assert in_tree(root, commit)[b"a.txt"][1] == b"hello\n"
    assert b"junk.txt" not in names(root, commit)
    (told,) = ran.history.of(TaskId("demo/1")).tried[0].outcome.verdict.warnings
    assert "its reviewer changed a.txt, junk.txt, second.txt" in told


async def test_what_is_rebased_is_checked_without_what_the_reviewer_left(root: Path, out: Path):
    """Another task lands while the reviewer looks: the check on the new base must not see its files."""
    free = {"depends_on": "", "parallel": "can-parallelize"}
    beside = bash("Task 2: b", "echo > f2", "test -e f2", **free)
    mine = task("grep -q hello a.txt; ! test -e junk.txt")
    plan_of(root, mine.replace("<task ", '<task parallel="can-parallelize" '), beside, head=TWO)
    waits = wait_for(out, EventKind.ATTEMPT_FINISHED, 2)
    agent = Meddler("echo hello > a.txt", f"{waits}; {MEDDLE}", "VERDICT: PASS")
    workers = {"shell": ShellWorker(), "agent": agent}
    ran = await run(root, workers=workers, watcher=Flags(folder=out))
    assert ran.code == 0
    commit = landed(ran, "demo/1")
    assert data(ran, EventKind.LANDING, "demo/1")[0]["tip"] == landed(ran, "demo/2")
    assert {b"a.txt", b"f2", b"second.txt"} <= names(root, commit)
    assert b"junk.txt" not in names(root, commit)


async def test_the_next_try_goes_on_in_a_worktree_without_the_reviewers_files(root: Path):
    agent_plan(root, "grep -q hello a.txt")
    script = "test -e junk.txt && exit 9; echo hello >> a.txt"
    agent = Meddler(script, MEDDLE, "no\nVERDICT: FAIL", "VERDICT: PASS")
    ran = await run(root, workers={"agent": agent})
    assert (ran.code, ran.failures("demo/1")) == (0, [Failure.VERIFY, None])
    assert in_tree(root, landed(ran, "demo/1"))[b"a.txt"][1] == b"one\nhello\nhello\n"


# --- a crash ---------------------------------------------------------------------------------------

ENGINE = """
import asyncio, sys
from pathlib import Path
from tests.workspace.test_reviews import Sleeper
from tests.workspace.repos import run
asyncio.run(run(Path(sys.argv[1]), workers={"agent": Sleeper("echo hello > a.txt")}))
"""


class Sleeper(Reviewed):
    """Its review has no end."""

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        if attempt.name.startswith("review: "):
            attempt = attempt.model_copy(update={"name": "sleeps"})
            return await TieredAgent("sleep 300").run(attempt, report)
        return await super().run(attempt, report)


PROBED = """
import asyncio, sys
from pathlib import Path
from tests.workspace.repos import run
asyncio.run(run(Path(sys.argv[1])))
"""


def begun(root: Path, code: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([sys.executable, "-c", code, str(root)], cwd=REPOSITORY, env=env)


def wait_until(engine: subprocess.Popen[bytes], claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not claim():
        assert engine.poll() is None, "the engine ended before"
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)


@pytest.fixture
def killed(root: Path) -> Path:
    """A run whose engine died in the review of task 1."""
    agent_plan(root, "grep -q hello a.txt")
    engine = begun(root, ENGINE)
    try:
        wait_until(engine, lambda: _is_in_review(root))
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    return root


def _is_in_review(root: Path) -> bool:
    try:
        with journal.reading(root) as book:
            return any(one.kind is EventKind.REVIEWING for one in book.events(book.find(None).id))
    except Exception:  # there is no journal yet, or no run in it
        return False


async def test_an_engine_that_died_in_a_review_tries_again_and_knows_that_more_was_spent(
    killed: Path,
):
    agent = Reviewed("echo hello >> a.txt", "VERDICT: PASS")
    ran = await resume(killed, workers={"agent": agent})
    first, second = ran.history.of(TaskId("demo/1")).tried
    assert (ran.code, ran.failures("demo/1")) == (0, [Failure.INTERRUPTED, None])
    assert first.outcome.usage.cost_usd == 0.05  # what the work had told
    assert first.outcome.usage.lower_bound
    assert not second.outcome.usage.lower_bound
    assert first.outcome.work.ref  # what it had made is kept
    assert git(killed, "show", f"{first.outcome.work.ref}:a.txt") == "hello"
    lines = ledger.read(ledger_folder()).entries
    assert [line.lower_bound for line in lines] == [True, False]
    assert lines[1].review.cost_usd == COST.cost_usd


# --- the probe -------------------------------------------------------------------------------------


def probed(ran: Ran) -> list[CheckResult]:
    return [one.result for one in ran.history.of(TaskId("demo/1")).tried[-1].probed]


async def run_probed(root: Path, script: str, check: str, config: str = PROBE) -> Ran:
    plan_of(root, bash("Task 1: a", script, check), head=TWO)
    (root / ".orchestrator/config.toml").write_text(config)
    return await run(root)


INCONCLUSIVE = "test -x ./tool || exit 127; ./tool"
TOOL = "printf '#!/bin/sh\\nexit 0\\n' > tool; chmod +x tool; echo new > second.txt"


async def test_a_check_that_fails_without_the_work_proves_all(root: Path):
    ran = await run_probed(root, TOOL, "test -e tool", PROBE + "red_first = false\n")
    (tried,) = ran.history.of(TaskId("demo/1")).tried
    assert (ran.code, probed(ran)) == (0, [CheckResult.RED])
    assert (tried.outcome.verdict.strength, tried.outcome.verdict.warnings) == (1.0, ())
    assert {b"tool", b"second.txt"} <= names(root, landed(ran, "demo/1"))
    assert in_tree(root, landed(ran, "demo/1"))[b"second.txt"][1] == b"new\n"
    summary = (root / "plans/demo-SUMMARY.md").read_text()
    assert "red without the work, strength 1" in summary


async def test_a_check_that_is_green_without_the_work_proves_nothing(root: Path):
    ran = await run_probed(root, TOOL, "test -e a.txt", PROBE + "red_first = false\n")
    (tried,) = ran.history.of(TaskId("demo/1")).tried
    assert (ran.code, probed(ran)) == (0, [CheckResult.GREEN])
    assert tried.outcome.verdict.strength == 0.0
    (told,) = tried.outcome.verdict.warnings
    assert "it is green without the work, too" in told
    assert b"tool" in names(root, landed(ran, "demo/1"))


async def test_what_was_red_before_is_not_probed(root: Path):
    ran = await run_probed(root, TOOL, "test -e tool")
    assert probed(ran) == []


async def test_a_check_that_could_not_be_judged_before_is_probed(root: Path):
    ran = await run_probed(root, TOOL, INCONCLUSIVE)
    (tried,) = ran.history.of(TaskId("demo/1")).tried
    assert probed(ran) == [CheckResult.INCONCLUSIVE]  # it says as little as before
    assert tried.outcome.verdict.strength == 0.5


async def test_an_engine_that_dies_in_a_probe_loses_nothing(root: Path):
    """The check kills its engine when it is run without the work; the work is kept, and the run goes on."""
    mark = root.parent / "once"
    check = f"test -e tool && exit 0; test -e {mark} && exit 1; touch {mark}; sleep 300"
    plan_of(root, bash("Task 1: a", TOOL, check), head=TWO)
    (root / ".orchestrator/config.toml").write_text(PROBE + "red_first = false\n")
    engine = begun(root, PROBED)
    try:
        wait_until(engine, mark.exists)
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    ran = await resume(root)
    assert (ran.code, ran.failures("demo/1")) == (0, [Failure.INTERRUPTED, None])
    (first, _) = ran.history.of(TaskId("demo/1")).tried
    assert git(root, "show", f"{first.kept.ref}:second.txt") == "new"
    assert in_tree(root, landed(ran, "demo/1"))[b"second.txt"][1] == b"new\n"
