"""The terminal goes away while a run works: what `nohup` has started goes on to its end, what has not is stopped in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.projects import Project, waits_for
from tests.whole.processes import marked

LIMIT_S = 40.0
# As `nohup` does it, in a session whose terminal is the one that goes away.
UNHEARD = "trap '' HUP; exec \"$@\""
HEARD = 'exec "$@"'


def wait_until(claim: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not claim():
        assert time.monotonic() < limit, "it never became true"
        time.sleep(0.01)


@pytest.mark.parametrize(("way", "code"), [(UNHEARD, 0), (HEARD, 130)])
def test_a_run_outlives_its_terminal_where_it_was_asked_to(way: str, code: int, tmp_path: Path):
    project, go = Project(tmp_path), tmp_path / "go"
    project.write(waits_for(go))
    ours, theirs = os.openpty()
    words = ("setsid", "--ctty", "bash", "-c", way, "-", sys.executable, "-m", "orchestrator")
    with subprocess.Popen(
        [*words, "run", "demo-PLAN.md"],
        cwd=project.root,
        env=project.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as engine:
        os.close(theirs)
        try:
            wait_until(lambda: any("sleep" in words for words in marked(project.root).values()))
            os.close(ours)
            if code == 0:
                time_to_hear = time.monotonic() + 0.5
                while time.monotonic() < time_to_hear:
                    assert engine.poll() is None, "it was ended with its terminal"
                    time.sleep(0.01)
                go.touch()
            assert engine.wait(LIMIT_S) == code
        finally:
            engine.send_signal(signal.SIGKILL)
    assert marked(project.root) == {}
