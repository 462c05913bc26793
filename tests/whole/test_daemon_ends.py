"""However a daemon ends, and whoever else wants the project: everything goes on at its next start, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.whole.daemons import House, wait_until
from tests.whole.test_crash import is_alive

pytestmark = pytest.mark.timeout(120)
NAMES = ("one", "two", "three")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def three_runs(house: House) -> None:
    """In each a task is over, the next one waits for `go`, and one comes after it."""
    for name in NAMES:
        house.plan(
            f"{name}/{name}",
            house.task(f"{name}-1", f"echo $PPID > {house.out}/{name}.pid"),
            house.waits_for(f"{name}-2", more='depends-on="1"'),
            house.task(f"{name}-3", more='depends-on="2"'),
        )


def are_midway(house: House) -> Callable[[], bool]:
    return lambda: all(house.began[f"{name}-2"] for name in NAMES)


def assert_all_is_done(house: House, middle: int) -> None:
    """The middle tasks may have begun more than once; all others did exactly once, and all landed."""
    assert house.codes() == [0, 0, 0], house.said
    for name in NAMES:
        counts = [house.began[f"{name}-{step}"] for step in (1, 2, 3)]
        assert counts == [1, middle, 1], house.began
    files = house.git("ls-tree", "--name-only", "main").split()
    assert {f"{name}-{step}.txt" for name in NAMES for step in (1, 2, 3)} <= set(files)
    subjects = house.git("log", "--format=%s", "main").splitlines()
    for name in NAMES:
        for step in (1, 2, 3):
            assert sum(line.endswith(f"{name}-{step}") for line in subjects) == 1, subjects
    assert house.git("status", "--porcelain") == ""
    assert len(house.git("worktree", "list").splitlines()) == 1


def test_killed_with_9_during_three_runs_and_started_again_all_three_end_right(house: House):
    three_runs(house)
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(are_midway(house))
        daemon.process.kill()
        daemon.process.wait()
    house.go()
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(3))
        assert daemon.end() == 0
    assert_all_is_done(house, middle=2)


def test_sigterm_lets_what_runs_end_and_the_next_start_does_the_rest(house: House):
    config = house.root / ".orchestrator" / "config.toml"
    config.write_text(config.read_text().replace("drain_s = 20", "drain_s = 300", 1))
    three_runs(house)
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(are_midway(house))
        daemon.tell()
        daemon.says("ends when what runs is over")
        house.plan("late")  # nothing new begins
        house.go()
        assert daemon.process.wait(60) == 0
    assert house.codes() == [130] * 3
    assert not any(house.began[f"{name}-3"] for name in NAMES)
    assert not house.began["late"]
    (house.top / "late-PLAN.md").unlink()
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(3))
        assert daemon.end() == 0
    assert_all_is_done(house, middle=1)


@pytest.mark.parametrize("second", ["limit", "signal"])
def test_what_does_not_end_in_time_or_at_the_second_signal_is_stopped_and_goes_on(
    tmp_path: Path, second: str
):
    house = House(tmp_path)
    config = house.root / ".orchestrator" / "config.toml"
    drain_s = 1 if second == "limit" else 300
    config.write_text(config.read_text().replace("drain_s = 20", f"drain_s = {drain_s}", 1))
    three_runs(house)
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(are_midway(house))
        began = time.monotonic()
        daemon.tell()
        daemon.says("ends when what runs is over")
        if second == "signal":
            daemon.tell(signal.SIGINT)
        assert daemon.process.wait(60) == 0
        assert time.monotonic() - began < 30
    assert "stops; everything goes on at the next start" in house.said
    assert house.codes() == [130] * 3
    house.go()
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(3))
        assert daemon.end() == 0
    assert_all_is_done(house, middle=2)


def test_an_idle_daemon_ends_at_once_and_says_to_systemd_how_it_is(house: House, tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(30)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with house.daemon("--trust-all", **told) as daemon:
            words = [line.recv(4096).decode() for _ in range(4)]
            assert any(one.startswith("READY=1\nSTATUS=watching") for one in words)
            assert words.count("WATCHDOG=1") >= 3
            began = time.monotonic()
            daemon.tell()
            while (word := line.recv(4096)) == b"WATCHDOG=1":  # who does not read holds it up
                pass
            assert word == b"STOPPING=1"
            assert daemon.process.wait(60) == 0
            assert time.monotonic() - began < 20  # drain_s is for what runs


def test_workers_hear_nothing_of_systemd(house: House, tmp_path: Path):
    house.plan("a", house.task("a", f"env > {house.out}/env"))
    with house.daemon(
        "--trust-all", NOTIFY_SOCKET=str(tmp_path / "x"), WATCHDOG_USEC="9000000"
    ) as d:
        d.wait_until(lambda: house.ended(1))
        assert d.end() == 0
    told = (house.out / "env").read_text()
    assert "NOTIFY_SOCKET" not in told
    assert "WATCHDOG" not in told


def test_a_cancelled_run_stops_and_is_not_picked_up_again(house: House):
    house.plan("one", house.waits_for("one", "never"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        run = house.runs()[0].id
        assert "is being stopped" in house.call("cancel", run)
        daemon.wait_until(lambda: house.codes() == [130])
        by = house.history(run).cancelled
        assert by is not None
        assert by.startswith("cancelled by ")
        assert by.endswith(", by command")
        for words in (("runs",), ("show", run)):
            assert f"{by} (exit 130)" in house.call(*words)
        assert "by a signal" not in house.call("explain", run, "1")
        house.call("cancel", run, code=64)
        house.plan("two/two")
        daemon.wait_until(lambda: house.codes() == [130, 0])
        assert daemon.end() == 0
    with house.daemon("--trust-all") as daemon:
        house.plan("three/three")
        daemon.wait_until(lambda: house.codes() == [130, 0, 0])
        assert daemon.end() == 0
    assert house.began == {"one": 1, "two": 1, "three": 1}
    house.go("never")
    house.call("resume", run)
    assert house.codes() == [0, 0, 0]


def test_a_cancel_that_no_engine_had_time_to_read_counts_at_the_next_start(house: House):
    house.plan("one", house.waits_for("one"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        run = house.runs()[0].id
        os.kill(daemon.process.pid, signal.SIGSTOP)
        house.call("cancel", run)
        daemon.process.kill()
        daemon.process.wait()
    house.go()
    house.plan("two")
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["two"])
        assert daemon.end() == 0
    assert house.history(run).cancelled is not None
    assert house.began["one"] == 1


def test_a_second_daemon_names_the_first_and_its_runs(house: House):
    house.plan("one", house.waits_for("one"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        run = house.runs()[0].id
        pid = daemon.process.pid
        assert (
            f"a daemon (orchestrator watch, pid {pid}) holds {house.root} already and works on run {run}; "
            f"a project has one.\n  next: to start another, end it first: kill {pid}\n"
        ) in house.call("watch", "plans", code=4)
        assert f"run {run} works on plans/one-PLAN.md" in house.call("run", "plans/one-PLAN.md")
        house.go()
        daemon.says(f"{run}  done (exit 0)")  # by then it is off the list of what is worked on
        assert f"pid {pid}) holds {house.root} already; a project" in house.call("watch", code=4)
        assert daemon.end() == 0
    assert house.began == {"one": 1}
    with house.serving() as daemon:
        said = house.call("serve", code=4)
        assert f"orchestrator serve, {house.place['url']}, pid {daemon.process.pid}" in said
        assert house.place["token"] not in said


def test_nothing_of_a_killed_daemon_lives_on(house: House):
    house.plan("one", house.task("one", f"echo $$ > {house.out}/pid; sleep 300"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: (house.out / "pid").exists() and _pid(house))
        daemon.process.kill()
        daemon.process.wait()
    wait_until(lambda: not is_alive(_pid(house)), 30)


def _pid(house: House) -> int:
    return int((house.out / "pid").read_text().strip() or 0)


def test_a_daemon_that_was_killed_while_it_idled_starts_at_once(house: House):
    house.plan("one")
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(1))
        daemon.process.kill()
        daemon.process.wait()
    with house.daemon("--trust-all") as again:
        house.plan("two/two")
        again.wait_until(lambda: house.ended(2))
        assert again.end() == 0
    assert house.began == {"one": 1, "two": 1}


def test_a_run_that_cannot_go_on_now_is_tried_again_and_holds_nobody_up(house: House):
    """A person has its branch checked out elsewhere while the daemon is away."""
    house.plan("one", house.task("one-1"), house.waits_for("one-2", more='depends-on="1"'))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one-2"])
        run = house.runs()[0].id
        daemon.process.kill()
        daemon.process.wait()
    place = house.out / "elsewhere"
    house.git("worktree", "add", "-q", str(place), f"orchestrator/{run}")
    house.go()
    house.plan("two/two")
    with house.daemon("--trust-all") as daemon:
        daemon.says(f"{run}  broke off: ")
        daemon.wait_until(lambda: house.codes() == [None, 0])
        house.git("worktree", "remove", "--force", str(place))
        daemon.wait_until(lambda: house.codes() == [0, 0])
        assert daemon.end() == 0
    assert house.said.count("broke off") == 1
    assert house.began == {"one-1": 1, "one-2": 2, "two": 1}
