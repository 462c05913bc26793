"""tools: what a person sees of scripts in place of a model, and the switches; real scripts in a real project."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.model.outloop import Occurrence
from orchestrator.outloop import discovery, store, toolbox
from orchestrator.outloop.rows import operation
from tests.cli.projects import Project, makes

TEST, BUILD = "run_test_workflow", "run_build_workflow"
MANIFEST = 'name = "greet"\nscript = "greet.py"\ndoes = ["run:greet"]\ntimeout_s = 60\nwrites = ["out/*"]\n'
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


def test_what_did_not_end_in_time_says_so_and_what_hung(project: Project):
    slow = 'name = "slow"\nscript = "slow.sh"\ndoes = ["run:slow"]\ntimeout_s = {}\n'
    (project.root / "slow.toml").write_text(slow.format(4))
    shutil.copy(toolbox.SHIPPED / "run_command.sh", project.root / "slow.sh")
    project.told("tools", "add", "slow.toml")
    done = project.call("tools", "test", "slow", "--json", "--", "sleep 60")
    found = json.loads(done.stdout)
    assert (done.returncode, found["exit_code"], found["timed_out"]) == (1, None, True)
    assert found["why"] == "not done in 4 s (timeout_s of its manifest)"
    assert found["output"].splitlines()[-1] == "not done when it was ended: sleep 60"
    (project.root / "slow.toml").write_text(slow.format(60))  # for those that end
    project.told("tools", "add", "slow.toml")
    ended = json.loads(project.call("tools", "test", "slow", "--json", "--", "exit 4").stdout)
    assert (ended["timed_out"], ended["why"]) == (False, "exit 4")
    well = json.loads(project.call("tools", "test", "slow", "--json", "--", "true").stdout)
    assert (well["exit_code"], well["why"]) == (0, "")


def test_one_whose_script_is_gone_is_not_called_enabled(project: Project):
    project.told("tools", "add", "greet.toml")
    (project.root / "greet.py").unlink()
    row = next(one for one in project.told("tools", "list").splitlines() if "greet" in one)
    assert row.split()[1:3] == ["not", "used"]


def test_added_again_it_stays_disabled_and_says_how_to_enable_it(project: Project):
    project.told("tools", "add", "greet.toml")
    project.told("tools", "disable", "greet", "--why", "it hangs")
    told = project.told("tools", "add", "greet.toml").splitlines()
    assert told == [
        "greet is registered for run:greet; it stays disabled: it hangs",
        "  next: orchestrator tools enable greet",
    ]
    project.told("tools", "disable", "greet")
    assert "greet is disabled: it hangs" in project.told("tools", "list")


def test_removed_it_is_gone_and_one_that_ships_is_back(project: Project):
    project.told("tools", "add", "greet.toml")
    assert project.told("tools", "remove", "greet") == "greet is removed\n"
    assert "greet" not in project.told("tools", "list")
    assert (project.root / "greet.toml").exists()
    gone = project.call("tools", "remove", "greet")
    assert (gone.returncode, "there is no tool 'greet'" in gone.stderr) == (64, True)
    ships = project.call("tools", "remove", TEST)
    assert (ships.returncode, f"tools disable {TEST}" in ships.stderr) == (64, True)
    (project.root / "greet.toml").write_text(MANIFEST.replace('"greet"', f'"{TEST}"'))
    told = project.told("tools", "add", "greet.toml").splitlines()
    assert told == [
        f"{TEST} is registered for run:greet; it stands in for the {TEST} that ships",
        f"  next: orchestrator tools remove {TEST} brings that back",
    ]
    assert project.json("tools", "remove", TEST) == {
        "version": 1, "tool": TEST, "removed": True, "shipped_is_back": True,
    }  # fmt: skip
    states = {one["name"]: one["shipped"] for one in project.json("tools", "list")["tools"]}
    assert states == {BUILD: True, TEST: True}
    project.told("tools", "disable", TEST, "--why", "it broke our CI")
    project.told("tools", "add", "greet.toml")
    assert project.told("tools", "remove", TEST).splitlines() == [
        f"{TEST} is removed; the {TEST} that ships is back; it stays disabled: it broke our CI",
        f"  next: orchestrator tools enable {TEST}",
    ]


def test_files_of_tools_are_not_called_no_part_of_the_run(project: Project):
    plan = project.write(makes("Task 1: a", "a.txt"))
    plan.write_text(plan.read_text().replace("workspace: directory\n", ""))
    for words in (("init", "-q"), ("add", "demo-PLAN.md"), ("commit", "-qm", "plan")):
        subprocess.run(
            ["git", "-c", "user.name=me", "-c", "user.email=me@localhost", *words],
            cwd=project.root, env=project.environment, check=True,
        )  # fmt: skip
    (project.root / "mine.txt").write_text("mine\n")
    before = project.told("run", "--dry-run", "demo-PLAN.md")
    assert "3 files not committed, so not part of the run: greet.py, greet.toml, mine.txt" in before
    project.told("tools", "add", "greet.toml")
    told = project.told("run", "--dry-run", "demo-PLAN.md")
    assert "tools are run as they lie here, committed or not: greet.py, greet.toml\n" in told
    assert "1 file not committed, so not part of the run: mine.txt (" in told
    along = project.told("run", "--dry-run", "--include-dirty", "demo-PLAN.md")
    assert "3 files not committed, and taken along" in along


def test_without_an_agent_it_is_told_which_tool_would_do_a_task(project: Project):
    seen = Occurrence(workflow="w", operation=operation("test:pytest:backend"), at="2026")
    with store.writing(project.root) as book:
        book.record([seen])
        discovery.approve(book, "test:pytest:backend", "me")
    run = "<action>Run them.</action><verify><automated>pytest backend</automated></verify>"
    body = '<task type="auto"><name>{}</name>{}<done>ok</done></task>\n'
    project.write(body.format("Run the backend tests", run), body.format("Fix the parser", run))
    project.environment["PATH"] = "/usr/bin:/bin"
    done = project.call("run", "demo-PLAN.md")
    assert done.returncode != 0
    with_tool, without = [one for one in done.stderr.splitlines() if "no installed worker" in one]
    assert (
        f"; the tool {TEST} would do it, and an agent must be there in case it fails" in with_tool
    )
    assert "Fix the parser" in without
    assert "the tool" not in without


def test_what_is_wrong_is_named(project: Project):
    wrong = project.call("tools", "disable", "run_test_workflo")
    assert (wrong.returncode, f"did you mean {TEST}?\n" in wrong.stderr) == (64, True)
    assert "next: orchestrator tools list" in wrong.stderr
    assert project.call("tools", "test", "gone").returncode == 64
    gone = project.call("tools", "add", "gone.toml")
    assert (gone.returncode, "cannot read" in gone.stderr) == (64, True)
    project.told("tools", "add", "greet.toml")
    (project.root / "greet.py").unlink()
    assert "did not begin: there is no" in project.call("tools", "test", "greet").stderr
