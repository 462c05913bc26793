"""ledger tail, import, export, amend, check: the outcomes of this user's runs, in words and files. Refuses to change a line that is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json


def tail(
    number: Annotated[
        int, typer.Option("-n", "--lines", metavar="N", min=1, help="How many.")
    ] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is appended, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show the newest outcomes.

    One line an attempt, amendments applied; what is imported is marked.
    """
    from orchestrator.cli import ledgering_look

    return ledgering_look.tail(number, follow=follow, as_json=as_json)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines.")],
    as_json: Json = False,
) -> int:
    """Take in outcomes that were recorded elsewhere.

    A task_ledger.jsonl (nine keys, or a whole ledger), routing-experiments.jsonl or execution_records.jsonl.
    They are marked retroactive: shown, but no evidence. What is there already is not added again.
    Exit 4 if a line could not be read; the others are imported.
    """
    from orchestrator.cli import ledgering_files

    return ledgering_files.take(file, as_json=as_json)


def export(
    view: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="task_ledger.jsonl, routing-experiments.jsonl, execution_records.jsonl, .token-stats.json "
            "or routing_heuristics.json; its beginning will do.",
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Where to; without it to stdout.", show_default=False),
    ] = None,
) -> int:
    """Write outcomes as the files that other tools read.

    Of our own attempts only, amendments applied; what was imported is left out. A file is there whole or not at all.
    """
    from orchestrator.cli import ledgering_files

    return ledgering_files.give(view, file)


def amend(
    name: Annotated[str, typer.Argument(metavar="RUN", help="The run, as the ledger names it.")],
    task: Annotated[str, typer.Argument(metavar="TASK", help="Like 08-02/4, or 4.")],
    attempt: Annotated[
        int | None,
        typer.Argument(metavar="ATTEMPT", help="Without it the last one.", show_default=False),
    ] = None,
    outcome: Annotated[
        str,
        typer.Option("--outcome", metavar="WORD", help="failed or success."),
    ] = "",
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Who knows it: CI, a name.")] = "",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="How it is known.")] = "",
    as_json: Json = False,
) -> int:
    """Say that an outcome was wrong, or right after all.

    For CI, or a person, that finds a fault behind a passed check. The line stays; another one is
    appended, and all that reads the ledger applies it. The last one about an attempt counts.
    """
    from orchestrator.cli import ledgering_files

    return ledgering_files.amend(name, task, attempt, outcome, by, note, as_json=as_json)


def check(as_json: Json = False) -> int:
    """Look for damage in the ledger.

    Damaged lines by number, bytes that were there once, attempts told twice, lines of newer versions.
    Exit 4 if something is damaged or missing. Nothing is changed.
    """
    from orchestrator.cli import ledgering_look

    return ledgering_look.check(as_json=as_json)
