"""The person's checkout moves forward whole or not at all: room is looked for first. Refuses to take back what git has not written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from orchestrator.workspace import own
from orchestrator.workspace.git import Change, GitRefused, shown
from orchestrator.workspace.repository import Repository, encoded

MARGIN_BYTES = 1 << 20  # folders, refs and logs beside the files
LOOK_BYTES = 64 << 20  # a longer file is known by its size and by where it was not before
MB = 1_000_000
KEPT = "index.orchestrator"  # a second name of the index: it needs no room to be put back

Mark = tuple[int, int, int] | None


class Stop(NamedTuple):
    """Why the checkout is as it was. `failed`: by the machine, and not for something of the person's."""

    why: str
    failed: bool = False


async def advance(repository: Repository, tip: str) -> Stop | None:
    """Branch, index and files; git refuses by itself to write over what it does not know."""
    old = await repository.find("HEAD") or await repository.empty()
    changes = await repository.changes(old, tip)
    if why := await own.refusal(repository, tip):
        return Stop(why)
    if short := await _shortage(repository, tip, changes):
        return Stop(f"{short}; nothing was touched", failed=True)
    before = Before(repository, changes)
    try:
        await repository.git.do("merge", "--ff-only", "--quiet", "--no-overwrite-ignore", tip)
    except GitRefused as refused:
        said = " ".join(line.strip() for line in refused.said.splitlines() if line.strip())
        return await _refused(before, tip, said)
    finally:
        before.forget()
    return None


async def _refused(before: Before, tip: str, said: str) -> Stop | None:
    if await before.repository.find("HEAD") == tip:
        return None  # it had only to say something more
    short = await _shortage(before.repository, tip, before.changes)
    is_full = short is not None or "No space left" in said
    if not before.is_touched:
        return Stop(f"{'no room: ' if is_full else ''}git would not: {said}", failed=is_full)
    left = await before.restore(tip)
    names = ", ".join(map(shown, left[:3])) + (f" and {len(left) - 3} more" if left[3:] else "")
    undone = f"look at {names}, which could not be put back" if left else "all of it was taken back"
    return Stop(
        f"{'no room: ' if is_full else ''}git could not end it, and {undone}; git said: {said}",
        failed=True,
    )


async def _shortage(repository: Repository, tip: str, changes: Iterable[Change]) -> str | None:
    """What is replaced makes room only while it is lost: it is not counted."""
    found = os.statvfs(repository.root)
    sizes = await _sizes(repository, tip, changes)
    index = repository.facts.admin / "index"
    need = MARGIN_BYTES + (index.stat().st_size if index.exists() else 0)
    need += sum(-(-size // found.f_frsize) * found.f_frsize for size in sizes.values())
    free = found.f_bavail * found.f_frsize
    if free >= need:
        return None
    return f"no room: the files need {need / MB:.1f} MB, and {free / MB:.1f} MB are free in {repository.root}"


async def _sizes(repository: Repository, tip: str, changes: Iterable[Change]) -> dict[str, int]:
    """Of what will be written; a submodule has none."""
    paths = [one.path for one in changes if one.status != "D"]
    if not paths:
        return {}
    asked = encoded("".join(f"{tip}:{path}\0" for path in paths))
    told = await repository.git.do(
        "cat-file", "-z", "--batch-check=%(objecttype) %(objectsize)", stdin=asked
    )
    rows = zip(paths, told.splitlines(), strict=False)
    return {path: int(row[5:]) for path, row in rows if row.startswith("blob ")}


class Before:
    """The checkout as it was: what of the result stood where. Files that git has written since are known by that."""

    def __init__(self, repository: Repository, changes: list[Change]) -> None:
        self.repository, self.changes = repository, changes
        root, admin = repository.root, repository.facts.admin
        self._index, self._kept = admin / "index", admin / KEPT
        self._marks = {one.path: _mark(root / one.path) for one in changes}
        parents = {parent for one in changes for parent in (root / one.path).parents}
        self._folders = {one for one in parents if _is_folder(one)}
        self._had_index = self._index.exists()
        self._kept.unlink(missing_ok=True)
        with suppress(OSError):  # a disk without second names: then its files only
            os.link(self._index, self._kept)

    def forget(self) -> None:
        self._kept.unlink(missing_ok=True)

    @property
    def is_touched(self) -> bool:
        return any(self._touched()) or self._is_index_new()

    def _touched(self) -> Iterator[Change]:
        for one in self.changes:
            place = self.repository.root / one.path
            is_made = one.status != "A" or not _is_folder(place)  # what is below it says more
            if is_made and _mark(place) != self._marks[one.path]:
                yield one

    def _is_index_new(self) -> bool:
        if not self._had_index:
            return self._index.exists()
        return self._kept.exists() and not self._kept.samefile(self._index)

    async def restore(self, tip: str) -> list[str]:
        """What is new goes first: that makes the room for what was there. The files that could not be put back."""
        sizes = await _sizes(self.repository, tip, self.changes)
        left, back = list[str](), list[str]()
        for one in sorted(self._touched(), key=lambda one: (one.status != "A", one.path)):
            place = self.repository.root / one.path
            if _mark(place) is not None and not await self._is_ours(one, tip, sizes):
                left.append(one.path)
            elif one.status == "A":
                self._remove(place)
            else:
                back.append(one.path)
        self._put_index_back()
        return left + await self._write(back)

    async def _is_ours(self, one: Change, tip: str, sizes: dict[str, int]) -> bool:
        """All of a file of the result, or its beginning."""
        place, size = self.repository.root / one.path, sizes.get(one.path)
        if size is None or _is_folder(place):
            return False
        length = place.lstat().st_size
        if length == 0 or size > LOOK_BYTES:
            return length <= size
        try:
            said = await self.repository.git.ask("cat-file", "--filters", f"{tip}:{one.path}")
        except (GitRefused, OSError):
            return length <= size
        if said.code:
            return length <= size  # there may be no room even to look
        is_link = stat.S_ISLNK(place.lstat().st_mode)
        there = os.readlink(os.fsencode(place)) if is_link else place.read_bytes()
        return said.stdout.startswith(there)

    def _remove(self, place: Path) -> None:
        """With the folders that were made for it."""
        place.unlink(missing_ok=True)
        for folder in place.parents:
            if folder in self._folders:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def _put_index_back(self) -> None:
        if not self._had_index:
            self._index.unlink(missing_ok=True)
        elif self._is_index_new():
            self._kept.replace(self._index)

    async def _write(self, paths: list[str]) -> list[str]:
        """From the index, which is that of before."""
        if not paths:
            return []
        names = encoded("".join(f"{path}\0" for path in paths))
        words = ("checkout-index", "--force", "-z", "--stdin")
        for more in (("-u",), ()):  # there may be room for the files, and none for a new index
            if (await self.repository.git.ask(*words, *more, stdin=names)).code == 0:
                return []
        return paths


def _mark(place: Path) -> Mark:
    try:
        found = place.lstat()
    except OSError:  # not there, or what stands above it is no folder
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _is_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()
