"""Where the result of a run is: in the person's branch, or in its own and how to take it over. Refuses to move anything itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.cli.diagnostics import near
from orchestrator.cli.terminal import counted, plain
from orchestrator.cli.watched import Watched
from orchestrator.model import Check, CheckResult


def rows(watched: Watched, root: Path, summaries: Sequence[str]) -> Iterator[str]:
    """Without a git run only the SUMMARYs, which are beside their plans then."""
    told = watched.history.delivery
    away = told["branch"] if told is not None and told["why"] is not None else None
    for path in summaries:
        yield f"summary: {_shown(away, path) if away else near(root, path)}"
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
    yield f"  look: git log -p --reverse {told['into'] or 'HEAD'}..{told['branch']}"
    yield f"  take: git merge {told['branch']}"


def red_checks(watched: Watched) -> Iterator[Check]:
    for check in watched.history.result_checks or ():
        if check.result is not CheckResult.GREEN:
            yield check


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
