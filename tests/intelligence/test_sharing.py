"""Records of runs to RAE (S4-21): off by default, sent while a run goes on, and a server that hangs or fails holds nothing up."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import ledger
from orchestrator.intelligence import wire
from orchestrator.intelligence.sharing import RunRecords, shared
from orchestrator.ledger import seal
from orchestrator.model import RunId
from tests.cli.projects import Project, makes, task, waits_for
from tests.intelligence.rae import Server, serving
from tests.intelligence.samples import environment, line
from tests.intelligence.test_rae import wait_until
from tests.intelligence.test_settings import write

PLAN = "demo-PLAN.md"
OFTEN = "tracking:\n  sync_interval: 0.05\n"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def two(project: Project) -> None:
    project.write(makes("Task 1: one", "secret-1.txt"), makes("Task 2: two", "secret-2.txt"))


def test_s4_21_what_a_run_did_is_sent_and_only_what_is_listed(project: Project, server: Server):
    two(project)
    done = project.call("run", PLAN, RAE_ENDPOINT=server.url)
    assert (done.returncode, "RAE" in done.stderr) == (0, False), done.stderr
    sent = list(server.records.values())
    assert [one["outcome"] for one in sent] == ["success", "success"]
    assert all(set(one) == {"id", *wire.FIELDS} for one in sent)
    told = json.dumps(server.requests)
    assert not any(word in told for word in ("demo", "secret", project.newest(), "project"))


def test_s4_21_without_an_endpoint_a_run_sends_nothing(project: Project, tmp_path: Path):
    before = threading.active_count()
    with (
        environment(tmp_path),
        shared(project.root, lambda: RunId("r"), pytest.fail),
    ):
        assert threading.active_count() == before


def test_s4_21_the_file_switches_it_off_for_runs_too(project: Project, server: Server):
    two(project)
    write(project.root, "tracking:\n  rae_integration: false\n")
    assert project.call("run", PLAN, RAE_ENDPOINT=server.url).returncode == 0
    assert project.call("run", "--again", PLAN, RAE_ENDPOINT="no address").returncode == 0
    assert server.requests == []


def test_s4_21_a_wrong_address_starts_nothing(project: Project):
    two(project)
    done = project.call("run", PLAN, RAE_ENDPOINT="localhost:8000")
    assert done.returncode == 3
    assert "RAE_ENDPOINT = 'localhost:8000': is no address" in done.stderr
    assert project.json("runs")["runs"] == []


def test_s4_21_a_run_that_goes_on_sends_what_it_adds(project: Project, server: Server):
    flag = project.root / "flag"
    project.write(makes("Task 1: one", "1.txt"), task("Task 2: two", "true", f"test -e {flag}"))
    assert project.call("run", PLAN).returncode == 1
    flag.touch()
    done = project.call("retry", project.newest(), "2", RAE_ENDPOINT=server.url)
    assert done.returncode == 0, done.stderr
    assert [one["outcome"] for one in server.records.values()] == ["success"]


def test_s4_21_a_server_that_hangs_holds_nothing_up(project: Project, server: Server):
    """The first record is asked about and never answered: the next task is done, and the run ends within the first request."""
    flag = project.root / "flag"
    project.write(makes("Task 1: one", "1.txt"), waits_for(flag, "Task 2: slow", 2))
    write(project.root, OFTEN)
    server.may_answer.clear()
    project.environment["RAE_ENDPOINT"] = server.url
    with project.started("run", PLAN, "--workers", "1") as running:
        wait_until(lambda: server.requests, 30)  # while the run goes on
        assert running.poll() is None
        asked = time.monotonic()
        flag.touch()
        assert running.wait(30) == 0
    assert (project.root / "2.txt").exists()
    assert time.monotonic() - asked < 14, (
        "three tries of three seconds for each record were not waited for"
    )
    del project.environment["RAE_ENDPOINT"]
    assert project.json("runs")["runs"][0]["exit_code"] == 0


@pytest.mark.parametrize("kind", ["fails", "gone"])
def test_s4_21_a_server_that_fails_is_told_once_at_the_end(
    project: Project, server: Server, nobody: str, kind: str
):
    two(project)
    server.trouble = [(500, b"")] * 99
    url = server.url if kind == "fails" else nobody
    done = project.call("run", PLAN, RAE_ENDPOINT=url)
    assert done.returncode == 0
    assert f"RAE at {url} has not taken 2 records of this run" in " ".join(done.stderr.split())
    assert done.stderr.count("RAE") == 1
    assert "not reached" not in done.stderr, "the terminal is the run's"


# --- runs of a daemon ------------------------------------------------------------------------------


def test_s4_21_each_run_of_a_daemon_is_sent_when_it_ends(project: Project, server: Server):
    """Nothing is due by sync_interval (60 seconds)."""
    for one in "ab":
        task = makes(f"Task 1: {one}", f"{one}.txt")
        project.write(task, name=f"plans/{one}-PLAN.md")
    project.environment["RAE_ENDPOINT"] = server.url
    with project.started("watch", "plans", "--trust-all", stdout=subprocess.DEVNULL) as daemon:
        wait_until(lambda: len(server.records) == 2, 30)
        assert daemon.poll() is None
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
    assert [one["outcome"] for one in server.records.values()] == ["success", "success"]


def test_s4_21_a_daemon_says_what_a_server_has_not_taken_and_goes_on(
    project: Project, nobody: str, tmp_path: Path
):
    project.write(makes("Task 1: one", "1.txt"), name="plans/a-PLAN.md")
    project.environment["RAE_ENDPOINT"] = nobody
    said = tmp_path / "said"
    with (
        said.open("w") as file,
        project.started("watch", "plans", "--trust-all", stdout=file, stderr=file) as daemon,
    ):
        wait_until(lambda: "has not taken 1 record of this run" in said.read_text(), 30)
        project.write(makes("Task 1: two", "2.txt"), name="plans/b-PLAN.md")
        wait_until(lambda: said.read_text().count("has not taken 1 record") == 2, 30)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
    assert (project.root / "2.txt").exists()


def test_s4_24_a_daemon_does_not_start_with_an_address_that_is_none(project: Project):
    project.write(makes("Task 1: one", "1.txt"), name="plans/a-PLAN.md")
    ended = project.call("watch", "plans", RAE_ENDPOINT="localhost")
    assert (ended.returncode, "RAE_ENDPOINT = 'localhost'" in ended.stderr) == (3, True)


# --- whose lines ----------------------------------------------------------------------------------


def append(folder: Path, *names: str) -> None:
    lines = [seal(line(task_id=name).model_copy(update={"run_id": name[0]})) for name in names]
    ledger.append(folder, lines)


def found(records: RunRecords) -> list[str]:
    return [one.task_id for one in records.get_all_records()]


def test_only_lines_of_this_run_that_came_since(tmp_path: Path):
    append(tmp_path, "a-0", "b-0")
    name: list[RunId] = []
    mine = RunRecords(tmp_path, lambda: name[0] if name else None)
    append(tmp_path, "a-1", "b-1")
    assert found(mine) == [], "nobody knows yet which is ours"
    name.append(RunId("a"))
    assert found(mine) == ["a-1"]
    append(tmp_path, "b-2", "a-2")
    assert found(mine) == ["a-1", "a-2"]


def test_a_line_that_is_being_written_is_waited_for_and_damage_is_passed_over(tmp_path: Path):
    mine = RunRecords(tmp_path, lambda: RunId("a"))
    assert found(mine) == []
    append(tmp_path, "a-1", "a-2", "a-3")
    path = tmp_path / ledger.NAME
    whole = path.read_bytes()
    first, second, third = whole.splitlines(keepends=True)
    path.write_bytes(first + second.replace(b"a-2", b"a-9") + third[:-9])
    assert found(mine) == ["a-1"]
    path.write_bytes(first + second.replace(b"a-2", b"a-9") + third)
    assert found(mine) == ["a-1", "a-3"]


def test_a_ledger_that_was_made_anew_is_read_from_its_start(tmp_path: Path):
    append(tmp_path, *[f"b-{number}" for number in range(9)])
    mine = RunRecords(tmp_path, lambda: RunId("a"))
    (tmp_path / ledger.NAME).unlink()
    append(tmp_path, "a-1", "b-1")
    assert found(mine) == ["a-1"]
