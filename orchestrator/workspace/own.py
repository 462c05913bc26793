"""The program's own folder is no part of any work. Refuses whatever would put a file into it by way of a commit."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.workspace.git import shown
from orchestrator.workspace.repository import Repository, encoded
from orchestrator.workspace.scope import HOME, intrusions

MOST = 3  # names in a message


def homes(root: Path) -> set[str]:
    """Where it lies: by its name, and where a link of the person's leads within the checkout."""
    top = os.path.realpath(root)
    place = os.path.relpath(os.path.realpath(root / HOME), top)
    inside = place != os.curdir and not place.startswith(os.pardir)
    return {HOME, place.casefold()} if inside else {HOME}


async def left_out(
    repository: Repository, start: str, made: str, index: Path
) -> tuple[str, list[str]]:
    """The tree `made` without what it put there since `start`, and words about that for people."""
    paths = intrusions(await repository.changes(start, made), homes(repository.root))
    if not paths:
        return made, []
    rows = "".join(f"0 {'0' * 40}\t{path}\0" for path in paths)
    words = ("update-index", "-z", "--index-info")
    await repository.git.do("read-tree", made, index=index)
    await repository.git.do(*words, stdin=encoded(rows), index=index)
    tree = await repository.git.do("write-tree", index=index)
    are = "is" if len(paths) == 1 else "are"
    return tree, [f"it wrote {_some(paths)}, which {are} the program's own: left out"]


async def refusal(repository: Repository, tip: str) -> str | None:
    """Why the person's checkout must not move to `tip`; None where it may, or has it."""
    head = await repository.find("HEAD")
    if head is not None and await repository.contains(head, tip):
        return None
    changes = await repository.changes(head or await repository.empty(), tip)
    paths = intrusions(changes, homes(repository.root))
    if not paths:
        return None
    return f"do not merge it: it has {_some(paths)}, where this program keeps answers, trust and its journal"


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST} more" if len(paths) > MOST else ""
    return ", ".join(map(shown, paths[:MOST])) + more
