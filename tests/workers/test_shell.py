"""The shell worker runs real scripts; how they end is an Outcome, never an exception."""

# ruff: noqa: ASYNC110 - what is looked at here are the files of other processes

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.model import (
    Attempt,
    Failure,
    Outcome,
    Position,
    Progress,
    Route,
    RunId,
    Task,
    TaskId,
)
from orchestrator.workers.shell import SHORT, Reporter, ShellWorker

PATH = os.environ["PATH"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper and /proc")


def fence(script: str) -> str:
    return f"Do it:\n\n```bash\n{script}\n```\n"


def attempt(script: str, folder: Path, **more: Any) -> Attempt:
    given = {
        "run": RunId("r"),
        "task": TaskId("08-02/1"),
        "name": "a task",
        "number": 1,
        "action": fence(script),
        "prompt": "",
        "route": Route(worker="shell", confidence=1.0, reason="bash"),
        "workspace": str(folder),
        "timeout_s": 20.0,
        "stall_s": 20.0,
        "transcript": str(folder / "runs" / "1.log"),
        "environment": {"PATH": PATH, "GIVEN": "yes"},
    }
    return Attempt(**{**given, **more})


async def do(script: str, folder: Path, **more: Any) -> Outcome:
    return await ShellWorker().run(attempt(script, folder, **more), lambda line: None)


async def test_exit_0_is_success_and_costs_nothing(tmp_path: Path) -> None:
    outcome = await do("echo $GIVEN > made", tmp_path)
    assert (outcome.ok, outcome.exit_code, outcome.detail, outcome.model) == (True, 0, "", None)
    assert outcome.usage is not None
    assert (outcome.usage.tokens, outcome.usage.cost_usd) == (0, 0.0)
    assert outcome.usage.cost_basis == "reported"
    assert outcome.duration_s > 0
    assert (tmp_path / "made").read_text() == "yes\n"


async def test_what_ran_and_what_it_said_stay_beside_each_other(tmp_path: Path) -> None:
    await do("echo said; echo loud >&2", tmp_path)
    script, log = tmp_path / "runs" / "1.sh", tmp_path / "runs" / "1.log"
    assert script.read_text().strip() == "echo said; echo loud >&2"
    assert log.read_text() == "said\nloud\n"
    assert {file.stat().st_mode & 0o777 for file in (script, log)} == {0o600}


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("echo first\nfalse\necho never", 1),
        ("exit 7", 7),
        ("false | true", 1),
        ("no-such-command", 127),
    ],
)
async def test_the_first_failing_command_fails_the_task(
    script: str, code: int, tmp_path: Path
) -> None:
    outcome = await do(script, tmp_path)
    assert (outcome.failure, outcome.exit_code) == (Failure.EXIT, code)
    assert f"exit {code}" in outcome.detail
    assert "never" not in outcome.detail


async def test_the_failure_tells_the_last_lines(tmp_path: Path) -> None:
    outcome = await do("seq 1 1000; echo why >&2; exit 3", tmp_path)
    lines = outcome.detail.splitlines()
    assert (lines[0], lines[-2:], len(lines)) == ("exit 3", ["1000", "why"], 21)


async def test_entities_of_the_plan_are_decoded(tmp_path: Path) -> None:
    outcome = await do("true &amp;&amp; test 1 -lt 2 &gt; out; test -e out", tmp_path)
    assert outcome.ok, outcome.detail


async def test_time_and_stall_are_told_apart(tmp_path: Path) -> None:
    late = await do("while :; do :; done", tmp_path, timeout_s=3.5, stall_s=1.5)
    assert (late.failure, late.exit_code) == (Failure.TIMEOUT, None)
    assert "3.5 s" in late.detail


@linux
async def test_silence_is_a_stall(tmp_path: Path) -> None:
    outcome = await do("sleep 1000", tmp_path, stall_s=0.3)
    assert outcome.failure is Failure.STALLED


async def test_a_signal_is_named(tmp_path: Path) -> None:
    outcome = await do("kill -SEGV $$; sleep 1000", tmp_path)
    assert (outcome.failure, outcome.exit_code) == (Failure.EXIT, None)
    assert "SIGSEGV" in outcome.detail


async def test_without_bash_the_worker_is_missing(tmp_path: Path) -> None:
    outcome = await do("true", tmp_path, environment={"PATH": str(tmp_path)})
    assert outcome.failure is Failure.MISSING
    assert "install bash" in outcome.detail


async def test_a_missing_workspace_is_not_a_missing_worker(tmp_path: Path) -> None:
    outcome = await do("true", tmp_path, workspace=str(tmp_path / "gone"))
    assert outcome.failure is Failure.NO_RESULT
    assert "gone" in outcome.detail


async def test_stdin_is_empty(tmp_path: Path) -> None:
    assert (await do('test -z "$(cat)"', tmp_path)).ok


@linux
async def test_what_it_leaves_running_is_ended_and_mentioned(tmp_path: Path) -> None:
    begun = "until grep -q ^sleep /proc/$!/comm; do true; done"
    outcome = await do(f"setsid sleep 1234 &\n{begun}", tmp_path)
    assert outcome.ok
    assert outcome.warnings == ("ended what it left running: sleep 1234",)
    assert outcome.detail == ""


async def test_lines_are_reported_while_it_runs(tmp_path: Path) -> None:
    """It goes on only when its line has been heard."""
    heard: list[str] = []

    def report(progress: Progress) -> None:
        heard.append(progress.doing)
        (tmp_path / "heard").touch()

    script = (
        "echo; printf '\\033[31mred\\033[0m\\tline\\n'; until [ -e heard ]; do sleep 0.01; done"
    )
    outcome = await ShellWorker().run(attempt(script, tmp_path), report)
    assert (outcome.ok, heard) == (True, ["red line"])


def test_reports_are_short_and_not_a_flood() -> None:
    heard: list[str] = []
    reporter = Reporter(lambda progress: heard.append(progress.doing))
    for _ in range(10_000):
        reporter("ü".encode() * 1000)
    assert 1 <= len(heard) < 100
    assert {len(line) for line in heard} == {SHORT}


async def test_cancelling_leaves_nothing(tmp_path: Path) -> None:
    async with anyio.create_task_group() as group:
        script = "sleep 1000 & echo $! > new && mv new pid; wait"
        group.start_soon(do, script, tmp_path)
        with anyio.fail_after(30):
            while not (tmp_path / "pid").exists():
                await anyio.sleep(0.005)
        group.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def task(action: str, **more: Any) -> Task:
    return Task(
        id=TaskId("08-02/1"), ordinal=1, position=Position(line=1, column=1), action=action, **more
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (task(fence("true"), subagent="bash"), None),
        (task(fence("true"), subagent="Bash"), None),
        (task(fence("true"), worker="shell"), None),
        (task(fence("true")), "only runs tasks"),
        (task(fence("true"), subagent="coder"), "only runs tasks"),
        (task("run true", subagent="bash"), "no fenced shell block"),
        (task("```python\npass\n```", subagent="bash"), "no fenced shell block"),
    ],
)
def test_it_takes_only_fenced_shell_that_was_meant_for_it(given: Task, reason: str | None) -> None:
    answer = ShellWorker().refuses(given)
    assert answer is None if reason is None else reason in (answer or "")


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ShellWorker().missing() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install bash" in (ShellWorker().missing() or "")
