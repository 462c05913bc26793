"""Worktrees made, put away and found again: many at once, with others beside us, and with what must not be touched."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from orchestrator.workspace import GitRefused
from orchestrator.workspace.worktrees import TRASH, Worktrees
from tests.workspace.repos import begin, clocks, commit, git, lay, on_disk, traces, worktrees

Makers = Sequence[tuple[Worktrees, Path]]


async def make_all(makers: Makers, base: str, removing: Makers = ()) -> None:
    """And put away others at the same time."""
    async with anyio.create_task_group() as group:
        for trees, path in makers:
            group.start_soon(trees.make, path, base)
        for trees, path in removing:
            group.start_soon(trees.remove, path)


async def test_eight_at_once_twenty_times_by_two_engines_never_fail_and_leave_nothing(
    root: Path, tmp_path: Path
):
    """Two checkouts of one repository, four worktrees each, while the last eight are put away: F14."""
    other = tmp_path / "other"
    git(root, "worktree", "add", "-q", "--detach", other)
    engines = [await worktrees(root), await worktrees(other)]
    base, before = git(root, "rev-parse", "HEAD"), (traces(root), traces(other))
    last: Makers = ()
    for turn in range(20):
        makers = [(one, one.home / f"{turn}-{n}") for one in engines for n in range(4)]
        await make_all(makers, base, last)
        assert git(root, "worktree", "list").count("\n") == 9
        for _, path in makers:
            assert on_disk(path) == on_disk(root)
        last = makers
    await make_all([], base, last)
    for one in engines:
        one.leave()
        assert not one.home.exists()
    assert (traces(root), traces(other)) == before


async def test_they_wait_for_who_holds_the_lock_of_the_repository(root: Path):
    trees, base = await worktrees(root), git(root, "rev-parse", "HEAD")
    path = trees.home / "one"
    with (root / ".git/orchestrator.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with anyio.create_task_group() as group:
            group.start_soon(trees.make, path, base)
            for n in range(3):  # meanwhile git itself makes three
                place = str(root.parent / f"by-hand-{n}")
                await anyio.run_process(
                    ["git", "worktree", "add", "--detach", place, base], cwd=root
                )
            assert not path.exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
    assert on_disk(path) == on_disk(root)


async def test_a_new_one_has_the_files_of_its_commit_a_detached_head_and_nothing_changed(
    root: Path,
):
    base = git(root, "rev-parse", "HEAD~1")
    (root / "a.txt").chmod(0o755)
    (root / "link").symlink_to("a.txt")
    commit(root)
    trees = await worktrees(root)
    for number, wanted in enumerate((base, git(root, "rev-parse", "HEAD"))):
        tree = await trees.make(trees.home / str(number), wanted)
        assert git(tree.path, "status", "--porcelain") == ""
        assert git(tree.path, "rev-parse", "HEAD") == wanted
        assert git(tree.path, "symbolic-ref", "-q", "HEAD", code=1) == ""
        assert await tree.snapshot() == (git(root, "rev-parse", f"{wanted}^{{tree}}"), [])
    assert not (trees.home / "0/second.txt").exists()
    assert on_disk(trees.home / "1") == on_disk(root)


async def test_what_is_in_the_way_is_left_and_named(root: Path):
    trees, before = await worktrees(root), traces(root)
    path = trees.home / "one"
    lay(path, {"mine.txt": "of somebody"})
    with pytest.raises(GitRefused, match=f"{path} is in the way"):
        await trees.make(path, git(root, "rev-parse", "HEAD"))
    assert (path / "mine.txt").read_text() == "of somebody"
    assert traces(root) == before


async def test_a_commit_that_is_not_there_leaves_no_half_made_worktree(root: Path):
    trees, before = await worktrees(root), traces(root)
    with pytest.raises(GitRefused, match="worktree add"):
        await trees.make(trees.home / "one", "0123456789" * 4)
    assert trees.paths == []
    assert traces(root) == before


async def test_what_an_engine_has_left_is_adopted_and_what_is_not_ours_is_not(root: Path):
    trees, base = await worktrees(root), git(root, "rev-parse", "HEAD")
    await make_all([(trees, trees.home / "one"), (trees, trees.home / "two")], base)
    lay(trees.home, {"notes/mine.txt": "of somebody", f"{TRASH}1234/x": "half removed"})
    found = await worktrees(root)
    assert [tree.path.name for tree in found.adopt()] == ["one", "two"]
    assert not (found.home / f"{TRASH}1234").exists()
    for path in found.paths:
        await found.remove(path)
    found.leave()
    assert on_disk(found.home) == {b"notes/mine.txt": ("100644", b"of somebody")}
    assert git(root, "worktree", "list").count("\n") == 0


async def test_a_folder_that_is_gone_is_forgotten_by_git_too(root: Path):
    trees, before = await worktrees(root), traces(root)
    tree = await trees.make(trees.home / "one", git(root, "rev-parse", "HEAD"))
    shutil.rmtree(tree.path)
    await trees.remove(tree.path)
    assert traces(root) == before


async def test_what_an_engine_was_killed_in_putting_away_is_made_anew_and_all_of_it_is_forgotten(
    root: Path,
):
    """Its folders were gone already, and git still had them."""
    trees, base, before = await worktrees(root), git(root, "rev-parse", "HEAD"), traces(root)
    names = ("one", "two", "three")
    await make_all([(trees, trees.home / name) for name in names], base)
    for name in names:
        shutil.rmtree(trees.home / name)
    later = await worktrees(root)
    assert later.adopt() == []
    tree = await later.make(later.home / "one", base)
    assert on_disk(tree.path) == on_disk(root)
    await later.remove(tree.path)
    later.leave()
    assert traces(root) == before


async def test_the_worktrees_of_the_person_stay_also_those_that_git_would_prune(
    root: Path, tmp_path: Path
):
    mine, gone = tmp_path / "mine", tmp_path / "gone"
    for place in (mine, gone):
        git(root, "worktree", "add", "-q", "-b", place.name, place)
    lay(mine, {"dirty.txt": "not committed"})
    gone.rename(tmp_path / "on another disk")
    before, files = traces(root), clocks(mine)
    trees = await worktrees(root)
    tree = await trees.make(trees.home / "one", git(root, "rev-parse", "HEAD"))
    await trees.remove(tree.path)
    assert traces(root) == before
    assert clocks(mine) == files


async def test_a_worktree_of_the_person_under_a_name_that_is_not_utf_8_is_in_nobodys_way(
    root: Path, tmp_path: Path
):
    git(root, "worktree", "add", "-q", "--detach", os.fsencode(tmp_path) + b"/caf\xe9")
    trees, before = await worktrees(root), traces(root)
    tree = await trees.make(trees.home / "one", git(root, "rev-parse", "HEAD"))
    (trees.home / "unknown to git").mkdir()
    assert [one.path for one in (await worktrees(root)).adopt()] == [tree.path]
    await trees.remove(tree.path)
    assert traces(root) == before


async def test_one_that_its_worker_has_locked_is_put_away_all_the_same(root: Path):
    trees = await worktrees(root)
    tree = await trees.make(trees.home / "one", git(root, "rev-parse", "HEAD"))
    before = traces(root)
    git(tree.path, "worktree", "lock", ".")
    await trees.remove(tree.path)
    await trees.make(tree.path, git(root, "rev-parse", "HEAD"))
    assert traces(root) == before


async def test_a_run_whose_folder_has_odd_letters_has_worktrees_all_the_same(tmp_path: Path):
    root = begin(tmp_path / "mit Leerzeichen, ümläut 💡 'und \"mehr\nals eine Zeile")
    trees, before = await worktrees(root), traces(root)
    tree = await trees.make(trees.home / "one", git(root, "rev-parse", "HEAD"))
    lay(tree.path, {"new.txt": "work"})
    now, _ = await tree.snapshot()
    assert now != git(root, "rev-parse", "HEAD^{tree}")
    assert [one.path for one in (await worktrees(root)).adopt()] == [tree.path]
    await trees.remove(tree.path)
    assert traces(root) == before


# --- programs that work in them -------------------------------------------------------------------


def program(folder: Path) -> Path:
    """It notes that it ran."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\necho ran >> {folder / 'ran'}\ncat\n")
    program.chmod(0o755)
    return program


async def test_what_git_would_read_as_its_settings_is_there_from_the_beginning(root: Path):
    trees = await worktrees(root)
    tree = await trees.make(trees.home / "one", git(root, "rev-parse", "HEAD"))
    assert (tree.admin / "config.worktree").read_bytes() == b""
    assert all((tree.admin / name).is_dir() for name in ("info", "modules"))


async def test_a_look_goes_into_no_repository_that_a_worker_has_made_known_to_its_index(
    root: Path, tmp_path: Path
):
    """git would call itself there, with that repository's settings and without our words."""
    trees = await worktrees(root)
    tree = await trees.make(trees.home / "one", git(root, "rev-parse", "HEAD"))
    inner = begin(tree.path / "inner")
    git(tree.path, "add", "inner")
    git(inner, "config", "core.fsmonitor", program(tmp_path))
    git(inner, "config", "filter.x.clean", program(tmp_path))
    lay(inner, {".gitattributes": "* filter=x\n", "a.txt": "other\n"})
    await tree.peek()
    await tree.snapshot()
    assert not (tmp_path / "ran").exists()


async def test_nothing_is_written_through_a_link_in_gits_folder(root: Path, tmp_path: Path):
    """Into a file of a name that a shell or an ssh reads, it could be a program."""
    trees = await worktrees(root)
    tree = await trees.make(trees.home / "one", git(root, "rev-parse", "HEAD"))
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("index", "logs/HEAD"):
        (tree.admin / name).unlink()
        (tree.admin / name).symlink_to(outside / Path(name).name)
    await tree.move(git(root, "rev-parse", "HEAD~1"))
    assert list(outside.iterdir()) == []
    assert git(tree.path, "status", "--porcelain") == ""
