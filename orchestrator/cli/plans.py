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
    from orchestrator.model import TaskId
    from orchestrator.settings import Settings


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
    from orchestrator.reader import discover

    chosen, found = loaded(paths)
    tools = tooled(discover.project_root(paths[0]), found, chosen.settings)
    match Format.JSON if as_json else form:
        case Format.JSON:
            show_json(drawing.document(found, tools))
        case Format.MERMAID:
            sys.stdout.write(languages.mermaid(found) + "\n")
        case Format.DOT:
            sys.stdout.write(languages.dot(found) + "\n")
        case Format.SVG:
            sys.stdout.write(svg.svg(found))
        case Format.TEXT:
            drawing.show_text(found, tools)
            drawing.show_shape(found)
    return 0


def tooled(root: Path, graph: TaskGraph, chosen: Settings) -> dict[TaskId, str]:
    """The tools that a run would give tasks to. Nothing where it cannot be known: a picture needs no worker that is there."""
    from orchestrator.errors import OrchestratorError
    from orchestrator.outloop import offload

    found = offload.find(root, graph.tasks.values(), chosen.patterns).matches
    if not found:
        return {}
    from orchestrator import complexity, engine

    tasks = [graph.tasks[task] for task in found]
    scores = {one.id: complexity.score(one, chosen.complexity.model_dump()) for one in tasks}
    try:
        likely = engine.likely(tasks, scores, chosen, graph=graph, root=root)
    except OrchestratorError:
        return {}
    return {task: route.tool for task, (route, _) in likely.items() if route.tool}


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
