"""The result branch at the end of a run: a SUMMARY on it, and the person's branch moved to it. Refuses wherever something could be lost."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from orchestrator.model import Noun
from orchestrator.workspace import checkout, own
from orchestrator.workspace.git import GitRefused
from orchestrator.workspace.ground import Ground
from orchestrator.workspace.repository import Clash, Repository, Unfit, encoded, examine


class Start(Noun):
    """Where the run began."""

    base: str  # the commit that the result branch began at
    head: str | None  # of the person's checkout then; None: there was no commit
    branch: str | None  # refs/heads/...; None: a detached HEAD
    dirty: tuple[str, ...] = ()  # what was not committed
    included: bool = False  # and is in `base` all the same
    steering: Mapping[str, str] = {}  # git's own files by which it can be made to run something


class Delivery(NamedTuple):
    """`why` not: None where the person's branch can have it, or has it."""

    why: str | None
    commits: int
    passes: bool = False  # it can be handed over later, without anything of it done again
    failed: bool = False  # by the machine: a full disk above all
    unsafe: bool = False  # nobody is to be told how to take it by hand


async def untaken(root: Path, branch: str) -> str | None:
    """The branch, if it is there and has commits that HEAD has not."""
    facts = await examine(root)
    if isinstance(facts, Unfit):
        return None
    repository = Repository(root, facts)
    tip = await repository.find(f"refs/heads/{branch}")
    taken = tip is None or (facts.head and await repository.contains(facts.head, tip))
    return None if taken else branch


async def with_file(ground: Ground, path: str, text: str, message: str) -> str | None:
    """A commit with this file on the tip of the result; None where nothing differs."""
    repository, index = ground.repository, ground.scratch / "summary.index"
    git = repository.git
    index.unlink(missing_ok=True)
    await git.do("read-tree", ground.tip, index=index)
    blob = await git.do("hash-object", "-w", "--stdin", stdin=text.encode())
    row = encoded(f"100644 {blob}\t{path}\0")
    await git.do("update-index", "-z", "--add", "--index-info", stdin=row, index=index)
    tree = await git.do("write-tree", index=index)
    if tree == await repository.tree(ground.tip):
        return None
    return await repository.commit(tree, (ground.tip,), message)


async def join(ground: Ground, start: Start, message: str) -> str | Clash | None:
    """What came to the person's branch since the run began is made part of the result: its new tip, or what does not fit.

    None: nothing came, or the branch is another by now.
    """
    repository = ground.repository
    head, branch = await _here(repository)
    if head is None or branch is None or branch != start.branch or start.head is None:
        return None
    if await repository.contains(ground.tip, head) or not await repository.contains(
        head, start.head
    ):
        return None
    tree = await repository.join(head, ground.tip)
    if isinstance(tree, Clash):
        return tree
    commit = await repository.commit(tree, (head, ground.tip), message)
    await ground.advance(commit, ground.tip)
    return commit


async def _here(repository: Repository) -> tuple[str | None, str | None]:
    """The commit and the branch of the person's checkout."""
    branch = await repository.git.find("symbolic-ref", "--quiet", "HEAD")
    return await repository.find("HEAD"), branch


async def plan(ground: Ground, start: Start, obstacle: str | None) -> Delivery:
    """Looks at the person's checkout, and changes nothing. `obstacle`: why it is not to be handed over at all."""
    repository = ground.repository
    since = start.head or start.base
    head = await repository.find("HEAD")
    if head is not None and head != ground.tip and await repository.contains(ground.tip, head):
        since = head  # what others have brought there since is not ours
    commits = int(await repository.git.do("rev-list", "--count", f"{since}..{ground.tip}"))
    if obstacle is not None:
        why = await own.refusal(repository, ground.tip)
        told = obstacle if why is None else f"{why}; {obstacle}"
        return Delivery(told, commits, unsafe=why is not None)
    return await _look(repository, start, Delivery(None, commits), ground.tip)


async def _look(repository: Repository, start: Start, free: Delivery, tip: str) -> Delivery:
    head, branch = await _here(repository)
    name = (start.branch or "").removeprefix("refs/heads/")
    there = await repository.find(start.branch) if start.branch else head
    if there is not None and await repository.contains(there, tip):
        return free
    if why := await own.refusal(repository, tip):
        return free._replace(why=why, unsafe=True)
    if start.branch is None:
        return free._replace(why="HEAD was detached when the run began")
    if branch != start.branch:
        return free._replace(why=f"{name} is not checked out any more", passes=there == start.head)
    if head != start.head and not (head and await repository.contains(tip, head)):
        return free._replace(why=f"{name} has moved since the run began")
    changed = [one.path for one in await repository.differs() if one.status != "??"]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        told = f"there are uncommitted changes in {', '.join(changed[:3])}{more}"
        return free._replace(why=told, passes=True)
    return free


async def carry_out(ground: Ground, start: Start, delivery: Delivery) -> Delivery:
    """The person's branch, index and files move forward, all of them or none."""
    repository = ground.repository
    there = await repository.find(start.branch or "HEAD")
    if there is None or not await repository.contains(there, ground.tip):
        stop = await checkout.advance(repository, ground.tip)
        if stop is not None:
            return delivery._replace(why=stop.why, passes=True, failed=stop.failed)
    if not await repository.is_checked_out(ground.branch):
        with suppress(GitRefused):  # somebody has moved it: then it is theirs
            await repository.git.do("update-ref", "-d", ground.branch, ground.tip)
    return delivery
