"""A worktree read as it is: all that git can take is in the tree, whatever its name or kind, and nothing in it changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.workspace.worktrees import Tree
from tests.workspace.repos import (
    clocks,
    commit,
    git,
    in_tree,
    isolate,
    lay,
    on_disk,
    raw,
    worktrees,
)

ODD_NAMES = (
    b"with space", b" leading", b"trailing ", b"-leading", b"--all", b"new\nline", b"tab\there", b"\xff\xfe not utf-8",
    "ümläut 💡".encode(), b'quo"te', b"back\\slash", b"*", b"[a]", b":(top)x", b"!bang", b"#hash", b"~tilde", b"$HOME",
    b"@{-1}", b"HEAD", b"deep/ \xe9/-x", b"100644 blob\t",
)  # fmt: skip


async def make(root: Path, name: str = "one", commit: str = "HEAD") -> Tree:
    trees = await worktrees(root)
    return await trees.make(trees.home / name, git(root, "rev-parse", commit))


def state(tree: Tree) -> tuple[object, ...]:
    """All that git and a person can see of it."""
    index, head = tree.admin / "index", tree.admin / "HEAD"
    clock = index.stat().st_mtime_ns
    seen = git(tree.path, "status", "--porcelain", "-z", "--ignored")
    return seen, index.read_bytes(), clock, head.read_bytes(), clocks(tree.path), on_disk(tree.path)


# --- nothing changes ------------------------------------------------------------------------------


@pytest.mark.parametrize("look", [Tree.peek, Tree.snapshot])
async def test_looking_changes_nothing_in_the_worktree_nor_in_its_own_index(
    root: Path, look: Callable[[Tree], object]
):
    tree = await make(root)
    lay(tree.path, {"staged.txt": "1", "a.txt": "changed\n", "new/x.txt": "2", "build/y": "3"})
    git(tree.path, "add", "staged.txt")
    (tree.path / "src/b.txt").unlink()
    git(tree.path, "rm", "-q", "--cached", "second.txt")
    git(tree.path, "switch", "-q", "-c", "topic")
    before, refs = state(tree), git(root, "for-each-ref")
    await look(tree)  # type: ignore[misc]
    assert state(tree) == before
    assert git(root, "for-each-ref") == refs


async def test_both_looks_see_the_same_and_all_but_what_is_ignored(root: Path):
    tree = await make(root)
    lay(tree.path, {"a.txt": "changed\n", "new/x.txt": "2", "build/y": "3", "z.log": "4"})
    (tree.path / "src/b.txt").unlink()
    now, notes = await tree.snapshot()
    assert await tree.peek() == now
    assert notes == []
    shutil.rmtree(tree.path / "build")
    (tree.path / "z.log").unlink()
    assert in_tree(root, now) == on_disk(tree.path)
    assert sorted(await tree.ignored()) == []


async def test_what_is_ignored_is_named_whole_folders_at_once(root: Path):
    tree = await make(root)
    lay(tree.path, {"build/y": "3", "build/deep/z": "3", "src/z.log": "4", "-x.log": "5"})
    assert sorted(await tree.ignored()) == ["-x.log", "build/", "src/z.log"]


async def test_what_was_changed_in_the_second_in_which_git_wrote_its_index_is_seen(root: Path):
    """A copied index must not look younger than it is: git compares its time with those of the files."""
    git(root, "config", "core.trustctime", "false")  # no test can set a ctime
    tree = await make(root)
    file, index = tree.path / "a.txt", tree.admin / "index"
    second = file.stat().st_mtime_ns - 10**10
    os.utime(file, ns=(second, second))
    git(tree.path, "update-index", "--refresh")
    lay(tree.path, {"a.txt": "ONE\n"})
    for one in (file, index):
        os.utime(one, ns=(second, second))
    assert in_tree(root, await tree.peek())[b"a.txt"][1] == b"ONE\n"
    assert in_tree(root, (await tree.snapshot())[0])[b"a.txt"][1] == b"ONE\n"


# --- names, modes, kinds --------------------------------------------------------------------------


async def test_no_name_is_too_odd(root: Path):
    tree = await make(root)
    lay(tree.path, {os.fsdecode(name): "of it" for name in ODD_NAMES})
    first, _ = await tree.snapshot()
    assert in_tree(root, first) == on_disk(tree.path)
    assert set(ODD_NAMES) <= set(in_tree(root, first))
    base, made = git(root, "rev-parse", "HEAD"), git(root, "commit-tree", "-m", "odd", first)
    assert {os.fsencode(one.path) for one in await tree.git.changes(base, made)} == set(ODD_NAMES)
    other = await make(root, "two", made)
    assert on_disk(other.path) == on_disk(tree.path)
    await other.move(base)
    assert on_disk(other.path) == on_disk(root)
    await tree.move(base)
    assert on_disk(tree.path) == on_disk(root)


async def test_modes_and_links_are_part_of_it(root: Path):
    (root / "run.sh").write_text("x")
    (root / "link").symlink_to("a.txt")
    commit(root)
    tree = await make(root)
    (tree.path / "run.sh").chmod(0o755)
    (tree.path / "link").unlink()
    (tree.path / "link").symlink_to("nowhere at all")
    (tree.path / "second.txt").unlink()
    (tree.path / "second.txt").symlink_to("src")
    (tree.path / "outside").symlink_to("/etc/passwd")
    now, _ = await tree.snapshot()
    seen = in_tree(root, now)
    assert seen == on_disk(tree.path)
    assert (seen[b"run.sh"][0], seen[b"second.txt"]) == ("100755", ("120000", b"src"))
    assert seen[b"outside"] == ("120000", b"/etc/passwd")


async def test_a_file_becomes_a_folder_and_a_folder_a_file_and_back(root: Path):
    tree, base = await make(root), git(root, "rev-parse", "HEAD")
    (tree.path / "a.txt").unlink()
    shutil.rmtree(tree.path / "src")
    lay(tree.path, {"a.txt/inside": "was a file", "src": "was a folder"})
    now, _ = await tree.snapshot()
    assert in_tree(root, now) == on_disk(tree.path)
    await tree.move(base)
    assert on_disk(tree.path) == on_disk(root)
    back, _ = await tree.snapshot()
    assert back == git(root, "rev-parse", f"{base}^{{tree}}")


@pytest.mark.parametrize("setting", ["true", "input", "false"])
async def test_line_ends_that_git_converts_are_no_change(root: Path, setting: str):
    (root / "dos.txt").write_bytes(b"in git\r\nas it is\r\n")
    commit(root)
    git(root, "config", "core.autocrlf", setting)
    tree = await make(root)
    assert (b"\r\n" in (tree.path / "a.txt").read_bytes()) is (setting == "true")
    assert (await tree.snapshot())[0] == git(root, "rev-parse", "HEAD^{tree}")
    with (tree.path / "a.txt").open("ab") as file:
        file.write(b"more\r\n")
    now, _ = await tree.snapshot()
    wanted = b"one\nmore\r\n" if setting == "false" else b"one\nmore\n"
    assert in_tree(root, now)[b"a.txt"] == ("100644", wanted)
    assert in_tree(root, now)[b"dos.txt"][1] == b"in git\r\nas it is\r\n"
    assert (tree.path / "a.txt").read_bytes().endswith(b"more\r\n")


# --- what a worker does with git --------------------------------------------------------------------


async def test_flags_that_a_worker_set_in_its_index_hide_nothing(root: Path):
    tree = await make(root)
    git(tree.path, "update-index", "--assume-unchanged", "a.txt")
    git(tree.path, "update-index", "--skip-worktree", "src/b.txt")
    lay(tree.path, {"a.txt": "hidden\n", "src/b.txt": "hidden too\n"})
    now, _ = await tree.snapshot()
    assert in_tree(root, now) == on_disk(tree.path)


async def test_a_file_that_is_ignored_and_was_added_by_force_is_taken(root: Path):
    tree = await make(root)
    lay(tree.path, {"build/out.js": "wanted"})
    git(tree.path, "add", "--force", "build/out.js")
    assert in_tree(root, (await tree.snapshot())[0])[b"build/out.js"][1] == b"wanted"


async def test_an_unfinished_merge_is_taken_as_its_files_stand(root: Path):
    tree = await make(root)
    git(tree.path, "switch", "-q", "-c", "left")
    lay(tree.path, {"a.txt": "left\n"})
    commit(tree.path)
    git(tree.path, "switch", "-q", "-c", "right", "HEAD~1")
    lay(tree.path, {"a.txt": "right\n"})
    commit(tree.path)
    git(tree.path, "merge", "-q", "left", code=1)
    now, _ = await tree.snapshot()
    assert in_tree(root, now) == on_disk(tree.path)
    assert b"<<<<<<<" in in_tree(root, now)[b"a.txt"][1]


@pytest.mark.parametrize("lock", ["index.lock", "HEAD.lock"])
async def test_locks_of_a_git_that_was_killed_in_it_are_in_nobodys_way(root: Path, lock: str):
    tree, base = await make(root), git(root, "rev-parse", "HEAD~1")
    (tree.admin / lock).touch()
    lay(tree.path, {"new.txt": "work"})
    assert in_tree(root, (await tree.snapshot())[0]) == on_disk(tree.path)
    await tree.move(base)
    assert git(tree.path, "rev-parse", "HEAD") == base
    assert sorted(on_disk(tree.path)) == [b".gitignore", b"a.txt", b"src/b.txt"]


async def test_a_look_that_was_stopped_in_the_middle_stops_no_later_one(root: Path):
    tree = await make(root)
    scratch = root / ".orchestrator/runs/run"
    for index in ("one.index.lock", "one.peek.lock"):
        (scratch / index).touch()
    lay(tree.path, {"new.txt": "work"})
    assert await tree.peek() == (await tree.snapshot())[0]


# --- other repositories inside ----------------------------------------------------------------------


@pytest.mark.parametrize("own", ["nothing", "a commit", "a worktree", "nothing staged"])
async def test_a_repository_inside_loses_no_file(root: Path, own: str):
    tree = await make(root)
    inner = tree.path / "vendor/lib"
    lay(inner, {"x.txt": "inner", "deep/y.txt": "inner"})
    if own == "a worktree":
        shutil.rmtree(inner)
        git(tree.path, "worktree", "add", "-q", "--detach", inner)
    else:
        git(inner, "init", "-q")
    if own == "a commit":
        commit(inner)
        lay(inner, {"later.txt": "not committed"})
    elif own == "nothing staged":
        git(inner, "add", "x.txt")
    before = on_disk(tree.path)
    now, (note,) = await tree.snapshot()
    assert in_tree(root, now) == before == on_disk(tree.path)
    assert "vendor/lib" in note
    if own == "a commit":
        aside = Path(note.rpartition(" in ")[2])
        assert raw(root, f"--git-dir={aside}", "log", "--format=%s") == b"change"
    assert (await tree.snapshot())[0] == now


async def test_a_repository_inside_that_its_worker_has_committed_loses_no_file(root: Path):
    """git has it as a link to a commit that nobody else has."""
    tree = await make(root)
    inner = tree.path / "vendor/lib"
    lay(inner, {"x.txt": "inner"})
    git(inner, "init", "-q")
    commit(inner)
    commit(tree.path, "with all that is in it")
    now, notes = await tree.snapshot()
    assert in_tree(root, now) == on_disk(tree.path)
    assert len(notes) == 1


async def test_repositories_within_repositories_and_side_by_side_lose_no_file(root: Path):
    tree = await make(root)
    for place in ("one", "one/two", "one/two/three", "other", "\udce9"):
        lay(tree.path / place, {"x.txt": "inner"})
        git(tree.path / place, "init", "-q")
        if place.startswith("one/two"):
            commit(tree.path / place)
    now, notes = await tree.snapshot()
    assert in_tree(root, now) == on_disk(tree.path)
    assert len(notes) == 5
    assert any("in \\xe9: " in note for note in notes)  # a note is read by people


async def test_a_repository_below_an_ignored_folder_is_left_alone(root: Path):
    tree = await make(root)
    for place in ("build/dep", "vendor"):
        lay(tree.path / place, {"x.txt": "inner"})
        git(tree.path / place, "init", "-q")
        commit(tree.path / place)
    now, notes = await tree.snapshot()
    assert set(in_tree(root, now)) - set(in_tree(root, "HEAD")) == {b"vendor/x.txt"}
    assert git(tree.path / "build/dep", "log", "--format=%s") == "change"
    assert len(notes) == 1


# --- what is hostile -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["gone", "another", "own", "folder of the person"])
async def test_the_file_git_in_it_is_not_believed(root: Path, tmp_path: Path, how: str):
    tree, mark = await make(root), tmp_path / "mark"
    its = tree.path / ".git"
    its.unlink()
    if how == "another":
        evil = tmp_path / "evil"
        git(tmp_path, "init", "-q", evil)
        git(evil, "config", "core.fsmonitor", f"touch {mark}")
        git(evil, "config", "core.worktree", str(root))
        its.write_text(f"gitdir: {evil}/.git\n")
    elif how == "own":
        git(tree.path, "init", "-q")
        commit(tree.path)
    elif how == "folder of the person":
        its.symlink_to(root / ".git")
    lay(tree.path, {"new.txt": "work"})
    now, notes = await tree.snapshot()
    assert in_tree(root, now) == on_disk(tree.path)
    assert notes == []
    await tree.move(git(root, "rev-parse", "HEAD"))
    assert on_disk(tree.path) == on_disk(root)
    assert git(root, "status", "--porcelain") == ""
    assert not mark.exists()


EVERY = "for what in clean smudge process; do git config {scope} filter.{name}.$what '{evil}'; done"
COMMON = "$(git rev-parse --git-common-dir)"
FILTERS = {
    "settings": (EVERY, "> .gitattributes"),
    "required": (EVERY + "; git config filter.evil.required true", "> .gitattributes"),
    "attributes of the repository": (EVERY, f"> {COMMON}/info/attributes"),
    "settings of the worktree": (
        "git config extensions.worktreeConfig true; " + EVERY.replace("{scope}", "--worktree"),
        "> .gitattributes",
    ),
    "settings included for it alone": (
        "git config includeIf.gitdir:**/worktrees/**.path {evil}.config; "
        + EVERY.replace("{scope}", "--file {evil}.config"),
        "> .gitattributes",
    ),
    "a name with =": (EVERY.replace("{name}", "ev=il"), "> .gitattributes"),
}


@pytest.mark.parametrize("how", FILTERS)
async def test_a_filter_that_a_worker_has_set_up_is_not_run_by_us(
    root: Path, tmp_path: Path, how: str
):
    """Its command stands in settings of the repository, which every worktree shares, or where only this one reads it."""
    tree, mark, evil = await make(root), tmp_path / "mark", tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    evil.chmod(0o755)
    script, to = FILTERS[how]
    name = "ev=il" if "=" in how else "evil"
    script = script.format(scope="", name=name, evil=evil)
    script = f"{script}; mkdir -p {COMMON}/info; echo '* filter={name}' {to}; echo work > new.txt"
    await anyio.run_process(["bash", "-ec", script], cwd=tree.path)
    now, _ = await tree.snapshot()
    await tree.peek()
    await tree.move(git(root, "rev-parse", "HEAD"))
    assert not mark.exists()
    assert in_tree(root, now)[b"new.txt"] == ("100644", b"work\n")


async def test_a_filter_of_the_person_is_used_as_they_use_it(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    home = tmp_path_factory.mktemp("other")
    turn = '[filter "turn"]\nclean = tr a-z A-Z\nsmudge = tr A-Z a-z\nrequired = true\n'
    isolate(monkeypatch, home, f"[user]\nname = Ann\nemail = ann@example.org\n{turn}")
    lay(root, {".gitattributes": "*.turn filter=turn\n", "x.turn": "small\n"})
    commit(root)
    tree = await make(root)
    assert (tree.path / "x.turn").read_text() == "small\n"
    lay(tree.path, {"y.turn": "also small\n"})
    now, _ = await tree.snapshot()
    seen = in_tree(root, now)
    assert (seen[b"x.turn"][1], seen[b"y.turn"][1]) == (b"SMALL\n", b"ALSO SMALL\n")
