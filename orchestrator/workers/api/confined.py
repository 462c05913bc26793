"""A folder that nobody leaves: reads and writes files below it; refuses "..", absolute paths, links that lead out, and what is no file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

READABLE_BYTES = 10 << 20
MOST_ENTRIES = 50_000  # looked at by one listing
PRUNED = (".git", "node_modules", ".venv", "__pycache__", ".orchestrator")
NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
CALM = os.O_NONBLOCK  # a pipe with nobody at its other end would wait for ever


class Refused(Exception):
    """What was asked for is not done; the message says why, for the model."""


class Folder:
    """Paths are relative to `root`. Links inside are followed to where they lead; nothing swapped meanwhile is.

    Every part of the real path is opened by itself, below the one before and without following links.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    def read(self, path: str) -> str:
        with self._file(path, os.O_RDONLY) as file:
            return content(file, path)

    def write(self, path: str, text: str) -> bool:
        """Whether the file was there before."""
        there = os.path.lexists(self._root.joinpath(*self._parts(path)))
        with self._file(path, os.O_WRONLY | os.O_CREAT) as file:
            fill(file, text)
        return there

    def edit(self, path: str, old: str, new: str) -> None:
        """Puts `new` where `old` stands; it must stand there exactly once. Line ends stay as they are in the file."""
        if not old:
            raise Refused("old is empty: use write_file for a new file")
        with self._file(path, os.O_RDWR) as file:
            text = content(file, path)
            if old not in text and "\r\n" in text:
                old, new = (one.replace("\r\n", "\n").replace("\n", "\r\n") for one in (old, new))
            fill(file, once(text, old, new, path))

    def files(self, pattern: str) -> Iterator[str]:
        """Files that fit, in order; a pattern without "/" fits in every folder. Refused, if there is too much to look at."""
        wanted = PurePosixPath(pattern).parts if "/" in pattern else ("**", pattern)
        seen = 0
        for place, folders, names in os.walk(self._root):
            folders[:] = sorted(name for name in folders if name not in PRUNED)
            seen += len(folders) + len(names)
            if seen > MOST_ENTRIES:
                raise Refused(f"more than {MOST_ENTRIES} entries: use the shell")
            inside = Path(place).relative_to(self._root)
            for name in sorted(names):
                if fits((inside / name).parts, wanted):
                    yield (inside / name).as_posix()

    def _parts(self, path: str) -> tuple[str, ...]:
        """The real path below the root, part by part."""
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise Refused(f"{path!r} is not below the workspace: give a path relative to it")
        try:
            real = Path(os.path.realpath(self._root / path))
        except (ValueError, OSError) as error:
            raise Refused(f"{path!r} is no path") from error
        if not real.is_relative_to(self._root):
            raise Refused(f"{path!r} leads out of the workspace")
        return real.relative_to(self._root).parts

    @contextmanager
    def _file(self, path: str, flags: int) -> Iterator[int]:
        """A regular file, open; missing folders above it are made if it is to be created."""
        parts = self._parts(path)
        if not parts:
            raise Refused(f"{path!r} is a folder")
        place = file = -1
        try:
            place = self._open_folder(parts[:-1], bool(flags & os.O_CREAT))
            file = os.open(parts[-1], flags | NO_LINK | CALM, 0o666, dir_fd=place)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise Refused(f"{path!r} is no regular file")
            yield file
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a name"
            raise Refused(f"{path!r}: {reason}") from error
        finally:
            for one in (place, file):
                if one >= 0:
                    os.close(one)

    def _open_folder(self, parts: Sequence[str], make: bool) -> int:
        place = os.open(self._root, os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts:
            try:
                if make:
                    make_folder(part, place)
                below = os.open(part, os.O_DIRECTORY | NO_LINK, dir_fd=place)
            finally:
                os.close(place)
            place = below
        return place


def make_folder(name: str, place: int) -> None:
    try:
        os.mkdir(name, dir_fd=place)
    except FileExistsError:
        return


def content(file: int, path: str) -> str:
    if os.fstat(file).st_size > READABLE_BYTES:
        raise Refused(f"{path!r} is larger than {READABLE_BYTES} bytes: use the shell")
    with open(os.dup(file), "rb") as stream:
        data = stream.read(READABLE_BYTES)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{path!r} is no text (UTF-8): use the shell") from error


def fill(file: int, text: str) -> None:
    """Half of an emoji cannot be written: it becomes "?"."""
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    with open(os.dup(file), "wb") as stream:
        stream.write(text.encode("utf-8", "replace"))


def once(text: str, old: str, new: str, path: str) -> str:
    first = text.find(old)
    if first < 0:
        raise Refused(f"old is not in {path!r}: read the file, and copy it exactly")
    if text.find(old, first + 1) >= 0:
        raise Refused(f"old is in {path!r} more than once: give more of the lines around it")
    return text[:first] + new + text[first + len(old) :]


def fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Part by part; ** is any number of folders. Walks all places at once, so no pattern is slow."""
    places = skipped({0}, pattern)
    for part in parts:
        stepped = {
            at if pattern[at] == "**" else at + 1
            for at in places
            if at < len(pattern) and (pattern[at] == "**" or fnmatchcase(part, pattern[at]))
        }
        places = skipped(stepped, pattern)
    return len(pattern) in places


def skipped(places: set[int], pattern: Sequence[str]) -> set[int]:
    """With those behind a ** that stands for nothing."""
    found = set(places)
    for at, part in enumerate(pattern):
        if at in found and part == "**":
            found.add(at + 1)
    return found
