"""The result comes to the person's branch only where nothing of theirs is lost, and no hook of anybody is run on the way."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrator.workspace import Ground, Place, Rebased
from orchestrator.workspace.result import Delivery, Start, carry_out, plan, with_file
from orchestrator.workspace.worktrees import person_tree
from tests.workspace.repos import (
    commit,
    git,
    ground,
    in_tree,
    isolate,
    lay,
    on_disk,
    text_of,
    traces,
)

HOOKS = (
    "applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-applypatch", "post-checkout", "post-commit",
    "post-index-change", "post-merge", "post-rewrite", "pre-applypatch", "pre-auto-gc", "pre-commit", "pre-merge-commit",
    "pre-rebase", "prepare-commit-msg", "reference-transaction", "update",
)  # fmt: skip
ME = "[user]\nname = Ann\nemail = ann@example.org\n"


async def done(root: Path, files: dict[str, str], force: tuple[str, ...] = ()) -> Ground:
    """A run whose one task has landed: it wrote these files."""
    ours = await ground(root)
    place = Place(ours.home / "one", ours.tip)
    await ours.open(place, (), ())
    begin = await ours.found(place.path)
    lay(place.path, files)
    if force:
        git(place.path, "add", "--force", *force)
    work = await ours.keep(place.path, place.base, begin, None, "feat(demo): it\n")
    rebased = await ours.rebase(work, "feat(demo): it\n")
    assert isinstance(rebased, Rebased)
    assert rebased.commit
    await ours.advance(rebased.commit, rebased.tip)
    await ours.close_all()
    return ours


async def hand_over(ours: Ground, start: Start | None = None, complete: bool = True) -> Delivery:
    facts = ours.repository.facts
    assert facts.head
    begun = start or Start(base=facts.head, head=facts.head, branch=facts.branch)
    delivery = await plan(ours, begun, None if complete else "not all is done")
    return await carry_out(ours, begun, delivery) if delivery.why is None else delivery


def prepare(root: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every hook there is: each leaves a mark and fails."""
    folder = {"repository": root / ".git/hooks"}.get(where, root.parent / "hooks")
    folder.mkdir(exist_ok=True)
    mark = root.parent / "mark"
    for name in HOOKS:
        hook = folder / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {mark}\nexit 1\n")
        hook.chmod(0o755)
    if where == "its settings":
        git(root, "config", "core.hooksPath", str(folder))
    elif where == "the person's settings":
        home = root.parent / "home"
        home.mkdir()
        isolate(monkeypatch, home, f"{ME}[core]\nhooksPath = {folder}\n")
    return mark


@pytest.mark.parametrize("where", ["repository", "its settings", "the person's settings"])
async def test_no_hook_is_run_and_none_can_stop_us(
    root: Path, where: str, monkeypatch: pytest.MonkeyPatch
):
    mark = prepare(root, where, monkeypatch)
    git(root, "update-ref", "refs/heads/proof", "HEAD", code=128)
    assert set(mark.read_text().split()) == {"reference-transaction"}  # they would be run
    mark.unlink()
    ours = await done(root, {"new.txt": "n"})
    commit_ = await with_file(ours, "S.md", "text", "docs(demo): summary\n")
    assert commit_
    await ours.advance(commit_, ours.tip)
    await ours.repository.keep("refs/orchestrator/rescue/x", commit_)
    await ours.repository.drop("refs/orchestrator/rescue/x")
    async with ours.result:
        await ours.result_tree()
    await ours.close_all()
    assert (await hand_over(ours)).why is None
    assert git(root, "rev-parse", "HEAD") == commit_
    assert (root / "new.txt").exists()
    assert not mark.exists(), mark.read_text()


async def test_the_branch_its_index_and_its_files_move_and_nothing_else(root: Path):
    lay(root, {"mine.txt": "not committed", "build/x": "ignored", "z.log": "ignored"})
    ours = await done(root, {"new.txt": "n", "a.txt": "changed\n"})
    before = on_disk(root)
    assert await hand_over(ours) == Delivery(None, 1)
    assert git(root, "status", "--porcelain") == "?? mine.txt"
    assert git(root, "rev-parse", "HEAD", "main") == f"{ours.tip}\n{ours.tip}"
    changed = {b"new.txt": ("100644", b"n"), b"a.txt": ("100644", b"changed\n")}
    assert on_disk(root) == before | changed
    assert git(root, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


CONFLICT = (
    "git switch -qc topic HEAD~1; echo x > second.txt; git add .; git commit -qm x; git switch -q main; "
    "! git merge -q topic > /dev/null"
)


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("git checkout -q --detach", "main is not checked out any more"),
        ("git switch -qc topic", "main is not checked out any more"),
        ("git commit -q --allow-empty -m mine", "main has moved"),
        ("git reset -q --hard HEAD~1; git commit -q --allow-empty -m mine", "main has moved"),
        (CONFLICT, "uncommitted changes in second.txt"),
        ("echo mine > src/b.txt", "uncommitted changes in src/b.txt"),
        ("echo mine > staged.txt; git add staged.txt", "uncommitted changes in staged.txt"),
        ("git rm -q --cached a.txt", "uncommitted changes in a.txt"),
        ("rm src/b.txt", "uncommitted changes in src/b.txt"),
        ("chmod +x src/b.txt", "uncommitted changes in src/b.txt"),
        ("echo mine > new.txt", "git would not"),
        (
            "echo mine > new.log",
            "git would not",
        ),  # git ignores it, and the task had added it by force
        ("mkdir new.txt; echo mine > new.txt/inside", "git would not"),
        ("touch .git/index.lock", "git would not"),
        ("git update-index --assume-unchanged a.txt; echo mine > a.txt", "git would not"),
    ],
)
async def test_where_something_of_the_person_could_be_lost_it_is_said_and_all_stays(
    root: Path, person: str, said: str
):
    ours = await done(root, {"new.txt": "n", "new.log": "f", "a.txt": "changed\n"}, ("new.log",))
    await anyio.run_process(["bash", "-ec", person], cwd=root)
    before = traces(root)
    delivery = await hand_over(ours)
    assert delivery.why is not None
    assert said in delivery.why
    assert traces(root) == before
    assert git(root, "rev-parse", ours.branch) == ours.tip


async def test_nothing_is_handed_over_to_nobodys_branch_nor_before_all_is_done(root: Path):
    ours, head = await done(root, {"new.txt": "n"}), git(root, "rev-parse", "HEAD")
    before = traces(root)
    detached = await hand_over(ours, Start(base=head, head=head, branch=None))
    assert detached.why == "HEAD was detached when the run began"
    assert (await hand_over(ours, complete=False)).why == "not all is done"
    assert traces(root) == before


async def test_a_result_that_the_person_has_merged_already_is_handed_over(root: Path):
    ours = await done(root, {"new.txt": "n"})
    git(root, "merge", "-q", "--no-ff", ours.branch)
    commit(root, "and more of the person")
    head = git(root, "rev-parse", "HEAD")
    assert (await hand_over(ours)).why is None
    assert git(root, "rev-parse", "HEAD") == head
    assert git(root, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


async def test_a_merged_branch_that_somebody_moved_is_not_deleted(root: Path):
    ours = await done(root, {"new.txt": "n"})
    name = ours.branch.removeprefix("refs/heads/")
    git(root, "merge", "-q", "--ff-only", name)
    lay(root, {"later.txt": "of the person"})
    later = commit(root)
    git(root, "branch", "-q", "-f", name, later)
    git(root, "reset", "-q", "--hard", ours.tip)
    assert (await hand_over(ours)).why is None
    assert git(root, "rev-parse", name) == later


async def test_a_summary_is_a_commit_that_touches_no_other_file_and_no_checkout(root: Path):
    ours = await done(root, {"new.txt": "n"})
    before, path = traces(root), "plans/ü x/-SUMMARY.md"
    made = await with_file(ours, path, "text\r\nü", "docs(demo): summary\n")
    assert made
    assert traces(root) == before
    assert [one.path for one in await ours.repository.changes(ours.tip, made)] == [path]
    assert text_of(root, made, path) == "text\r\nü"
    await ours.advance(made, ours.tip)
    assert await with_file(ours, path, "text\r\nü", "again\n") is None


async def test_all_of_a_dirty_checkout_can_be_the_base_and_it_stays_as_it_is(root: Path):
    lay(root, {"a.txt": "mine\n", "staged.txt": "s", "new/ü -x": "n", "z.log": "ignored"})
    git(root, "add", "staged.txt")
    (root / "src/b.txt").unlink()
    ours, before = await ground(root), traces(root)
    tree = await person_tree(ours.repository, ours.scratch)
    assert traces(root) == before
    (root / "z.log").unlink()
    assert in_tree(root, tree) == on_disk(root)
