"""Diagnostics as compilers show them: place, code, message, the line with a caret. Refuses to hide one: a count ends the list."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import redact
from orchestrator.cli.terminal import err
from orchestrator.errors import PlanError
from orchestrator.model import Diagnostic, Severity
from orchestrator.views.text import counted, plain

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.graph import TaskGraph
    from orchestrator.project import Loaded

UNSHOWN = "X001"  # a secret: its line is not repeated
SHOWN_WARNINGS = 5
WIDEST = 120  # of a source line; plans hold paragraphs on one line
STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


class BadPlans(PlanError):
    """A PlanError that can show the lines it speaks of."""

    def __init__(self, root: Path, loaded: Loaded) -> None:
        super().__init__(count(loaded.diagnostics), loaded.diagnostics)
        self.root, self.texts = root, loaded.texts


def checked(root: Path, loaded: Loaded) -> TaskGraph:
    """The graph; BadPlans if there is an error. Warnings go to stderr, shortly."""
    if loaded.graph is None:
        raise BadPlans(root, loaded)
    warn(root, loaded.diagnostics)
    return loaded.graph


def show(
    console: Console, said: Iterable[Diagnostic], texts: Mapping[str, str], root: Path
) -> None:
    from orchestrator.redact.formats import masked

    split: dict[str, list[str]] = {}
    for one in said:
        rows = split.get(one.file)
        if rows is None:
            rows = split[one.file] = masked(texts.get(one.file, "")).splitlines()
        _show_one(console, one, rows[one.line - 1] if one.line <= len(rows) else None, root)


def show_refusal(console: Console, error: PlanError) -> None:
    """Everything that is wrong with the plans, then how much that is."""
    texts = error.texts if isinstance(error, BadPlans) else {}
    root = error.root if isinstance(error, BadPlans) else Path.cwd()
    show(console, error.diagnostics, texts, root)
    console.print(f"error: {plain(str(error))}", style="bold red")


def warn(root: Path, said: Sequence[Diagnostic]) -> None:
    for one in said[:SHOWN_WARNINGS]:
        err().print(f"warning: {_place(one, root)}: {one.code} {plain(one.message)}")
    if len(said) > SHOWN_WARNINGS:
        more = len(said) - SHOWN_WARNINGS
        err().print(f"warning: and {counted(more, 'more warning')}; orchestrator lint shows all")


def count(said: Sequence[Diagnostic]) -> str:
    errors = sum(one.severity is Severity.ERROR for one in said)
    return f"{counted(errors, 'error')}, {counted(len(said) - errors, 'warning')}"


def as_json(said: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json") for one in said]


def _show_one(console: Console, one: Diagnostic, source: str | None, root: Path) -> None:
    from rich.text import Text

    warning = "warning: " if one.severity is Severity.WARNING else ""
    head = Text(f"{_place(one, root)}: ", style="bold")
    head.append(one.code, style=STYLES[one.severity])
    console.print(head.append(f" {warning}{plain(one.message)}", style="not bold"))
    if source is not None and one.code != UNSHOWN:
        for row in _excerpt(one, source):
            console.print(row, style="dim")
        console.print()


def _excerpt(one: Diagnostic, source: str) -> list[str]:
    """The line without secrets, cut to a window around the column, and a caret below it."""
    column = len(redact.text(source[: one.column - 1]))
    source = redact.text(source)
    start = max(0, column - WIDEST // 2) if len(source) > WIDEST else 0
    window = "".join(c if c.isprintable() else " " for c in source[start : start + WIDEST])
    number = str(one.line)
    side = " " * len(number)
    return [f"{side} |", f"{number} | {window}", f"{side} | {' ' * (column - start)}^"]


def _place(one: Diagnostic, root: Path) -> str:
    return f"{plain(near(root, one.file))}:{one.line}:{one.column}"


def near(root: Path, file: str) -> str:
    """A file of the project as one would type it here."""
    path, here = root / file, Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
