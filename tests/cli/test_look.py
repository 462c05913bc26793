"""runs, show, explain: what was recorded, and why it was done."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cli.projects import Project, checkpoint, makes, task, waits_for

PLAN = "demo-PLAN.md"
BAD = task("Task 1: bad", "echo trying", "echo it is red; exit 3")
NEXT = makes("Task 2: next", "b.txt")
ALONE = makes("Task 3: alone", "c.txt", 'depends-on=""')


def test_runs_are_listed_newest_first(project: Project):
    project.write(ALONE)
    first = project.json("run", PLAN)["run"]
    second = project.json("run", PLAN, "--again")["run"]
    head, *rows = project.told("runs").splitlines()
    assert head.split() == ["RUN", "STARTED", "END", "PLANS"]
    assert [row.split()[0] for row in rows] == [second, first]
    assert "done (exit 0)" in rows[0]
    found = project.json("runs")["runs"]
    assert found[0]["plans"] == [PLAN]


def test_show_has_a_row_for_each_task(project: Project):
    project.write(BAD, NEXT, ALONE)
    project.told("run", PLAN, code=1)
    told = project.told("show")
    rows = [row for row in told.splitlines() if row.startswith("demo/")]
    cells = {row.split()[0]: row.split()[1:4] for row in rows}
    assert cells == {
        "demo/1": ["failed", "2", "red"],
        "demo/2": ["skipped", "-", "-"],
        "demo/3": ["succeeded", "1", "green"],
    }
    by = told.splitlines()[3].index("BY ")
    assert [row[by:].split()[0] for row in rows] == ["shell", "-", "shell"]
    assert "3 attempts · 0 tokens · $0.00" in told
    found = project.json("show")
    assert (found["exit_code"], found["attempts"], found["tokens"]) == (1, 3, 0)
    assert found["tasks"][0]["checks"][0]["exit_code"] == 3
    assert found["tasks"][1]["tokens"] is None


def test_every_event_can_be_seen(project: Project):
    project.write(ALONE)
    project.told("run", PLAN)
    kinds = [row.split()[3] for row in project.told("show", "--events").splitlines()]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_finished"
    found = project.json("show", "--events")
    assert [event["kind"] for event in found["events"]] == kinds


def test_explain_tells_each_decision_with_its_reason(project: Project):
    project.write(BAD, NEXT)
    project.told("run", PLAN, code=1)
    run = project.newest()
    told = project.told("explain", run, "1")
    for words in (
        "failed",
        "complexity",
        "shell runs scripts, no model",
        "before      red (exit 3",
        "after       red (exit 3",
        "it is red",
        "follows     try 2",
        "follows     failed: no try was left",
        f"transcript  .orchestrator/runs/{run}/001-demo-1.1.log",
        "demo/2: behind this task",
    ):
        assert words in told
    told = project.told("explain", run, "2")
    assert "skipped: behind demo/1, which failed" in told
    assert "demo/1 (order): failed" in told


def test_an_old_run_can_be_seen_after_its_plan_was_edited_and_deleted(project: Project):
    path = project.write(ALONE)
    project.told("run", PLAN)
    path.unlink()
    assert "alone" in project.told("show")


def test_an_ambiguous_or_unknown_run_is_named(project: Project):
    project.write(ALONE)
    project.told("run", PLAN)
    project.told("run", PLAN, "--again")
    for name in ("2", "nothing"):
        done = project.call("show", name)
        assert done.returncode == 64
        assert "the newest are" in done.stderr


def test_commands_that_never_ran_are_no_missing_check(project: Project):
    project.write(task("Task 1: bad", "exit 3", "true"), task("Task 2: x", "true", ""))
    project.told("run", PLAN, code=1)
    rows = [row for row in project.told("show").splitlines() if row.startswith("demo/1")]
    assert "not run" in rows[0]


def test_show_ends_with_what_is_to_be_done(project: Project):
    look = checkpoint("human-verify", "look", "<what-built>a page</what-built>")
    project.write(ALONE, look)
    project.told("run", PLAN, code=5)
    run, told = project.newest(), project.told("show")
    assert "what was built: a page" in told
    assert f"answer: orchestrator approve {run} demo/2\n" in told
    assert f"next: answer, then: orchestrator resume {run}\n" in told
    project.told("approve", run, "2")
    project.told("resume")
    assert "next:" not in project.told("show")


def test_after_kill_9_nothing_is_said_to_run(project: Project, tmp_path: Path):
    project.write(waits_for(tmp_path / "never"))
    with project.started("run", PLAN, stdout=subprocess.PIPE) as running:
        assert running.stdout
        next(line for line in running.stdout if "▸ demo/1" in line)
        assert project.json("show")["tasks"][0]["state"] == "running"
        assert "next:" not in project.told("show")
        running.kill()
        running.wait()
    run, told = project.newest(), project.told("show")
    assert "broken off" in told
    assert "demo/1  interrupted" in told
    assert f"next: orchestrator resume {run}\n" in told
    assert "interrupted" in project.told("explain", run, "1")
    assert project.json("show")["tasks"][0]["state"] == "interrupted"
