"""The command in repositories that are not as in a book: what it ends with, where the work is, and what of the person's stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.engine.runs import bash
from tests.workspace import repos
from tests.workspace.repos import (
    HEAD,
    PLAN,
    Person,
    commit,
    git,
    handed_over,
    in_tree,
    lay,
    on_disk,
    plan_of,
    result_of,
    traces,
)

MAKES = bash("Task 1: a", "echo hi > f1", "test -s f1", files="f1")


# --- where HEAD is --------------------------------------------------------------------------------


def test_without_a_commit_the_result_is_the_first_history_and_files_of_the_person_stay(
    tmp_path: Path, person: Person
):
    root = tmp_path / "new"
    git(tmp_path, "init", "-q", "-b", "main", root)
    repos.write_plan(root, MAKES, head=HEAD)
    lay(root, {"mine.txt": "mine"})
    told = person.call(root, "run", PLAN)
    handed_over(root, told, b"f1")
    assert "an empty commit, as there is none yet" in told
    assert "mine.txt" in told
    assert (root / "mine.txt").read_text() == "mine"
    assert b"mine.txt" not in in_tree(root, "HEAD")
    assert git(root, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_without_a_commit_what_is_staged_stays_staged_and_the_branch_unborn(
    tmp_path: Path, person: Person
):
    root = tmp_path / "new"
    git(tmp_path, "init", "-q", "-b", "main", root)
    repos.write_plan(root, MAKES, head=HEAD)
    git(root, "add", "-A")
    repos.hide(root)
    before = traces(root)
    told = person.call(root, "run", PLAN)
    assert told.code == 0
    assert "uncommitted changes in plans/demo-PLAN.md" in told
    after = traces(root)
    assert {part: after[part] for part in ("index", "head", "files")} == {
        part: before[part] for part in ("index", "head", "files")
    }
    assert b"f1" in in_tree(root, result_of(root))
    git(root, "rev-parse", "--verify", "-q", "HEAD", code=1)


def test_a_detached_head_stays_where_it_is_and_the_branch_is_named(root: Path, person: Person):
    plan_of(root, MAKES)
    git(root, "checkout", "-q", "--detach")
    before = traces(root)
    told = person.call(root, "run", PLAN)
    assert told.code == 0
    assert "HEAD was detached when the run began" in told
    name = result_of(root)
    assert f"git merge {name}" in told
    after = traces(root)
    assert {**after, "refs": 0, "branches": 0} == {**before, "refs": 0, "branches": 0}
    assert b"f1" in in_tree(root, name)


def test_a_run_in_a_linked_worktree_moves_its_branch_and_no_other(
    root: Path, person: Person, tmp_path: Path
):
    plan_of(root, MAKES)
    linked = tmp_path / "linked"
    git(root, "worktree", "add", "-q", "-b", "topic", linked)
    repos.hide(linked)
    before = traces(root)
    told = person.call(linked, "run", PLAN)
    handed_over(linked, told, b"f1")
    assert git(linked, "symbolic-ref", "HEAD") == "refs/heads/topic"
    after = traces(root)
    assert {part: after[part] for part in ("head", "index", "files", "config")} == {
        part: before[part] for part in ("head", "index", "files", "config")
    }
    assert git(root, "rev-parse", "main") != git(root, "rev-parse", "topic")


def test_a_worktree_of_a_bare_repository_is_as_good_as_any(
    root: Path, person: Person, tmp_path: Path
):
    plan_of(root, MAKES)
    bare, place = tmp_path / "bare.git", tmp_path / "place"
    git(root, "clone", "-q", "--bare", root, bare)
    git(bare, "worktree", "add", "-q", place, "main")
    told = person.call(place, "run", PLAN)
    handed_over(place, told, b"f1")
    assert git(bare, "rev-parse", "main") == git(place, "rev-parse", "HEAD")
    assert git(bare, "config", "core.bare") == "true"


# --- what is in it --------------------------------------------------------------------------------


def test_a_shallow_clone_is_no_hindrance(root: Path, person: Person, tmp_path: Path):
    plan_of(root, MAKES)
    clone = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", clone)
    told = person.call(clone, "run", PLAN)
    handed_over(clone, told, b"f1")
    assert "shallow" in told
    assert git(clone, "rev-parse", "--is-shallow-repository") == "true"


@pytest.mark.parametrize("how", ["declared", "a bare link"])
def test_submodules_mean_the_plain_directory_and_it_is_said_why(
    root: Path, person: Person, tmp_path: Path, how: str
):
    other = repos.begin(tmp_path / "other")
    plan_of(root, MAKES)
    if how == "declared":
        git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", other, "lib")
    else:
        git(root, "clone", "-q", other, "lib")
    commit(root)
    before = traces(root)
    told = person.call(root, "run", PLAN)
    assert told.code == 0, told
    assert "working in the plain directory" in told
    assert "submodules" in told
    after = traces(root)
    assert (root / "f1").read_text() == "hi\n"
    assert {**after, "files": 0} == {**before, "files": 0}
    assert git(root / "lib", "status", "--porcelain") == ""


def test_submodules_with_worktrees_asked_for_are_refused_before_anything_is_done(
    root: Path, person: Person, tmp_path: Path
):
    other = repos.begin(tmp_path / "other")
    plan_of(root, MAKES, head=HEAD.replace("plan: 01", "plan: 01\nworkspace: worktree"))
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", other, "lib")
    commit(root)
    before = traces(root)
    told = person.call(root, "run", PLAN)
    assert told.code == 3
    assert "submodules" in told
    assert "--workspace directory" in told
    assert traces(root) == before


def lfs(root: Path) -> str:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    lay(root, {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": pointer})
    plan_of(root, bash("Task 1: a", "head -1 big.bin > f1", "grep -q git-lfs f1", files="f1"))
    commit(root)
    return pointer


def test_lfs_pointers_stay_pointers_where_git_knows_no_lfs(root: Path, person: Person):
    pointer = lfs(root)
    told = person.call(root, "run", PLAN)
    handed_over(root, told, b"f1")
    assert (root / "big.bin").read_text() == pointer
    assert in_tree(root, "HEAD")[b"big.bin"][1].decode() == pointer


@pytest.mark.parametrize("touched", [False, True])
def test_lfs_that_is_set_up_and_not_installed_ends_with_gits_own_words(
    root: Path, person: Person, touched: bool
):
    """`touched`: git has to read the file again, and cannot even tell the status of the checkout."""
    pointer = lfs(root)
    os.utime(root / "big.bin", (1e9, 1e9))
    git(root, "update-index", "--refresh")
    with (person.home / ".gitconfig").open("a") as file:
        file.write(
            '[filter "lfs"]\nclean = no-lfs clean\nsmudge = no-lfs smudge\nrequired = true\n'
        )
    if touched:
        os.utime(root / "big.bin")
    before = traces(root)
    told = person.call(root, "run", PLAN)
    assert told.code in (1, 3), told
    assert "filter 'lfs'" in told or "filter lfs" in told or "no-lfs" in told
    after = traces(root)
    assert {**after, "refs": 0, "branches": 0} == {**before, "refs": 0, "branches": 0}
    assert (root / "big.bin").read_text() == pointer


def test_a_sparse_checkout_stays_sparse_and_the_result_is_whole(root: Path, person: Person):
    lay(root, {"docs/page.md": "page\n", "docs/deep/more.md": "more\n"})
    commit(root)
    script = "mkdir -p docs; echo hi > docs/f1; echo hi > src/f2"
    plan_of(root, bash("Task 1: a", script, "test -e src/f2"))
    git(root, "sparse-checkout", "set", "--cone", "src", "plans")
    assert not (root / "docs").exists()
    told = person.call(root, "run", PLAN)
    assert told.code == 0, told
    tree = in_tree(root, "HEAD")
    assert {b"docs/page.md", b"docs/deep/more.md", b"docs/f1", b"src/f2"} <= set(tree)
    assert git(root, "sparse-checkout", "list").split() == ["plans", "src"]
    assert (root / "src/f2").exists()
    assert git(root, "status", "--porcelain") == ""


def test_a_repository_inside_is_named_and_not_touched(root: Path, person: Person):
    plan_of(root, MAKES)
    lay(root, {"inner/x.txt": "inner"})
    git(root / "inner", "init", "-q")
    commit(root / "inner")
    lay(root, {"inner/dirty.txt": "not committed"})
    before = traces(root / "inner")
    told = person.call(root, "run", PLAN)
    handed_over(root, told, b"f1")
    assert "inner/" in told
    assert traces(root / "inner") == before


def test_a_run_inside_of_a_repository_inside_is_of_that_one_alone(root: Path, person: Person):
    inner = repos.begin(root / "inner")
    plan_of(inner, MAKES)
    before = traces(root)
    told = person.call(inner, "run", PLAN)
    handed_over(inner, told, b"f1")
    after = traces(root)
    assert {**after, "files": 0} == {**before, "files": 0}
    assert not (root / ".orchestrator/journal.db").exists()


@pytest.mark.parametrize("own", ["with a commit", "without"])
def test_a_repository_inside_cannot_be_taken_along_and_that_is_said_before_anything_is_done(
    root: Path, person: Person, own: str
):
    """--include-dirty promises all that is not committed, and git takes no file of it."""
    plan_of(root, MAKES)
    lay(root, {"inner/x.txt": "inner", "mine.txt": "m"})
    git(root / "inner", "init", "-q")
    if own == "with a commit":
        commit(root / "inner")
    before = traces(root), on_disk(root / "inner")
    told = person.call(root, "run", PLAN, "--include-dirty")
    assert told.code == 3, told
    assert "inner/" in told
    assert (traces(root), on_disk(root / "inner")) == before
