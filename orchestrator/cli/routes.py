"""route: where tasks would start, and why. Refuses to start or write anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    from orchestrator import engine
    from orchestrator.cli import past
    from orchestrator.cli.terminal import out, show_json, tell
    from orchestrator.intelligence import runs
    from orchestrator.routing.tiers import route_to_model

    chosen, _ = runs.load(past.here())
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
    from orchestrator.reader import discover

    root = discover.project_root(paths[0])
    (chosen, notes), graph = plans.loaded(paths)
    known = engine.gather(chosen)
    for note in known.notes:
        tell("warning", note)
    weights = chosen.complexity.model_dump()
    scores = {task: complexity.score(graph.tasks[task], weights) for task in graph}
    tasks = graph.tasks.values()
    found = engine.planned(tasks, scores, chosen, graph=graph, known=known, root=root)
    firsts = {task: tries[0] for task, (tries, _) in found.items()}
    notes = (*notes, *varied(graph, firsts, chosen))
    if as_json:
        told = [_document(graph, task, scores[task], found.get(task)) for task in graph]
        show_json({"version": 1, "tasks": told, "notes": notes})
    else:
        _show(graph, chosen, scores, found)
        show_notes(notes)
    return 0


def show_notes(notes: Iterable[str]) -> None:
    """What else decides, below what was decided."""
    from orchestrator.cli.terminal import out

    for note in notes:
        out().print(f"note: {note}")


def varied(graph: TaskGraph, firsts: Mapping[TaskId, Route], chosen: Settings) -> Iterator[str]:
    """That a run may do otherwise."""
    from orchestrator import engine

    some = [task for task, one in firsts.items() if engine.may_vary(graph.tasks[task], one, chosen)]
    if some:
        yield (
            f"a run may try out other models than these for {', '.join(some)}, where they may cost less "
            "(routing.explore), and plans anew by what it sees"
        )


def _show(
    graph: TaskGraph,
    chosen: Settings,
    scores: dict[TaskId, Score],
    found: Mapping[TaskId, tuple[Sequence[Route], str]],
) -> None:
    from orchestrator.cli.terminal import out, room
    from orchestrator.views.text import columns, cost, plain

    width = room()
    head = ("TASK", "", "COMPLEXITY", "WORKER", "MODEL", "DECIDED BY", "SURE", "COST")
    rows = [head]
    for task in graph:
        title = plain(graph.tasks[task].title, TITLE if width else None)
        if task not in found:
            rows.append((task, title, "", "a person", "", "", "", ""))
            continue
        first = found[task][0][0]
        named = (
            first.worker,
            str(first.tier or first.model or first.tool or ""),
            str(first.strategy),
        )
        sure = f"{first.confidence:.0%}"
        rows.append(
            (task, title, str(scores[task].value), *named, sure, cost(first.estimated_cost_usd))
        )
    shown = columns(rows, width=width, names=(1,))
    out().print(shown[0], style="bold")
    for row, task in zip(shown[1:], graph, strict=True):
        out().print(row)
        if task in found:
            tries, told = found[task]
            for row in (_reason(tries[0], told), *_ladder(tries)):
                out().print(f"    {plain(row)}", style="dim")
    out().print("costs are estimates of first tries; orchestrator estimate has their ranges")


def _ladder(tries: Sequence[Route]) -> Iterator[str]:
    """Who tries after whom, and who does not."""
    names = [str(one.model or one.tool or one.worker) for one in tries]
    if any(one.tier is not None for one in tries):
        yield f"tries: {', then '.join(names)}"
    left_out = [pair for one in tries for pair in one.left_out]
    yield from (f"left out: {model}, {why}" for model, why in left_out)


def _reason(first: Route, told: str) -> str:
    """With whether its worker is there."""
    return first.reason + told.partition(first.reason)[2]


def _document(
    graph: TaskGraph, task: TaskId, score: Score, found: tuple[Sequence[Route], str] | None
) -> dict[str, Any]:
    names = (
        *("worker", "tier", "model", "tool", "strategy", "confidence", "propensity", "floor"),
        *("estimated_tokens", "estimated_cost_usd", "estimated_duration_s", "left_out"),
    )
    steps = ("tier", "model", "tool", "reason", "cap_usd")
    tries = [one.model_dump(mode="json") for one in found[0]] if found else []
    told = tries[0] if tries else {}
    return {
        "id": task,
        "name": graph.tasks[task].title,
        "complexity": score.value if found else None,
        **{name: told.get(name) for name in names},
        "reason": _reason(found[0][0], found[1]) if found else None,
        "tries": [{name: one[name] for name in steps} for one in tries],
    }
