"""patterns: operations that agents do again and again, and a person's word on each. Refuses to use a tool before that word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json
from orchestrator.errors import UsageError

Name = Annotated[str, typer.Argument(metavar="PATTERN", help="Its signature or number.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why.", show_default=False)]


def patterns(context: typer.Context, as_json: Json = False) -> int:
    """Operations that agents do again and again."""
    if context.invoked_subcommand is not None:
        if as_json:
            inner = context.invoked_subcommand
            text = f"--json is of `patterns` itself. Next: orchestrator patterns {inner} --help"
            raise UsageError(text)
        return 0
    from orchestrator.cli import patterns_look

    return patterns_look.show_all(as_json=as_json)


def show(pattern: Name, as_json: Json = False) -> int:
    """Show what is known of one, with its latest examples."""
    from orchestrator.cli import patterns_look

    return patterns_look.show(pattern, as_json=as_json)


def analyze(
    github: Annotated[
        bool,
        typer.Option(
            "--github", help="Open an issue for each candidate, too, with the gh program."
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Find patterns that are worth a script.

    Counts what agents did since the last time, makes candidates of what [patterns] lets pass, and writes a
    suggestion for each to .orchestrator/suggestions/. Nothing is used before it is approved.
    """
    from orchestrator.cli import patterns_work

    return patterns_work.analyze(github=github, as_json=as_json)


def approve(pattern: Name, as_json: Json = False) -> int:
    """Let its tool do it from now on, where there is one; else as soon as there is one."""
    from orchestrator.cli import patterns_work

    return patterns_work.approve(pattern, as_json=as_json)


def reject(pattern: Name, note: Note = "", as_json: Json = False) -> int:
    """Suggest it no more."""
    from orchestrator.cli import patterns_work

    return patterns_work.reject(pattern, note, as_json=as_json)


def deprecate(pattern: Name, note: Note = "", as_json: Json = False) -> int:
    """Let a model do it again from now on."""
    from orchestrator.cli import patterns_work

    return patterns_work.deprecate(pattern, note, as_json=as_json)


def propose(
    pattern: Name,
    force: Annotated[
        bool, typer.Option("--force", help="In place of a draft that is there already.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Draft a tool from the commands that were run, into .orchestrator/tools/draft/. It is not used before you add it."""
    from orchestrator.cli import patterns_work

    return patterns_work.propose(pattern, force=force, as_json=as_json)


def backfill(
    claude: Annotated[
        Path | None,
        typer.Option(
            "--claude",
            metavar="DIR",
            help="Transcripts of Claude Code, of whatever project.",
            show_default=False,
        ),
    ] = None,
    codex: Annotated[
        Path | None,
        typer.Option(
            "--codex",
            metavar="DIR",
            help="Transcripts of Codex, of whatever project.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Count what agents did before.

    In all runs that this project's journal has, and in the transcripts that Claude Code and Codex keep: those of this
    project where they usually are, or all in the folders that you name.
    """
    from orchestrator.cli import patterns_past

    return patterns_past.backfill(claude, codex, as_json=as_json)
