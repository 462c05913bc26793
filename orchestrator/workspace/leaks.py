"""Secrets in files that a task made: found before a commit has them, and replaced in the copy that is kept. Refuses nothing itself.

Only what was added counts. What the person committed long ago, and what is only moved, is not the task's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from orchestrator import redact
from orchestrator.redact import KNOWN
from orchestrator.workspace.git import GitRefused, shown, text
from orchestrator.workspace.repository import LINK, Repository, encoded

AT_ONCE = 32 << 20  # bytes of files that are in memory together; one larger file is alone


class Leak(NamedTuple):
    """A file of a tree, and the variables whose values it has now and had not."""

    mode: str
    blob: str
    path: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{redact.text(shown(self.path))} (the value of {', '.join(self.names)})"


class _Change(NamedTuple):
    mode: str
    old: str
    new: str
    path: str


async def find(repository: Repository, old: str, new: str) -> list[Leak]:
    """What came in from the tree `old` to the tree `new`."""
    if not KNOWN.secrets:
        return []
    changes = await _changes(repository, old, new)
    held = await _counts(repository, {one.new for one in changes})
    now = {one: held[one.new] + _named(one.path, one.new) for one in changes}
    moved = {one.old for one in changes if not _is_blob(one.new)}
    suspects = [one for one in changes if now[one] and one.mode != LINK and one.new not in moved]
    if not suspects:
        return []
    held = await _counts(repository, {one.old for one in changes})
    was = {one: held[one.old] + _named(one.path, one.old) for one in changes}
    added = sum(now.values(), Counter[str]()) - sum(was.values(), Counter[str]())
    found = ((one, now[one] - was[one]) for one in suspects)
    return [
        Leak(one.mode, one.new, one.path, tuple(sorted(more & added)))
        for one, more in found
        if more & added
    ]


async def scrub(repository: Repository, tree: str, leaks: Sequence[Leak], index: Path) -> str:
    """The same tree with the names of the variables in the place of their values."""
    git, rows = repository.git, list[str]()
    await git.do("read-tree", tree, index=index)
    for leak in leaks:
        said = await git.ask("cat-file", "blob", leak.blob)
        if said.code:
            raise GitRefused(("cat-file", "blob"), said.stderr)
        clean = await git.do("hash-object", "-w", "--stdin", stdin=redact.raw(said.stdout))
        path = text(redact.raw(encoded(leak.path)))
        rows += [f"0 {'0' * 40}\t{leak.path}", f"{leak.mode} {clean}\t{path}"]
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
        if KNOWN.secrets.count(encoded(said)) or await find(repository, old, one):
            return True
    return False


def on_disk(place: Path, names: Iterable[str]) -> dict[str, Counter[str]]:
    """How often which values are in these files and folders, where no git tells what was added."""
    if not KNOWN.secrets:
        return {}
    return {name: _in_files(place / name) for name in names}


def warnings(place: Path, before: Mapping[str, Counter[str]]) -> tuple[str, ...]:
    """What of that came in since."""
    now = on_disk(place, before)
    added = {name: sorted(now[name] - before[name]) for name in before if name in now}
    return tuple(
        f"{redact.text(name)} has the value of {', '.join(variables)}: take it out before it is committed, "
        "and read the variable instead"
        for name, variables in added.items()
        if variables
    )


def _in_files(place: Path) -> Counter[str]:
    found = Counter[str]()
    for file in place.rglob("*") if place.is_dir() else (place,):
        with suppress(OSError):
            if file.is_file() and file.stat().st_size <= AT_ONCE:
                found += KNOWN.secrets.count(file.read_bytes())
    return found


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


async def _counts(repository: Repository, blobs: set[str]) -> dict[str, Counter[str]]:
    """Of each blob; what is none has no secret."""
    counts = {blob: Counter[str]() for blob in blobs}
    asked = "\n".join(filter(_is_blob, sorted(blobs))) + "\n"
    said = await repository.git.ask("cat-file", "--batch-check", stdin=asked.encode())
    rows = [row.split() for row in said.stdout.decode().splitlines()]
    sizes = {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}
    for some in _portions(sizes):
        said = await repository.git.ask("cat-file", "--batch", stdin="\n".join(some).encode())
        if said.code:
            raise GitRefused(("cat-file", "--batch"), said.stderr)
        at = 0
        for name in some:
            at = said.stdout.index(b"\n", at) + 1
            counts[name] = KNOWN.secrets.count(said.stdout[at : at + sizes[name]])
            at += sizes[name] + 1
    return counts


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
