"""The command with an odd git, odd settings and an odd person: what it ends with, where the work is, and what stays as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.runs import bash
from tests.workspace import repos
from tests.workspace.repos import (
    LIMIT_S,
    PLAN,
    Person,
    git,
    handed_over,
    in_tree,
    on_disk,
    plan_of,
    result_of,
    traces,
)

MAKES = bash("Task 1: a", "echo hi > f1", "test -s f1", files="f1")


# --- what else is odd -----------------------------------------------------------------------------


def test_who_is_unknown_to_git_gets_commits_by_orchestrator_and_is_told(root: Path, person: Person):
    plan_of(root, MAKES)
    (person.home / ".gitconfig").unlink()
    told = person.call(root, "run", PLAN)
    handed_over(root, told, b"f1")
    assert "commits are by orchestrator" in told
    names = git(root, "log", "-2", "--format=%an <%ae>%n%cn <%ce>").splitlines()
    assert set(names) == {"orchestrator <orchestrator@localhost>"}


@pytest.mark.parametrize("known", ["AUTHOR", "COMMITTER"])
def test_who_is_known_by_half_can_commit_too(root: Path, person: Person, known: str):
    plan_of(root, MAKES)
    (person.home / ".gitconfig").unlink()
    half = {f"GIT_{known}_NAME": "Ann", f"GIT_{known}_EMAIL": "ann@example.org"}
    handed_over(root, person.call(root, "run", PLAN, env=half), b"f1")


def test_hooks_that_fail_are_not_run(root: Path, person: Person, tmp_path: Path):
    plan_of(root, MAKES)
    (root / ".git/hooks").mkdir(exist_ok=True)
    for name in (
        "pre-commit",
        "post-checkout",
        "reference-transaction",
        "post-merge",
        "commit-msg",
    ):
        hook = root / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/mark\nexit 1\n")
        hook.chmod(0o755)
    handed_over(root, person.call(root, "run", PLAN), b"f1")
    assert not (tmp_path / "mark").exists()


def test_a_folder_with_spaces_and_other_letters_and_files_in_it_too(tmp_path: Path, person: Person):
    root = repos.begin(tmp_path / "mit Leerzeichen ümläut 'und' \"mehr\" 💡")
    script = "mkdir -p 'ein ordner'; echo hi > 'ein ordner/ü f1'; cat a.txt > f2"
    plan_of(
        root, bash("Task 1: a", script, "test -s 'ein ordner/ü f1'", files="ein ordner/ü f1, f2")
    )
    handed_over(root, person.call(root, "run", PLAN), "ein ordner/ü f1".encode(), b"f2")
    assert (root / "ein ordner/ü f1").read_text() == "hi\n"


def test_a_file_of_the_person_with_a_name_that_is_not_utf_8_is_no_hindrance(
    root: Path, person: Person
):
    plan_of(root, MAKES)
    with open(os.fsencode(root) + b"/caf\xe9", "w") as file:
        file.write("mine")
    told = person.call(root, "run", PLAN)
    handed_over(root, told, b"f1")
    assert "caf" in told
    assert on_disk(root)[b"caf\xe9"][1] == b"mine"


def test_a_branch_called_orchestrator_is_in_the_way_and_it_is_said(root: Path, person: Person):
    plan_of(root, MAKES)
    git(root, "branch", "orchestrator")
    before = traces(root)
    told = person.call(root, "run", PLAN)
    assert told.code in (3, 4), told
    assert "Traceback" not in told
    assert "orchestrator" in told
    assert traces(root) == before


def test_the_callers_git_variables_lead_nowhere_else(root: Path, person: Person, tmp_path: Path):
    """As when it is started by a hook or an alias of another repository."""
    other = repos.begin(tmp_path / "other")
    plan_of(root, MAKES)
    before = traces(other)
    env = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git/index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git/objects"),
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
    }
    handed_over(root, person.call(root, "run", PLAN, env=env), b"f1")
    assert traces(other) == before


def test_a_person_is_asked_by_name_and_approves_by_command(root: Path, person: Person):
    """What steers CI waits: --yes is no answer."""
    script = "mkdir .github; echo x > .github/ci.yml; echo hi > f1"
    plan_of(root, bash("Task 1: a", script, "test -s f1"))
    told = person.call(root, "run", PLAN, "--yes")
    assert told.code == 5, told
    assert ".github/ci.yml" in told
    name = result_of(root).rpartition("/")[2]
    assert f"orchestrator approve {name} demo/1" in told
    assert person.call(root, "approve", name, "1").code == 0
    handed_over(root, person.call(root, "resume"), b"f1", b".github/ci.yml")


# --- git itself -----------------------------------------------------------------------------------


def path_with(folder: Path, git_says: str | None) -> str:
    """A PATH with bash, and with a git that says this; None: without git."""
    folder.mkdir()
    for program in ("bash", "env", "test"):
        found = shutil.which(program)
        assert found
        (folder / program).symlink_to(found)
    if git_says is not None:
        (folder / "git").write_text(f"#!/bin/sh\necho '{git_says}'\n")
        (folder / "git").chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("git_says", "why"),
    [
        (None, "git is not installed"),
        ("git version 2.20.1", "git version 2.20.1 is older than 2.38"),
        ("git version 2.9.5 (Apple Git-99)", "is older than 2.38"),
    ],
)
def test_without_a_git_that_can_it_is_the_plain_directory_and_said_why(
    root: Path, person: Person, tmp_path: Path, git_says: str | None, why: str
):
    plan_of(root, MAKES)
    before = traces(root)
    env = {"PATH": path_with(tmp_path / "bin", git_says)}
    told = person.call(root, "run", PLAN, env=env)
    assert told.code == 0, told
    assert "working in the plain directory" in told
    assert why in told
    assert (root / "f1").read_text() == "hi\n"
    after = traces(root)
    assert {**after, "files": 0} == {**before, "files": 0}
    refused = person.call(root, "run", "--again", PLAN, "--workspace", "worktree", env=env)
    assert refused.code == 3
    assert why in refused


def test_a_repository_that_git_refuses_is_nobodys_plain_directory(root: Path, person: Person):
    plan_of(root, MAKES)
    (root / ".git/HEAD").write_text("nonsense\n")
    before = on_disk(root)
    told = person.call(root, "run", PLAN)
    assert told.code == 3
    assert "not a git repository" in told
    assert on_disk(root) == before


# --- what the person does meanwhile ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("git commit -q --allow-empty -m mine", "main has moved since the run began"),
        ("echo mine > a.txt", "there are uncommitted changes in a.txt"),
        ("echo mine > new; git add new", "there are uncommitted changes in new"),
        ("git switch -q -c topic", "main is not checked out any more"),
        ("git checkout -q --detach", "main is not checked out any more"),
        ("echo mine > f1", "git would not"),
        ("mkdir f1; echo mine > f1/x", "git would not"),
        ("git branch -q -m main trunk", "main is not checked out any more"),
    ],
)
def test_what_the_person_does_meanwhile_stays_and_the_result_is_on_its_branch(
    root: Path, person: Person, tmp_path: Path, does: str, why: str
):
    here, go = tmp_path / "here", tmp_path / "go"
    script = f"touch {here}; until test -e {go}; do sleep 0.02; done; echo hi > f1"
    plan_of(root, bash("Task 1: a", script, "test -s f1", files="f1"))
    with person.started(root, "run", PLAN) as engine:
        until(here.exists)
        subprocess.run(["bash", "-ec", does], cwd=root, check=True)
        before = traces(root)
        go.touch()
        told = engine.told()
    assert told.code == 0, told
    assert why in told
    name = result_of(root)
    assert f"git merge {name}" in told
    assert b"f1" in in_tree(root, name)
    after = traces(root)
    for part in ("head", "index", "files", "config"):
        assert after[part] == before[part], part
    assert "orchestrator/worktrees" not in git(root, "worktree", "list")


@pytest.mark.parametrize("how", ["git branch -f {0} HEAD", "git branch -D {0}"])
def test_a_result_branch_that_somebody_moves_meanwhile_is_said_and_nothing_is_lost(
    root: Path, person: Person, tmp_path: Path, how: str
):
    here, go = tmp_path / "here", tmp_path / "go"
    script = f"touch {here}; until test -e {go}; do sleep 0.02; done; echo hi > f2"
    plan_of(root, MAKES, bash("Task 2: b", script, "test -s f2", files="f2", depends_on="1"))
    with person.started(root, "run", PLAN) as engine:
        until(here.exists)
        name = result_of(root)
        subprocess.run(["bash", "-ec", how.format(name)], cwd=root, check=True)
        go.touch()
        told = engine.told()
    assert told.code not in (0, 70), told
    assert name in told
    commits = git(root, "for-each-ref", "--format=%(objectname)", "refs/orchestrator").split()
    assert any(b"f2" in in_tree(root, one) for one in commits)


def until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not claim():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)
