"""Whatever a person does to a plan while it runs: the run does what it said at its beginning, to its end, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.projects import DEADLINE_S, Project, task
from tests.workspace.repos import PLAN as TRACKED
from tests.workspace.repos import Person, git, plan_of, text_of

PLAN = "plans/demo-PLAN.md"
NEW = "---\nphase: demo\nplan: 01\nworkspace: directory\n---\n<tasks>\n{}</tasks>\n"
OTHER = task("Task 1: other", "echo new > b; touch other", "true", files="b, other")


def edit(plan: Path) -> None:
    plan.write_text(plan.read_text().replace("echo old > b", "echo new > b"))


def delete(plan: Path) -> None:
    plan.unlink()


def rename(plan: Path) -> None:
    plan.rename(plan.with_name("other-PLAN.md"))


def replace(plan: Path) -> None:
    """As editors do: another file takes its name."""
    fresh = plan.with_name(".fresh")
    fresh.write_text(NEW.format(OTHER))
    fresh.rename(plan)


def break_it(plan: Path) -> None:
    plan.write_bytes(b"\xff\xfe<tasks><task>")


def make_folder(plan: Path) -> None:
    plan.unlink()
    plan.mkdir()


WAYS = (edit, delete, rename, replace, break_it, make_folder)


def until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


def waits(out: Path, name: str) -> str:
    return f"touch {out}/{name}; until test -e {out}/go; do sleep 0.02; done"


def two(out: Path, phase: str) -> tuple[str, str]:
    """The first waits in its script or in its check; the second shows which text it was."""
    script = waits(out, "here") if phase == "task" else "true"
    held = f"if test -e a; then {waits(out, 'here')}; else false; fi"
    check = held if phase == "check" else "test -e a"
    return (
        task("Task 1: one", f"{script}; touch a", check, files="a"),
        task("Task 2: two", "echo old > b", "test -s b", files="b"),
    )


@pytest.mark.parametrize("phase", ["task", "check"])
@pytest.mark.parametrize("way", WAYS)
def test_a_run_keeps_to_the_plan_that_it_began_with(
    way: Callable[[Path], None], phase: str, project: Project, tmp_path: Path
):
    out = tmp_path / "out"
    out.mkdir()
    plan = project.write(*two(out, phase), name=PLAN)
    with project.started("run", PLAN, stderr=-1) as engine:
        until((out / "here").exists)
        way(plan)
        (out / "go").touch()
        _, told = engine.communicate(timeout=DEADLINE_S)
    assert engine.returncode == 0, told
    assert (project.root / "b").read_text() == "old\n"
    assert not (project.root / "other").exists()
    assert "what was done is what it said when the run began" in told
    summary = (plan.parent / "demo-SUMMARY.md").read_text()
    assert "status: complete" in summary
    assert "Task 2" in summary


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_broke_off_goes_on_with_the_plan_that_it_began_with(
    way: Callable[[Path], None], project: Project, tmp_path: Path
):
    out = tmp_path / "out"
    out.mkdir()
    plan = project.write(*two(out, "task"), name=PLAN)
    with project.started("run", PLAN) as engine:
        until((out / "here").exists)
        engine.kill()
        engine.wait()
    way(plan)
    (out / "go").touch()
    done = project.call("resume")
    assert done.returncode == 0, done.stderr
    assert (project.root / "b").read_text() == "old\n"
    assert "the run goes on with its own copy" in done.stderr
    assert "while it was run" not in done.stderr  # it is said once


def test_a_folder_of_plans_that_is_renamed_costs_only_the_summary_and_that_is_said(
    project: Project, tmp_path: Path
):
    out = tmp_path / "out"
    out.mkdir()
    plan = project.write(*two(out, "task"), name=PLAN)
    with project.started("run", PLAN, stderr=-1) as engine:
        until((out / "here").exists)
        plan.parent.rename(project.root / "moved")
        (out / "go").touch()
        _, told = engine.communicate(timeout=DEADLINE_S)
    assert engine.returncode == 4, told
    assert "demo-SUMMARY.md" in told
    assert (project.root / "b").read_text() == "old\n"
    (project.root / "moved").rename(plan.parent)
    assert project.call("resume").returncode == 0
    assert "status: complete" in (plan.parent / "demo-SUMMARY.md").read_text()


@pytest.mark.parametrize("way", [edit, delete])
def test_in_worktrees_an_edit_in_the_checkout_stays_the_persons(
    way: Callable[[Path], None],
    root: Path,
    person: Person,
    tmp_path: Path,
):
    out = tmp_path / "out"
    out.mkdir()
    plan = plan_of(root, *two(out, "task"))
    person.environment["ORCHESTRATOR_SANDBOX__MODE"] = (
        "none"  # its tasks tell outside of it what they did
    )
    with person.started(root, "run", TRACKED) as engine:
        until((out / "here").exists)
        way(plan)
        mine = plan.read_bytes() if plan.exists() else None
        (out / "go").touch()
        told = engine.told()
    assert told.code == 0, told
    assert "what was done is what it said when the run began" in told
    branch = git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads/orchestrator")
    assert text_of(root, branch or "HEAD", "b") == "old\n"
    assert (plan.read_bytes() if plan.exists() else None) == mine
