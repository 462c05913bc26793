"""What folders weigh on the disk, and how they are thrown away. Refuses to follow links out of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from orchestrator.workspace.ground import IGNORED, RUNS
from orchestrator.workspace.worktrees import HOMES

BLOCK = 512  # bytes of one st_blocks, on every system


class Weight(NamedTuple):
    """Bytes of one run on the disk."""

    worktrees: int
    transcripts: int  # with all else that is in the folder of the run
    aside: int

    @property
    def total(self) -> int:
        return sum(self)


def of_run(root: Path, run: str) -> Weight:
    folder = root / RUNS / run
    aside = weigh(folder / IGNORED)
    return Weight(weigh(root / HOMES / run), max(0, weigh(folder) - aside), aside)


def names(root: Path) -> set[str]:
    """Of runs that have a folder, also those that no journal knows."""
    homes = (root / HOMES, root / RUNS)
    return {one.name for home in homes if home.is_dir() for one in home.iterdir() if one.is_dir()}


def weigh(top: Path) -> int:
    """Bytes that it takes on the disk; a file with several names counts once. What cannot be looked at counts nothing."""
    seen = set[tuple[int, int]]()
    total = 0
    for place in _all(top):
        with suppress(OSError):
            status = os.lstat(place)
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * BLOCK
    return total


def _all(top: Path) -> Iterator[str]:
    yield str(top)
    if not top.is_symlink():
        for folder, folders, files in os.walk(top):
            yield from (os.path.join(folder, name) for name in (*folders, *files))


def wipe(top: Path) -> bool:
    """Also folders that nobody may write into, as some package managers leave them. False: something is still there."""
    shutil.rmtree(top, ignore_errors=True)
    if os.path.lexists(top) and not top.is_symlink():
        _open(str(top))
        for folder, folders, _ in os.walk(top):
            for name in folders:
                _open(os.path.join(folder, name))
        shutil.rmtree(top, ignore_errors=True)
    return not os.path.lexists(top)


def _open(folder: str) -> None:
    with suppress(OSError):
        if not os.path.islink(folder):
            os.chmod(folder, 0o700)
