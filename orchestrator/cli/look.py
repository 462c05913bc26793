"""runs, show, explain: what the journal says about runs, and what a plan says. Refuses to change a word of it; works also while an engine writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json, NewestRun, Run, TaskName
from orchestrator.errors import UsageError


def runs(
    context: typer.Context,
    disk: Annotated[
        bool, typer.Option("--disk", help="Show what each takes on the disk instead.")
    ] = False,
    as_json: Json = False,
) -> int:
    """List the runs of this project, newest first."""
    if context.invoked_subcommand is not None:
        return _refuse_before(context.invoked_subcommand, {"--disk": disk, "--json": as_json})
    if disk:
        from orchestrator.cli import cleaning

        cleaning.show_disk(as_json=as_json)
        return 0
    from orchestrator.cli import past, recorded, remote

    root = past.here()
    past.tell_of_loss(root)
    recorded.show_runs(root, past.names(root), as_json=as_json)
    if not as_json:
        remote.tell_of_waiting(root)
    return 0


def _refuse_before(inner: str, words: Mapping[str, bool]) -> int:
    """A word that stands before the inner command would go lost there."""
    for word, given in words.items():
        if given:
            raise UsageError(f"{word} is of `runs` itself. Next: orchestrator runs {inner} --help")
    return 0


def show(
    name: NewestRun = None,
    events: Annotated[
        bool, typer.Option("--events", help="List every recorded event instead.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show what happened to each task of a run; of a PLAN.md what was understood of it."""
    from orchestrator.cli import past, planned, recorded

    if name is not None and name.endswith(".md"):
        planned.show(Path(name), as_json=as_json)
        return 0
    found = past.reopen(past.here(), name)
    if events:
        recorded.show_events(found, as_json=as_json)
    else:
        recorded.show_run(found, as_json=as_json)
    return 0


def explain(name: Run, task: TaskName) -> int:
    """Tell every decision about a task with its reason."""
    from orchestrator.cli import explaining, past

    found = past.reopen(past.here(), name)
    explaining.explain(found, found.task(task))
    return 0
