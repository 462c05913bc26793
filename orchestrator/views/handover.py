"""Where the result of a run is: in the person's branch, or in its own and how to take it over. Refuses to move anything itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator import redact
from orchestrator.journal import HOME
from orchestrator.model import Check, CheckResult, TaskId
from orchestrator.views.text import counted, near, plain
from orchestrator.views.watched import Watched


def rows(watched: Watched, root: Path, summaries: Sequence[str]) -> Iterator[str]:
    """Without a git run only the SUMMARYs, which are beside their plans then."""
    told = watched.history.delivery
    away = told["branch"] if told is not None and told["why"] is not None else None
    for path in summaries:
        there = away is None or path.startswith(f"{HOME}/")
        yield f"summary: {near(root, path) if there else _shown(str(away), path)}"
    if told is not None and told["commits"]:
        yield from _left(told) if away else _taken(told)


def _shown(branch: str, path: str) -> str:
    return shlex.join(("git", "show", f"{branch}:{path}"))


def _taken(told: Mapping[str, Any]) -> Iterator[str]:
    into = f"{told['into']} has it" if told["into"] else "HEAD has it"
    yield f"result: {into}, {counted(told['commits'], 'commit')} more, now at {told['tip'][:9]}"


def _left(told: Mapping[str, Any]) -> Iterator[str]:
    """What is done stays where it is; nothing of it is lost."""
    yield f"result: {counted(told['commits'], 'commit')} on the branch {told['branch']}: {plain(told['why'], 200)}"
    since = "" if told.get("unborn") else f"{told['into'] or 'HEAD'}.."
    yield f"  look: git log -p --reverse {shlex.quote(since + told['branch'])}"
    is_hopeless = told.get("failed") or told.get("unsafe")
    if not is_hopeless:  # else git would meet the same again, or should not
        yield f"  take: {_take(told)}"


def _take(told: Mapping[str, Any]) -> str:
    if told.get("unborn") and told.get("included"):
        return f"git reset {told['branch']} && git checkout -- . (your files are part of it, as they were)"
    if told.get("included"):
        return f"git add -A && git commit -m mine && git merge {told['branch']} (what was not committed is part of it)"
    return f"git merge {told['branch']}"


def red_checks(watched: Watched) -> Iterator[tuple[Check, list[TaskId]]]:
    """Each with the tasks whose check it is."""
    for check in watched.history.result_checks or ():
        if check.result is not CheckResult.GREEN:
            tasks = watched.graph.tasks.values()
            yield check, [t.id for t in tasks if check.command in map(redact.text, t.commands)]


def document(watched: Watched) -> dict[str, Any] | None:
    """None in the plain directory, and while it is not over."""
    told = watched.history.delivery
    if told is None:
        return None
    return {
        "branch": told["branch"],
        "commit": told["tip"],
        "commits": told["commits"],
        "into": told["into"],
        "delivered": told["why"] is None,
        "why": told["why"],
        "checks": [one.model_dump(mode="json") for one in watched.history.result_checks or ()],
    }


def lines(watched: Watched, root: Path) -> Iterator[str]:
    """What `show` says of the result."""
    yield from rows(watched, root, ())
    for check, owners in red_checks(watched):
        yield f"not green on the result: {plain(check.command, 80)}  ({', '.join(owners)})"
