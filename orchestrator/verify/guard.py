"""Files that a check names and its task may not change: remembered before the work, put back before the check runs.

It refuses to lose anything: what the worker made of such a file is kept beside the transcript first, as all that is kept there:
for its owner alone, and with the names of secret variables instead of their values.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.graph.writes import normal, overlaps
from orchestrator.redact import KNOWN

LARGEST = 1 << 20
WORD_ENDS = re.compile(r"""[\s'"`;|&<>()=:,{}\[\]$]+""")


@dataclass(frozen=True, slots=True)
class Remembered:
    """One file as it was: bytes and permissions."""

    path: str  # below the workspace, with `/`
    data: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class Guard:
    """What `remember` saw in one workspace."""

    workspace: Path
    files: tuple[Remembered, ...] = ()


def remember(
    commands: Sequence[str],
    workspace: Path,
    declared: Collection[str] | None,
    exempt: Collection[str] = (),
) -> Guard:
    """The files that `commands` name, without those in `declared` (the task's own; None = unknown: nothing is guarded)."""
    if declared is None:
        return Guard(workspace)
    names = (name for name in list_names(commands, workspace) if not is_declared(name, declared))
    found = (read(workspace, name) for name in names if not is_declared(name, exempt))
    return Guard(workspace, tuple(file for file in found if file is not None))


def restore(guard: Guard, kept: Path, exempt: Collection[str] = ()) -> tuple[str, ...]:
    """Puts back what was changed or deleted, after moving the new version below `kept`. Returns one warning for each.

    `exempt` must hold the declared files of every task that ran at any time since `remember`: their work is not ours.
    """
    warnings = []
    for file in guard.files:
        if is_declared(file.path, exempt) or read(guard.workspace, file.path) == file:
            continue
        warnings.append(put_back(guard.workspace, file, kept))
    return tuple(warnings)


def is_touched(guard: Guard, exempt: Collection[str] = ()) -> bool:
    """Something would be put back."""
    return any(
        not is_declared(file.path, exempt) and read(guard.workspace, file.path) != file
        for file in guard.files
    )


def list_names(commands: Iterable[str], workspace: Path) -> list[str]:
    """Words of the commands that are paths below the workspace, once each, in order."""
    names: dict[str, None] = {}
    prefix = f"{workspace}/"
    for command in commands:
        for word in WORD_ENDS.split(command.replace(prefix, "")):
            name = os.path.normpath(word) if word and "\0" not in word else "."
            if name != "." and not name.startswith(("/", "..", "~")):
                names[name] = None
    return list(names)


def read(workspace: Path, name: str) -> Remembered | None:
    """None for what is not a regular file of bearable size, or is reached through a link that leaves the workspace."""
    path = workspace / name
    try:
        if not is_inside(path.parent, workspace):
            return None
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
            return None
        return Remembered(name, os.read(fd, LARGEST), stat.S_IMODE(about.st_mode))
    finally:
        os.close(fd)


def is_inside(path: Path, workspace: Path) -> bool:
    return path.resolve().is_relative_to(workspace.resolve())


def put_back(workspace: Path, file: Remembered, kept: Path) -> str:
    path = workspace / file.path
    if not is_inside(path.parent, workspace):
        return f"the check's own file {file.path} now lies behind a link out of the workspace: not restored"
    what = "changed" if os.path.lexists(path) else "deleted"
    where = ""
    try:
        if what == "changed":
            where = f"; the worker's version is kept in {keep(path, kept / file.path)}"
        write(path, file)
    except OSError as error:
        return (
            f"the worker {what} the check's own file {file.path}: not restored ({error.strerror})"
        )
    return f"the worker {what} {file.path}, which its check names: restored{where}"


def keep(path: Path, target: Path) -> Path:
    """Moves it, whatever it is now; never over an earlier one."""
    free = target
    for number in range(2, 1000):
        if not os.path.lexists(free):
            break
        free = target.with_name(f"{target.name}.{number}")
    free.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.move(path, free)
    for one in [free, *free.rglob("*")] if free.is_dir() and not free.is_symlink() else [free]:
        with suppress(OSError):
            hide(one)
    return free


def hide(file: Path) -> None:
    """What of it nobody else may see. Where its clean copy cannot be written, it is for its owner alone at least."""
    if not stat.S_ISREG(file.lstat().st_mode):
        return
    file.chmod(0o600)
    with file.open("rb") as held, tempfile.TemporaryFile(dir=file.parent) as clean:
        if not KNOWN.secrets.tally(held):
            return
        held.seek(0)
        KNOWN.secrets.copy(held, clean)
        clean.seek(0)
        with file.open("wb") as whole:
            shutil.copyfileobj(clean, whole)


def write(path: Path, file: Remembered) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, file.mode)
    with open(fd, "wb") as stream:
        stream.write(file.data)
        os.fchmod(fd, file.mode)


def is_declared(name: str, declared: Collection[str]) -> bool:
    """Equal, in a declared folder, or matched by a declared glob: as the graph reads declarations."""
    return any(overlaps(name, normal(entry)) for entry in declared if entry)
