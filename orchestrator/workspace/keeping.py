"""Worktrees of a run that no engine works on: their work goes under a ref, then they are put away. Refuses to remove what it could not keep."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from pathlib import Path

from orchestrator.history import History, Tried
from orchestrator.workspace import leaks, weight
from orchestrator.workspace.ground import REFS, Ground
from orchestrator.workspace.repository import Repository
from orchestrator.workspace.worktrees import TRASH

RESCUE = f"{REFS}/rescue"


class Keeper:
    """Of one run. GitRefused and OSError where something cannot be done: the worktree stays then."""

    def __init__(self, ground: Ground, history: History) -> None:
        self._ground, self._history = ground, history
        self._held: set[str] | None = None  # trees of commits that some ref has
        ground.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        ground.trees.adopt()

    async def put_away(self, path: Path, head: str | None) -> str | None:
        """The ref that its work is kept under; None where all of it is held already."""
        ground, known = self._ground, self._ground.trees.at(path) is not None
        commit = await (self._commit(path, head) if known else self._unheld(path, head))
        ref = await self._under_ref(path.name, commit) if commit else None
        if known:
            await ground.close(path)
        else:
            await ground.trees.remove(path)  # its folder is gone, git's memory of it is not
        self._sweep(path.name)
        return ref

    def leave(self) -> None:
        """The run's folders, where nothing is left in them."""
        self._ground.trees.leave()
        with suppress(OSError):
            self._ground.scratch.rmdir()

    async def _commit(self, path: Path, head: str | None) -> str | None:
        """A commit of what is in it and in no ref; on its own HEAD, as somebody may have committed there."""
        repository, tree = self._ground.repository, self._ground.trees.at(path)
        assert tree is not None
        made, _ = await tree.snapshot()
        tried = self._last(path)
        if tried is not None and tried.base is not None and tried.begin is not None:
            base = await repository.tree(tried.base)
            index = self._ground.scratch / f"{path.name}.work"
            made = await repository.work(base, tried.begin, made, index)
            if made == base:
                return None
        head, made = await self._cleaned(path, head, made)
        if self._held is None:
            self._held = await _trees(repository, self._history)
        if made in self._held:
            return None
        self._held.add(made)
        if head is not None and made == await repository.tree(head):
            return head
        return await self._anew(path, head, made)

    def _last(self, path: Path) -> Tried | None:
        """The latest try that worked there."""
        task = self._history.holders.get(str(path))
        tried = self._history.of(task).tried if task is not None else []
        return next((one for one in reversed(tried) if one.workspace == str(path)), None)

    async def _cleaned(self, path: Path, head: str | None, made: str) -> tuple[str | None, str]:
        """Without secrets, and not on commits that brought some in: what a worker commits itself nobody has looked at."""
        repository, tried = self._ground.repository, self._last(path)
        if head is not None and await leaks.introduces(repository, head):
            head = tried.base if tried else None
        base = (tried.base if tried else None) or head
        old = await repository.tree(base) if base else await repository.empty()
        if found := (await leaks.find(repository, old, made)).leaks:
            index = self._ground.scratch / f"{path.name}.work"
            made = await leaks.scrub(repository, made, found, index)
        return head, made

    async def _unheld(self, path: Path, head: str | None) -> str | None:
        repository = self._ground.repository
        words = ("for-each-ref", "--count=1", "--format=%(refname)")
        if head is None or await repository.git.do(*words, "--contains", head):
            return None
        if not await leaks.introduces(repository, head):
            return head
        base, made = await self._cleaned(path, head, await repository.tree(head))
        return await self._anew(path, base, made)

    async def _anew(self, path: Path, head: str | None, made: str) -> str:
        words = f"clean: the worktree {path.name}\n\nRun: {self._ground.run}\n"
        return await self._ground.repository.commit(made, (head,) if head else (), words)

    async def _under_ref(self, name: str, commit: str) -> str:
        """A new one each time: what an earlier clean has kept there stays."""
        repository, first = self._ground.repository, f"{RESCUE}/{self._ground.run}/{name}/clean"
        for number in count(2):
            ref = first if number == 2 else f"{first}-{number - 1}"
            if await repository.find(ref) is None:
                await repository.move(ref, commit)
                return ref
        raise AssertionError("there is always one more number")

    def _sweep(self, name: str) -> None:
        """Files of ours about it, and what of it could not be removed at once."""
        for suffix in ("index", "work"):
            (self._ground.scratch / f"{name}.{suffix}").unlink(missing_ok=True)
        for trash in self._ground.home.glob(f"{TRASH}*"):
            if not weight.wipe(trash):
                raise OSError(f"its work is safe, but not all of {trash} could be removed")


async def _trees(repository: Repository, history: History) -> set[str]:
    """Of all commits that some ref has, since the run began."""
    base = history.ground["base"] if history.ground else None
    since, found = list[str](), set[str]()
    if base is not None and await repository.find(base) is not None:
        since, found = ["--not", base], {await repository.tree(base)}
    words = ("rev-list", "--no-commit-header", "--format=%T", "--glob=refs/*")
    return found | set((await repository.git.do(*words, *since)).splitlines())
