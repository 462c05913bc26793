"""Plan files of many projects, read one project at a time so that their plans never meet. Refuses to run anything."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator import project
from orchestrator.graph import KnownPlan
from orchestrator.model import Diagnostic
from orchestrator.project import Loaded
from orchestrator.reader import discover
from orchestrator.settings import ReaderSettings

MARK = ".planning"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in many projects. Names are relative to `root`."""

    root: Path
    parts: tuple[Loaded, ...]

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return [one for part in self.parts for one in part.diagnostics]

    @property
    def texts(self) -> dict[str, str]:
        return {file: text for part in self.parts for file, text in part.texts.items()}

    @property
    def tasks(self) -> dict[str, int]:
        return {file: count for part in self.parts for file, count in part.tasks.items()}


def check(paths: Sequence[Path], limits: ReaderSettings) -> Checked:
    """All plans at and below the paths, also finished and archived ones."""
    files = project.find(paths)
    root = common_root(paths, files)
    return Checked(root, tuple(_load(root, *group, limits) for group in _grouped(paths, files)))


def common_root(paths: Sequence[Path], files: Sequence[Path]) -> Path:
    """The one project of all files, else the folder that they share."""
    root = discover.project_root(paths[0])
    if all(file.is_relative_to(root) for file in files):
        return root
    return Path(os.path.commonpath([file.parent for file in files]))


def beside(root: Path, home: Path, files: Sequence[Path]) -> list[KnownPlan]:
    """The project's other plans, as finished: a look at a part must not ask for the rest."""
    folders = {file.parent for file in files} if not (home / MARK).is_dir() else {home}
    known = {one for folder in folders for one in discover.plan_files(folder)}
    return [
        KnownPlan(path=_relative(root, one), finished=True) for one in sorted(known - set(files))
    ]


def _load(root: Path, home: Path, files: list[Path], limits: ReaderSettings) -> Loaded:
    sources = project.sources(root, files)
    return project.load(home, sources, limits, beside(root, home, files))


def _grouped(paths: Sequence[Path], files: Sequence[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """By the nearest folder that holds `.planning`, else by the project of the path that led there."""

    @cache
    def home(folder: Path) -> Path | None:
        if (folder / MARK).is_dir():
            return folder
        return home(folder.parent) if folder.parent != folder else None

    groups: dict[Path, list[Path]] = defaultdict(list)
    fallback = discover.project_root(paths[0])
    for file in files:
        groups[home(file.parent) or fallback].append(file)
    yield from groups.items()


def _relative(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
