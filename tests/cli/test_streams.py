"""Streams that close, fill up or were never there: the command goes on, and ends as it would have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.projects import COMMAND, DEADLINE_S, Project, makes, waits_for

PLAN = "demo-PLAN.md"
READING = [
    "show",
    "runs",
    "lint demo-PLAN.md",
    "graph demo-PLAN.md --format dot",
    "show --json",
    "--help",
]


def shell(project: Project, words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"{COMMAND[0]} -m orchestrator {words}"],
        cwd=project.root,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_a_run_outlives_the_reader_of_its_lines(project: Project, tmp_path: Path):
    flag = tmp_path / "go"
    project.write(waits_for(flag), makes("Task 2: second", "b.txt"))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with project.started("run", PLAN, **pipes) as running:
        assert running.stdout
        assert running.stderr
        assert "1 plan, 2 tasks" in running.stdout.readline()
        running.stdout.close()
        flag.touch()
        said = running.stderr.read()
        assert (running.wait(DEADLINE_S), said) == (0, "")
    assert (project.root / "demo-SUMMARY.md").exists()


@pytest.mark.parametrize("place", ["> /dev/full", ">&-", "> /dev/full 2> /dev/full", ">&- 2>&-"])
def test_a_run_ends_well_where_nothing_can_be_said(project: Project, place: str):
    project.write(makes("Task 1: first", "a.txt"))
    done = shell(project, f"run {PLAN} {place} <&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert project.json("show")["exit_code"] == 0


def test_looking_ends_with_its_own_exit_code(project: Project):
    project.write(makes("Task 1: first", "a.txt"))
    project.told("run", PLAN)
    for words in READING:
        done = shell(project, f"{words} > /dev/full")
        assert (done.returncode, done.stderr) == (0, ""), words
    assert shell(project, "runn 2> /dev/full").returncode == 64
    assert shell(project, "lint nowhere --json > /dev/full").returncode == 64
