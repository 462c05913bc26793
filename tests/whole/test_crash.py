"""The command as a process: `kill -9`, Ctrl-C once and twice, and what `resume` makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import OPEN
from tests.engine.runs import bash, summary, write_plan

WAIT_FOR = "until test -e {file}; do sleep 0.02; done"


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return {
        **OPEN,
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
    }


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Starts the command in the project; whatever the test does, none of them outlives it."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        engine = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(engine)
        return engine

    yield begin
    for engine in started:
        with engine:
            engine.kill()


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # gone between the two looks; or no /proc
        return not Path("/proc/self").exists()
    return stat.rpartition(")")[2].split()[0] != "Z"


def three_steps(root: Path) -> Path:
    """The second says that it runs and waits for a file; each leaves a line in `log` when it begins."""
    away = "setsid sleep 300 > /dev/null 2>&1 & echo $! > child"
    middle = f"echo two >> log; {away}; echo $$ > pid; touch running; {WAIT_FOR.format(file='go')}; touch b"
    return write_plan(
        root,
        bash("Task 1: one", "echo one >> log; touch a", "test -e a", files="a"),
        bash("Task 2: two", middle, "test -e b", files="b"),
        bash("Task 3: three", "echo three >> log; touch c", "test -e c", files="c"),
    )


def test_after_kill_9_nothing_finished_is_done_twice_and_the_rest_is_done(
    tmp_path: Path, start: Start
):
    plan = three_steps(tmp_path)
    engine = start("run", str(plan))
    wait_until((tmp_path / "pid").exists)
    wait_until((tmp_path / "running").exists)
    engine.kill()
    engine.communicate()
    for name in ("pid", "child"):  # the warden ends the whole tree, also what called setsid
        pid = int((tmp_path / name).read_text())
        wait_until(lambda pid=pid: not is_alive(pid))
    (tmp_path / "go").touch()
    told, _ = start("resume").communicate(timeout=60)
    assert (tmp_path / "log").read_text().split() == ["one", "two", "two", "three"], told
    text = summary(plan)
    assert "status: complete" in text
    assert "interrupted" in text


def test_the_first_ctrl_c_lets_what_runs_finish_and_starts_nothing(tmp_path: Path, start: Start):
    plan = three_steps(tmp_path)
    engine = start("run", str(plan))
    wait_until((tmp_path / "running").exists)
    engine.send_signal(signal.SIGINT)
    wait_until(lambda: "draining" in journal_kinds(tmp_path))
    (tmp_path / "go").touch()
    told, _ = engine.communicate(timeout=60)
    assert engine.returncode == 130, told
    assert "orchestrator resume" in told
    assert (tmp_path / "log").read_text().split() == ["one", "two"]
    assert (tmp_path / "b").exists()
    again = start("resume")
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert (tmp_path / "log").read_text().split() == ["one", "two", "three"]


def test_the_second_ctrl_c_ends_everything_and_it_is_resumable(tmp_path: Path, start: Start):
    plan = three_steps(tmp_path)
    engine = start("run", str(plan))
    wait_until((tmp_path / "running").exists)
    engine.send_signal(signal.SIGINT)
    wait_until(lambda: "draining" in journal_kinds(tmp_path))
    engine.send_signal(signal.SIGINT)
    told, _ = engine.communicate(timeout=60)
    assert engine.returncode == 130, told
    for name in ("pid", "child"):
        assert not is_alive(int((tmp_path / name).read_text()))
    assert "status: halted" in summary(plan)
    (tmp_path / "go").touch()
    again = start("resume")
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert (tmp_path / "log").read_text().split() == ["one", "two", "two", "three"]


def test_who_follows_the_log_of_a_dead_engine_is_told_so(tmp_path: Path, start: Start):
    engine = start("run", str(three_steps(tmp_path)))
    wait_until((tmp_path / "running").exists)
    run = next((tmp_path / ".orchestrator" / "runs").iterdir()).name
    follower = start("logs", run, "2", "-f")
    engine.kill()
    engine.communicate()
    told, _ = follower.communicate(timeout=60)
    assert follower.returncode == 0
    assert f"the engine is gone Next: orchestrator resume {run}" in " ".join(told.split())


def test_sigterm_ends_at_once(tmp_path: Path, start: Start):
    engine = start("run", str(three_steps(tmp_path)))
    wait_until((tmp_path / "running").exists)
    engine.terminate()
    engine.communicate(timeout=60)
    assert engine.returncode == 130
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_two_engines_in_one_project_are_refused(tmp_path: Path, start: Start):
    plan = three_steps(tmp_path)
    engine = start("run", str(plan))
    wait_until((tmp_path / "running").exists)
    second = start("run", str(plan))
    told, _ = second.communicate(timeout=60)
    assert second.returncode == 4
    assert "another orchestrator" in told
    (tmp_path / "go").touch()
    engine.communicate(timeout=60)
    assert engine.returncode == 0


def journal_kinds(root: Path) -> set[str]:
    from orchestrator import journal

    with journal.reading(root) as book:
        return {event.kind.value for event in book.events(book.find(None).id)}
