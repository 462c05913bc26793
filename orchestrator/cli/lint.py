"""lint: all that is wrong with plans, at once, in the form that its reader wants. Refuses to change or run anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Json

if TYPE_CHECKING:
    from orchestrator.cli.homes import Checked
    from orchestrator.lint import Known
    from orchestrator.model import Diagnostic
    from orchestrator.settings import Settings


class Format(StrEnum):
    TEXT = "text"
    CONCISE = "concise"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Plan files, or folders with plans.", show_default=False),
]
Form = Annotated[Format, typer.Option("--format", help="How to say it.")]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="CODES", help="Only these rules, or beginnings: V,G5."),
]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="CODES", help="None of these rules.")
]
Statistics = Annotated[bool, typer.Option("--statistics", help="Only how often each rule speaks.")]
Explain = Annotated[
    str | None,
    typer.Option(
        "--explain", metavar="CODE", help="What a rule means; 'all' lists them.", show_default=False
    ),
]


def lint(
    paths: Paths = None,
    form: Form = Format.TEXT,
    as_json: Json = False,
    select: Select = None,
    ignore: Ignore = None,
    statistics: Statistics = False,
    explain: Explain = None,
) -> int:
    """Say what is wrong with plans, and where.

    Looks at all plans at and below PATH, also finished and archived ones. Exit 2 if there are errors.
    `validate` is the same command.
    """
    from orchestrator import settings
    from orchestrator.cli import homes, rules
    from orchestrator.errors import UsageError
    from orchestrator.reader import discover

    if explain is not None:
        return rules.explain(explain)
    if not paths:
        raise UsageError("lint needs plan files or folders. Next: orchestrator lint .")
    home = discover.project_root(paths[0])
    found = settings.load(home)
    wanted = rules.choice(select or found.lint.select, ignore or found.lint.ignore)
    checked = homes.check(paths, found.reader)
    said = [one for one in diagnose(checked, paths, home, found) if wanted(one.code)]
    return _report(checked, said, Format.JSON if as_json else form, statistics=statistics)


def diagnose(
    checked: Checked, paths: Sequence[Path], home: Path, found: Settings
) -> list[Diagnostic]:
    """What stops a run, what its author should know, and files that are passed over; in the order of the files."""
    from orchestrator import engine, project
    from orchestrator import lint as rules
    from orchestrator.model import Severity
    from orchestrator.routing import review

    known, policy = _known(home, found), engine.policy(found)
    said = checked.diagnostics + project.misnamed(checked.root, paths)
    torn = {one.file for one in said if one.code[0] == "S" and one.severity is Severity.ERROR}
    for part in checked.parts:  # of a torn plan nothing more can be said that is sure
        whole = [plan for plan in part.plans if plan.path not in torn]
        said += rules.review(whole, part.partial, known, part.texts)
        said += [one for plan in whole for one in review.check(plan, policy)]
    order = {file: number for number, file in enumerate(checked.tasks)}
    return sorted(
        said, key=lambda d: (order.get(d.file, len(order)), d.file, d.line, d.column, d.code)
    )


def _known(home: Path, found: Settings) -> Known:
    from orchestrator.lint import Known
    from orchestrator.workers import registry

    workers = registry.known(found)
    tiers = {name: frozenset(found.models.of(name)) for name in workers if found.models.of(name)}
    return Known(root=str(home), workers=frozenset(workers), tiers=tiers)


def _report(checked: Checked, said: list[Diagnostic], form: Format, *, statistics: bool) -> int:
    from orchestrator.cli import diagnostics, listing
    from orchestrator.cli.terminal import out, show_json
    from orchestrator.model import Severity

    failed = any(one.severity is Severity.ERROR for one in said)
    match form:
        case Format.JSON:
            plans = [{"file": file, "tasks": count} for file, count in checked.tasks.items()]
            show_json({"version": 1, "diagnostics": diagnostics.as_json(said), "plans": plans})
        case Format.SARIF:
            show_json(listing.sarif(said))
        case Format.GITHUB:
            _print(listing.github(said, checked.root))
        case _ if statistics:
            _print(listing.statistics(said))
        case Format.CONCISE:
            _print(listing.concise(said, checked.root))
        case Format.TEXT:
            diagnostics.show(out(), said, checked.texts, checked.root)
    if form in (Format.TEXT, Format.CONCISE):
        out().print(_summary(checked, said), style="bold red" if failed else "bold green")
    return 2 if failed else 0


def _print(rows: Iterable[str]) -> None:
    from orchestrator.cli.terminal import out

    for row in rows:
        out().print(row)


def _summary(checked: Checked, said: Sequence[Diagnostic]) -> str:
    from orchestrator.cli import diagnostics
    from orchestrator.views.text import counted

    tasks = checked.tasks
    size = f"{counted(len(tasks), 'plan')}, {counted(sum(tasks.values()), 'task')}"
    return f"{diagnostics.count(said)} in {size}"
