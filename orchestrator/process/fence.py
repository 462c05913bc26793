"""Which places the programs of one run may see and write, from the settings and where they work. Refuses to look twice at what they can change.

Places are looked up and links are followed once, before any program runs: later a link, or a `.git` file, may be the work of
one of them. What is a place of its own then cannot be put away from within, as it is mounted in every sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from orchestrator.model import Access, Sandbox

OURS = ".orchestrator"
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - what stands in their place is the run's own
GIT_WRITES = (
    "objects",
    "refs",
    "logs",
    "reftable",
    "lfs",
    "rr-cache",
)  # of the shared folder, all that a commit needs
GIT_READS = (
    "commondir",
    "gitdir",
    "config.worktree",
)  # of a worktree's: they say where the rest is
STEERS = (
    "hooks",
    "config",
    "info",
)  # of a checkout's own: programs that its person's git would run

Marks = Iterator[tuple[str, Access]]


@dataclass(frozen=True, slots=True)
class Fence:
    """Of one run: what all of its programs have in common."""

    places: Mapping[str, Access]
    temporary: Path
    network: bool

    def around(self, place: Path, admin: Path | None = None) -> Sandbox:
        """Of a program that works in `place`; `admin` is git's own folder of that worktree."""
        own = _real(_git_of(admin)) if admin else {}
        places = {**self.places, **own, os.path.realpath(place): Access.WRITE}
        return Sandbox(places=places, temporary=str(self.temporary), network=self.network)


def lay(
    root: Path,
    temporary: Path,
    *,
    isolated: bool,
    writable: Sequence[str],
    read_only: Sequence[str],
    caches: Sequence[str],
    hidden: Sequence[str],
    network: bool,
) -> Fence:
    """`isolated`: the checkout at `root` is only read, as tasks have worktrees. Names are absolute, below `~` or below the root."""

    def marks() -> Marks:
        yield from _surroundings()
        yield str(root), Access.READ if isolated else Access.WRITE
        yield str(root / OURS), Access.READ
        yield from () if isolated else _git_at(root / ".git")
        for names, access in (
            (hidden, Access.HIDDEN),
            (caches, Access.WRITE),
            (read_only, Access.READ),
            (writable, Access.WRITE),
        ):
            yield from ((str(root / os.path.expanduser(name)), access) for name in names)

    places = _real(marks())
    kept = os.path.realpath(root / ".git")
    spare = {one for one in places if one != kept and _is_open_already(one, places)}
    return Fence({one: places[one] for one in places if one not in spare}, temporary, network)


def _real(marks: Marks) -> dict[str, Access]:
    """Of those that are there; the last word on a place counts."""
    return {os.path.realpath(place): access for place, access in marks if os.path.exists(place)}


def _is_open_already(place: str, places: Mapping[str, Access]) -> bool:
    above = (str(one) for one in PurePath(place).parents)
    nearest = next((places[one] for one in above if one in places), None)
    return places[place] is nearest is Access.WRITE


def _surroundings() -> Marks:
    temporary = [*TEMPORARY, *filter(None, [os.environ.get("TMPDIR")])]
    yield from ((place, Access.PRIVATE) for place in temporary)
    home = os.path.realpath(os.path.expanduser("~"))
    if any(PurePath(os.path.realpath(one)) in PurePath(home).parents for one in temporary):
        yield home, Access.READ


def _git_at(own: Path) -> Marks:
    """Of a checkout in which tasks work: it may be the main one, a linked one, or none."""
    if own.is_dir():
        yield str(own), Access.WRITE  # mounted, so that no other can be put in its place
        yield from ((str(own / name), Access.READ) for name in STEERS)
    elif (admin := _led_by(own, own.parent, "gitdir: ")) is not None:
        yield from _git_of(admin)


def _git_of(admin: Path) -> Marks:
    """Folders stay what they are; a file that is only read in a writable one would not, as git writes files anew."""
    common = _led_by(admin / "commondir", admin) or admin  # without one it is a submodule's
    yield from ((str(common / name), Access.WRITE) for name in GIT_WRITES)
    yield str(admin), Access.WRITE
    yield from ((str(admin / name), Access.READ) for name in (*GIT_READS, *STEERS))


def _led_by(file: Path, folder: Path, prefix: str = "") -> Path | None:
    """Where a file of git's leads that holds a path."""
    try:
        told = file.read_text("utf-8", "surrogateescape").strip()
    except OSError:
        return None
    return (folder / told.removeprefix(prefix)).resolve()
