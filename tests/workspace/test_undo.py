"""A run is taken back by real commits in real repositories: all of it or nothing, and nothing of others with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.workspace import undo
from orchestrator.workspace.undo import Landed, Stuck, Undo
from tests.workspace import repos
from tests.workspace.repos import commit, git, lay

BRANCH = f"orchestrator/{repos.RUN}"


def land(root: Path, *changes: dict[str, str]) -> Landed:
    """A run of so many tasks, on the branch that is checked out."""
    base = git(root, "rev-parse", "HEAD")
    made = []
    for number, files in enumerate(changes, 1):
        lay(root, files)
        words = f"feat(demo): task {number}\n\nTask: demo/{number}\nRun: {repos.RUN}"
        made.append(commit(root, words))
    return Landed(repos.RUN, base, tuple(made))


async def take_back(root: Path, landed: Landed) -> Undo | Stuck:
    repository = await repos.repository(root)
    done = await undo.plan(repository, landed)
    if isinstance(done, Undo):
        await undo.carry_out(repository, done)
    return done


def subjects(root: Path, since: str) -> list[str]:
    return git(root, "log", "--format=%s", f"{since}..HEAD").splitlines()


def is_clean(root: Path) -> bool:
    return git(root, "status", "--porcelain") == ""


async def test_each_commit_is_taken_back_by_one_of_its_own_newest_first(root: Path):
    before = repos.on_disk(root)
    landed = land(root, {"x.txt": "1\n"}, {"x.txt": "1\n2\n", "a.txt": "two\n"}, {"new/y": "y"})
    tip = git(root, "rev-parse", "HEAD")
    done = await take_back(root, landed)
    assert isinstance(done, Undo)
    assert subjects(root, tip) == [f'revert: "feat(demo): task {n}"' for n in (1, 2, 3)]
    assert repos.on_disk(root) == before
    assert is_clean(root)
    assert [one.commit for one in done.steps] == list(reversed(landed.commits))
    told = git(root, "log", "-1", "--format=%(trailers:only)", done.steps[0].against)
    assert told.splitlines() == [f"Reverts: {landed.commits[-1]}", f"Run: {repos.RUN}"]
    middle = done.steps[0].against
    assert repos.in_tree(root, middle) == repos.in_tree(root, landed.commits[1])


async def test_work_of_others_since_stays(root: Path):
    landed = land(root, {"a.txt": "mine\n"}, {"x.txt": "x\n"})
    lay(root, {"src/b.txt": "theirs\n", "z.txt": "theirs\n"})
    commit(root)
    await take_back(root, landed)
    assert (root / "src/b.txt").read_text() == (root / "z.txt").read_text() == "theirs\n"
    assert (root / "a.txt").read_text() == "one\n"
    assert not (root / "x.txt").exists()


async def test_if_one_conflicts_nothing_is_changed_and_it_is_named(root: Path):
    landed = land(root, {"x.txt": "x\n"}, {"a.txt": "mine\n", "y.txt": "y\n"}, {"z.txt": "z\n"})
    lay(root, {"a.txt": "theirs\n"})
    commit(root)
    before = repos.traces(root)
    done = await take_back(root, landed)
    assert isinstance(done, Stuck)
    assert (done.commit, done.files) == (landed.commits[1], ("a.txt",))
    assert done.through == (landed.commits[2], landed.commits[1])
    assert repos.traces(root) == before


async def test_planning_touches_nothing(root: Path):
    landed = land(root, {"x.txt": "x\n"})
    before, clocks = repos.traces(root), repos.clocks(root / ".git/refs")
    await undo.plan(await repos.repository(root), landed)
    assert (repos.traces(root), repos.clocks(root / ".git/refs")) == (before, clocks)


async def test_what_was_reverted_by_hand_is_not_reverted_again(root: Path):
    """Also the way on from a conflict: it is settled by hand, and the rest is done then."""
    landed = land(root, {"a.txt": "1\n"}, {"a.txt": "2\n"}, {"z.txt": "z\n"})
    git(root, "revert", "--no-edit", landed.commits[2], landed.commits[1])
    assert await undo.count_undone(await repos.repository(root), landed) == 2
    done = await take_back(root, landed)
    assert isinstance(done, Undo)
    assert [one.commit for one in done.steps] == [landed.commits[0]]
    assert (root / "a.txt").read_text() == "one\n"


async def test_a_run_that_is_reverted_is_refused(root: Path):
    landed = land(root, {"a.txt": "1\n"}, {"a.txt": "2\n"})
    await take_back(root, landed)
    before = repos.traces(root)
    with pytest.raises(UsageError, match="reverted already"):
        await take_back(root, landed)
    assert repos.traces(root) == before


async def test_a_revert_that_was_reverted_does_not_count(root: Path):
    landed = land(root, {"a.txt": "1\n"}, {"a.txt": "2\n"})
    await take_back(root, landed)
    git(root, "revert", "--no-edit", "HEAD", "HEAD~1")
    assert (root / "a.txt").read_text() == "2\n"
    assert await undo.count_undone(await repos.repository(root), landed) == 0
    await take_back(root, landed)
    assert (root / "a.txt").read_text() == "one\n"


def detach(root: Path) -> None:
    git(root, "checkout", "-q", "--detach")


def change(root: Path) -> None:
    lay(root, {"a.txt": "not committed\n"})


def stage(root: Path) -> None:
    lay(root, {"second.txt": "staged\n"})
    git(root, "add", "-A")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (detach, "HEAD is detached. Next: git switch"),
        (change, "uncommitted changes in a.txt. Next: git commit or git stash"),
        (stage, "uncommitted changes in second.txt"),
    ],
)
async def test_a_checkout_that_is_not_at_rest_is_refused(
    root: Path, spoil: Callable[[Path], None], says: str
):
    landed = land(root, {"x.txt": "x\n"})
    spoil(root)
    before = repos.traces(root)
    with pytest.raises(UsageError, match=says):
        await take_back(root, landed)
    assert repos.traces(root) == before


@pytest.mark.parametrize("name", ["gone.txt", "gone.log"])
async def test_a_file_in_the_way_that_git_does_not_keep_stays(root: Path, name: str):
    """Also where git ignores it, and would write over it unasked."""
    lay(root, {name: "of the project\n"})
    git(root, "add", "-f", name)
    commit(root)
    landed = Landed(repos.RUN, git(root, "rev-parse", "HEAD"), ())
    git(root, "rm", "-q", name)
    landed = landed._replace(commits=(commit(root, "feat(demo): remove it"),))
    lay(root, {name: "of the person\n"})
    before = repos.traces(root)
    with pytest.raises(UsageError, match="nothing was changed"):
        await take_back(root, landed)
    assert (root / name).read_text() == "of the person\n"
    assert repos.traces(root) == before


async def test_what_is_only_on_the_result_branch_is_refused_with_how_to_throw_it_away(root: Path):
    landed = land(root, {"x.txt": "x\n"})
    git(root, "branch", BRANCH)
    git(root, "reset", "-q", "--keep", landed.base)
    with pytest.raises(UsageError) as refused:
        await take_back(root, landed)
    assert f"not in main but in {BRANCH}" in str(refused.value)
    assert f"git branch -D {BRANCH}" in str(refused.value)


async def test_half_of_a_run_is_refused_while_its_branch_has_the_rest(root: Path):
    landed = land(root, {"x.txt": "x\n"}, {"y.txt": "y\n"})
    git(root, "branch", BRANCH)
    git(root, "reset", "-q", "--keep", landed.commits[0])
    with pytest.raises(UsageError, match=f"1 of the 2 commits .* git merge {BRANCH}"):
        await take_back(root, landed)
    git(root, "branch", "-D", BRANCH)
    done = await take_back(root, landed)
    assert isinstance(done, Undo)
    assert not (root / "x.txt").exists()


async def test_commits_that_were_made_anew_are_named(root: Path):
    landed = land(root, {"x.txt": "x\n"}, {"y.txt": "y\n"})
    git(root, "reset", "-q", "--keep", landed.base)
    lay(root, {"z.txt": "z\n"})
    commit(root, "in between")
    git(root, "cherry-pick", *landed.commits)
    anew = git(root, "log", "-2", "--format=%H").split()
    with pytest.raises(UsageError) as refused:
        await take_back(root, landed)
    step = f"git revert {' '.join(one[:9] for one in anew)}"
    assert str(refused.value).endswith(f"Next: {step}")
    git(root, *step.split()[1:], "--no-edit")
    with pytest.raises(UsageError, match="not in main"):
        await take_back(root, landed)


async def test_a_run_of_which_a_part_was_made_anew_is_not_half_reverted(root: Path):
    landed = land(root, {"x.txt": "x\n"}, {"y.txt": "y\n"})
    git(root, "reset", "-q", "--keep", landed.commits[0])
    lay(root, {"z.txt": "z\n"})
    commit(root, "in between")
    git(root, "cherry-pick", landed.commits[1])
    anew = git(root, "rev-parse", "HEAD")
    with pytest.raises(UsageError, match=f"git revert {anew[:9]} {landed.commits[0][:9]}$"):
        await take_back(root, landed)
    assert (root / "x.txt").exists()


async def test_a_commit_that_the_journal_has_lost_is_not_left_behind(root: Path):
    landed = land(root, {"x.txt": "x\n"}, {"y.txt": "y\n"})
    known = landed._replace(commits=landed.commits[:1])
    with pytest.raises(UsageError, match="its journal does not know all"):
        await take_back(root, known)
    assert (root / "x.txt").exists()


async def test_a_run_that_is_nowhere_or_landed_nothing_says_so(root: Path):
    landed = land(root, {"x.txt": "x\n"})
    git(root, "reset", "-q", "--keep", landed.base)
    with pytest.raises(UsageError, match="no branch has them"):
        await take_back(root, landed)
    with pytest.raises(UsageError, match="landed nothing"):
        await take_back(root, landed._replace(commits=()))


async def test_hooks_do_not_run(root: Path, tmp_path: Path):
    landed = land(root, {"x.txt": "x\n"})
    for name in ("post-merge", "post-checkout", "reference-transaction", "pre-commit"):
        hook = root / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/ran\n")
        hook.chmod(0o755)
    await take_back(root, landed)
    assert not (root / "x.txt").exists()
    assert not (tmp_path / "ran").exists()
