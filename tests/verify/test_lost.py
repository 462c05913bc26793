"""A check beside which our own process was killed says nothing of the work: it is run once more, and no agent is asked again for it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from orchestrator import verify
from orchestrator.model import Check, CheckResult
from orchestrator.process import warden
from tests.process.test_process import wait_until

if sys.platform != "linux":
    pytest.skip("needs /proc", allow_module_level=True)

COUNTS = "echo x >> times; n=$(wc -l < times); : > begun.$n; until test $n -ge {nth}; do sleep 1; done; test -s times"


async def checked(nth: int, killed: int, cwd: Path) -> Check:
    """Its first runs wait until they are killed."""
    done: list[Check] = []

    async def begin() -> None:
        env = {"PATH": os.environ["PATH"]}
        done.extend(
            await verify.run_checks([COUNTS.format(nth=nth)], cwd=cwd, env=env, timeout_s=30.0)
        )

    async with anyio.create_task_group() as group:
        group.start_soon(begin)
        for number in range(1, killed + 1):
            await wait_until((cwd / f"begun.{number}").exists)
            for pid in warden.read_tree(os.getpid()):
                if "warden.py" in warden.read_command_line(pid):
                    os.kill(pid, signal.SIGKILL)
    (check,) = done
    return check


async def test_a_check_that_was_lost_is_run_once_more(tmp_path: Path):
    check = await checked(2, 1, tmp_path)
    assert (check.result, check.exit_code) == (CheckResult.GREEN, 0)
    assert (tmp_path / "times").read_text() == "x\nx\n"


async def test_one_that_is_lost_again_is_told_as_that(tmp_path: Path):
    check = await checked(3, 2, tmp_path)
    assert (check.result, check.exit_code) == (CheckResult.INCONCLUSIVE, None)
    assert "[it was lost: something killed our process beside it]" in check.output
    assert (tmp_path / "times").read_text() == "x\nx\n"
