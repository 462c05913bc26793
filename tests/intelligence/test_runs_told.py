"""The strategy of intelligence.yaml on the command line: route, estimate, run and resume go by it and say so; a broken file starts nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.projects import Project, makes, task
from tests.intelligence.test_settings import write

PLAN = "demo-PLAN.md"
BASELINE = "learning:\n  strategy: baseline\n"
NOTE = "note: .orchestrator/intelligence.yaml says strategy: baseline, so tasks start by plan"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """With a rule that sends what has complexity 6 to haiku, where sonnet is usual."""
    found = Project(tmp_path)
    metrics = {"success_rate": 1.0, "avg_cost_usd": 0.1, "avg_duration_sec": 1, "sample_size": 16}
    rule = {"model": "haiku", "confidence": 1.0, "reason": "16/16", "metrics": metrics}
    document = {
        "learned_recommendations": {"6": rule},
        "last_updated": datetime.now(UTC).isoformat(),
        "window_days": 30,
    }
    folder = Path(found.environment["XDG_DATA_HOME"]) / "orchestrator"
    folder.mkdir(parents=True)
    (folder / "routing_heuristics.json").write_text(json.dumps(document))
    return found


def asks(project: Project) -> None:
    attributes = 'type="auto" estimated-complexity="6"'
    more = "<action>Think.</action><verify><automated>true</automated></verify><done>x</done>"
    project.write(task("Task 1: Think", attributes=attributes, more=more))


def test_s4_29_route_goes_by_the_baseline_and_says_so(project: Project):
    asks(project)
    assert project.json("route", PLAN)["tasks"][0]["tier"] == "haiku"
    assert "note:" not in project.told("route", PLAN)
    assert project.told("route", "--complexity", "6") == "haiku\n"
    write(project.root, BASELINE)
    found = project.json("route", PLAN)
    assert (found["tasks"][0]["tier"], found["tasks"][0]["strategy"]) == ("sonnet", "default")
    assert found["notes"][0].startswith(NOTE.removeprefix("note: "))
    assert NOTE in project.told("route", PLAN)
    assert project.told("route", "--complexity", "6") == "sonnet\n"


def test_s4_29_estimate_and_dry_run_go_by_it_too(project: Project):
    asks(project)
    write(project.root, BASELINE)
    assert project.json("estimate", PLAN)["tasks"][0]["tier"] == "sonnet"
    assert NOTE in project.told("estimate", PLAN)
    client = project.root / "claude"
    client.write_text("#!/bin/sh\n")
    client.chmod(0o755)
    project.environment["ORCHESTRATOR_WORKERS__CLAUDE__PROGRAM"] = str(client)
    told = project.told("run", "--dry-run", PLAN)
    assert "(2 tries)" in told
    assert "claude sonnet" in told or "claude-sonnet" in told
    assert NOTE in told


def test_s4_29_a_run_says_it_at_its_head_and_so_does_one_that_goes_on(project: Project):
    flag = project.root / "flag"
    project.write(makes("Task 1: one", "1.txt"), task("Task 2: two", "true", f"test -e {flag}"))
    write(project.root, BASELINE)
    done = project.call("run", PLAN)
    assert done.returncode == 1, done.stderr
    assert NOTE in done.stdout + done.stderr
    flag.touch()
    done = project.call("retry", project.newest(), "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert NOTE in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning:\n  strategy: basline\n", "learning.strategy = basline: "),
        ("learnig:\n  strategy: baseline\n", "did you mean learning?"),
        ("learning: [\n", "intelligence.yaml:2:1: "),
    ],
)
def test_a_broken_file_starts_nothing(project: Project, text: str, told: str):
    project.write(makes("Task 1: one", "1.txt"))
    write(project.root, text)
    for words in (("run", PLAN), ("route", PLAN), ("estimate", PLAN), ("run", "--dry-run", PLAN)):
        done = project.call(*words)
        assert done.returncode == 3, done.stdout + done.stderr
        assert told in done.stderr
    assert not (project.root / "1.txt").exists()
    assert project.json("runs")["runs"] == []


def test_a_file_that_broke_meanwhile_lets_nothing_go_on(project: Project):
    project.write(task("Task 1: two", "true", "false"))
    assert project.call("run", PLAN).returncode == 1
    run = project.newest()
    write(project.root, "learning: 5\n")
    done = project.call("retry", run, "1")
    assert (done.returncode, "learning = 5: " in done.stderr) == (3, True)
