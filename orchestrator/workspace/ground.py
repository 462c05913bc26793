"""Where the attempts of one run work and how their work comes together: one worktree each, one branch for the result.

What must stay true:

1. *Nothing is lost.* The work of every attempt is a commit under a ref before anything is done with it; a worktree is put
   away only after that. Refs go when what they hold is on the result branch.
2. *The result branch only moves forward*, one verified commit at a time, by compare-and-swap: if somebody else moved it,
   we stop and say so.
3. *A worktree begins at a commit that contains what its task waits for.* It is looked at before the worker starts.
4. *The person's checkout is only read.* result.py alone may move it, at the end.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from orchestrator.model import RunId, Work
from orchestrator.process.fence import Fence
from orchestrator.settings import WorkspaceSettings
from orchestrator.workspace import handed, leaks, own, scope
from orchestrator.workspace.git import Change, GitRefused, shown
from orchestrator.workspace.handed import Unprepared
from orchestrator.workspace.repository import Clash, Repository
from orchestrator.workspace.worktrees import HOMES, Tree, Worktrees

REFS = "refs/orchestrator"
RUNS = ".orchestrator/runs"
IGNORED = "ignored"


class Place(NamedTuple):
    """Where an attempt is to work."""

    path: Path
    base: str  # the commit that it begins at
    lay: str | None = None  # a commit of an earlier try, whose work is to be there too
    stays: bool = False  # an earlier try's worktree is used as it is, if it is still there


class Rebased(NamedTuple):
    """Work on the tip of the result branch. `commit` None: all of it is there already."""

    commit: str | None
    tip: str

    def moved(self, work: Work) -> bool:
        """It was not checked on this."""
        return self.commit is not None and work.base != self.tip


class MissingBase(Exception):
    """Our own bug: an attempt was about to start on a base without what it depends on."""


class Ground:
    def __init__(
        self,
        repository: Repository,
        run: RunId,
        root: Path,
        scratch: Path,
        settings: WorkspaceSettings,
        environment: Mapping[str, str],
        plans: Collection[str],
        tip: str,
        fence: Fence | None = None,
    ) -> None:
        self.repository, self.run, self.root, self.tip = repository, run, root, tip
        self.home = root / HOMES / run
        self.branch = branch_of(run)
        self.trees = Worktrees(repository, self.home, scratch)
        self.landing = anyio.Lock()  # fair: in the order of completion
        self.result = anyio.Lock()
        self.scratch = scratch
        self._doors: defaultdict[Path, anyio.Lock] = defaultdict(anyio.Lock)
        self._settings, self._environment = settings, environment
        self._plans, self._fence = plans, fence
        self.unkept = set[Path]()  # worktrees with work that git could not keep
        # git's own files as they were, or as a person approved them
        self._accepted: dict[str, str] = {}
        self._peeked: dict[Path, tuple[str, str]] = {}  # the latest look at each

    def accept(self, steering: Mapping[str, str]) -> None:
        """So git's own files were when the run began, or were approved."""
        self._accepted.update(steering)

    def ref(self, slug: str, number: int) -> str:
        """Where the work of an attempt is kept until it has landed."""
        return f"{REFS}/rescue/{self.run}/{slug}/{number}"

    # --- before the worker ------------------------------------------------------------------------

    async def open(
        self,
        place: Place,
        needs: Iterable[str],
        context: Sequence[str],
        begin: str | None = None,
        seen: str | None = None,
    ) -> str | None:
        """Makes it ready. The tree that counts as found in it, where earlier tries have worked in it.

        Theirs was `begin`, and `seen` when their work was kept: what came after that was their check's.
        """
        for commit in needs:
            if not await self.repository.contains(place.base, commit):
                raise MissingBase(f"{place.path.name}: its base {place.base} lacks {commit}")
        async with self._doors[place.path]:
            tree = self.trees.at(place.path)
            if tree is not None and place.stays and begin is not None:
                now, _ = await tree.snapshot()
                index = self.scratch / f"{place.path.name}.work"
                return await self.repository.work(begin, seen or now, now, index)
            await self._ready(place, context)
            if place.lay is None:
                return None
            begin = await self.found(place.path)
            await self._lay(place, place.lay)
            return begin

    async def found(self, path: Path) -> str:
        """The tree that is in it now, before the worker begins."""
        tree = self.trees.at(path)
        if tree is None:
            raise GitRefused(("status",), f"the worktree {path} is gone")
        now, _ = await tree.snapshot()
        return now

    async def _ready(self, place: Place, context: Sequence[str]) -> None:
        if place.path in self.unkept:
            raise GitRefused(("add",), f"an earlier try's work in {place.path} could not be kept")
        tree = self.trees.at(place.path)
        if tree is None:
            tree = await self.trees.make(place.path, place.base)
            await self._supply(tree, context)
            await self._set_up(tree)
        else:
            await tree.move(place.base)
            await self._supply(tree, context)

    async def show(self, path: Path, commit: str, head: str) -> None:
        """A worktree with these files, to check them there; made anew if an engine before us had it."""
        tree = self.trees.at(path)
        if tree is None:
            tree = await self.trees.make(path, commit)
            await self._supply(tree)
            await self._set_up(tree)
        await tree.show(commit, head)

    async def _supply(self, tree: Tree, context: Sequence[str] = ()) -> None:
        try:
            handed.link(self.root, tree.path, self._settings.link)
            await handed.clone(self.root, tree.path, self._settings.clone)
            handed.hand(self.root, tree.path, context)
        except OSError as trouble:
            raise Unprepared(f"workspace.link or clone: {trouble}") from trouble

    async def _set_up(self, tree: Tree) -> None:
        """Once in each worktree. Unprepared if it fails."""
        log = self.scratch / f"{tree.path.name}.setup.log"
        sandbox = self._fence.around(tree.path, tree.admin) if self._fence else None
        await handed.set_up(tree.path, self._settings, self._environment, log, sandbox)

    async def _lay(self, place: Place, commit: str) -> None:
        """An earlier try's work, where it fits; where it does not, the worker begins without it."""
        joined = await self.repository.join(place.base, commit)
        tree = self.trees.at(place.path)
        if tree is not None and not isinstance(joined, Clash):
            await tree.show(joined, place.base)

    # --- after the worker -------------------------------------------------------------------------

    async def peek(self, path: Path, base: str, begin: str) -> str | None:
        """The work so far, as a commit that no ref holds; None where there is none yet."""
        tree = self.trees.at(path)
        if tree is None:
            return None
        now, start = await tree.peek(), await self.repository.tree(base)
        made = await self.repository.work(start, begin, now, self.scratch / f"{path.name}.look")
        if made == start:
            return None
        if self._peeked.get(path, ("", ""))[0] != made:
            commit = await self.repository.commit(made, (base,), "look\n")
            self._peeked[path] = (made, commit)
        return self._peeked[path][1]

    async def keep(
        self,
        path: Path,
        base: str,
        begin: str | None,
        declared: Collection[str] | None,
        message: str,
    ) -> Work:
        """The work of an attempt as a commit on its base; the caller puts it under a ref. GitRefused where git cannot."""
        tree = self.trees.at(path)
        if tree is None:
            raise GitRefused(("status",), f"the worktree {path} is gone")
        now, notes = await tree.snapshot()
        notes += await self._ignored(tree, declared)
        start = await self.repository.tree(base)
        index = self.scratch / f"{path.name}.work"
        made = await self.repository.work(start, begin or start, now, index)
        made, left = await own.left_out(self.repository, start, made, index)
        notes += left
        steering = self._what_steers_git()
        common: dict[str, Any] = {"base": base, "tree": now, "steering": steering}
        common["notes"] = tuple(notes)
        if made == start:
            return Work(**common, commit=None, control=tuple(steering))
        found = await leaks.find(self.repository, start, made)
        common |= {"notes": (*notes, *found.unread), "secrets": tuple(map(str, found.leaks))}
        if found.leaks:
            made = await leaks.scrub(self.repository, made, found.leaks, index)
        commit = await self.repository.commit(made, (base,), message)
        changes = await self.repository.changes(base, commit)
        files = [change.path for change in changes]
        control = self._to_approve(scope.controls(files, self._plans), declared)
        return Work(
            **common,
            **_by_kind(changes),
            commit=commit,
            undeclared=tuple(map(shown, scope.undeclared(files, declared))),
            control=(*map(shown, control), *steering),
        )

    async def _ignored(self, tree: Tree, declared: Collection[str] | None) -> list[str]:
        """What it was to make, and git does not take."""
        ignored = await tree.would_ignore(_there(tree.path, declared or ()))
        aside = f"{RUNS}/{self.run}/{IGNORED}"
        return [f"git ignores {name}: it is not in the result, but in {aside}" for name in ignored]

    def _to_approve(
        self, files: Sequence[str], declared: Collection[str] | None
    ) -> tuple[str, ...]:
        match self._settings.control_files:
            case "allow":
                return ()
            case "declared":
                return scope.undeclared(files, declared or ())
            case _:
                return tuple(files)

    def _what_steers_git(self) -> dict[str, str]:
        """Hooks and settings of the repository itself that are not as they were, until a person has approved them."""
        if self._settings.control_files == "allow":
            return {}
        now, known = steering(self.repository.facts.common), self._accepted
        names = sorted({*now, *known})
        return {
            name: now.get(name, "") for name in names if now.get(name, "") != known.get(name, "")
        }

    # --- landing ----------------------------------------------------------------------------------

    async def rebase(self, work: Work, message: str) -> Rebased | Clash:
        """On the tip of the result branch. Call it with `landing` held."""
        assert work.commit is not None
        tip, repository = self.tip, self.repository
        joined = await (
            repository.tree(work.commit) if work.base == tip else repository.join(tip, work.commit)
        )
        if isinstance(joined, Clash):
            return joined
        if joined == await repository.tree(tip):
            return Rebased(None, tip)
        return Rebased(await repository.commit(joined, (tip,), message), tip)

    async def begin_at(self, tip: str, base: str, begin: str) -> str:
        """What counts as found in a worktree that has moved from `base` to `tip`: what was handed in, on the new files."""
        repository = self.repository
        there = await repository.tree(tip)
        joined = await repository.apply(await repository.tree(base), there, begin)
        return there if isinstance(joined, Clash) else joined

    async def advance(self, commit: str, tip: str) -> None:
        """The result branch moves from `tip` to `commit`; GitRefused if it is not at `tip`."""
        await self.repository.move(self.branch, commit, tip)
        self.tip = commit

    async def result_tree(self, *, set_up: bool = True) -> Tree:
        """A worktree of our own at the tip of the result. Call it with `result` held."""
        path = self.home / "result"
        tree = self.trees.at(path)
        if tree is None:
            tree = await self.trees.make(path, self.tip)
            await self._supply(tree)
            if set_up:
                await self._set_up(tree)
        else:
            await tree.move(self.tip)
        return tree

    async def close(self, path: Path) -> None:
        """Puts a worktree away, and what git ignores in it aside. What else is in it must be kept by now."""
        async with self._doors[path]:
            tree = self.trees.at(path)
            if tree is not None and path not in self.unkept:
                await self._close(tree)

    async def _close(self, tree: Tree) -> None:
        for name in await tree.ignored():
            source = tree.path / name.rstrip("/")
            if not source.is_symlink():
                await anyio.to_thread.run_sync(_put_aside, source, self.aside / name.rstrip("/"))
        await self.trees.remove(tree.path)
        for scratch in ("index", "work", "peek", "look"):
            (self.scratch / f"{tree.path.name}.{scratch}").unlink(missing_ok=True)

    async def close_all(self) -> list[str]:
        """All that can be put away; the trouble with the others."""
        troubles = list[str]()
        for path in self.trees.paths:
            try:
                await self.close(path)
            except (GitRefused, OSError) as trouble:
                troubles.append(f"the worktree {path} is still there: {trouble}")
        self.trees.leave()
        return troubles + [
            f"{path} is left: git could not keep what is in it" for path in self.unkept
        ]

    async def bring_ignored(self) -> bool:
        """Into the result's worktree. False: there is nothing to bring. Call it with `result` held."""
        tree = self.trees.at(self.home / "result")
        if tree is None or not self.aside.is_dir():
            return False
        for one in list(self.aside.iterdir()):
            await anyio.to_thread.run_sync(_put_aside, one, tree.path / one.name)
        return True

    @property
    def aside(self) -> Path:
        """What git ignores of the worktrees that are put away: builds, installed packages."""
        return self.scratch / IGNORED


def _by_kind(changes: Sequence[Change]) -> dict[str, Any]:
    kinds = {"created": "A", "modified": "MT", "deleted": "D"}
    return {
        kind: tuple(shown(one.path) for one in changes if one.status in letters)
        for kind, letters in kinds.items()
    }


def _there(path: Path, names: Iterable[str]) -> list[str]:
    return [name for name in names if (path / name).is_file()]


def branch_of(run: str) -> str:
    return f"refs/heads/orchestrator/{run}"


def _put_aside(source: Path, target: Path) -> None:
    """Folders become one; of all else the latest stays, and what it replaces steps aside. No link is followed."""
    if all(one.is_dir() and not one.is_symlink() for one in (source, target)):
        for one in source.iterdir():
            _put_aside(one, target / one.name)
        return
    _make_folder(target.parent)
    if os.path.lexists(target):
        target.rename(target.with_name(f"{target.name}.{os.urandom(3).hex()}"))
    source.rename(target)


def _make_folder(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        folder.rename(folder.with_name(f"{folder.name}.{os.urandom(3).hex()}"))
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir()


def steering(common: Path) -> dict[str, str]:
    """A digest of each file in the git folder by which git can be made to run something."""
    hooks = common / "hooks"
    files = [
        common / name for name in ("config", "config.worktree", "info/attributes", "info/grafts")
    ]
    files += sorted(hooks.iterdir()) if hooks.is_dir() else []
    return {
        f".git/{file.relative_to(common).as_posix()}": hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }
