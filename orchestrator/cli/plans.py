"""graph: looking at plans without running them. Refuses to write anything but what was asked for."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Json, Paths

if TYPE_CHECKING:
    from orchestrator.graph import TaskGraph
    from orchestrator.intelligence.runs import Chosen


class Format(StrEnum):
    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    JSON = "json"


def graph(
    paths: Paths,
    form: Annotated[Format, typer.Option("--format", help="How to draw it.")] = Format.TEXT,
    as_json: Json = False,
) -> int:
    """Show which task waits for which, and why.

    Of plan files, and of what is unfinished in folders. Batches are a view: a task starts as soon as
    what it waits for is done.
    """
    from orchestrator.cli import drawing
    from orchestrator.cli.drawing import languages, svg
    from orchestrator.cli.terminal import show_json

    _, found = loaded(paths)
    match Format.JSON if as_json else form:
        case Format.JSON:
            show_json(drawing.document(found))
        case Format.MERMAID:
            sys.stdout.write(languages.mermaid(found) + "\n")
        case Format.DOT:
            sys.stdout.write(languages.dot(found) + "\n")
        case Format.SVG:
            sys.stdout.write(svg.svg(found))
        case Format.TEXT:
            drawing.show_text(found)
            drawing.show_shape(found)
    return 0


def loaded(paths: list[Path]) -> tuple[Chosen, TaskGraph]:
    """Of named files, and of what is unfinished in folders; of all plans there if none is. With the settings of a run."""
    from orchestrator import project
    from orchestrator.cli import diagnostics, homes
    from orchestrator.intelligence import runs
    from orchestrator.reader import discover

    root, files = live(paths)
    sources = project.sources(root, files)
    others = homes.beside(root, discover.project_root(paths[0]), files)
    chosen = runs.load(root)
    read = project.load(root, sources, chosen.settings.reader, others)
    diagnostics.warn(root, project.misnamed(root, paths))
    return chosen, diagnostics.checked(root, read)


def live(paths: list[Path]) -> tuple[Path, list[Path]]:
    """The root, with the named files and what is unfinished in folders; all plans there if none is."""
    from orchestrator import project
    from orchestrator.cli import homes

    found = project.find(paths)
    root = homes.common_root(paths, found)
    named = {path.resolve() for path in paths if path.is_file()}
    return root, [one for one in found if one in named or project.unfinished(root, [one])] or found
