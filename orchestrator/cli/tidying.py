"""revert, recover and `runs clean`: what is there to undo, and to throw away. Refuses, as all that they call, to lose what is kept nowhere else."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import Json, Run

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN",
        help="Runs, or the beginnings of their names; without one all of this project.",
        show_default=False,
    ),
]


def revert(name: Run, as_json: Json = False) -> int:
    """Take back what a run committed.

    One commit against each of its commits, newest first, on the branch that is checked out; none of
    it if one conflicts with what came later (exit 1). Its plans are unfinished then.
    """
    from orchestrator.cli import reverting

    return reverting.revert(name, as_json=as_json)


def clean(
    names: Runs = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    rescued: Annotated[
        bool,
        typer.Option("--rescued", help="Also work that did not land, of runs that are done."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Remove what runs left behind and nobody needs.

    Worktrees, after their uncommitted work is kept under a ref; branches of runs that another branch
    contains; files that git ignores, set aside from worktrees of runs that are over. What is kept is
    named, with the reason. Nothing of a run that an engine works on.
    """
    from orchestrator.cli import cleaning

    return cleaning.clean(names or (), dry_run=dry_run, rescued=rescued, as_json=as_json)


def recover(as_json: Json = False) -> int:
    """Keep what is whole of a damaged journal.

    The damaged files are set aside first. What stands before the damage goes into a new journal, and
    what is lost is said. A journal that is whole stays as it is.
    """
    from orchestrator.cli import recovering

    return recovering.recover(as_json=as_json)
