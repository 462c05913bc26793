"""A person's word on a run counts, whatever the daemon had in mind for it; and what the daemon has been asked for it remembers."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator import clock
from tests.engine.runs import checkpoint
from tests.whole.daemons import Daemon, House

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def ask(house: House, method: str, path: str, body: object = None) -> Any:
    place = house.place
    connection = http.client.HTTPConnection(place["url"].removeprefix("http://"), timeout=60)
    headers = {"Authorization": f"Bearer {place['token']}", "Content-Type": "application/json"}
    with closing(connection):
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
    assert answer.status == 200, told
    return told


def killed(house: House, daemon: Daemon, name: str) -> str:
    daemon.wait_until(lambda: house.began[name])
    daemon.process.kill()
    daemon.process.wait()
    return house.runs()[0].id


def test_a_run_that_a_person_resumed_and_cancelled_stays_so(house: House, tmp_path: Path):
    """The daemon could not take it up at first, and had meant to try again."""
    house.plan("one", house.waits_for("one", "never"))
    with house.daemon("--trust-all") as daemon:
        run = killed(house, daemon, "one")
    place = house.out / "elsewhere"
    house.git("worktree", "add", "-q", str(place), f"orchestrator/{run}")
    config = house.root / ".orchestrator" / "config.toml"
    config.write_text(config.read_text().replace("retry_s = 2", "retry_s = 3600"))
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    with house.serving("--trust-all", **{clock.AHEAD: str(ahead)}) as daemon:
        daemon.says(f"{run}  broke off: ")
        house.git("worktree", "remove", "--force", str(place))
        ask(house, "POST", f"/api/runs/{run}/resume", {})
        daemon.wait_until(lambda: house.began["one"] == 2)
        assert not any(run in why for why in ask(house, "GET", "/health")["health"]["reasons"])
        house.call("cancel", run)
        daemon.wait_until(lambda: house.codes() == [130])
        ahead.write_text("7200")
        house.plan("two/two")  # a look at which it would be taken up
        daemon.wait_until(lambda: house.codes() == [130, 0])
        assert daemon.end() == 0
    assert house.began == {"one": 2, "two": 1}
    assert house.history(run).cancelled is not None


@pytest.mark.parametrize("how", ["watch", "serve"])
def test_a_run_that_waits_for_its_turn_can_be_cancelled(house: House, how: str):
    house.plan("one", house.waits_for("one"))
    with house.daemon("--trust-all") as daemon:
        run = killed(house, daemon, "one")
    place = house.out / "elsewhere"
    house.git("worktree", "add", "-q", str(place), f"orchestrator/{run}")
    with house.daemon("--trust-all", how=how) as daemon:
        daemon.says(f"{run}  broke off: ")
        assert f"✓ run {run} is not taken up again" in house.call("cancel", run)
        daemon.says(f"{run}  is not taken up again: ")
        house.git("worktree", "remove", "--force", str(place))
        house.plan("two/two")
        house.go()
        daemon.wait_until(lambda: 0 in house.codes())
        daemon.wait_until(lambda: house.history(run).cancelled is not None)
        assert daemon.end() == 0
    house.call("cancel", run, code=64)
    assert house.began == {"one": 1, "two": 1}


def test_an_interrupted_run_can_be_cancelled_while_no_daemon_is_there(house: House):
    house.plan("one", house.waits_for("one"))
    with house.daemon("--trust-all") as daemon:
        run = killed(house, daemon, "one")
    assert f"run {run} is not taken up again by a daemon" in house.call("cancel", run)
    house.go()
    house.plan("two/two")
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: 0 in house.codes())
        assert daemon.end() == 0
    assert house.began == {"one": 1, "two": 1}
    house.call("resume", run)
    assert house.codes() == [0, 0]


def mine(house: House) -> str:
    """A run of the command line that waits for a person."""
    path = house.root / "mine" / "ask-PLAN.md"
    path.parent.mkdir()
    after = house.waits_for("two", more='depends-on="1"')
    path.write_text(
        house.text(checkpoint(), after, checkpoint(), house.task("four", more='depends-on="3"'))
    )
    house.git("add", "-A")
    house.git("commit", "-qm", "mine")
    house.call("run", str(path), "--only", "1,2", code=5)
    return house.runs()[0].id


def test_a_run_that_it_was_asked_to_resume_goes_on_after_it_was_killed(house: House):
    run = mine(house)
    house.call("approve", run, "1")
    with house.serving() as daemon:
        house.call("resume", run)
        daemon.wait_until(lambda: house.began["two"])
        daemon.process.kill()
        daemon.process.wait()
    house.go()
    with house.daemon() as daemon:
        daemon.wait_until(lambda: house.codes() == [0])
        assert daemon.end() == 0
    assert house.began == {"two": 2}


def test_an_answer_reaches_a_run_that_the_daemon_before_was_asked_to_resume(house: House):
    run = mine(house)
    with house.serving() as daemon:
        house.call("resume", run)
        daemon.says(f"▶ run {run} goes on")
        assert daemon.end() == 0
    house.go()
    house.call("approve", run, "1")
    with house.daemon() as daemon:
        daemon.wait_until(lambda: house.codes() == [0])
        assert daemon.end() == 0
    assert house.began == {"two": 1}


def test_what_is_done_is_not_done_again_because_a_later_revision_failed(house: House):
    tasks = [house.task("one"), house.task("two")]
    house.plan("demo", *tasks)
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(1))
        house.plan("demo", *tasks, house.task("three", "exit 1"))
        daemon.wait_until(lambda: house.codes() == [0, 1])
        house.plan("demo", *tasks, house.task("three", "true"))
        daemon.wait_until(lambda: house.codes() == [0, 1, 0])
        assert daemon.end() == 0
    assert house.began["one"] == house.began["two"] == 1
    assert "three.txt" in house.git("ls-tree", "--name-only", "main")


def test_one_plan_with_an_impossible_time_stops_no_other(house: House):
    for number, due in enumerate(("0001-01-01", "9999-12-31T23:59-12:00")):
        house.plan(f"zz/{number}", front=f"not-before: {due}\n")
    house.plan("a/good")
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(1))
        daemon.says("zz/0-PLAN.md waits: plans/zz/0-PLAN.md:4:1: not-before: 0001-01-01 is no time")
        daemon.says("zz/1-PLAN.md waits: ")
        assert daemon.end() == 0
    assert house.began == {"good": 1}


def test_a_text_that_had_its_run_under_another_name_is_told_of_once(house: House):
    path = house.plan("mon/nightly")
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(1))
        text = path.read_text()
        path.unlink()
        house.plan("x/other")  # a look without it
        daemon.wait_until(lambda: house.ended(2))
        again = house.top / "tue" / "nightly-PLAN.md"
        again.parent.mkdir()
        again.write_text(text)
        daemon.says("plans/tue/nightly-PLAN.md does not run: run ")
        house.plan("y/third")
        daemon.wait_until(lambda: house.ended(3))
        assert daemon.end() == 0
    run = house.runs()[0].id
    assert house.said.count(f"run {run} has had this text; orchestrator run --again") == 1
    assert house.began["nightly"] == 1


def test_it_says_what_it_does_at_its_start_and_that_it_ends(house: House):
    with house.serving("--workers", "3") as daemon:
        daemon.says(f"project {house.root}, watched folder {house.top}; 3 attempts at once")
        daemon.says("each plan runs once its text is trusted (orchestrator trust PATH)")
        daemon.says(f"pages and API: {house.place['url']}")
        assert daemon.end() == 0
    assert "ends: nothing runs" in house.said
    assert "in 20s at the latest" not in house.said
    with house.daemon("--trust-all") as daemon:
        daemon.says("each plan runs as it comes (--trust-all)")
        assert daemon.end() == 0


def test_who_lists_the_runs_is_told_of_the_plans_that_wait(house: House):
    house.plan("a/one")
    house.plan("b/later", front="not-before: 2099-01-01\n")
    with house.daemon() as daemon:
        daemon.says("a/one-PLAN.md waits: ")
        daemon.says("b/later-PLAN.md waits: ")
        told = house.call("runs")
        assert "note: 2 plans of the daemon wait (2 untrusted)" in told
        assert "next: orchestrator trust plans/a/one-PLAN.md plans/b/later-PLAN.md" in told
        house.call("trust", "plans/a")
        daemon.wait_until(lambda: house.ended(1))
        daemon.wait_until(lambda: "note: 1 plan of the daemon waits" in house.call("runs"))
        assert daemon.end() == 0
    assert "note:" not in house.call("runs")  # nobody is there


def test_a_folder_is_wanted_and_one_of_another_project_is_told_of(house: House, tmp_path: Path):
    path = house.plan("a/one")
    assert f"next: orchestrator watch {path.parent}" in house.call("watch", str(path), code=64)
    other = tmp_path / "other"
    (other / ".orchestrator").mkdir(parents=True)
    (other / ".orchestrator" / "config.toml").write_text("run.workers = 0\n")
    said = house.call("watch", str(other), code=3)
    assert f"{other} is of the project {other}, not of {house.root}" in said
