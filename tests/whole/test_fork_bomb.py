"""Sixty-four processes that leave their session and hear no signal: others go on beside them, and none of them is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.projects import Project, task

PLAN = "demo-PLAN.md"
SIZE = 64  # the bomb's own limit
BOMB = """import os, signal, sys
out = sys.argv[1]
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
for place in range(64):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:  # its parent is gone at once: nobody of its family is left to look at
            os.setsid()
            open(f"{out}/{place}", "w").close()
            while True:
                signal.pause()
        os._exit(0)
"""
HOLD = {
    "success": "touch a",
    "failure": "exit 3",
    "timeout": "test -e {out}/held && exit 3; touch {out}/held; while true; do sleep 0.2; done",
    "cancel": "while true; do sleep 0.2; done",
    "kill -9": "test -e {out}/mended || while true; do sleep 0.2; done; touch a",
}

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]


def marked(run: str) -> list[int]:
    """Who carries the marker of this run in its environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"ORCHESTRATOR_RUN={run}".encode() in words:
                found.append(int(folder.name))
    return found


def until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not claim():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)


def set_out(project: Project, out: Path, hold: str) -> None:
    (project.root / "bomb.py").write_text(BOMB)
    bomb = f"test -e {out}/mended || {sys.executable} bomb.py {out}/born"
    whole = (
        f"until test $(ls {out}/born | wc -l) = {SIZE} && test -e {out}/beside; do sleep 0.05; done"
    )
    side = 'type="auto" subagent="bash" depends-on="" parallel="can-parallelize"'
    project.write(
        task("Task 1: bomb", f"{bomb}\n{whole}\n{hold}", "test -e a", files="a", attributes=side),
        task(
            "Task 2: beside",
            f"until test $(ls {out}/born | wc -l) = {SIZE}; do sleep 0.05; done\ntouch b {out}/beside",
            "test -e b",
            files="b",
            attributes=side,
        ),
    )


@pytest.mark.parametrize("end", HOLD)
def test_a_bomb_stops_nobody_beside_it_and_none_of_it_is_left(
    end: str, project: Project, tmp_path: Path
):
    out = tmp_path / "out"
    (out / "born").mkdir(parents=True)
    set_out(project, out, HOLD[end].format(out=out))
    project.environment["ORCHESTRATOR_RUN__TIMEOUT_S"] = "15" if end == "timeout" else "60"
    with project.started("run", PLAN, stdout=subprocess.DEVNULL) as engine:
        until((out / "beside").exists)
        run = next((project.root / ".orchestrator" / "runs").iterdir()).name
        if end in ("timeout", "cancel", "kill -9"):  # they are all there, and the engine answers
            assert len(marked(run)) >= SIZE
            assert project.call("show", run).returncode == 0
        if end == "cancel":
            engine.send_signal(signal.SIGTERM)
        if end == "kill -9":
            until(lambda: '"succeeded"' in project.told("show", "--json"))
            engine.kill()
        engine.wait(60)
    until(lambda: marked(run) == [] or end != "kill -9")
    assert marked(run) == []
    states = [one["state"] for one in project.json("show")["tasks"]]
    assert states[1] == "succeeded"
    assert engine.returncode == {"success": 0, "cancel": 130, "kill -9": -9}.get(end, 1)
    if end == "kill -9":
        (out / "mended").touch()
        assert project.call("resume").returncode == 0
        assert marked(run) == []
