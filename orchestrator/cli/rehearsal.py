"""`run --dry-run`: what would be done, by whom, why, and what would be refused. Touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from orchestrator import engine
from orchestrator.cli import drawing, preflight
from orchestrator.cli.routes import varied
from orchestrator.cli.terminal import out, show_json
from orchestrator.engine import Crew
from orchestrator.errors import WorkerNotInstalled
from orchestrator.graph import TaskGraph
from orchestrator.model import Task, TaskId
from orchestrator.order import Order
from orchestrator.settings import Settings
from orchestrator.views.text import columns, counted, plain
from orchestrator.views.words import who


def show(
    root: Path,
    graph: TaskGraph,
    settings: Settings,
    notes: Sequence[str],
    order: Order,
    *,
    as_json: bool,
) -> None:
    """`notes` say where it would work. WorkerNotInstalled, after the graph, for tasks that nobody can do."""
    try:
        crew = engine.prepare(root, graph, settings, quality=order.quality)
    except WorkerNotInstalled:
        if not as_json:
            drawing.show_text(graph)
        raise
    firsts = {task: tries[0] for task, tries in crew.ladders.items()}
    if as_json:
        start = preflight.document(root, graph, firsts, settings, order)
        show_json({**document(graph, crew), "start": start})
        return
    drawing.show_text(graph, _tools(crew))
    out().print()
    out().print(f"Routes, up to {settings.run.workers} tasks at once:", style="bold")
    for task in graph.tasks.values():
        for row in _describe(task, crew):
            out().print(row)
    out().print()
    asks = preflight.foretell(root, firsts, settings, order)
    for note in (*asks, *notes, *crew.notes, *varied(graph, firsts, settings)):
        out().print(f"note: {note}")
    out().print("dry run: nothing was started and nothing was written")


def document(graph: TaskGraph, crew: Crew) -> dict[str, object]:
    """The graph's document, with the complexity and the tries of each task."""
    found = drawing.document(graph, _tools(crew))
    found["routes"] = {
        task: {
            "complexity": crew.scores[task].model_dump(mode="json"),
            "tries": [route.model_dump(mode="json") for route in crew.ladders.get(task, ())],
        }
        for task in graph
    }
    return found


def _tools(crew: Crew) -> dict[TaskId, str]:
    return {task: tries[0].tool for task, tries in crew.ladders.items() if tries[0].tool}


def _describe(task: Task, crew: Crew) -> list[str]:
    head = f"  {task.id}  {plain(task.title)}"
    if task.is_checkpoint:
        return [head, f"      asks a person ({task.type.partition(':')[2] or 'checkpoint'})"]
    ladder, score = crew.ladders[task.id], crew.scores[task.id]
    names = [(name, len(list(same))) for name, same in groupby(map(who, ladder))]
    tries = ", then ".join(_often(name, count) for name, count in names)
    rows = [
        ("worker", f"{tries}: {ladder[0].reason}"),
        *(("no tool", plain(why, 300)) for why in (crew.stays.get(task.id),) if why),
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


def _often(name: str, count: int) -> str:
    tries = counted(count, "try", "tries")
    return f"{name[:-1]}, {tries})" if name.endswith(")") else f"{name} ({tries})"
