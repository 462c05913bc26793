"""Files as they lie on the disk: links that leave, what is there, how it is written whole. Refuses half of a file."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import RecordError
from orchestrator.model import Diagnostic, Plan
from orchestrator.model.codes import diagnostic
from orchestrator.model.goals import Artifact

MB = 1_000_000


def check(plan: Plan, root: Path) -> Iterator[Diagnostic]:
    """What only the disk can tell: links that leave the root, no repository where one is asked for."""
    if plan.workspace == "worktree" and not (root / ".git").exists():
        text = (
            f"workspace: worktree needs a git repository, and {root} is none: begin one (git init), "
            "or leave it out"
        )
        yield diagnostic("P604", plan.path, plan.place("workspace"), text)
    for task in plan.tasks:
        for file in leaving(root, task.files or ()):
            text = f"<files> of {task.id} names {file}, a link to outside of the project; name the real place"
            yield diagnostic("P603", plan.path, task.place("files"), text)


def leaving(root: Path, files: Iterable[str]) -> Iterator[str]:
    """Files whose deepest existing ancestor is really outside of the root."""
    home = root.resolve()
    for file in files:
        place = root / file
        if file.startswith(("/", "~")) or ".." in Path(file).parts:
            continue  # said by its text already
        try:
            if place.is_relative_to(root) and not place.resolve().is_relative_to(home):
                yield file
        except (OSError, RuntimeError, ValueError):  # a loop of links, a name too long, a NUL
            yield file


def absent(root: Path, paths: Iterable[str]) -> list[str]:
    """Those of them that are not there. A path that a machine cannot look at is absent, too."""
    return [path for path in paths if not _is_there(root, path)]


def _is_there(root: Path, path: str) -> bool:
    try:
        return (root / path).expanduser().exists() or any(root.glob(path))
    except (OSError, ValueError, RuntimeError, NotImplementedError):
        return False


def trouble(root: Path, wanted: Artifact) -> str:
    """What is wrong with a file that must be there; empty for nothing."""
    try:
        text = (root / wanted.path).read_text(encoding="utf-8", errors="replace")
    except IsADirectoryError:
        return ""
    except (OSError, ValueError):
        return "missing"
    if wanted.min_lines is not None and len(text.splitlines()) < wanted.min_lines:
        return f"has {len(text.splitlines())} lines, {wanted.min_lines} are wanted"
    if wanted.contains is not None and wanted.contains not in text:
        return f"does not contain {wanted.contains}"
    return ""


def refuse_unwritable(plans: Iterable[Path]) -> None:
    """A SUMMARY goes beside its plan: better to know before the work than after it."""
    for folder in dict.fromkeys(plan.parent for plan in plans):
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as refused:
            raise RecordError(
                f"cannot write the SUMMARY into {folder}: {refused.strerror}; make it writable"
            ) from refused


def shortage(places: Iterable[Path], least_mb: int) -> str | None:
    """Of folders, the first on a disk with less than so many MB for us, in words. A folder that is not there is passed over."""
    for place in places:
        try:
            found = os.statvfs(place)
        except OSError:
            continue
        free = found.f_bavail * found.f_frsize
        if free < least_mb * MB:
            left = f"{free / MB:.1f} MB ({free:,} bytes)"
            return f"only {left} are free in {place}, and run.min_free_mb is {least_mb}"
    return None


def fingerprint(root: Path, files: Iterable[str]) -> dict[str, tuple[int, ...] | None]:
    """By file, whether it is there and when it was written; a folder is looked at with all below it."""
    return {file: _written(root / file) for file in files}


def _written(place: Path) -> tuple[int, ...] | None:
    try:
        status = place.stat()
        below = place.rglob("*") if place.is_dir() else ()
        inner = [one.stat() for one in below if one.is_file()]
    except (OSError, ValueError):
        return None
    latest = max((one.st_mtime_ns for one in inner), default=0)
    return (status.st_ino, status.st_size, status.st_mtime_ns, len(inner), latest)


def write_whole(path: Path, text: str) -> None:
    """The file has the old content or the new, whatever happens."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """The same for bytes; a file that is there keeps its mode, and a link is followed."""
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            draft.chmod(path.stat().st_mode)
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as refused:
        with suppress(OSError):  # where nothing can be written, nothing can be taken away either
            draft.unlink(missing_ok=True)
        raise RecordError(
            f"cannot write {path}: {refused.strerror}; it is as it was. Make room or make it writable"
        ) from refused


def sync_folder(folder: Path) -> None:
    """A name in it survives a power failure only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
