"""Secrets in files that a task made: found before a commit has them, and replaced in the copy that is kept. Refuses nothing itself.

Only what was added counts. What the person committed long ago, and what is only moved, is not the task's. A file is never in memory
as a whole, and one above `LARGEST` is not looked through: whoever asked is told which, and says so.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import anyio

from orchestrator import redact
from orchestrator.redact import KNOWN
from orchestrator.workspace.git import GitRefused, shown, text
from orchestrator.workspace.repository import LINK, Repository, encoded

AT_ONCE = 8 << 20  # bytes of files that git is asked for together; one larger file is alone
LARGEST = 64_000_000  # bytes; looking through more costs more time than the rest of a try


class Leak(NamedTuple):
    """A file of a tree, and the variables whose values it has now and had not."""

    mode: str
    blob: str
    path: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{redact.text(shown(self.path))} (the value of {', '.join(self.names)})"


class Found(NamedTuple):
    """`unread`: files too large to be looked through, as words for people."""

    leaks: Sequence[Leak] = ()
    unread: Sequence[str] = ()


class Looked(NamedTuple):
    """Through a file or folder on the disk; `unread` are files in it that are too large."""

    counts: Counter[str]
    unread: frozenset[str] = frozenset()


class _Change(NamedTuple):
    mode: str
    old: str
    new: str
    path: str


async def find(repository: Repository, old: str, new: str) -> Found:
    """What came in from the tree `old` to the tree `new`."""
    if not KNOWN.secrets:
        return Found()
    changes = await _changes(repository, old, new)
    held, large = await _counts(repository, {one.new for one in changes})
    now = {one: held[one.new] + _named(one.path, one.new) for one in changes}
    moved = {one.old for one in changes if not _is_blob(one.new)}
    unread = [_unread(shown(one.path)) for one in changes if one.new in large - moved]
    suspects = [one for one in changes if now[one] and one.mode != LINK and one.new not in moved]
    if not suspects:
        return Found((), unread)
    held, _ = await _counts(repository, {one.old for one in changes})
    was = {one: held[one.old] + _named(one.path, one.old) for one in changes}
    added = sum(now.values(), Counter[str]()) - sum(was.values(), Counter[str]())
    found = ((one, now[one] - was[one]) for one in suspects)
    leaks = tuple(
        Leak(one.mode, one.new, one.path, tuple(sorted(more & added)))
        for one, more in found
        if more & added
    )
    return Found(leaks, unread)


def _unread(name: str) -> str:
    return (
        f"{redact.text(name)} is larger than {LARGEST // 1_000_000} MB: nobody has looked whether "
        "there is a secret in it; look before it is pushed"
    )


async def scrub(repository: Repository, tree: str, leaks: Sequence[Leak], index: Path) -> str:
    """The same tree with the names of the variables in the place of their values."""
    git, rows = repository.git, list[str]()
    await git.do("read-tree", tree, index=index)
    for leak in leaks:
        with tempfile.TemporaryFile() as held, tempfile.TemporaryFile() as clean:
            await _pour(repository, leak.blob, held)
            await anyio.to_thread.run_sync(KNOWN.secrets.copy, held, clean)
            clean.seek(0)
            blob = await git.do("hash-object", "-w", "--stdin", stdin=clean)
        path = text(redact.raw(encoded(leak.path)))
        rows += [f"0 {'0' * 40}\t{leak.path}", f"{leak.mode} {blob}\t{path}"]
    stdin = encoded("\0".join(rows) + "\0")
    await git.do("update-index", "-z", "--index-info", stdin=stdin, index=index)
    return await git.do("write-tree", index=index)


async def introduces(repository: Repository, commit: str) -> bool:
    """Whether it, or a commit behind it that no ref has, brings one in. Such a commit must get no ref of ours."""
    if not KNOWN.secrets:
        return False
    git = repository.git
    told = await git.do("rev-list", "--parents", commit, "--not", "--glob=refs/*")
    for one, *parents in map(str.split, told.splitlines()):
        old = await repository.tree(parents[0]) if parents else await repository.empty()
        said = await git.do("show", "--no-patch", "--format=%an%n%ae%n%B", one)
        if KNOWN.secrets.count(encoded(said)) or (await find(repository, old, one)).leaks:
            return True
    return False


def on_disk(place: Path, names: Iterable[str]) -> dict[str, Looked]:
    """How often which values are in these files and folders, where no git tells what was added."""
    if not KNOWN.secrets:
        return {}
    return {name: _in_files(place / name, place) for name in names}


def warnings(place: Path, before: Mapping[str, Looked]) -> tuple[str, ...]:
    """What of that came in since."""
    now = on_disk(place, before)
    added = {name: sorted(now[name].counts - before[name].counts) for name in now}
    unread = sorted({file for name in now for file in now[name].unread - before[name].unread})
    told = (
        f"{redact.text(name)} has the value of {', '.join(variables)}: take it out before it is committed, "
        "and read the variable instead"
        for name, variables in added.items()
        if variables
    )
    return (*told, *map(_unread, unread))


def _in_files(place: Path, top: Path) -> Looked:
    found, unread = Counter[str](), set[str]()
    for file in place.rglob("*") if place.is_dir() else (place,):
        with suppress(OSError):
            if file.is_file() and file.stat().st_size > LARGEST:
                unread.add(str(file.relative_to(top)))
            elif file.is_file():
                with file.open("rb") as stream:
                    found += KNOWN.secrets.tally(stream)
    return Looked(found, frozenset(unread))


async def _changes(repository: Repository, old: str, new: str) -> list[_Change]:
    told = await repository.git.do("diff-tree", "-r", "-z", "--no-renames", "--raw", old, new)
    words = iter(told.split("\0"))
    changes = list[_Change]()
    for head in words:
        if head:
            _, mode, before, after, _ = head.split(" ")
            changes.append(_Change(mode, before, after, next(words)))
    return changes


def _is_blob(name: str) -> bool:
    """And not the nothing on the other side of a new file."""
    return bool(name.strip("0"))


def _named(path: str, blob: str) -> Counter[str]:
    """A file can be called by a secret."""
    return KNOWN.secrets.count(encoded(path)) if _is_blob(blob) else Counter()


async def _counts(
    repository: Repository, blobs: set[str]
) -> tuple[dict[str, Counter[str]], set[str]]:
    """Of each blob, and those that are too large; what is none has no secret."""
    counts = {blob: Counter[str]() for blob in blobs}
    asked = "\n".join(filter(_is_blob, sorted(blobs))) + "\n"
    said = await repository.git.ask("cat-file", "--batch-check", stdin=asked.encode())
    rows = [row.split() for row in said.stdout.decode().splitlines()]
    sizes = {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}
    large = {name for name, size in sizes.items() if size > LARGEST}
    small = {name: size for name, size in sizes.items() if name not in large}
    for some in _portions(small):
        if len(some) == 1 and small[some[0]] > AT_ONCE:
            with tempfile.TemporaryFile() as held:
                await _pour(repository, some[0], held)
                counts[some[0]] = await anyio.to_thread.run_sync(KNOWN.secrets.tally, held)
            continue
        said = await repository.git.ask("cat-file", "--batch", stdin="\n".join(some).encode())
        if said.code:
            raise GitRefused(("cat-file", "--batch"), said.stderr)
        at = 0
        for name in some:
            at = said.stdout.index(b"\n", at) + 1
            counts[name] = KNOWN.secrets.count(said.stdout[at : at + sizes[name]])
            at += sizes[name] + 1
    return counts, large


async def _pour(repository: Repository, blob: str, file: BinaryIO) -> None:
    said = await repository.git.ask("cat-file", "blob", blob, stdout=file)
    if said.code:
        raise GitRefused(("cat-file", "blob"), said.stderr)
    file.seek(0)


def _portions(sizes: dict[str, int]) -> Iterator[list[str]]:
    some, total = list[str](), 0
    for name, size in sizes.items():
        if some and total + size > AT_ONCE:
            yield some
            some, total = [], 0
        some.append(name)
        total += size
    if some:
        yield some
