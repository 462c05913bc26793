"""What runs have left on the disk and in git: removed where it is kept elsewhere or nobody needs it. Refuses the rest, each with its reason."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from orchestrator.history import History
from orchestrator.journal import RunRow
from orchestrator.model import RunId
from orchestrator.settings import WorkspaceSettings
from orchestrator.workspace import weight
from orchestrator.workspace.git import GitRefused, shown
from orchestrator.workspace.ground import IGNORED, RUNS, Ground, branch_of
from orchestrator.workspace.keeping import RESCUE, Keeper
from orchestrator.workspace.repository import Repository
from orchestrator.workspace.worktrees import HOMES, TRASH

OVER = (0, 1)  # exit codes after which nobody has to go on; what resume would use stays
IN_WORK = "an engine works on it"
HELD = "another orchestrator holds the project, and may begin with it"
RESULT = "result"  # the worktree that is no attempt's


class Left(NamedTuple):
    """One thing that a run left. `why` it is kept, or need not be; `kept_as` a ref with its work; `size` in bytes, None for refs."""

    run: str
    kind: str  # run, worktree, branch, rescued, set-aside
    name: str
    removed: bool
    why: str
    size: int | None = None
    kept_as: str | None = None
    steps: tuple[str, ...] = ()  # what a person can do with it


class Wish(NamedTuple):
    dry_run: bool
    rescued: bool  # also refs with work that did not land, of runs that are done


class Registered(NamedTuple):
    """A worktree that git knows. `head` None: it has no commit."""

    head: str | None
    locked: bool


class Seen(NamedTuple):
    """What git had before anything was removed: what is kept meanwhile is not thrown away at once."""

    worktrees: Mapping[str, Registered]  # by real path
    branches: Mapping[str, str]
    rescued: Mapping[str, str]


class Tidy:
    """Of one project. `live`: the runs that an engine works on now; empty: one works, and nobody knows on which; None: on none."""

    def __init__(
        self,
        root: Path,
        settings: WorkspaceSettings,
        wish: Wish,
        live: Callable[[], Collection[str] | None],
        past: Callable[[str], History],
    ) -> None:
        self._root, self._settings, self._wish = root, settings, wish
        self._live, self._past = live, past
        self._gone = set[str]()  # branches that are removed, or would be

    async def clean(self, rows: Mapping[str, RunRow], repository: Repository | None) -> list[Left]:
        """`repository` None: without git there is only what was set aside."""
        seen = await _look(repository) if repository else None
        found = list[Left]()
        for run, row in rows.items():
            if (live := self._live()) is not None and (run in live or not live):
                found.append(Left(run, "run", run, False, IN_WORK if live else HELD))
                continue
            aside = self._aside(row)  # before worktrees add to it
            if repository is not None and seen is not None:
                found += await self._worktrees(repository, run, seen)
                found += await self._branch(repository, row, seen)
                found += [await self._rescued(repository, row, *one) for one in _of(run, seen)]
            found += self._without_aside(row, aside)
        return found

    # --- worktrees --------------------------------------------------------------------------------

    async def _worktrees(self, repository: Repository, run: str, seen: Seen) -> list[Left]:
        home = self._root / HOMES / run
        known = _below(home, seen.worktrees)
        lying = {one.name for one in home.iterdir()} if home.is_dir() else set[str]()
        if not lying and not known:
            return []
        found = [self._trash(run, home / name) for name in sorted(lying) if name.startswith(TRASH)]
        history = self._past(run)
        own = {os.path.basename(path) for path in history.holders} | {RESULT}
        keeper = None if self._wish.dry_run else self._keeper(repository, run, history)
        for name in sorted(name for name in {*lying, *known} if not name.startswith(TRASH)):
            one = known.get(name)
            kept = _not_ours(run, home / name, one, own)
            found.append(kept or await self._put_away(keeper, run, home / name, one))
        if keeper is not None:
            keeper.leave()
        return found

    def _keeper(self, repository: Repository, run: str, history: History) -> Keeper:
        scratch = self._root / RUNS / run
        base = history.ground["base"] if history.ground else ""
        ground = Ground(repository, RunId(run), self._root, scratch, self._settings, {}, (), base)
        return Keeper(ground, history)

    async def _put_away(
        self, keeper: Keeper | None, run: str, path: Path, one: Registered | None
    ) -> Left:
        label, size = _label(run, path), weight.weigh(path)
        if keeper is None:
            return Left(run, "worktree", label, True, "work that no ref has is kept first", size)
        try:
            ref = await keeper.put_away(path, one and one.head)
        except (GitRefused, OSError) as trouble:
            return Left(run, "worktree", label, False, str(trouble), size)
        if ref is None:
            return Left(
                run, "worktree", label, True, "there was no work in it that no ref has", size
            )
        return Left(
            run,
            "worktree",
            label,
            True,
            f"its work is kept as {ref}",
            size,
            ref,
            (f"git show {ref}",),
        )

    def _trash(self, run: str, path: Path) -> Left:
        """What an engine was about to remove when it died."""
        size = weight.weigh(path)
        if self._wish.dry_run or weight.wipe(path):
            return Left(run, "worktree", _label(run, path), True, "it was put away before", size)
        return _stubborn(run, "worktree", _label(run, path), size)

    # --- branches and refs ------------------------------------------------------------------------

    async def _branch(self, repository: Repository, row: RunRow, seen: Seen) -> list[Left]:
        """It goes when another local branch has all of it, and nobody has it checked out."""
        run = row.id
        ref, name = branch_of(run), branch_of(run).removeprefix("refs/heads/")
        tip = seen.branches.get(ref)
        if tip is None:
            return []
        words = ("for-each-ref", "--format=%(refname)%00%(worktreepath)", "--contains", tip)
        told = (await repository.git.do(*words, "refs/heads")).splitlines()
        homes = dict(row.split("\0") for row in told)
        others = [one for one in homes if one != ref and one not in self._gone]
        if where := homes.get(ref):
            return [Left(run, "branch", name, False, f"it is checked out in {where}")]
        if not others:
            rest = ("--not", f"--exclude={name}", "--branches")
            number = await repository.git.do("rev-list", "--count", tip, *rest)
            why = f"no other branch has all of it ({number} commit{'s' * (number != '1')})"
            resume = () if row.exit_code in OVER else (f"orchestrator resume {run}",)
            steps = (*resume, f"git merge {name}", f"git branch -D {name}")
            return [Left(run, "branch", name, False, why, steps=steps)]
        self._gone.add(ref)
        best = next((one for one in others if one not in seen.branches), others[0])
        why = f"{best.removeprefix('refs/heads/')} has all of it"
        return [await self._drop(repository, Left(run, "branch", name, True, why), ref, tip)]

    async def _rescued(self, repository: Repository, row: RunRow, ref: str, commit: str) -> Left:
        show = (f"git show {ref}",)
        if not self._wish.rescued:
            return Left(row.id, "rescued", ref, False, "work that did not land", steps=show)
        if row.exit_code != 0:
            why = "work that did not land, and its run is not done"
            return Left(row.id, "rescued", ref, False, why, steps=show)
        why = f"its run is done; it was {commit}"
        return await self._drop(repository, Left(row.id, "rescued", ref, True, why), ref, commit)

    async def _drop(self, repository: Repository, left: Left, ref: str, old: str) -> Left:
        """Only if nobody has moved it."""
        try:
            if not self._wish.dry_run:
                await repository.git.do("update-ref", "-d", ref, old)
        except GitRefused as refused:
            return left._replace(removed=False, why=str(refused))
        return left

    # --- what git ignores -------------------------------------------------------------------------

    def _aside(self, row: RunRow) -> Left | None:
        name = f"{RUNS}/{row.id}/{IGNORED}"
        if not os.path.lexists(self._root / name):
            return None
        size, steps = weight.weigh(self._root / name), (f"orchestrator resume {row.id}",)
        if row.exit_code in OVER:
            return Left(
                row.id, "set-aside", name, True, "files that git ignores; the run is over", size
            )
        why = "files that git ignores; the run can go on and use them"
        return Left(row.id, "set-aside", name, False, why, size, steps=steps)

    def _without_aside(self, row: RunRow, aside: Left | None) -> Iterator[Left]:
        name = f"{RUNS}/{row.id}/{IGNORED}"
        if row.exit_code in OVER and not self._wish.dry_run and not weight.wipe(self._root / name):
            yield _stubborn(row.id, "set-aside", name, weight.weigh(self._root / name))
        elif aside is not None:
            yield aside


async def _look(repository: Repository) -> Seen:
    told = await repository.git.do("worktree", "list", "--porcelain", "-z")
    rows = [dict(map(_pair, one.split("\0"))) for one in told.split("\0\0") if one]
    worktrees = {
        row["worktree"]: Registered(_commit(row.get("HEAD", "")), "locked" in row) for row in rows
    }
    branches = await repository.refs("refs/heads/orchestrator")
    return Seen(worktrees, branches, await repository.refs(RESCUE))


def _pair(row: str) -> tuple[str, str]:
    key, _, value = row.partition(" ")
    return key, value


def _commit(name: str) -> str | None:
    return name if name.strip("0") else None


def _of(run: str, seen: Seen) -> list[tuple[str, str]]:
    return [one for one in seen.rescued.items() if one[0].startswith(f"{RESCUE}/{run}/")]


def _below(home: Path, worktrees: Mapping[str, Registered]) -> dict[str, Registered]:
    """Those that lie right in it, by name."""
    real = os.path.realpath(home)
    found = {os.path.split(path): one for path, one in worktrees.items()}
    return {name: one for (folder, name), one in found.items() if folder == real}


def _not_ours(run: str, path: Path, one: Registered | None, own: Collection[str]) -> Left | None:
    """Why it is not for us to remove; None where it is."""
    label, what = _label(run, path), shlex.quote(_label(run, path))
    if one is None:
        why, step = "git does not know it; look at it", f"rm -r {what}"
    elif path.name not in own:
        why, step = "the run did not make it", f"git worktree remove {what}"
    elif one.locked:
        why, step = "it is locked", f"git worktree unlock {what}"
    else:
        return None
    return Left(run, "worktree", label, False, why, weight.weigh(path), steps=(step,))


def _label(run: str, path: Path) -> str:
    return f"{HOMES}/{run}/{shown(path.name)}"


def _stubborn(run: str, kind: str, name: str, size: int) -> Left:
    return Left(run, kind, name, False, "not all of it could be removed", size)
