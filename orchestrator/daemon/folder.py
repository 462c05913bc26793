"""The watched folder as it lies there: which plans, how old, what they say. Refuses to read again what has not changed, and to call a text whole that changed under it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from orchestrator import clock, project, reader
from orchestrator.daemon.lasting import told, trace
from orchestrator.daemon.queue import Found
from orchestrator.graph.plans import phase_folder
from orchestrator.model import Plan, Position
from orchestrator.model.codes import diagnostic
from orchestrator.project import Source
from orchestrator.reader import bounded, discover
from orchestrator.settings import ReaderSettings
from orchestrator.views.text import doubts


class Stamp(NamedTuple):
    """By which a file is known to be the same."""

    inode: int
    size: int
    changed_ns: int
    touched_ns: int  # also by who may read it now


class Seen(NamedTuple):
    """What was read, and of which files as they were. `beside`: of the SUMMARYs that there may be."""

    stamp: Stamp
    beside: tuple[Stamp | None, ...]
    found: Found


class Folder:
    """`top` may be absent: then there are no plans."""

    def __init__(
        self, root: Path, top: Path, limits: ReaderSettings, say: Callable[[str], None]
    ) -> None:
        self.root, self.top, self._limits, self._say = root, top, limits, say
        self._known: dict[Path, Seen] = {}

    def look(self, now: float) -> list[Found]:
        """All plans below it. `now` in Unix seconds: what is new or other than before has changed now."""
        files = discover.plan_files(self.top) if self.top.is_dir() else []
        live = [one for one in files if not discover.is_archived(one.relative_to(self.root))]
        self._known = dict(self._look(live, now))
        return [one.found for one in self._known.values()]

    def _look(self, files: list[Path], now: float) -> Iterator[tuple[Path, Seen]]:
        for file in files:
            try:
                stamp = _stamp(file)
                beside = tuple(map(_stamp_of, discover.summary_places(file)))
                yield file, self._see(file, stamp, beside, now)
            except OSError:  # it went while we looked, or is nobody's to read
                continue

    def _see(self, file: Path, stamp: Stamp, beside: tuple[Stamp | None, ...], now: float) -> Seen:
        known = self._known.get(file)
        if known is not None and (known.stamp != stamp or known.found.sha256 is None):
            known = None
        if known is not None and known.beside == beside:
            return known
        try:
            found = known.found if known is not None else self._read(file, stamp, now)
            found = replace(found, is_over=discover.is_finished(file))
        except OSError:
            raise
        except Exception as bug:  # of this file alone: the others have their turn
            trace(bug, self._say)
            why = f"it cannot be read: {told(bug)}; change it, and tell us of it"
            found = _unfit(self._blank(file, stamp, now), why)
        return Seen(stamp, beside, found)

    def _blank(self, file: Path, stamp: Stamp, now: float) -> Found:
        """What is known of it before it was read."""
        path = _shown(file.relative_to(self.root).as_posix())
        return Found(path, None, now, phase_folder(path), since=stamp.touched_ns / 1e9)

    def _read(self, file: Path, stamp: Stamp, now: float) -> Found:
        found = self._blank(file, stamp, now)
        path = found.path
        if path != file.relative_to(self.root).as_posix():
            return _unfit(found, "the name is not UTF-8; rename it")
        if why := project.outside(self.root, file):
            return _unfit(found, why)
        try:
            content = bounded.whole(file, self._limits.max_bytes)
        except PermissionError as refused:
            return _unfit(found, f"it cannot be read: {refused.strerror}")
        except OSError as refused:
            if refused.errno != errno.EFBIG:
                raise
            return _unfit(found, str(refused.strerror), "S102")
        if _stamp(file) != stamp:
            return found
        source = Source(reader.labels([path])[path], path, content)
        loaded = project.load(self.root, [source], self._limits)
        digest = hashlib.sha256(content).hexdigest()
        before = self._known.get(file)
        if before is not None and before.found.sha256 == digest:
            now = before.found.changed_at  # only its rights or its times are others
        found = replace(found, sha256=digest, changed_at=now, errors=tuple(loaded.errors))
        found = replace(found, is_superseded=discover.is_superseded(file))
        found = replace(found, doubts=doubts(loaded.diagnostics))
        for plan in loaded.plans:
            due = _due(plan)
            told = clock.at(due) if due else ""
            found = replace(found, priority=plan.priority, not_before=due, due=told)
        return found


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _unfit(found: Found, why: str, code: str = "N001") -> Found:
    """Of a file whose bytes nobody has: it has no hash that could be trusted."""
    top = Position(line=1, column=1)
    return replace(found, sha256="", errors=(diagnostic(code, found.path, top, why),))


def sources(root: Path, paths: Sequence[str], hashes: Mapping[str, str], most: int) -> list[Source]:
    """Of the texts that were decided on. One that is another by now, or gone, is left out: it has its own turn."""
    texts = {path: content for path in paths if (content := _text(root / path, most)) is not None}
    ids = reader.labels(list(texts))
    given = [Source(ids[path], path, content) for path, content in texts.items()]
    return [one for one in given if hashlib.sha256(one.content).hexdigest() == hashes.get(one.path)]


def _text(file: Path, most: int) -> bytes | None:
    try:
        return bounded.whole(file, most)
    except OSError:
        return None


def _due(plan: Plan) -> float:
    """The Unix time before which it is not to run; without a zone it was told by the clock of this machine."""
    return datetime.fromisoformat(plan.not_before).timestamp() if plan.not_before else 0.0


def _stamp(file: Path) -> Stamp:
    found = os.stat(file)
    if not stat.S_ISREG(found.st_mode):
        raise FileNotFoundError(f"{file} is no file")  # who reads a pipe waits for ever
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _stamp_of(file: Path) -> Stamp | None:
    try:
        return _stamp(file)
    except OSError:
        return None
