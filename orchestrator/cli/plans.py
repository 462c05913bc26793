"""graph: looking at plans without running them. Refuses to write anything but what was asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Json, Paths

if TYPE_CHECKING:
    from orchestrator.graph import TaskGraph


def graph(
    paths: Paths,
    as_json: Json = False,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid graph.")] = False,
    as_dot: Annotated[bool, typer.Option("--dot", help="As a Graphviz graph.")] = False,
) -> int:
    """Show which task waits for which, and why.

    Of plan files, and of what is unfinished in folders. Batches are a view: a task starts as soon as
    what it waits for is done.
    """
    from orchestrator.cli import drawing
    from orchestrator.cli.terminal import show_json
    from orchestrator.errors import UsageError

    if as_json + as_mermaid + as_dot > 1:
        raise UsageError("--json, --mermaid and --dot exclude each other. Next: choose one")
    found = _graph(paths)
    if as_json:
        show_json(drawing.document(found))
    elif as_mermaid or as_dot:
        sys.stdout.write((drawing.mermaid(found) if as_mermaid else drawing.dot(found)) + "\n")
    else:
        drawing.show_text(found)
    return 0


def _graph(paths: list[Path]) -> TaskGraph:
    """Of named files, and of what is unfinished in folders; of all plans there if none is."""
    from orchestrator import project, settings
    from orchestrator.cli import diagnostics, homes
    from orchestrator.reader import discover

    found = project.find(paths)
    root = homes.common_root(paths, found)
    named = {path.resolve() for path in paths if path.is_file()}
    files = [one for one in found if one in named or project.unfinished(root, [one])] or found
    sources = project.sources(root, files)
    others = homes.beside(root, discover.project_root(paths[0]), files)
    loaded = project.load(root, sources, settings.load(root).reader, others)
    return diagnostics.checked(root, loaded)
