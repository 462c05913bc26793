"""A run taken back: one commit against each of its commits, newest first. Refuses all of it where a part does not fit, and touches nothing before that is known."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from orchestrator.errors import UsageError
from orchestrator.workspace import message
from orchestrator.workspace.git import GitRefused, shown, text
from orchestrator.workspace.ground import branch_of
from orchestrator.workspace.repository import Clash, Repository

FIELDS = "%H%x00%T%x00%P%x00%s%x00%B%x00"
REVERTS = re.compile(r"^(?:Reverts: |This reverts commit )([0-9a-f]{40,64})\b", re.M)  # ours, git's
SHOWN = 3  # names in one message


class Landed(NamedTuple):
    """What the journal says of a run: where it began, its commits, and whether it can go on."""

    run: str
    base: str
    commits: tuple[str, ...]
    goes_on: bool = False


class Commit(NamedTuple):
    """One of the person's branch since the run began."""

    id: str
    tree: str
    parent: str
    subject: str
    body: str


class Step(NamedTuple):
    """`against`: the commit that takes `commit` back."""

    commit: str
    subject: str
    against: str


class Undo(NamedTuple):
    """All that is to be done, made already but for the move of the branch."""

    branch: str
    tip: str
    steps: tuple[Step, ...]


class Stuck(NamedTuple):
    """What came later changed the same lines. `through`: what has to be reverted by hand, newest first, this one last."""

    branch: str
    commit: str
    subject: str
    files: tuple[str, ...]
    through: tuple[str, ...]


async def plan(repository: Repository, landed: Landed) -> Undo | Stuck:
    """Nothing but objects is written. UsageError where nothing can be taken back, or only a part of the run is here."""
    head, branch = await _checkout(repository)
    since = await _since(repository, landed.base, head)
    mine = [one for one in since if one.id in set(landed.commits)]
    await _refuse_elsewhere(repository, landed, branch, mine, since)
    left = _not_undone(mine, since)
    tip, steps = head, list[Step]()
    for number, one in enumerate(left, 1):
        made = await _without(repository, one, tip)
        if isinstance(made, Clash):
            through = tuple(earlier.id for earlier in left[:number])
            files = tuple(map(shown, made.files))
            return Stuck(branch, one.id, one.subject, files, through)
        if made != await repository.tree(tip):
            words = message.of_revert(one.subject, one.id, landed.run)
            tip = await repository.commit(made, (tip,), words)
            steps.append(Step(one.id, one.subject, tip))
    if not steps:
        raise UsageError(f"run {landed.run} is reverted already: nothing of it is left in {branch}")
    return Undo(branch, tip, tuple(steps))


async def count_undone(repository: Repository, landed: Landed) -> int:
    """Of its commits, those that the branch that is checked out has, and has taken back, by us or by hand."""
    head = repository.facts.head
    if head is None:
        return 0
    since = await _since(repository, landed.base, head)
    mine = [one for one in since if one.id in set(landed.commits)]
    return len(mine) - len(_not_undone(mine, since))


async def carry_out(repository: Repository, undo: Undo) -> None:
    """Branch, index and files move forward. UsageError where git would write over a file that nobody keeps."""
    try:
        await repository.git.do("merge", "--ff-only", "--no-overwrite-ignore", "--quiet", undo.tip)
    except GitRefused as refused:
        said = " ".join(line.strip() for line in refused.said.splitlines() if line.strip())
        raise UsageError(f"nothing was changed, as git would not: {said}") from refused


async def _checkout(repository: Repository) -> tuple[str, str]:
    """Commit and branch that the person stands on, with nothing open on it."""
    facts = repository.facts
    if facts.branch is None:
        raise UsageError("HEAD is detached. Next: git switch to the branch that has the run")
    branch = facts.branch.removeprefix("refs/heads/")
    if facts.head is None:
        raise UsageError(f"{branch} has no commit yet, so nothing of a run is in it")
    changed = [shown(one.path) for one in await repository.differs() if one.status != "??"]
    if changed:
        names = _some(changed)
        raise UsageError(f"there are uncommitted changes in {names}. Next: git commit or git stash")
    return facts.head, branch


async def _since(repository: Repository, base: str, head: str) -> list[Commit]:
    """Newest first; a commit comes before those that it stands on."""
    if await repository.find(base) is None:  # so nothing is here that was made on it
        return []
    told = await repository.git.do(
        "rev-list", "--topo-order", "--no-commit-header", "--encoding=UTF-8",
        f"--format={FIELDS}", f"{base}..{head}",
    )  # fmt: skip
    words = iter(word.removeprefix("\n") for word in told.split("\0")[:-1])
    rows = zip(words, words, words, words, words, strict=True)
    return [
        Commit(name, tree, up.partition(" ")[0], subj, body) for name, tree, up, subj, body in rows
    ]


async def _without(repository: Repository, one: Commit, tip: str) -> str | Clash:
    """The tree of `tip` as if this commit had never been."""
    ours, before = await repository.tree(tip), await repository.tree(one.parent)
    return await repository.apply(one.tree, ours, before)


def _not_undone(mine: Iterable[Commit], since: Iterable[Commit]) -> list[Commit]:
    """Without what was reverted since, by us or by hand; a revert that was reverted does not count."""
    against = defaultdict[str, list[str]](list)
    for one in since:
        for commit in REVERTS.findall(one.body):
            against[commit].append(one.id)

    def undone(commit: str) -> bool:
        return any(not undone(one) for one in against[commit])

    return [one for one in mine if not undone(one.id)]


async def _refuse_elsewhere(
    repository: Repository,
    landed: Landed,
    branch: str,
    mine: Sequence[Commit],
    since: Sequence[Commit],
) -> None:
    """Unless the branch has all that is left of the run: commits that are nowhere any more are not missed."""
    run = landed.run
    if not landed.commits:
        raise UsageError(f"run {run} landed nothing, so there is nothing to revert")
    told = _told(run, since)
    anew = [one for one in told if one.id not in landed.commits]
    if _not_undone(anew, since):
        names = " ".join(one.id[:9] for one in _not_undone(told, since))
        why = "its journal does not know all commits of it (rebased, or picked)"
        raise UsageError(f"run {run} is in {branch}, but {why}. Next: git revert {names}")
    missing = set(landed.commits) - {one.id for one in mine}
    homes = sorted({home for commit in missing for home in await _branches(repository, commit)})
    if not missing or (mine and not homes):
        return
    part = f"{len(missing)} of the {len(landed.commits)} commits" if mine else "the commits"
    said = f"{part} of run {run} are not in {branch}"
    if not homes:
        raise UsageError(f"{said}, and no branch has them: there is nothing to revert")
    step = _way(landed, branch if mine else None, homes)
    raise UsageError(f"{said} but in {_some(homes)}. Next: {step}")


def _way(landed: Landed, into: str | None, homes: Sequence[str]) -> str:
    own = branch_of(landed.run).removeprefix("refs/heads/")
    if own in homes:
        ways = [f"orchestrator resume {landed.run} goes on with it"] if landed.goes_on else []
        ways += [f"git merge {own} puts the rest into {into}"] if into else []
        return ", ".join([*ways, f"{'or ' if ways else ''}throw it away with: git branch -D {own}"])
    return f"git switch {homes[0]}, and revert it there"


def _told(run: str, since: Iterable[Commit]) -> list[Commit]:
    """Those that say of themselves that they are of the run."""
    own = re.compile(rf"^Run: {re.escape(run)}$", re.M)
    kind = re.compile(r"^(?:Task|Plan): ", re.M)
    return [one for one in since if own.search(one.body) and kind.search(one.body)]


async def _branches(repository: Repository, commit: str) -> list[str]:
    """Local branches that have it; none where it is gone."""
    said = await repository.git.ask(
        "for-each-ref", "--contains", commit, "--format=%(refname:lstrip=2)", "refs/heads"
    )
    return [] if said.code else text(said.stdout).splitlines()


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
