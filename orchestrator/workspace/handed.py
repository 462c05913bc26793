"""What a new worktree gets besides the files of its commit: links, copies, context that git does not have, and one set-up command."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import anyio

from orchestrator import process
from orchestrator.model import Sandbox
from orchestrator.settings import WorkspaceSettings

LARGEST = 1 << 20  # bytes of one context file


class Unprepared(Exception):
    """The set-up command failed: the message has the end of what it said."""


def link(root: Path, place: Path, names: Iterable[str]) -> None:
    """The person's own folders; what the commit has itself stays."""
    for name in _missing(root, place, names):
        (place / name).symlink_to(root / name)


async def clone(root: Path, place: Path, names: Iterable[str]) -> None:
    """Of the worktree's own, to be changed without the person's noticing."""
    for name in _missing(root, place, names):
        await anyio.to_thread.run_sync(_copied, root / name, place / name)


def hand(root: Path, place: Path, names: Iterable[str]) -> None:
    """Context files that lie in the person's checkout and not in the commit."""
    for name in _missing(root, place, names):
        source = root / name
        with suppress(OSError):
            if source.is_file() and source.stat().st_size <= LARGEST:
                shutil.copyfile(source, place / name)


async def set_up(
    place: Path,
    settings: WorkspaceSettings,
    env: Mapping[str, str],
    log: Path,
    sandbox: Sandbox | None = None,
) -> None:
    if not settings.setup:
        return
    command = process.Command(
        argv=("bash", "-c", settings.setup),
        cwd=place,
        env=env,
        timeout_s=settings.setup_timeout_s,
        transcript=log,
        merged=True,
        sandbox=sandbox,
    )
    try:
        ended = await process.run(command)
    except process.NotStarted as trouble:
        raise Unprepared(str(trouble)) from trouble
    if ended.exit_code != 0:
        how = f"no end within {settings.setup_timeout_s:g} s" if ended.timed_out else ended.how
        tail = "\n".join(ended.stdout.splitlines()[-20:])
        raise Unprepared(
            f"workspace.setup failed ({how}): {settings.setup}\nwhole log: {log}\n{tail}"
        )


def _missing(root: Path, place: Path, names: Iterable[str]) -> Iterator[str]:
    """Names below the root that are there and not in the worktree; their folders are made."""
    for name in names:
        inside = os.path.normpath(name)
        if inside.startswith(("..", "/")) or not (root / inside).exists():
            continue
        target = place / inside
        if not os.path.lexists(target) and target.parent.resolve().is_relative_to(place.resolve()):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield inside


def _copied(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
