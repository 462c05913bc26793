"""`run --dry-run`: what would be done, by whom, why, and what would be refused. Touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from orchestrator import engine
from orchestrator.cli import drawing
from orchestrator.cli.routes import varied
from orchestrator.cli.terminal import out, show_json
from orchestrator.engine import Crew
from orchestrator.graph import TaskGraph
from orchestrator.model import Quality, Task
from orchestrator.settings import Settings
from orchestrator.views.text import columns, counted, plain
from orchestrator.views.words import who


def show(
    root: Path,
    graph: TaskGraph,
    settings: Settings,
    notes: Sequence[str],
    quality: Quality,
    *,
    as_json: bool,
) -> None:
    """`notes` say where it would work. WorkerNotInstalled, after the graph, for tasks that nobody can do."""
    if not as_json:
        drawing.show_text(graph)
    crew = engine.prepare(root, graph, settings, quality=quality)
    if as_json:
        show_json(document(graph, crew))
        return
    out().print()
    out().print(f"Routes, up to {settings.run.workers} tasks at once:", style="bold")
    for task in graph.tasks.values():
        for row in _describe(task, crew):
            out().print(row)
    out().print()
    firsts = {task: tries[0] for task, tries in crew.ladders.items()}
    for note in (*notes, *crew.notes, *varied(graph, firsts, settings)):
        out().print(f"note: {note}")
    out().print("dry run: nothing was started and nothing was written")


def document(graph: TaskGraph, crew: Crew) -> dict[str, object]:
    """The graph's document, with the complexity and the tries of each task."""
    found = drawing.document(graph)
    found["routes"] = {
        task: {
            "complexity": crew.scores[task].model_dump(mode="json"),
            "tries": [route.model_dump(mode="json") for route in crew.ladders.get(task, ())],
        }
        for task in graph
    }
    return found


def _describe(task: Task, crew: Crew) -> list[str]:
    head = f"  {task.id}  {plain(task.title)}"
    if task.is_checkpoint:
        return [head, f"      asks a person ({task.type.partition(':')[2] or 'checkpoint'})"]
    ladder, score = crew.ladders[task.id], crew.scores[task.id]
    names = [(name, len(list(same))) for name, same in groupby(map(who, ladder))]
    tries = ", then ".join(f"{name} ({counted(count, 'try', 'tries')})" for name, count in names)
    rows = [
        ("worker", f"{tries}: {ladder[0].reason}"),
        (
            "complexity",
            f"{score.value}: {', '.join(score.reasons) or 'nothing in the text moved it'}",
        ),
        *(
            ("review", crew.reviewers[task.id].route.reason)
            for _ in crew.reviewers.keys() & {task.id}
        ),
        *(("check", plain(command, 100)) for command in task.commands),
    ]
    if not task.commands:
        rows.append(("check", "none: its success will be unverified"))
    return [head, *(f"      {row}" for row in columns(rows))]
