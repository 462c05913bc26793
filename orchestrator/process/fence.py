"""Which places the programs of one run may see and write, from the settings and where they work. Refuses to look twice at what they can change.

Places are looked up and links are followed once, before any program runs: later a link, or a `.git` file, may be the work of
one of them. What is a place of its own then cannot be put away from within, as it is mounted in every sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from orchestrator.model import Access, Sandbox

OURS = ".orchestrator"
PRIVATE = f"{OURS}/private"  # who has what is in it can answer checkpoints: no worker may see it
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - what stands in their place is the run's own
# of the shared folder, all that a commit needs
GIT_WRITES = ("objects", "refs", "logs", "reftable", "lfs", "rr-cache")
ALTERNATES = "objects/info"  # where other objects are, in a file that git reads anew each time
# of a worktree's: they say where the rest is, and what git is to run
GIT_READS = ("commondir", "gitdir", "config.worktree", "config", "hooks", "info", "modules")

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
    links: Sequence[str] = (),
) -> Fence:
    """`isolated`: the checkout at `root` is only read, as tasks have worktrees. Names are absolute, below `~` or below the root.

    `links` are the places of other repositories that git at `root` knows: it goes into them, and runs what their settings say.
    """

    def marks() -> Marks:
        yield from _surroundings()
        yield str(root), Access.READ if isolated else Access.WRITE
        yield str(root / OURS), Access.READ
        yield str(root / PRIVATE), Access.HIDDEN
        yield from () if isolated else _git_at(root, links)
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
    needed = {one: places[one] for one in places if one not in spare}
    ways = dict.fromkeys(_ways(needed), Access.WRITE)
    return Fence({**needed, **ways}, temporary, network)


def seal(admin: Path, common: Path) -> None:
    """What git would read in its folder of a worktree is made, empty, so that it can be mounted; what leads out of it is removed.

    Before any program works there, or after: git of ours would write through a link of theirs.
    """
    unlink(admin)
    (admin / "config.worktree").touch()
    for folder in (admin / "info", admin / "modules", common / ALTERNATES):
        if not folder.exists():
            folder.mkdir()


def unlink(admin: Path) -> None:
    """Git makes no links in there."""
    for folder, folders, files in os.walk(admin):
        for name in (*folders, *files):
            place = os.path.join(folder, name)
            if os.path.islink(place):
                os.unlink(place)


def _real(marks: Marks) -> dict[str, Access]:
    """Of those that are there; the last word on a place counts."""
    return {os.path.realpath(place): access for place, access in marks if os.path.exists(place)}


def _is_open_already(place: str, places: Mapping[str, Access]) -> bool:
    return places[place] is _nearest(PurePath(place).parents, places) is Access.WRITE


def _ways(places: Mapping[str, Access]) -> Iterator[str]:
    """Folders on the way to a closed place, in an open one: mounted, they cannot be renamed to put others in their place."""
    for place, access in places.items():
        above = PurePath(place).parents if access is not Access.WRITE else ()
        for number, one in enumerate(above):
            if str(one) not in places and _nearest(above[number:], places) is Access.WRITE:
                yield str(one)


def _nearest(above: Iterable[PurePath], places: Mapping[str, Access]) -> Access | None:
    return next((places[str(one)] for one in above if str(one) in places), None)


def _surroundings() -> Marks:
    temporary = [*TEMPORARY, *filter(None, [os.environ.get("TMPDIR")])]
    yield from ((place, Access.PRIVATE) for place in temporary)
    home = os.path.realpath(os.path.expanduser("~"))
    if any(PurePath(os.path.realpath(one)) in PurePath(home).parents for one in temporary):
        yield home, Access.READ


def _git_at(root: Path, links: Sequence[str]) -> Marks:
    """Of a checkout in which tasks work: it may be the main one, a linked one, or none. They read git, and do not write it."""
    yield from _closed(root / ".git")
    for name in links:
        place = root / name
        inner = place / ".git"
        yield from _closed(inner) if inner.exists() else ((str(place), Access.READ),)


def _closed(own: Path) -> Marks:
    yield str(own), Access.READ
    if own.is_file() and (admin := _led_by(own, own.parent, "gitdir: ")) is not None:
        yield str(admin), Access.READ
        yield str(_led_by(admin / "commondir", admin) or admin), Access.READ


def _git_of(admin: Path) -> Marks:
    """Git writes a file anew and renames it, so its folders are open, and what must stay is mounted: no name of that can be taken."""
    common = _led_by(admin / "commondir", admin) or admin  # without one it is a submodule's
    yield from ((str(common / name), Access.WRITE) for name in GIT_WRITES)
    yield str(common / ALTERNATES), Access.READ
    yield str(admin), Access.WRITE
    yield from ((str(admin / name), Access.READ) for name in GIT_READS)


def _led_by(file: Path, folder: Path, prefix: str = "") -> Path | None:
    """Where a file of git's leads that holds a path."""
    try:
        told = file.read_text("utf-8", "surrogateescape").strip()
    except OSError:
        return None
    where = told.removeprefix(prefix)
    return (folder / where).resolve() if where and told.startswith(prefix) else None
