"""A warden that somebody has stopped, and an engine that was: what they should have ended is ended, what ended in time was in time."""

# ruff: noqa: ASYNC220 - an engine to be stopped is a process of its own

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from orchestrator.process import Command, leftover, run, warden
from tests.process.test_process import is_here, wait_until

if sys.platform != "linux":
    pytest.skip("needs /proc", allow_module_level=True)

PATH = os.environ["PATH"]
# It throws our mark away and leaves its session: only who inherits it knows whose it is.
NAMELESS = (
    "env -i setsid sleep 1000 > /dev/null 2>&1 & echo $! > pid; : > begun; sleep ${SLEEPS:-1000}"
)
ENGINE = """
import anyio, os, sys
from pathlib import Path
from orchestrator.process import Command, run
root = Path(sys.argv[1])
env = {"PATH": os.environ["PATH"], "ORCHESTRATOR_PROJECT": str(root)}
anyio.run(run, Command(argv=("bash", "-c", sys.argv[2]), cwd=root, env=env, timeout_s=60.0))
"""


def order(script: str, cwd: Path, timeout_s: float = 60.0) -> Command:
    env = {"PATH": PATH, leftover.MARK: str(cwd)}
    argv = ("bash", "-c", script)
    return Command(argv=argv, cwd=cwd, env=env, timeout_s=timeout_s, grace_s=0.2)


def wardens() -> list[int]:
    """Of this process."""
    tree = warden.read_tree(os.getpid())
    return [pid for pid in tree if "warden.py" in warden.read_command_line(pid)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = (sys.executable, "-c", ENGINE, str(tmp_path), NAMELESS)
    with subprocess.Popen(words) as process:
        yield process
        process.kill()


async def test_a_stopped_warden_is_woken_and_ends_its_tree(tmp_path: Path) -> None:
    with anyio.fail_after(10.0):  # less than what a warden is given to answer
        async with anyio.create_task_group() as group:
            group.start_soon(run, order(NAMELESS, tmp_path))
            await wait_until((tmp_path / "begun").exists)
            (stopped,) = wardens()
            os.kill(stopped, signal.SIGSTOP)
            group.cancel_scope.cancel()
    assert not is_here(int((tmp_path / "pid").read_text()))
    assert not is_here(stopped)


async def test_a_stopped_warden_of_an_engine_that_is_gone_is_found_and_woken(
    engine: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    await wait_until((tmp_path / "begun").exists)
    (stopped,) = [
        pid for pid in warden.read_tree(engine.pid) if "warden.py" in warden.read_command_line(pid)
    ]
    os.kill(stopped, signal.SIGSTOP)
    engine.kill()
    engine.wait()
    nameless = int((tmp_path / "pid").read_text())
    assert is_here(nameless), "it was not there any more: this shows nothing"
    await leftover.end_leftovers(tmp_path, print)
    assert not is_here(nameless)
    assert not is_here(stopped)


async def test_who_is_stopped_while_it_ends_what_was_left_asks_nobody(tmp_path: Path) -> None:
    deaf = "trap '' TERM; : > begun; while :; do sleep 1; done"
    env = {"PATH": PATH, leftover.MARK: str(tmp_path)}
    with subprocess.Popen(["bash", "-c", deaf], cwd=tmp_path, env=env) as process:
        try:
            await wait_until((tmp_path / "begun").exists)
            with anyio.move_on_after(0.1) as stopped:
                await leftover.end_leftovers(tmp_path, print)
            assert stopped.cancelled_caught
            assert process.wait(20.0) == -signal.SIGKILL
        finally:
            process.kill()


async def test_what_ended_while_the_engine_was_stopped_has_ended_in_time(tmp_path: Path) -> None:
    """Ctrl-Z: the wardens and what they started go on, and end; the clock says that all time is over."""
    code = (
        "import anyio, sys, test_warden_stopped as here; from pathlib import Path\n"
        "ended = anyio.run(here.run, here.order(': > begun; sleep 0.5', Path(sys.argv[1]), 2.0))\n"
        "print(ended.timed_out, ended.exit_code, flush=True)"
    )
    env = {"PATH": PATH, "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}"}
    words = (sys.executable, "-c", code, str(tmp_path))
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
        await wait_until((tmp_path / "begun").exists)
        os.kill(process.pid, signal.SIGSTOP)
        over = time.monotonic() + 3.0
        await wait_until(lambda: time.monotonic() > over)
        os.kill(process.pid, signal.SIGCONT)
        out, _ = process.communicate(timeout=20.0)
    assert out.split() == ["False", "0"]
