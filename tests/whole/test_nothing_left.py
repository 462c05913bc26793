"""Whatever a task starts and however it ends, no process of ours is there afterwards; also when its warden was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.process.leftover import MARK
from tests.cli.projects import Project, task
from tests.whole.processes import end_marked, end_wardens, marked

if sys.platform != "linux":
    pytest.skip("needs /proc", allow_module_level=True)

# What a task starts besides. Each says in a file that it is there; none of them would end by itself in time.
CHILDREN = {
    "double fork": "(setsid bash -c 'touch {up}; sleep 600' > /dev/null 2>&1 &)",
    "deaf": "bash -c 'trap \"\" TERM INT HUP; touch {up}; while :; do sleep 1; done' > /dev/null 2>&1 &",
    "holds stdout": "setsid bash -c 'touch {up}; sleep 600' &",
    "deaf and away": "(setsid bash -c 'trap \"\" TERM INT HUP; touch {up}; while :; do sleep 1; done' > /dev/null 2>&1 &)",
    "chain": "cat > {up}.sh <<'EOF'\ntouch {up}; sleep 0.2; setsid bash {up}.sh > /dev/null 2>&1 &\nEOF\nbash {up}.sh > /dev/null 2>&1",
}
SETTINGS = '[run]\ntimeout_s = {timeout_s}\nstall_s = 600\n[workers.mule]\nargv = ["{agent}"]\nformat = "text"\n'
LIMIT_S = 40.0
KINDS = list(CHILDREN) if os.environ.get("CI") else ["deaf and away"]


def wait_until(claim: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not claim():
        assert time.monotonic() < limit, "it never became true"
        time.sleep(0.01)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    end_marked(made.root)


def prepare(project: Project, child: str, end: str, timeout_s: float = 600) -> Path:
    """A task that starts the child, waits until it is up, and ends as told. The file by which the child says so."""
    up = project.root.parent / "up"
    starts = CHILDREN[child].replace("{up}", str(up))
    script = f"{starts}\nwhile ! test -e {up}; do sleep 0.01; done\n{end}"
    project.write(task("Task 1: parent", script, "test -e done.txt", files="done.txt"))
    settings = SETTINGS.format(timeout_s=timeout_s, agent=project.root / "agent")
    (project.root / ".orchestrator/config.toml").write_text(settings)
    return up


@pytest.mark.parametrize("child", KINDS)
@pytest.mark.parametrize(("end", "code"), [("echo > done.txt", 0), ("exit 3", 1)])
def test_after_success_and_failure(child: str, end: str, code: int, project: Project):
    prepare(project, child, end)
    done = project.call("run", "demo-PLAN.md")
    assert done.returncode == code, done.stdout + done.stderr
    assert marked(project.root) == {}


@pytest.mark.parametrize("child", KINDS)
def test_after_a_timeout(child: str, project: Project):
    up = prepare(project, child, "sleep 600", timeout_s=4)  # within which the child must be up
    assert project.call("run", "demo-PLAN.md").returncode == 1
    assert up.exists()
    assert marked(project.root) == {}


@pytest.mark.parametrize("child", KINDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_after_the_engine_was_told_to_end(child: str, number: signal.Signals, project: Project):
    up = prepare(project, child, "sleep 600")
    with project.started("run", "demo-PLAN.md", stdout=subprocess.DEVNULL) as engine:
        wait_until(up.exists)
        engine.send_signal(number)
        engine.wait(LIMIT_S)
    assert marked(project.root) == {}


def until(alone: Path) -> str:
    """Sleeps, until there is such a file; a try after that writes down what is there of the project, and is done."""
    root = alone.parent / "project"
    look = f"for p in /proc/[0-9]*; do grep -qz '^{MARK}={root}$' $p/environ 2>/dev/null && echo ${{p#/proc/}}; done"
    return f"if test -e {alone}; then {{ {look}; }} > {alone}.seen || true; echo > done.txt; else touch {alone}.asleep; sleep 600; fi"


def seen_by(alone: Path) -> set[int]:
    return {int(pid) for pid in alone.with_suffix(".seen").read_text().split()}


@pytest.mark.parametrize("child", KINDS)
def test_after_the_warden_alone_was_killed(child: str, project: Project):
    """The engine that lives ends what is left before the next try, and says it."""
    alone = project.root.parent / "alone"
    prepare(project, child, until(alone))
    with project.started(
        "run", "demo-PLAN.md", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as engine:
        wait_until(alone.with_suffix(".asleep").exists)
        alone.touch()
        before = set(marked(project.root))
        end_wardens(engine)
        engine.send_signal(signal.SIGCONT)
        told, troubles = engine.communicate(timeout=LIMIT_S)
    assert engine.returncode == 0, told
    assert "it was lost: something killed our process beside it" in told
    assert before, "nothing was there: this shows nothing"
    assert not seen_by(alone) & before, "tried again beside what the first try had left"
    assert marked(project.root) == {}
    assert not troubles


@pytest.mark.parametrize("child", KINDS)
@pytest.mark.parametrize("with_warden", [False, True])
def test_after_kill_9_and_a_new_start(child: str, with_warden: bool, project: Project):
    """Before anything is started again: the second try looks who is still there."""
    alone = project.root.parent / "alone"
    up = prepare(project, child, until(alone))
    with project.started("run", "demo-PLAN.md", stdout=subprocess.DEVNULL) as engine:
        wait_until(lambda: up.exists() and alone.with_suffix(".asleep").exists())
        if with_warden:
            end_wardens(engine)
        engine.kill()
        engine.wait()
    alone.touch()
    before = set(marked(project.root))
    done = project.call("resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not seen_by(alone) & before, (
        "the task was started beside what an engine that is gone had left"
    )
    assert marked(project.root) == {}
    if with_warden:
        assert before, "nothing outlived the warden: this shows nothing"
        assert "ended what an earlier run had left running" in done.stderr


def test_what_a_successful_task_left_running_is_said_where_people_look(project: Project):
    prepare(project, "double fork", "echo > done.txt")
    said = "ended what it left running: "
    assert said in project.told("run", "demo-PLAN.md")
    assert said in project.told("show")
    assert said in project.told("explain", project.newest(), "1")
    assert said in (project.root / "demo-SUMMARY.md").read_text()


def test_an_agent_that_says_done_and_never_exits(project: Project):
    agent = project.root / "agent"
    agent.write_text("#!/bin/bash\ncat > /dev/null\necho > done.txt\necho all done\nsleep 600\n")
    agent.chmod(0o755)
    prepare(project, "deaf", "true", timeout_s=1.5)
    plan = (project.root / "demo-PLAN.md").read_text()
    (project.root / "demo-PLAN.md").write_text(plan.replace('subagent="bash"', 'worker="mule"'))
    done = project.call("run", "demo-PLAN.md")
    assert done.returncode == 1, done.stdout + done.stderr
    assert marked(project.root) == {}


def test_a_task_may_call_us(project: Project):
    """All that a task has in its environment of an engine is no setting."""
    script = f"{sys.executable} -m orchestrator lint demo-PLAN.md && touch linted"
    project.write(task("Task 1: inner", script, "test -e linted", files="linted"))
    done = project.call("run", "demo-PLAN.md")
    assert done.returncode == 0, done.stdout + done.stderr


def test_we_do_not_end_ourselves_when_an_agent_starts_us(project: Project):
    """An engine within a task of another project has marks of its own, and its own kin are spared."""
    project.write(task("Task 1: inner", "echo > done.txt", "test -e done.txt"))
    done = project.call("run", "demo-PLAN.md", **{MARK: str(project.root)})
    assert done.returncode == 0, done.stdout + done.stderr
