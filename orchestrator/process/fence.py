"""Which places the programs of one run may see and write, from the settings and where they work. Refuses to guess at links: each is followed first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model import Access, Sandbox
from orchestrator.settings import SandboxSettings

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Of one run. `isolated`: the person's checkout is only read, and each program works in a worktree of its own."""

    settings: SandboxSettings
    root: Path
    temporary: Path
    isolated: bool

    def around(self, place: Path, admin: Path | None = None) -> Sandbox:
        """Of a program that works in `place`; `admin` is git's own folder of that worktree."""
        temporary = os.environ.get("TMPDIR", "")
        places = dict.fromkeys((*TEMPORARY, *filter(None, [temporary])), Access.PRIVATE)
        home = os.path.expanduser("~")
        if any(Path(home).is_relative_to(one) and home != one for one in places):
            places[home] = Access.READ
        places[str(self.root)] = Access.READ if self.isolated else Access.WRITE
        places[str(self.root / OURS)] = Access.READ
        places |= dict(self._git(admin))
        own = self.settings
        for names, access in (
            (own.hidden, Access.HIDDEN),
            (own.caches, Access.WRITE),
            (own.read_only, Access.READ),
            (own.writable, Access.WRITE),
        ):
            places |= dict.fromkeys(self._named(names), access)
        places[str(place)] = Access.WRITE
        return Sandbox(places=places, temporary=str(self.temporary), network=own.network)

    def _named(self, names: Iterable[str]) -> Iterator[str]:
        return (str(self.root / os.path.expanduser(name)) for name in names)

    def _git(self, admin: Path | None) -> Iterator[tuple[str, Access]]:
        """A folder is never put away, as a file is that git writes anew: what is only read is what is in no writable one."""
        if not self.isolated:
            own = self.root / ".git"
            if own.is_dir():
                yield from ((str(own / name), Access.READ) for name in STEERS)
                return
            admin = _led_by(own, own.parent, "gitdir: ")
        if admin is None:
            return
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
