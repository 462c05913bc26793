"""tools: what a person sees of scripts in place of a model, and the switches; real scripts in a real project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import Project

TEST, BUILD = "run_test_workflow", "run_build_workflow"
MANIFEST = (
    'name = "greet"\nscript = "greet.py"\ndoes = ["run:greet"]\ntimeout_s = 5\nwrites = ["out/*"]\n'
)
GREET = "import os, sys\nprint('hello', *sys.argv[1:], os.environ.get('SECRET_OF_MINE', 'none'))\nsys.exit(len(sys.argv) - 1)\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    (found.root / "greet.py").write_text(GREET)
    (found.root / "greet.toml").write_text(MANIFEST)
    return found


def test_without_anything_there_are_the_two_that_ship_and_nothing_is_written(project: Project):
    lines = project.told("tools", "list").splitlines()
    assert [line.split() for line in lines[1:]] == [
        [BUILD, "enabled", "none", "yet", "build", "shipped"],
        [TEST, "enabled", "none", "yet", "test", "shipped"],
    ]
    assert not (project.root / ".orchestrator" / "journal.db").exists()


def test_each_has_an_off_switch_that_is_remembered(project: Project):
    for name in (TEST, BUILD):
        said = project.json("tools", "disable", name, "--why", "too slow")["tool"]
        assert (said["status"], said["health"]) == ("disabled", "disabled: too slow")
    assert [one["status"] for one in project.json("tools", "list")["tools"]] == ["disabled"] * 2
    told = project.told("tools", "list")
    assert f"{TEST} is disabled: too slow\n  next: orchestrator tools enable {TEST}\n" in told
    told = project.told("tools", "enable", TEST).strip()
    assert told == f"{TEST} is enabled; it was disabled: too slow"
    states = {one["name"]: one["status"] for one in project.json("tools", "list")["tools"]}
    assert states == {BUILD: "disabled", TEST: "enabled"}


def test_an_own_one_is_added_tried_and_listed(project: Project):
    assert project.told("tools", "add", "greet.toml").strip() == "greet is registered for run:greet"
    project.environment["SECRET_OF_MINE"] = "hidden"
    done = project.call("tools", "test", "greet")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "hello none")
    told = project.call("tools", "test", "greet", "--json", "--", "a", "b")
    assert told.returncode == 1
    assert '"exit_code": 1' in told.stdout
    assert "hello a b none" in told.stdout
    found = {one["name"]: one for one in project.json("tools", "list")["tools"]}["greet"]
    assert (found["writes"], found["shipped"], found["calls"]) == (["out/*"], False, 0)


def test_the_words_after_it_are_one_command(project: Project):
    (project.root / "check").write_text("#!/bin/sh\necho $# of them, $2; echo 3 passed\n")
    (project.root / "check").chmod(0o755)
    told = project.call("tools", "test", TEST, "--", "./check", "backend", "-q 1")
    assert told.returncode == 0
    assert "./check backend '-q 1'" in told.stdout


def test_what_is_wrong_is_named(project: Project):
    wrong = project.call("tools", "disable", "run_test_workflo")
    assert (wrong.returncode, f"did you mean {TEST}?" in wrong.stderr) == (64, True)
    assert project.call("tools", "test", "gone").returncode == 64
    gone = project.call("tools", "add", "gone.toml")
    assert (gone.returncode, "cannot read" in gone.stderr) == (64, True)
    project.told("tools", "add", "greet.toml")
    (project.root / "greet.py").unlink()
    assert "did not begin: there is no" in project.call("tools", "test", "greet").stderr
