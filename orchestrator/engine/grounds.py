"""The repository of a run at its beginning and when it goes on. Refuses to go on over a result branch that lost something."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from orchestrator.engine.chronicle import Record
from orchestrator.errors import RecordError, SettingsError, UsageError
from orchestrator.history import History, Tried
from orchestrator.model import Event, EventKind, RunId, TaskId
from orchestrator.order import Order
from orchestrator.process.fence import Fence
from orchestrator.settings import WorkspaceSettings
from orchestrator.workspace import (
    Facts,
    GitRefused,
    Ground,
    Repository,
    Unfit,
    examine,
    message,
)
from orchestrator.workspace.git import shown
from orchestrator.workspace.ground import steering
from orchestrator.workspace.result import Start
from orchestrator.workspace.worktrees import person_tree


async def start(root: Path, run: RunId, order: Order) -> Start:
    """The commit that the run begins at; nothing but objects is written."""
    repository = Repository(root, await _facts(root))
    facts, git = repository.facts, repository
    dirty = tuple(entry.path for entry in await repository.differs())
    base = facts.head
    if order.include_dirty and dirty:
        tree = await person_tree(repository, root / ".orchestrator" / "runs" / run)
        base = await git.commit(tree, (base,) if base else (), message.of_dirty(run))
    elif base is None:
        base = await git.commit(await git.empty(), (), "chore: begin\n")
    included = order.include_dirty and bool(dirty)
    return Start(
        base=base,
        head=facts.head,
        branch=facts.branch,
        dirty=tuple(map(shown, dirty)),
        included=included,
        steering=steering(facts.common),
    )


async def _facts(root: Path) -> Facts:
    found = await examine(root)
    if isinstance(found, Unfit):
        raise SettingsError(f"{root} has no worktrees any more: {found.why}")
    return found


async def ground(
    root: Path,
    run: RunId,
    begun: Start,
    settings: WorkspaceSettings,
    folder: Path,
    environment: Mapping[str, str],
    plans: Collection[str],
    fence: Fence | None = None,
) -> Ground:
    repository = Repository(root, await _facts(root))
    made = Ground(repository, run, root, folder, settings, environment, plans, begun.base, fence)
    made.accept(begun.steering)
    return made


async def lay_branch(ground: Ground, past: History) -> None:
    """The result branch is there, and has all that landed."""
    repository = ground.repository
    name = ground.branch.removeprefix("refs/heads/")
    if await repository.is_checked_out(ground.branch):
        raise UsageError(
            f"{name} is checked out, and this run moves it. Next: commit what is to stay, git switch to your own branch, "
            f"then: orchestrator resume {ground.run}"
        )
    tip = await repository.find(ground.branch)
    landed = past.landed
    if tip is None:
        known = [ground.tip, *past.tips]
        there = [commit for commit in known if await repository.find(commit) is not None]
        if not there:
            raise RecordError(f"the commits of run {ground.run} are gone; run its plans anew")
        tip = there[-1]
        await repository.move(ground.branch, tip)
    for commit in landed:
        if not await ground.repository.contains(tip, commit):
            raise RecordError(
                f"the branch {name} has lost {commit}, which had landed there; put it back with: git branch -f {name} {landed[-1]}"
            )
    ground.tip = tip


async def recover(
    ground: Ground,
    past: History,
    slug: Callable[[TaskId], str],
    record: Callable[..., Event],
    warn: Callable[[str], None],
) -> None:
    """What an engine that is gone has left: its worktrees' work is kept, then they are put away."""
    last = {
        Path(tried.workspace): (task, tried)
        for task, one in past.tasks.items()
        for tried in one.tried[-1:]
        if past.holders.get(tried.workspace) == task
    }
    for one in past.tasks.values():
        for tried in one.tried:
            if tried.held and one.answer and one.answer.approved and tried.verified:
                ground.accept(tried.verified.work.steering if tried.verified.work else {})
    for tree in ground.trees.adopt():
        try:
            if found := last.get(tree.path):
                await _keep_if_unkept(ground, *found, slug(found[0]), record)
            await ground.close(tree.path)
        except (GitRefused, OSError) as trouble:
            ground.unkept.add(tree.path)
            warn(f"the worktree {tree.path} is still there: {trouble}")


def _is_unkept(tried: Tried) -> bool:
    """What is in its worktree may be under no ref."""
    ended = tried.outcome is not None and tried.outcome.work is not None
    return tried.base is not None and tried.verified is None and not ended


async def _keep_if_unkept(
    ground: Ground, task: TaskId, tried: Tried, slug: str, record: Callable[..., Event]
) -> None:
    if _is_unkept(tried):
        ref = ground.ref(slug, tried.number)
        await _keep(ground, tried, ref, partial(record, task=task, attempt=tried.number))


async def _keep(ground: Ground, tried: Tried, ref: str, record: Record) -> None:
    assert tried.base is not None
    path = Path(tried.workspace)
    work = await ground.keep(path, tried.base, tried.begin, None, "interrupted\n")
    commit = work.commit
    if commit is not None:
        work = work.model_copy(update={"ref": ref, "control": ()})
        record(EventKind.WORK_KEPT, {"work": work.model_dump(mode="json")})
        await ground.repository.keep(ref, commit)
