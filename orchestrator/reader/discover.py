"""Where plans lie on disk and which of them are finished; it reads names and SUMMARY headers and changes nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from orchestrator.reader import bounded, frontmatter
from orchestrator.reader.source import decode

_IGNORED = frozenset({".git", ".orchestrator", "node_modules", ".venv"})
_PLAN = re.compile(r"(?:.*-)?PLAN\.md")
_NESTED = re.compile(r"PLAN-\d.*\.md")  # in a folder `plans/` of a phase
_ALMOST = re.compile(r"(?:.*[-_ .])?plan(?:[-_ .].*)?\.(?:md|markdown|md\.txt)|.*plan\.md", re.I)
_EXCLUDED = re.compile(r".*-OUTLINE\.md|.*\.pre-bounce\.md")
_SIGNS = re.compile(
    rb"^[ \t]*<task[\s>]|\A---\r?\n(?:.*\n)*?(?:wave|depends_on|files_modified)\s*:", re.M
)
_NUMBERED = re.compile(r"(\d+[A-Za-z]?(?:\.\d+)*-\d+[A-Za-z]?)-.+-PLAN\.md\Z")  # 01-02-auth-PLAN.md
_HEAD = 200_000  # bytes in which a plan shows itself
_FRONT = 1_000_000  # bytes in which a frontmatter ends
_DIGITS = re.compile(r"(\d+)")


def plan_files(under: Path) -> list[Path]:
    """`under` itself if it is a file, else every plan below it, in natural order of the paths."""
    if under.is_file():
        return [under]
    found = []
    for folder, folders, names in os.walk(under):  # does not follow links to folders
        folders[:] = [name for name in folders if name not in _IGNORED]
        found += [Path(folder, name) for name in names if is_plan(Path(folder, name))]
    return sorted(found, key=_natural)


def is_plan(file: Path) -> bool:
    """Whether its name is that of a plan."""
    nested = file.parent.name == "plans" and _NESTED.fullmatch(file.name)
    return bool(nested or _PLAN.fullmatch(file.name)) and not _EXCLUDED.fullmatch(file.name)


def misnamed(under: Path) -> list[Path]:
    """Files below a folder that hold a plan and whose names say so, but not as plans are named."""
    found = []
    for folder, folders, names in os.walk(under):
        folders[:] = [name for name in folders if name not in _IGNORED]
        paths = (Path(folder, name) for name in names if _ALMOST.fullmatch(name))
        found += [file for file in paths if not is_plan(file) and _holds_plan(file)]
    return sorted(found, key=_natural)


def _holds_plan(file: Path) -> bool:
    if _EXCLUDED.fullmatch(file.name) or "SUMMARY" in file.name:
        return False
    try:
        return _SIGNS.search(bounded.head(file, _HEAD)) is not None
    except OSError:
        return False


def summary_path(plan: Path) -> Path:
    """`08-02-PLAN.md` -> `08-02-SUMMARY.md`; a file of another name gets `-SUMMARY` at its end."""
    if plan.parent.name == "plans" and _NESTED.fullmatch(plan.name):
        return plan.with_name("SUMMARY" + plan.name.removeprefix("PLAN"))
    if _PLAN.fullmatch(plan.name):
        return plan.with_name(plan.name.removesuffix("PLAN.md") + "SUMMARY.md")
    return plan.with_name(f"{plan.stem}-SUMMARY.md")


def is_finished(plan: Path) -> bool:
    """Whether a SUMMARY that is not halted stands beside the plan."""
    status = _summary_status(plan)
    return status is not None and not status.startswith("halted")


def is_halted(plan: Path) -> bool:
    return (_summary_status(plan) or "").startswith("halted")


def summary_places(plan: Path) -> list[Path]:
    """Our SUMMARY, then the one that upstream calls by the plan's numbers alone."""
    numbered = _NUMBERED.match(plan.name)
    short = [plan.with_name(f"{numbered[1]}-SUMMARY.md")] if numbered else []
    return [summary_path(plan), *short]


def _summary_status(plan: Path) -> str | None:
    found = map(_status, summary_places(plan))
    return next((status for status in found if status is not None), None)


def is_superseded(plan: Path) -> bool:
    return _status(plan) == "superseded"


def is_archived(path: Path) -> bool:
    return "milestones" in path.parts[:-1]


def project_root(path: Path) -> Path:
    """Absolute: the git top level above `path`, else the nearest project folder, else here, else its folder.

    The root of the file system and a home are nobody's project, unless they are git's.
    """
    path = path.resolve()
    folders = [path, *path.parents] if path.is_dir() else list(path.parents)
    shared = {Path(path.anchor), _home()}
    own = [folder for folder in folders if folder not in shared] or folders[:1]
    for among, marks in ((folders, (".git",)), (own, (".planning", ".orchestrator"))):
        for folder in among:
            if any(_marks(folder / mark) for mark in marks):
                return folder
    here = Path.cwd()
    return here if here in own else own[0]


def _marks(place: Path) -> bool:
    """An empty `.git` folder is no repository: sandboxes leave such ones behind."""
    if place.name != ".git" or not place.is_dir():
        return place.exists()
    try:
        return any(place.iterdir())
    except OSError:
        return True


def _home() -> Path | None:
    try:
        return Path.home().resolve()
    except (OSError, RuntimeError):  # nobody's process: no home to know
        return None


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    parts = _DIGITS.split(path.as_posix())
    return [(part.isdigit(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _status(file: Path) -> str | None:
    """`status` of the frontmatter; empty where it says none, None where there is no file."""
    try:
        text, _ = decode(bounded.head(file, _FRONT))
    except OSError:
        return None
    return str(frontmatter.parse(text).get("status", "")).strip().lower()
