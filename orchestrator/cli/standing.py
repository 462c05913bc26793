"""Where a run will work, told before it starts: the plain directory and why, or worktrees and what is not in them. Decides nothing."""

from __future__ import annotations

from pathlib import Path

import anyio

from orchestrator.cli.terminal import counted, err, plain, tell
from orchestrator.workspace import Choice, Entry, Facts, Repository

SHOWN = 5  # files that are named
PLAIN = (
    "working in the plain directory: nothing is committed, tasks that may write the same file take "
    "turns, an interrupted task starts again where it was"
)


def tell_of(root: Path, choice: Choice, facts: Facts | None, *, include_dirty: bool) -> None:
    if facts is None:
        why = f" ({choice.why})" if choice.why else ""
        err().print(f"note: {PLAIN}{why}")
        return
    head = facts.head[:9] if facts.head else "an empty commit, as there is none yet"
    name = facts.branch.removeprefix("refs/heads/") if facts.branch else "a detached HEAD"
    err().print(f"note: each task works in a git worktree; they begin at {name}, {head}")
    if not facts.named:
        tell("note", "git knows no user.name and user.email here: commits are by orchestrator")
    if facts.shallow:
        err().print("note: the repository is shallow; that changes nothing for the run")
    _tell_of_dirt(anyio.run(Repository(root, facts).differs), include_dirty=include_dirty)


def _tell_of_dirt(entries: list[Entry], *, include_dirty: bool) -> None:
    if not entries:
        return
    names = ", ".join(plain(one.path, 60) for one in entries[:SHOWN])
    more = f" and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
    files = counted(len(entries), "file")
    if include_dirty:
        err().print(f"note: {files} not committed, and taken along: {names}{more}")
    else:
        tell(
            "warning",
            f"{files} not committed, so not part of the run: {names}{more} (--include-dirty takes them along)",
            "yellow",
        )
