"""What runs left is removed only where it is kept elsewhere: judged by what git and the disk say afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator import settings
from orchestrator.history import History, TaskHistory, Tried
from orchestrator.journal import RunRow
from orchestrator.model import Route, RunId, Score, TaskId
from orchestrator.workspace import weight
from orchestrator.workspace.tidy import HELD, Left, Tidy, Wish
from tests.workspace import repos
from tests.workspace.repos import commit, git, lay

RUN = repos.RUN
BRANCH = f"orchestrator/{RUN}"
RESCUE = f"refs/orchestrator/rescue/{RUN}"
SLUG = "001-demo-1"


class Past:
    """A run as the journal has it, with one try in each of its worktrees."""

    def __init__(self, root: Path, code: int | None = 0) -> None:
        self.root, self.code = root, code
        self.home = root / ".orchestrator/worktrees" / RUN
        self.folder = root / ".orchestrator/runs" / RUN
        self.base = git(root, "rev-parse", "HEAD")
        self.history = History(ground={"base": self.base})

    def worktree(self, slug: str = SLUG, begin: str | None = None) -> Path:
        path = self.home / slug
        git(self.root, "worktree", "add", "-q", "--detach", str(path), self.base)
        self.tried(path, begin)
        return path

    def tried(self, path: Path, begin: str | None = None) -> None:
        task = TaskId(f"demo/{len(self.history.holders) + 1}")
        self.history.holders[str(path)] = task
        one = Tried(
            number=1,
            route=Route(worker="shell", confidence=1, reason=""),
            score=Score(value=1, reasons=()),
            started_at="",
            workspace=str(path),
            base=self.base,
            begin=begin,
        )
        self.history.tasks[task] = TaskHistory(tried=[one])

    async def clean(
        self, *, dry_run: bool = False, rescued: bool = False, live: str | None = None
    ) -> list[Left]:
        row = RunRow(id=RUN, started_at="", asked={}, exit_code=self.code, paths=())
        own = settings.load(self.root).workspace
        tidy = Tidy(self.root, own, Wish(dry_run, rescued), lambda: live, lambda _: self.history)
        return await tidy.clean({RUN: row}, await repos.repository(self.root))


@pytest.fixture
def past(root: Path) -> Past:
    return Past(root)


def refs(root: Path) -> dict[str, str]:
    told = git(root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/orchestrator")
    return dict(row.split(" ") for row in told.splitlines())


def worktrees(root: Path) -> list[str]:
    rows = git(root, "worktree", "list", "--porcelain").splitlines()
    return [row.removeprefix("worktree ") for row in rows if row.startswith("worktree ")]


async def test_work_that_nobody_has_is_kept_before_its_worktree_goes(root: Path, past: Past):
    path = past.worktree()
    lay(path, {"a.txt": "changed\n", "new/deep.txt": "new\n"})
    (path / "second.txt").unlink()
    found = repos.on_disk(path)
    (one,) = await past.clean()
    assert (one.kind, one.removed, one.kept_as) == ("worktree", True, f"{RESCUE}/{SLUG}/clean")
    assert repos.in_tree(root, one.kept_as or "") == found
    assert worktrees(root) == [str(root)]
    assert not past.home.parent.exists()
    assert "+new" in git(root, *one.steps[0].split()[1:])


async def test_what_a_ref_has_already_is_not_kept_twice(root: Path, past: Past):
    untouched, kept = past.worktree(), past.worktree("002-demo-2")
    lay(kept, {"x.txt": "work\n"})
    git(kept, "add", "-A")
    tree = git(kept, "write-tree")
    made = git(root, "commit-tree", tree, "-p", past.base, "-m", "work")
    git(root, "update-ref", f"{RESCUE}/002-demo-2/1", made)
    found = await past.clean()
    assert [(one.kind, one.removed) for one in found] == [
        ("worktree", True),
        ("worktree", True),
        ("rescued", False),
    ]
    assert refs(root) == {f"{RESCUE}/002-demo-2/1": made}
    assert not untouched.exists()
    assert not kept.exists()


async def test_what_was_handed_in_is_no_work(root: Path, past: Past):
    path = past.worktree()
    lay(path, {"context.md": "of the person\n"})
    git(path, "add", "-A")
    begin = git(path, "write-tree")
    past.tried(path, begin)
    await past.clean()
    assert refs(root) == {}
    path = past.worktree("002-demo-2", begin)
    lay(path, {"context.md": "of the person\n", "x.txt": "work\n"})
    await past.clean()
    (ref,) = refs(root)
    assert git(root, "diff", "--name-only", past.base, ref) == "x.txt"


async def test_a_base_that_somebody_threw_away_is_no_work(root: Path, past: Past):
    lay(root, {"x.txt": "landed, and thrown away\n"})
    thrown = commit(root)
    git(root, "reset", "-q", "--keep", "HEAD~1")
    git(root, "reflog", "expire", "--expire=all", "--all")
    past.base = thrown
    past.worktree(begin=git(root, "rev-parse", f"{thrown}^{{tree}}"))
    (one,) = await past.clean()
    assert (one.removed, one.kept_as) == (True, None)


async def test_what_a_worker_committed_itself_stays_to_be_found(root: Path, past: Past):
    path = past.worktree()
    lay(path, {"x.txt": "its own\n"})
    own = commit(path, "by the worker")
    await past.clean()
    assert refs(root) == {f"{RESCUE}/{SLUG}/clean": own}


async def test_what_an_earlier_clean_has_kept_stays(root: Path, past: Past):
    for text in ("one", "two", "three"):
        lay(past.worktree(), {"x.txt": text})
        await past.clean()
    names = ("clean", "clean-2", "clean-3")
    told = [repos.text_of(root, f"{RESCUE}/{SLUG}/{name}", "x.txt") for name in names]
    assert told == ["one", "two", "three"]


async def test_what_the_run_did_not_make_is_kept_and_named(root: Path, past: Past):
    lay(past.home, {"stranger/file.txt": "?", "note.txt": "?"})
    git(root, "worktree", "add", "-q", "--detach", str(past.home / "mine"))
    locked = past.worktree()
    git(root, "worktree", "lock", str(locked))
    before = repos.traces(root), sorted(past.home.rglob("*"))
    found = await past.clean()
    whys = {one.name.rpartition("/")[2]: one.why for one in found if not one.removed}
    assert whys == {
        SLUG: "it is locked",
        "mine": "the run did not make it",
        "note.txt": "git does not know it; look at it",
        "stranger": "git does not know it; look at it",
    }
    assert (repos.traces(root), sorted(past.home.rglob("*"))) == before


async def test_a_worktree_without_its_folder_is_forgotten_but_not_its_commits(
    root: Path, past: Past
):
    path = past.worktree()
    lay(path, {"x.txt": "its own\n"})
    own = commit(path)
    path.rename(root.parent / "gone")
    await past.clean()
    assert worktrees(root) == [str(root)]
    assert refs(root) == {f"{RESCUE}/{SLUG}/clean": own}


@pytest.mark.parametrize("code", [None, 0, 1, 3, 5, 130])
async def test_what_git_ignores_stays_while_the_run_can_go_on(root: Path, code: int | None):
    past = Past(root, code)
    lay(past.worktree(), {"build/out": "built"})
    lay(past.folder, {"ignored/build/older": "built", "run.log": "log"})
    found = await past.clean()
    (aside,) = [one for one in found if one.kind == "set-aside"]
    assert aside.removed == (code in (0, 1))
    left = sorted(one.name for one in past.folder.rglob("*") if one.is_file())
    assert left == (["run.log"] if code in (0, 1) else ["older", "out", "run.log"])


async def test_a_branch_goes_when_another_has_all_of_it(root: Path, past: Past):
    git(root, "branch", BRANCH)
    (one,) = await past.clean()
    assert (one.removed, one.why) == (True, "main has all of it")
    assert git(root, "branch", "--format=%(refname:short)") == "main"


async def test_a_branch_with_commits_of_its_own_stays_with_what_to_do(root: Path, past: Past):
    git(root, "switch", "-qc", BRANCH)
    lay(root, {"x.txt": "x"})
    tip = commit(root)
    git(root, "switch", "-q", "main")
    git(root, "tag", "held", tip)  # a tag is no branch that somebody works on
    (one,) = await past.clean()
    assert (one.removed, one.why) == (False, "no other branch has all of it (1 commit)")
    assert one.steps == (f"git merge {BRANCH}", f"git branch -D {BRANCH}")
    assert git(root, "rev-parse", BRANCH) == tip
    past.code = 130
    (one,) = await past.clean()
    assert one.steps[0] == f"orchestrator resume {RUN}"


async def test_a_branch_that_somebody_stands_on_stays(root: Path, past: Past):
    git(root, "switch", "-qc", BRANCH)
    (one,) = await past.clean()
    assert (one.removed, one.why) == (False, f"it is checked out in {root}")
    assert git(root, "rev-parse", BRANCH) == past.base


async def test_of_two_branches_that_have_each_other_one_stays(root: Path, past: Past):
    git(root, "switch", "-qc", BRANCH)
    commit(root)
    git(root, "branch", "orchestrator/other")
    git(root, "switch", "-q", "main")
    rows = {
        name: RunRow(id=RunId(name), started_at="", asked={}, exit_code=0, paths=())
        for name in (RUN, "other")
    }
    for dry_run in (True, False):
        own = settings.load(root).workspace
        tidy = Tidy(root, own, Wish(dry_run, False), lambda: None, lambda _: past.history)
        found = await tidy.clean(rows, await repos.repository(root))
        assert [one.removed for one in found] == [True, False]
    assert git(root, "branch", "--list", "orchestrator/*").strip() == "orchestrator/other"


@pytest.mark.parametrize(("code", "goes"), [(0, True), (1, False), (None, False)])
async def test_work_that_did_not_land_goes_only_if_asked_and_its_run_is_done(
    root: Path, code: int | None, goes: bool
):
    past, ref = Past(root, code), f"{RESCUE}/{SLUG}/1"
    git(root, "update-ref", ref, past.base)
    (one,) = await past.clean()
    assert (one.removed, one.steps) == (False, (f"git show {ref}",))
    (one,) = await past.clean(rescued=True)
    assert one.removed is goes
    assert (ref in refs(root)) is not goes


async def test_what_is_kept_just_now_is_not_thrown_away_at_once(root: Path, past: Past):
    lay(past.worktree(), {"x.txt": "work"})
    await past.clean(rescued=True)
    assert list(refs(root)) == [f"{RESCUE}/{SLUG}/clean"]


def full(past: Past) -> Mapping[str, object]:
    """Something of each kind, and what git and the disk say of it."""
    lay(past.worktree(), {"x.txt": "work", "build/out": "built"})
    lay(past.home, {".trash-abc/file": "?"})
    lay(past.folder, {"ignored/build/older": "built"})
    git(past.root, "branch", BRANCH)
    git(past.root, "update-ref", f"{RESCUE}/{SLUG}/1", past.base)
    return look(past)


def look(past: Past) -> Mapping[str, object]:
    return {**repos.traces(past.root), "clocks": repos.clocks(past.root / ".orchestrator")}


@pytest.mark.parametrize("live", [RUN, ""])
async def test_nothing_of_a_run_that_an_engine_works_on_is_touched(past: Past, live: str):
    """Also where an engine has begun and not said yet on which."""
    before = full(past)
    (one,) = await past.clean(rescued=True, live=live)
    why = "an engine works on it" if live else HELD
    assert (one.kind, one.removed, one.why) == ("run", False, why)
    assert look(past) == before


async def test_a_dry_run_says_the_same_and_touches_nothing(past: Past):
    before = full(past)
    told = await past.clean(dry_run=True, rescued=True)
    assert look(past) == before
    done = await past.clean(rescued=True)
    assert [(one.kind, one.name, one.removed) for one in told] == [
        (one.kind, one.name, one.removed) for one in done
    ]
    assert {one.kind for one in done if one.removed} == {
        "worktree", "branch", "rescued", "set-aside",
    }  # fmt: skip
    assert not past.home.exists()


def test_a_file_with_two_names_weighs_once_and_links_lead_nowhere(tmp_path: Path):
    big, top = tmp_path / "big", tmp_path / "top"
    big.write_bytes(b"x" * 1_000_000)
    top.mkdir()
    (top / "link").symlink_to(big)
    (top / "folder").symlink_to(tmp_path)
    assert weight.weigh(top) < 100_000
    (top / "one").write_bytes(b"x" * 1_000_000)
    once = weight.weigh(top)
    os.link(top / "one", top / "two")
    assert 1_000_000 <= once == weight.weigh(top) < 1_200_000
    assert weight.weigh(tmp_path / "nothing") == 0


def test_what_a_link_leads_to_is_not_wiped(tmp_path: Path):
    lay(tmp_path, {"real/file": "x", "top/deep/file": "x"})
    (tmp_path / "top/link").symlink_to(tmp_path / "real")
    assert weight.wipe(tmp_path / "top")
    assert not (tmp_path / "top").exists()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert not weight.wipe(tmp_path / "link")
    assert (tmp_path / "real/file").exists()
