"""Where a run will work, told before it starts: the plain directory and why, or worktrees and what is not in them. Decides nothing."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import anyio

from orchestrator.cli import tools_look
from orchestrator.settings import WorkspaceSettings
from orchestrator.views.text import counted, plain
from orchestrator.workspace import Choice, Entry, Facts, Repository

OWN = ".orchestrator/config.toml"  # its settings count as they are
PACKAGES = ("node_modules", ".venv", "venv", "vendor")
SHOWN = 5  # files that are named
PLAIN = (
    "working in the plain directory: nothing is committed, tasks that may write the same file take "
    "turns, an interrupted task starts again where it was"
)


def notes(
    root: Path,
    plans: Collection[str],
    files: Collection[str],
    choice: Choice,
    facts: Facts | None,
    settings: WorkspaceSettings,
    *,
    include_dirty: bool,
) -> list[str]:
    """`plans` are those of the run: it has its own copy of them. `files` are what its tasks declare."""
    if facts is None:
        return [PLAIN + (f" ({choice.why})" if choice.why else "")]
    head = facts.head[:9] if facts.head else "an empty commit, as there is none yet"
    name = facts.branch.removeprefix("refs/heads/") if facts.branch else "a detached HEAD"
    told = [f"each task works in a git worktree; they begin at {name}, {head}"]
    if not facts.named:
        told.append("git knows no user.name and user.email here: commits are by orchestrator")
    if facts.shallow:
        told.append("the repository is shallow; that changes nothing for the run")
    repository = Repository(root, facts)
    if ignored := anyio.run(repository.ignored, files):
        names = ", ".join(plain(name, 60) for name in ignored[:SHOWN])
        told.append(
            f"git ignores what tasks are to write, so it will not be in the result: {names}"
        )
    told += _supplies(root, repository, settings)
    entries = anyio.run(repository.differs)
    tools = [] if include_dirty else tools_look.files(root, [one.path for one in entries])
    if tools:
        names = ", ".join(plain(one, 60) for one in tools[:SHOWN])
        more = f" and {len(tools) - SHOWN} more" if len(tools) > SHOWN else ""
        told.append(f"tools are run as they lie here, committed or not: {names}{more}")
    passed = {*plans, OWN, *tools}
    return told + _dirt([one for one in entries if one.path not in passed], include_dirty)


def _supplies(root: Path, repository: Repository, settings: WorkspaceSettings) -> list[str]:
    """What worktrees will lack, or were to get and cannot."""
    named = (*settings.link, *settings.clone)
    told = [
        f"workspace.link or clone names {plain(one)}, which is not there"
        for one in named
        if not (root / one).exists()
    ]
    here = [name for name in PACKAGES if (root / name).is_dir()]
    lacking = set(anyio.run(repository.ignored, here)) - set(named)
    if lacking and not settings.setup:
        what = ", ".join(sorted(lacking))
        told.append(
            f"{what}: git ignores that, so worktrees do not have it; see workspace.setup, link and clone"
        )
    return told


def _dirt(entries: list[Entry], include_dirty: bool) -> list[str]:
    if not entries:
        return []
    names = ", ".join(plain(one.path, 60) for one in entries[:SHOWN])
    more = f" and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
    files = f"{counted(len(entries), 'file')} not committed"
    if include_dirty:
        return [f"{files}, and taken along: {names}{more}"]
    return [f"{files}, so not part of the run: {names}{more} (--include-dirty takes all along)"]
