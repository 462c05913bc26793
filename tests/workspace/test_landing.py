"""Work that is kept, rebased and landed: one line of history, nothing lost, and a no where somebody else moved the branch."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from orchestrator.model import Work
from orchestrator.workspace import Clash, GitRefused, Ground, MissingBase, Place, Rebased
from tests.workspace.repos import commit, git, ground, in_tree, lay, on_disk, text_of, traces

MESSAGE = "feat(demo): it\n\nTask: demo/1\n"


async def work_on(ground: Ground, name: str, files: dict[str, str] | None = None) -> Place:
    """A worktree at the tip, with these files written into it."""
    place = Place(ground.home / name, ground.tip)
    await ground.open(place, (), ())
    lay(place.path, files or {})
    return place


async def keep(ground: Ground, place: Place, declared: tuple[str, ...] | None = None) -> Work:
    begin = git(ground.root, "rev-parse", f"{place.base}^{{tree}}")
    return await ground.keep(place.path, place.base, begin, declared, MESSAGE)


async def land(ground: Ground, work: Work) -> Rebased:
    rebased = await ground.rebase(work, MESSAGE)
    assert isinstance(rebased, Rebased)
    if rebased.commit is not None:
        await ground.advance(rebased.commit, rebased.tip)
    return rebased


def parents(root: Path, tip: str) -> list[int]:
    """How many each commit has, the newest first."""
    rows = git(root, "log", "--format=%H %P", tip).splitlines()
    return [len(row.split()) - 1 for row in rows]


# --- keeping --------------------------------------------------------------------------------------


async def test_what_was_made_is_one_commit_on_its_base_and_the_branch_has_not_moved(root: Path):
    ours, before = await ground(root), git(root, "rev-parse", "HEAD")
    place = await work_on(ours, "one", {"a.txt": "changed\n", "new.txt": "n"})
    (place.path / "src/b.txt").unlink()
    (place.path / "second.txt").unlink()
    (place.path / "second.txt").symlink_to("a.txt")
    work = await keep(ours, place, ("a.txt", "new.txt"))
    assert (work.created, work.modified) == (("new.txt",), ("a.txt", "second.txt"))
    assert (work.deleted, work.undeclared) == (("src/b.txt",), ("second.txt", "src/b.txt"))
    assert work.commit
    assert git(root, "rev-parse", f"{work.commit}^") == before
    assert git(root, "log", "-1", "--format=%an %ae|%s", work.commit) == (
        "Ann ann@example.org|feat(demo): it"
    )
    assert in_tree(root, work.commit) == on_disk(place.path)
    assert git(root, "rev-parse", ours.branch) == before


async def test_who_made_nothing_has_no_commit(root: Path):
    ours = await ground(root)
    place = await work_on(ours, "one", {"build/x": "ignored"})
    assert (await keep(ours, place)).commit is None


@pytest.mark.parametrize(
    "how",
    ["commits", "amends", "branch", "staged", "reset", "detached elsewhere", "stash", "rebasing"],
)
async def test_whatever_a_worker_does_with_git_its_files_are_the_work(root: Path, how: str):
    ours, before = await ground(root), traces(root)
    place = await work_on(ours, "one", {"mine.txt": "mine\n"})
    at = place.path
    match how:
        case "commits":
            commit(at)
            lay(at, {"more.txt": "and more\n"})
            commit(at)
        case "amends":
            git(at, "add", "-A")
            git(at, "commit", "-q", "--amend", "-m", "of another")
        case "branch":
            git(at, "switch", "-q", "-c", "topic")
            commit(at)
        case "staged":
            git(at, "add", "-A")
            lay(at, {"mine.txt": "later than what is staged\n"})
        case "reset":
            git(at, "reset", "-q", "--hard", "HEAD~1")
        case "detached elsewhere":
            git(at, "checkout", "-q", "--orphan", "alone")
            git(at, "rm", "-q", "-r", "--cached", ".")
        case "stash":
            lay(at, {"a.txt": "changed\n"})
            git(at, "stash", "-q")
            git(at, "stash", "apply", "-q")
        case "rebasing":
            commit(at)
            git(at, "rebase", "-q", "--exec", "false", "HEAD~1", code=1)
    files = on_disk(at)
    work = await keep(ours, place)
    assert work.commit
    assert in_tree(root, work.commit) == files == on_disk(at)
    assert git(root, "rev-parse", f"{work.commit}^") == place.base
    assert work.deleted == (("second.txt",) if how == "reset" else ())
    assert (await land(ours, work)).commit
    assert parents(root, ours.branch) == [1, 1, 0]
    await ours.close(at)
    after = traces(root)
    for part in ("worktrees", "config", "head", "index", "files"):
        assert after[part] == before[part]


async def test_a_worktree_that_its_worker_removed_is_named(root: Path):
    ours, before = await ground(root), traces(root)
    place = await work_on(ours, "one")
    shutil.rmtree(place.path)
    with pytest.raises(GitRefused, match=r"worktrees/run/one\b"):
        await keep(ours, place)
    await ours.close_all()
    assert traces(root) == before


async def test_a_worktree_that_its_worker_moved_away_keeps_its_files_where_they_are(root: Path):
    ours = await ground(root)
    place = await work_on(ours, "one", {"mine.txt": "mine"})
    place.path.rename(
        root.parent / "elsewhere"
    )  # git's own move refuses: there is a sealed `modules`
    git(root.parent / "elsewhere", "worktree", "repair")
    with pytest.raises(GitRefused):
        await keep(ours, place)
    await ours.close_all()
    assert (root.parent / "elsewhere/mine.txt").read_text() == "mine"


async def test_an_emptied_worktree_is_work_that_deletes(root: Path):
    ours = await ground(root)
    place = await work_on(ours, "one")
    for one in place.path.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    work = await keep(ours, place)
    assert set(work.deleted) == {".gitignore", "a.txt", "second.txt", "src/b.txt"}


# --- landing --------------------------------------------------------------------------------------


async def test_three_that_began_together_land_one_after_the_other_in_one_line(root: Path):
    ours = await ground(root)
    names = ("one", "two", "three")
    places = [await work_on(ours, name, {f"{name}.txt": name}) for name in names]
    works = [await keep(ours, place) for place in places]
    rebased = [await land(ours, work) for work in works]
    assert [one.moved(work) for one, work in zip(rebased, works, strict=True)] == [
        False,
        True,
        True,
    ]
    assert parents(root, ours.branch) == [1, 1, 1, 1, 0]
    assert {b"one.txt", b"two.txt", b"three.txt"} <= set(in_tree(root, ours.tip))
    subjects = git(root, "log", "-3", "--format=%B%x00", ours.tip).split("\0")
    assert {one.strip() for one in subjects[:3]} == {MESSAGE.strip()}


async def test_changes_of_other_lines_of_one_file_are_joined(root: Path):
    lay(root, {"long.txt": "".join(f"{n}\n" for n in range(20))})
    commit(root)
    ours = await ground(root)
    text = (root / "long.txt").read_text()
    first = await work_on(ours, "one", {"long.txt": f"top\n{text}"})
    second = await work_on(ours, "two", {"long.txt": f"{text}end\n"})
    works = [await keep(ours, one) for one in (first, second)]
    for work in works:
        await land(ours, work)
    assert text_of(root, ours.tip, "long.txt") == f"top\n{text}end\n"


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"a.txt": "mine\n"}, {"a.txt": "theirs\n"}),
        ({"new.txt": "mine\n"}, {"new.txt": "theirs\n"}),
        ({"x\nü -y": "mine\n"}, {"x\nü -y": "theirs\n"}),
        ({"new.txt": "a file\n"}, {"new.txt/inside": "a folder\n"}),
    ],
)
async def test_what_does_not_fit_is_a_clash_that_names_the_file_and_moves_nothing(
    root: Path, mine: dict[str, str], theirs: dict[str, str]
):
    ours = await ground(root)
    places = [await work_on(ours, name, files) for name, files in (("1", theirs), ("2", mine))]
    first, second = [await keep(ours, one) for one in places]
    await land(ours, first)
    tip, before = ours.tip, traces(root)
    clash = await ours.rebase(second, MESSAGE)
    assert isinstance(clash, Clash)
    assert any(one.startswith(next(iter(mine))) for one in clash.files)
    assert (ours.tip, traces(root)) == (tip, before)
    assert second.commit
    assert in_tree(root, second.commit) == on_disk(places[1].path)


async def test_a_deleted_file_that_another_has_changed_is_a_clash(root: Path):
    ours = await ground(root)
    first, second = await work_on(ours, "one", {"a.txt": "new\n"}), await work_on(ours, "two")
    (second.path / "a.txt").unlink()
    works = [await keep(ours, one) for one in (first, second)]
    await land(ours, works[0])
    assert await ours.rebase(works[1], MESSAGE) == Clash(("a.txt",))


async def test_what_another_has_landed_already_is_no_second_commit(root: Path):
    ours = await ground(root)
    places = [await work_on(ours, name, {"same.txt": "same"}) for name in ("one", "two")]
    works = [await keep(ours, one) for one in places]
    await land(ours, works[0])
    assert (await land(ours, works[1])).commit is None
    assert parents(root, ours.branch) == [1, 1, 0]


async def test_a_merge_driver_that_a_worker_has_set_up_is_not_run_by_us(root: Path, tmp_path: Path):
    ours, mark = await ground(root), tmp_path / "mark"
    places = [await work_on(ours, name, {"a.txt": f"{name}\n"}) for name in ("left", "right")]
    script = (
        f"git config merge.evil.driver 'touch {mark}; true'; mkdir -p $(git rev-parse --git-path info); "
        "echo '* merge=evil' > $(git rev-parse --git-path info/attributes)"
    )
    await anyio.run_process(["bash", "-ec", script], cwd=places[0].path)
    works = [await keep(ours, one) for one in places]
    await land(ours, works[0])
    clash = await ours.rebase(works[1], MESSAGE)
    assert not mark.exists()
    assert clash == Clash(("a.txt",))


@pytest.mark.parametrize("how", ["moved", "moved back", "deleted"])
async def test_a_branch_that_somebody_else_moved_is_not_written_over(root: Path, how: str):
    ours = await ground(root)
    first, second = [await work_on(ours, name, {f"{name}.txt": name}) for name in ("one", "two")]
    works = [await keep(ours, one) for one in (first, second)]
    await land(ours, works[0])
    name, start = ours.branch.removeprefix("refs/heads/"), git(root, "rev-parse", "HEAD")
    if how == "deleted":
        git(root, "branch", "-q", "-D", name)
    else:
        git(root, "branch", "-q", "-f", name, start if how == "moved back" else "HEAD~1")
    before, tip = traces(root), ours.tip
    rebased = await ours.rebase(works[1], MESSAGE)
    assert isinstance(rebased, Rebased)
    assert rebased.commit
    with pytest.raises(GitRefused, match="update-ref"):
        await ours.advance(rebased.commit, rebased.tip)
    assert (traces(root), ours.tip) == (before, tip)
    assert works[1].commit
    assert in_tree(root, works[1].commit)[b"two.txt"] == ("100644", b"two")


async def test_a_result_branch_that_is_there_already_is_not_taken(root: Path):
    ours = await ground(root)
    with pytest.raises(GitRefused, match="update-ref"):
        await ours.repository.move(ours.branch, ours.tip)


# --- beginning ------------------------------------------------------------------------------------


async def test_a_base_without_what_a_task_waits_for_is_refused_before_anything_is_made(root: Path):
    ours, old = await ground(root), git(root, "rev-parse", "HEAD")
    await land(ours, await keep(ours, await work_on(ours, "one", {"one.txt": "1"})))
    place, needs = Place(ours.home / "two", old), [ours.tip]
    with pytest.raises(MissingBase, match=f"two: its base {old} lacks {ours.tip}"):
        await ours.open(place, needs, ())
    assert not place.path.exists()
    await ours.open(place._replace(base=ours.tip), needs, ())
    assert (place.path / "one.txt").read_text() == "1"


async def test_an_inherited_worktree_is_moved_to_the_tip_and_keeps_only_what_is_ignored(root: Path):
    ours = await ground(root)
    place = await work_on(ours, "one", {"left.txt": "not kept", "build/cache": "warm"})
    other = await work_on(ours, "two", {"two.txt": "2"})
    commit(place.path, "of its own")
    await land(ours, await keep(ours, other))
    await ours.open(Place(place.path, ours.tip), (ours.tip,), ())
    begin = await ours.found(place.path)
    assert begin == git(root, "rev-parse", f"{ours.tip}^{{tree}}")
    assert git(place.path, "rev-parse", "HEAD") == ours.tip
    assert (place.path / "build/cache").read_text() == "warm"
    (place.path / "build/cache").unlink()
    assert on_disk(place.path) == in_tree(root, ours.tip)


async def test_the_next_try_goes_on_with_the_work_of_the_last_where_it_fits(root: Path):
    ours = await ground(root)
    work = await keep(ours, await work_on(ours, "one", {"a.txt": "half\n", "half.txt": "h"}))
    await ours.close(ours.home / "one")
    begin = await ours.open(Place(ours.home / "one", ours.tip, work.commit), (), ())
    assert begin == git(root, "rev-parse", f"{ours.tip}^{{tree}}")
    assert (ours.home / "one/a.txt").read_text() == "half\n"
    again = await ours.keep(ours.home / "one", ours.tip, begin, None, MESSAGE)
    assert work.commit
    assert again.commit
    assert in_tree(root, again.commit) == in_tree(root, work.commit)


async def test_what_git_ignores_is_put_aside_when_a_worktree_is_put_away(root: Path):
    """A repository below an ignored folder, too: no file of it is lost."""
    ours, before = await ground(root), traces(root)
    place = await work_on(ours, "one", {"build/dep/x.txt": "inner", "z.log": "said"})
    git(place.path / "build/dep", "init", "-q")
    commit(place.path / "build/dep")
    await ours.close_all()
    assert traces(root) == before
    assert not ours.home.exists()
    assert (ours.aside / "z.log").read_text() == "said"
    assert (ours.aside / "build/dep/x.txt").read_text() == "inner"
    assert git(ours.aside / "build/dep", "log", "--format=%s") == "change"


async def test_two_worktrees_with_the_same_ignored_files_are_put_aside_as_one(root: Path):
    ours = await ground(root)
    await work_on(ours, "one", {"build/a": "1", "build/deep/b": "1", "build/x": "a file"})
    await work_on(ours, "two", {"build/deep/c": "2", "build/a": "2", "build/x/y": "a folder"})
    await ours.close_all()
    aside = {str(one.relative_to(ours.aside)) for one in ours.aside.rglob("*") if one.is_file()}
    assert {"build/a", "build/deep/b", "build/deep/c", "build/x/y"} <= aside
    assert (ours.aside / "build/a").read_text() == "2"


async def test_what_is_put_aside_follows_no_link_to_a_folder_of_the_person(root: Path):
    ours, mine = await ground(root), root.parent / "mine"
    lay(mine, {"a": "of the person"})
    one, _ = await work_on(ours, "one"), await work_on(ours, "two", {"build/out/a": "ours"})
    (one.path / "build").mkdir()
    (one.path / "build/out").symlink_to(mine)
    await ours.close_all()
    assert on_disk(mine) == {b"a": ("100644", b"of the person")}
