"""A daemon as a process: what runs when, what waits and why, and what becomes of several results."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator import clock
from orchestrator.daemon import telling
from orchestrator.engine.books import RUNS
from orchestrator.workspace.tidy import RESULT
from orchestrator.workspace.worktrees import HOMES
from tests.engine.runs import checkpoint
from tests.summary.story import front
from tests.whole.daemons import House

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_plan_waits_until_a_person_trusts_its_text(house: House):
    path = house.plan("one")
    with house.daemon() as daemon:
        daemon.says("plans/one-PLAN.md waits: nobody has said yet")
        assert "may run as it is now" in house.call("trust", str(path))
        daemon.wait_until(lambda: house.ended(1))
        path.write_text(path.read_text() + "\n")  # another text, and nobody has seen it
        daemon.wait_until(lambda: house.said.count("nobody has said yet") == 2)
        assert daemon.end() == 0
    assert house.began == {"one": 1}


def test_an_edit_while_it_runs_is_a_revision_of_which_only_the_new_is_done(house: House):
    one, two = house.task("one"), house.waits_for("two", more='depends-on="1"')
    path = house.plan("demo", one, two)
    house.call("trust", str(path))
    with house.daemon() as daemon:
        daemon.wait_until(lambda: house.began["two"])
        path.write_text(house.text(one, two, house.task("three", more='depends-on="2"')))
        house.plan("other/other")
        daemon.says("plans/other/other-PLAN.md waits")  # it was looked at, and did not disturb
        daemon.says("this one starts after it, once somebody has said that it may run")
        house.go()
        daemon.wait_until(lambda: house.ended(1))
        house.call("trust", str(path))
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    assert house.began == {"one": 1, "two": 1, "three": 1}
    first, second = (house.plans_of(row.id)["plans/demo-PLAN.md"] for row in house.runs())
    assert b"three" not in first
    assert second == path.read_bytes()
    assert "three.txt" in house.git("ls-tree", "--name-only", "main")
    told = front(path.with_name("demo-SUMMARY.md").read_text())
    assert (told["status"], told["execution"]["tasks"]["done_before"]) == ("complete", 2)
    assert told["key-files"]["created"] == ["one.txt", "three.txt", "two.txt"]
    earlier = house.runs()[0].id
    assert [one.get("run") for one in told["tasks"]] == [earlier, earlier, None]
    assert all(one["commit"] for one in told["tasks"])


def test_a_revision_that_asks_for_nothing_new_is_no_run(house: House):
    path = house.plan("demo", house.task("one"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(1))
        path.write_text(path.read_text().replace("<objective>x", "<objective>y"))
        daemon.says("does not run again: all of its tasks are done, with the same text")
        path.write_text(path.read_text().replace("echo one > one.txt", "echo two > one.txt"))
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    assert house.began == {"one": 2}
    assert house.git("show", "main:one.txt") == "two"


def test_the_most_urgent_runs_first_where_one_may_run(tmp_path: Path):
    house = House(tmp_path, "runs = 1\n")
    house.plan("a/first", house.waits_for("first"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["first"])
        house.plan("b/usual")
        house.plan("c/low", front="priority: low\n")
        house.plan("d/high", front="priority: high\n")
        daemon.wait_until(lambda: [how for _, how in telling.read(house.root)] == ["queued"] * 3)
        house.go()
        daemon.wait_until(lambda: house.ended(4))
        assert daemon.end() == 0
    assert (house.out / "log").read_text().split() == ["first", "high", "usual", "low"]


def test_a_plan_runs_when_its_time_has_come_and_not_before(house: House, tmp_path: Path):
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    due = datetime.now(UTC) + timedelta(hours=8)
    house.plan("night/one", front=f"not-before: {due.isoformat(timespec='minutes')}\n")
    with house.daemon("--trust-all", **{clock.AHEAD: str(ahead)}) as daemon:
        daemon.says("plans/night/one-PLAN.md waits: its not-before has not come yet")
        house.plan("now/two")
        daemon.wait_until(lambda: house.ended(1))
        assert house.began == {"two": 1}
        ahead.write_text(str(9 * 3600))
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    assert house.began == {"two": 1, "one": 1}


def test_five_at_once_over_three_runs_and_each_has_its_part(tmp_path: Path):
    house = House(tmp_path, "[run]\nworkers = 4\n", isolated=True)
    now = house.out / "now"
    now.mkdir()
    wait = f"until test -e {house.out}/go; do sleep 0.05; done"
    script = f"touch {now}/$NAME; {wait}; ls {now} | wc -l >> {house.out}/counts; sleep 0.4; rm {now}/$NAME"
    for run in "abc":
        tasks = [
            house.task(f"{run}{n}", script.replace("$NAME", f"{run}{n}"), more='depends-on=""')
            for n in range(5)
        ]
        house.plan(f"{run}/{run}", *tasks, checkpoint(depends_on=""))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: len(list(now.iterdir())) == 4)
        # who has asked stands in the line for a slot, too
        daemon.wait_until(lambda: [house.has_asked(row.id) for row in house.runs()] == [True] * 3)
        house.go()
        for row in house.runs():
            house.call("approve", row.id, "6")
        daemon.wait_until(lambda: house.ended(3))
        assert daemon.end() == 0
    counts = list(map(int, (house.out / "counts").read_text().split()))
    assert max(counts) == 4
    assert house.began == {f"{run}{n}": 1 for run in "abc" for n in range(5)}
    early = (house.out / "log").read_text().split()[:9]
    assert {name[0] for name in early} == set("abc"), early  # nobody is last of all


def test_a_question_in_one_run_keeps_no_other_from_its_work(house: House):
    question = checkpoint(depends_on="1")
    house.plan("ask/ask", house.task("one"), question, house.task("two", more='depends-on="2"'))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        house.plan("other/other")
        daemon.wait_until(lambda: 0 in house.codes())
        assert not house.began["two"]
        run = house.runs()[0].id
        daemon.wait_until(lambda: house.has_asked(run))
        assert "waits for a person" in house.call("runs")
        assert f"run {run}  started" in house.call("show", run)
        assert "waits for a person" in house.call("show", run).splitlines()[0]
        house.call("approve", run, "2")
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    assert house.began == {"one": 1, "other": 1, "two": 1}


def test_a_question_outlives_a_daemon_and_is_answered_in_the_next(house: House):
    house.plan("ask", checkpoint(), house.task("two", more='depends-on="1"'))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: len(house.runs()) == 1)
        run = house.runs()[0].id
        daemon.wait_until(lambda: house.has_asked(run))
        assert daemon.end() == 0
    house.call("approve", run, "1")
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(1))
        assert daemon.end() == 0
    assert house.began == {"two": 1}


def test_settings_that_are_wrong_hold_new_runs_until_they_are_right_and_no_other(house: House):
    config = house.root / ".orchestrator" / "config.toml"
    kept = config.read_text()
    house.plan("a/one", house.waits_for("one"), house.task("two", more='depends-on="1"'))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        config.write_text(kept + "[run]\nworkers = 'many'\n")
        house.plan("b/three")
        daemon.says("plans/b/three-PLAN.md does not run: ")
        house.go()
        daemon.wait_until(lambda: house.ended(1))
        config.write_text(kept)
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    assert house.said.count("three-PLAN.md does not run") == 1
    assert house.began == {"one": 1, "two": 1, "three": 1}


def test_a_run_that_falls_takes_no_other_with_it(house: House):
    """Its folder of transcripts is taken from it."""
    house.plan("a/one", house.waits_for("one"), house.task("two", more='depends-on="1"'))
    house.plan("b/three", house.waits_for("three"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"] and house.began["three"])
        fallen = next(r.id for r in house.runs() if "plans/a/one-PLAN.md" in house.plans_of(r.id))
        house.git("update-ref", "-d", f"refs/heads/orchestrator/{fallen}")
        (house.root / ".git" / "refs" / "heads" / "orchestrator" / fallen).mkdir(parents=True)
        house.go()
        daemon.wait_until(lambda: 0 in house.codes())
        house.plan("c/four")
        daemon.wait_until(lambda: house.codes().count(0) == 2)
        assert daemon.end() == 0
    assert house.began["four"] == 1
    assert "three.txt" in house.git("ls-tree", "--name-only", "main")


# --- several results ---------------------------------------------------------------------------------


def test_the_results_of_runs_side_by_side_all_reach_the_branch(house: House):
    for name in ("one", "two", "three"):
        house.plan(f"{name}/{name}", house.waits_for(name))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: len(house.began) == 3)
        house.go()
        daemon.wait_until(lambda: house.ended(3))
        assert daemon.end() == 0
    files = house.git("ls-tree", "--name-only", "main").split()
    assert {"one.txt", "two.txt", "three.txt"} <= set(files)
    assert all((house.root / f"{name}.txt").is_file() for name in ("one", "two", "three"))
    assert house.git("status", "--porcelain") == ""
    assert house.git("branch", "--list", "orchestrator/*") == ""


def test_results_that_do_not_fit_together_stay_apart_with_the_reason(house: House):
    for name in ("one", "two"):
        script = f"until test -e {house.out}/go; do sleep 0.05; done; echo {name} > same.txt"
        house.plan(
            f"{name}/{name}",
            house.task(name, script).replace(f"<files>{name}.txt", f"<files>same.txt, {name}.txt"),
        )
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: len(house.began) == 2)
        house.go()
        daemon.wait_until(lambda: None not in house.codes())
        assert daemon.end() == 0
    assert sorted(str(one) for one in house.codes()) == ["0", "1"], house.said
    (loser,) = (row.id for row in house.runs() if row.exit_code == 1)
    (winner,) = (row.id for row in house.runs() if row.exit_code == 0)
    kept = house.git("branch", "--list", "--format=%(refname:short)", "orchestrator/*")
    assert kept == f"orchestrator/{loser}"
    told = house.history(loser).delivery
    assert told is not None
    assert told["why"] == "it does not fit to what came to main meanwhile, in same.txt"
    name = next(iter(house.plans_of(winner))).split("/")[1]
    assert house.git("show", "main:same.txt") == name
    shown = house.call("show", loser, code=0)
    assert "same.txt" in shown
    assert "done, but its result stays apart (exit 1)" in shown
    assert "done, but its result stays apart (exit 1)" in house.call("runs")
    assert f"{loser}  done, but its result stays apart (exit 1): 1 of 1 tasks done" in house.said


def test_a_result_that_is_red_with_the_others_stays_apart(house: House):
    """Each is green alone; what the check sees is not what the other leaves."""
    check = "test -s {n}.txt && test $(ls *.part 2>/dev/null | wc -l) -le 1"
    for name in ("one", "two"):
        script = f"until test -e {house.out}/go; do sleep 0.05; done; touch {name}.part"
        text = house.task(name, script).replace(
            f"<files>{name}.txt", f"<files>{name}.part, {name}.txt"
        )
        text = text.replace(
            f"test -s {name}.txt", check.format(n=name).replace("&", "&amp;").replace(">", "&gt;")
        )
        house.plan(f"{name}/{name}", text)
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: len(house.began) == 2)
        house.go()
        daemon.wait_until(lambda: None not in house.codes())
        assert daemon.end() == 0
    assert sorted(str(one) for one in house.codes()) == ["0", "1"], house.said
    parts = [one for one in house.git("ls-tree", "--name-only", "main").split() if ".part" in one]
    assert len(parts) == 1


def test_in_the_plain_directory_runs_come_one_after_the_other(tmp_path: Path):
    house = House(tmp_path, isolated=False)
    house.plan("a/one", house.waits_for("one"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        house.plan("b/two")
        daemon.says("plans/b/two-PLAN.md does not run: ")
        assert not house.began["two"]
        house.go()
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    assert house.began == {"one": 1, "two": 1}


# --- who is told -------------------------------------------------------------------------------------


def test_a_command_is_told_of_ends_and_questions_and_can_be_tried(tmp_path: Path):
    teller = tmp_path / "tell-me"
    teller.write_text(f"#!/bin/sh\ncat >> {tmp_path}/told; echo >> {tmp_path}/told\n")
    teller.chmod(0o755)
    house = House(tmp_path, f"[notify]\ncommand = ['{teller}']\n")
    assert "told" in house.call("notify")
    house.plan("a/ask", checkpoint())
    house.plan("b/one")
    house.plan("c/bad", house.task("bad", "exit 3"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: (tmp_path / "told").read_text().count("\n") == 4)
        assert house.codes().count(None) == 1
        assert daemon.end() == 0
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert sorted(one["event"] for one in told) == ["checkpoint", "end", "failure", "test"]
    (failed,) = (one for one in told if one["event"] == "failure")
    assert failed["exit_code"] == 1
    assert "bad" in failed["text"]


def test_duties_are_done_by_the_clock_while_the_project_is_held(tmp_path: Path):
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    house = House(tmp_path)
    config = house.root / ".orchestrator" / "config.toml"
    times = {"learn = ''": "learn = '0 3 * * *'", "clean = ''": "clean = '30 3 * * *'"}
    text = config.read_text()
    for old, new in times.items():
        text = text.replace(old, new)
    config.write_text(text)
    house.plan("one")
    with house.daemon("--trust-all", **{clock.AHEAD: str(ahead)}) as daemon:
        daemon.wait_until(lambda: house.ended(1))
        daemon.says("done (exit 0)")
        left = house.root / HOMES / house.runs()[0].id / RESULT
        house.git("worktree", "add", "-q", "--detach", str(left), "main")
        log = house.root / RUNS / house.runs()[0].id / "run.log"
        os.utime(log, (0, 0))
        ahead.write_text(str(86_400 * 2))
        daemon.says("learn: 0 rules learned")
        daemon.says("of finished runs put away, transcripts of 1 run removed")
        assert not left.exists()
        assert not log.exists()
        assert daemon.end() == 0
