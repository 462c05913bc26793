"""route: where tasks would start, and why. Refuses to start or write anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import Json

if TYPE_CHECKING:
    from orchestrator.graph import TaskGraph
    from orchestrator.model import Route, Score, TaskId
    from orchestrator.settings import Settings

TITLE = 34
Plans = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Plan files, or folders with plans.", show_default=False),
]
Complexity = Annotated[
    int | None,
    typer.Option(
        "--complexity",
        metavar="N",
        min=1,
        max=10,
        help="Only print the tier for this complexity, for scripts.",
        show_default=False,
    ),
]


def route(paths: Plans = None, complexity: Complexity = None, as_json: Json = False) -> int:
    """Tell which model each task starts on, and why.

    With --complexity nothing but one word, haiku, sonnet or opus: what was learned for that complexity,
    else its band. docs/models.md tells what decides.
    """
    from orchestrator.errors import UsageError

    if (complexity is None) is (not paths):
        raise UsageError(
            "route needs plans, or --complexity, and not both. Next: orchestrator route ."
        )
    return _number(complexity, as_json=as_json) if complexity else _plans(paths or [], as_json)


def _number(complexity: int, *, as_json: bool) -> int:
    from orchestrator import engine, settings
    from orchestrator.cli import past
    from orchestrator.cli.terminal import out, show_json, tell
    from orchestrator.routing.tiers import route_to_model

    chosen = settings.load(past.here())
    rules, trouble = engine.lessons(chosen)
    if trouble:
        tell("warning", trouble)
    model = route_to_model(complexity, engine.policy(chosen, rules))
    if as_json:
        show_json({"version": 1, "complexity": complexity, "model": model})
    else:
        out().print(model.value)
    return 0


def _plans(paths: list[Path], as_json: bool) -> int:
    from orchestrator import complexity, engine
    from orchestrator.cli import plans
    from orchestrator.cli.terminal import show_json, tell

    chosen, graph = plans.loaded(paths)
    known = engine.gather(chosen)
    for note in known.notes:
        tell("warning", note)
    weights = chosen.complexity.model_dump()
    scores = {task: complexity.score(graph.tasks[task], weights) for task in graph}
    found = engine.likely(graph.tasks.values(), scores, chosen, graph=graph, known=known)
    if as_json:
        tasks = [_document(graph, task, scores[task], found.get(task)) for task in graph]
        show_json({"version": 1, "tasks": tasks})
    else:
        _show(graph, chosen, scores, found)
    return 0


def _show(
    graph: TaskGraph,
    chosen: Settings,
    scores: dict[TaskId, Score],
    found: dict[TaskId, tuple[Route, str]],
) -> None:
    from orchestrator.cli.terminal import columns, cost, out, plain

    head = ("TASK", "", "COMPLEXITY", "WORKER", "MODEL", "DECIDED BY", "SURE", "COST")
    rows = [head]
    for task in graph:
        title = plain(graph.tasks[task].title, TITLE)
        if task not in found:
            rows.append((task, title, "", "a person", "", "", "", ""))
            continue
        first = found[task][0]
        named = (first.worker, str(first.tier or first.model or ""), str(first.strategy))
        sure = f"{first.confidence:.0%}"
        rows.append(
            (task, title, str(scores[task].value), *named, sure, cost(first.estimated_cost_usd))
        )
    shown = columns(rows)
    out().print(shown[0], style="bold")
    for row, task in zip(shown[1:], graph, strict=True):
        out().print(row)
        if task in found:
            out().print(f"    {plain(_reason(*found[task]))}", style="dim")
    out().print("costs are estimates of first tries; orchestrator estimate has their ranges")


def _reason(first: Route, told: str) -> str:
    """With whether its worker is there."""
    return first.reason + told.partition(first.reason)[2]


def _document(
    graph: TaskGraph, task: TaskId, score: Score, found: tuple[Route, str] | None
) -> dict[str, Any]:
    names = (
        *("worker", "tier", "model", "strategy", "confidence", "propensity", "floor"),
        *("estimated_tokens", "estimated_cost_usd", "estimated_duration_s"),
    )
    told = found[0].model_dump(mode="json") if found else {}
    return {
        "id": task,
        "name": graph.tasks[task].title,
        "complexity": score.value if found else None,
        **{name: told.get(name) for name in names},
        "reason": _reason(*found) if found else None,
    }
