"""The worktrees of one run: made, read, moved, put away. Refuses to remove what it has not kept, and what it did not make."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import anyio

from orchestrator.errors import SettingsError
from orchestrator.process.fence import seal, unlink
from orchestrator.workspace.git import Git, GitRefused, shown, text
from orchestrator.workspace.repository import LINK, NOBODY, Repository, encoded

HOMES = ".orchestrator/worktrees"
TRASH = ".trash-"


class Standing(NamedTuple):
    """How a worktree is: the tree of its files but ignored ones, and the commit that HEAD is."""

    tree: str
    head: str


class Tree:
    """One worktree. git is told where its folders are: the file `.git` in it belongs to whoever works there."""

    def __init__(self, repository: Repository, path: Path, admin: Path, scratch: Path) -> None:
        self.path, self.admin = path, admin
        self._repository = repository
        self._index = scratch / f"{path.name}.index"
        more = {} if repository.facts.named else NOBODY
        self.git = Git(path, git_dir=admin, work_tree=path, more=more)

    async def peek(self) -> str:
        """The tree of its files but ignored ones, while somebody works in it: nothing in it changes."""
        index = self._index.with_suffix(".peek")
        self._begin_index(index)
        safe = await self._repository.disarmed(self.git)
        await self._unblind(safe, index)
        await self.git.do(*safe, "add", "--all", "--sparse", index=index)
        return await self.git.do(*safe, "write-tree", index=index)

    def _begin_index(self, index: Path) -> None:
        """A copy of its own: what has not changed since need not be read."""
        index.with_name(f"{index.name}.lock").unlink(missing_ok=True)  # of a look that was stopped
        index.unlink(missing_ok=True)
        if (self.admin / "index").exists():
            copy_index(self.admin / "index", index)

    async def snapshot(self) -> tuple[str, list[str]]:
        """The same when nobody does, and what was odd: repositories inside are opened up."""
        notes, safe = list[str](), await self._repository.disarmed(self.git)
        for _ in range(3):
            self._begin_index(self._index)
            await self._unblind(safe, self._index)
            said = await self.git.ask(*safe, "add", "--all", "--sparse", index=self._index)
            inner = await self._inner(failed=bool(said.code))
            if said.code and not inner:
                raise GitRefused(("add", "--all"), said.stderr)
            if not inner:
                break
            notes += [self._open_up(one) for one in inner]
        tree = await self.git.do(*safe, "write-tree", index=self._index)
        return tree, notes

    async def _unblind(self, safe: list[str], index: Path) -> None:
        """What a worker has told its index not to look at is looked at: files with a flag, and repositories inside.

        In one that the index knows git would also run what is set in it, whatever words of ours it was called with.
        """
        told = await self.git.do("ls-files", "--stage", "-v", "-z", index=index)
        rows = list[str]()
        for flag, _, row in (one.partition(" ") for one in told.split("\0") if one):
            path = row.partition("\t")[2]
            if row.startswith(LINK):
                rows.append(f"0 {'0' * 40}\t{path}")
            elif flag.islower() or (flag == "S" and self._has(path)):
                rows.append(row)
        if rows:
            stdin = encoded("\0".join(rows) + "\0")
            words = (*safe, "update-index", "-z", "--index-info")
            await self.git.do(*words, stdin=stdin, index=index)

    def _has(self, path: str) -> bool:
        return os.path.lexists(self.path / path)

    async def _inner(self, *, failed: bool) -> list[Path]:
        """Repositories inside, whose files git would leave out."""
        told = await self.git.do("ls-files", "--stage", "-z", index=self._index)
        if not failed and not any(row.startswith(LINK) for row in told.split("\0")):
            return []
        found = [one for one in _repositories(self.path)]
        names = "\0".join(one.parent.relative_to(self.path).as_posix() for one in found)
        if not names:
            return []
        said = await self.git.ask("check-ignore", "-z", "--stdin", stdin=encoded(names))
        passed = set(text(said.stdout).split("\0"))
        return [one for one in found if one.parent.relative_to(self.path).as_posix() not in passed]

    def _open_up(self, inner: Path) -> str:
        """Its files become files of the task; its own history is set aside."""
        name = shown(inner.parent.relative_to(self.path).as_posix())
        aside = self._index.with_name(f"{self.path.name}.{secrets.token_hex(3)}.git")
        inner.rename(aside)
        return (
            f"it made a repository in {name}: its files are taken, its history is kept in {aside}"
        )

    async def show(self, commit: str, head: str) -> None:
        """Its tracked files become those of `commit`, HEAD becomes `head`; what nobody tracks stays."""
        for lock in ("index.lock", "HEAD.lock"):  # of a git that ended with its worker
            (self.admin / lock).unlink(missing_ok=True)
        unlink(self.admin)
        safe = await self._repository.disarmed(self.git)
        await self.git.do(*safe, "read-tree", "--reset", "-u", commit)
        await self.git.do("update-ref", "--no-deref", "HEAD", head)

    async def move(self, commit: str) -> None:
        """As if it had been made there, but for ignored files. What is in it must be kept by now."""
        now, _ = await self.snapshot()
        await self.show(commit, commit)
        for change in await self._repository.changes(commit, now):
            if change.status == "A":
                _remove(self.path, change.path)

    async def stand(self) -> Standing:
        tree, _ = await self.snapshot()
        return Standing(tree, await self.git.do("rev-parse", "HEAD"))

    async def put_back(self, was: Standing) -> tuple[str, ...]:
        """All but ignored files become what they were; the paths that had changed. Keep first what must not be lost."""
        now = await self.stand()
        if now == was:
            return ()
        changes = await self._repository.changes(was.tree, now.tree)
        await self.show(was.tree, was.head)
        for change in changes:
            if change.status == "A":
                _remove(self.path, change.path)
        return tuple(shown(change.path) for change in changes)

    async def would_ignore(self, paths: Iterable[str]) -> list[str]:
        """Those of them that git would not take, by the ignore files as they are in it."""
        names = encoded("\0".join(paths))
        if not names:
            return []
        said = await self.git.ask("check-ignore", "-z", "--stdin", stdin=names)
        return [path for path in text(said.stdout).split("\0") if path]

    async def ignored(self) -> list[str]:
        """What git ignores in it: files, and whole folders with a `/` behind."""
        if not self.path.is_dir():
            return []  # its worker has removed it
        told = await self.git.do(
            "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"
        )
        return [name for name in told.split("\0") if name]


class Worktrees:
    """All of one run. `home` holds them, `scratch` gets files of ours about them."""

    def __init__(self, repository: Repository, home: Path, scratch: Path) -> None:
        self._repository = repository
        self.home, self._scratch = home, scratch
        self._turn = anyio.Lock()
        self._open: dict[Path, Tree] = {}

    def at(self, path: Path) -> Tree | None:
        return self._open.get(path)

    @property
    def paths(self) -> list[Path]:
        return list(self._open)

    async def make(self, path: Path, commit: str) -> Tree:
        """A new worktree with a detached HEAD: no branch of ours that git could track, and none that is left over."""
        self._make_room(path)
        async with self._alone():
            for lost in self._lost():
                await self._repository.git.do("worktree", "remove", "--", str(lost))
            await self._repository.git.do(
                "worktree", "add", "--detach", "--no-checkout", "--", str(path), commit
            )
            tree = self._opened(path)
        await tree.show(commit, commit)
        return tree

    def _make_room(self, path: Path) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise GitRefused(("worktree", "add"), f"{path} is in the way; move it away")

    def adopt(self) -> list[Tree]:
        """What an engine that is gone has left in `home`."""
        found = sorted(self.home.iterdir()) if self.home.is_dir() else []
        for trash in found:
            if trash.name.startswith(TRASH):
                shutil.rmtree(trash, ignore_errors=True)
        return [self._opened(path) for path in found if self._admin(path) is not None]

    async def remove(self, path: Path) -> None:
        """Its folder and git's memory of it. What is in it must be kept by now."""
        self._open.pop(path, None)
        trash = self.home / f"{TRASH}{secrets.token_hex(4)}"
        with suppress(FileNotFoundError):
            os.rename(path, trash)
        async with self._alone():  # without its folder there is nothing to force
            if self._admin(path) is not None:
                await self._repository.git.ask("worktree", "unlock", "--", str(path))
                await self._repository.git.do("worktree", "remove", "--", str(path))
        await anyio.to_thread.run_sync(lambda: shutil.rmtree(trash, ignore_errors=True))

    def leave(self) -> None:
        """The folder of the run, if nothing is left in it."""
        for folder in (self.home, self.home.parent):
            with suppress(OSError):
                folder.rmdir()

    def _opened(self, path: Path) -> Tree:
        admin = self._admin(path)
        if admin is None:
            raise GitRefused(("worktree", "add"), f"git does not know {path}")
        seal(admin, self._repository.facts.common)
        tree = self._open[path] = Tree(self._repository, path, admin, self._scratch)
        return tree

    def _admin(self, path: Path) -> Path | None:
        """git's folder of this worktree, by git's own list."""
        place = Path(os.path.realpath(path))
        return next((admin for admin, known in self._known() if known == place), None)

    def _lost(self) -> list[Path]:
        """Those of this run that an engine was killed in putting away: git has them, and their folder is gone."""
        home = Path(os.path.realpath(self.home))
        return [path for _, path in self._known() if path.parent == home and not path.exists()]

    def _known(self) -> Iterator[tuple[Path, Path]]:
        """Of every worktree of the repository git's folder and its own."""
        folder = self._repository.facts.common / "worktrees"
        for one in folder.iterdir() if folder.is_dir() else ():
            with suppress(OSError):
                file = os.fsdecode((one / "gitdir").read_bytes().removesuffix(b"\n"))
                yield one, Path(file).parent

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One at a time in this repository, also among engines of other checkouts of it."""
        async with self._turn:
            lock = os.open(
                self._repository.facts.common / "orchestrator.lock",
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                0o600,
            )
            try:
                await anyio.to_thread.run_sync(fcntl.flock, lock, fcntl.LOCK_EX)
                with anyio.CancelScope(shield=True):  # half a worktree is none
                    yield
            finally:
                os.close(lock)


async def person_tree(repository: Repository, scratch: Path) -> str:
    """All files of the person's checkout but ignored ones, as a tree; their index stays as it is."""
    inner = [one.path for one in await repository.differs() if one.path.endswith("/")]
    if inner:
        raise SettingsError(
            f"{inner[0]} is a repository of its own, and git takes no file of it along. "
            "Next: move it out of here, or leave out --include-dirty"
        )
    index = scratch / "dirty.index"
    own = repository.facts.admin / "index"
    if own.exists():
        copy_index(own, index)
    await repository.git.do("add", "--all", "--sparse", index=index)
    return await repository.git.do("write-tree", index=index)


def copy_index(source: Path, target: Path) -> None:
    """With its time: git reads a file again that was written in the same second as the index."""
    shutil.copy2(source, target)


def _repositories(top: Path) -> Iterator[Path]:
    """Every `.git` below `top`, but its own."""
    for folder, folders, files in os.walk(top):
        here = Path(folder)
        if here != top and ".git" in (*folders, *files):
            yield here / ".git"
        folders[:] = [one for one in folders if one != ".git"]


def _remove(top: Path, name: str) -> None:
    """One file, and the folders that it leaves empty."""
    place = top / name
    with suppress(OSError):
        place.unlink()
        for folder in place.parents:
            if folder == top:
                return
            folder.rmdir()
