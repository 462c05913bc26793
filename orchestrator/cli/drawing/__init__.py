"""A TaskGraph for the eye and for other programs. Refuses to call batches more than a view."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import Any

from orchestrator.cli.terminal import out
from orchestrator.graph import Edge, Reason, TaskGraph
from orchestrator.model import Plan, Task, TaskId
from orchestrator.views.text import columns, counted, duration, plain

TITLE = 44
NO_TOOLS: Mapping[TaskId, str] = MappingProxyType({})
SHOWN_EDGES = 8  # of one task in the text; --json has all
SHOWN_EXAMPLES = 3
ADVICE = {
    Reason.ORDER: "plain plans keep their order; `orchestrator annotate --infer-parallel` looks for more",
    Reason.CONFLICT: "they write the same file",
    Reason.CHECKPOINT: "a person is asked first",
    Reason.TRACER: "the tracer must work first",
    Reason.DEPENDS_ON: "the plan says so",
    Reason.PLAN: "depends_on of the plan",
    Reason.WAVE: "the waves of the plans",
    Reason.PHASE: "phases follow each other",
}


def show_text(graph: TaskGraph, tools: Mapping[TaskId, str] = NO_TOOLS) -> None:
    """Who starts when, as a picture; each task with what it waits for and why. `tools`: of tasks that ask no model."""
    if len(graph.plans) > 1:
        _show_plans(graph)
    into = edges_into(graph)
    rows = {
        task.id: (
            f"  {task.id}",
            plain(task.title, TITLE),
            _waits(into[task.id]) + _by(tools, task.id),
        )
        for task in graph.tasks.values()
    }
    aligned = dict(zip(rows, columns(rows.values()), strict=True))
    for number, batch in enumerate(graph.batches(), 1):
        if number > 1:
            out().print("  ↓", style="dim")
        parallel = f", {len(batch)} in parallel" if len(batch) > 1 else ""
        out().print(f"Batch {number}{parallel}: {', '.join(batch)}", style="bold")
        for task in batch:
            out().print(aligned[task])


def _by(tools: Mapping[TaskId, str], task: TaskId) -> str:
    return f", by {tools[task]} (tool, 0 tokens)" if task in tools else ""


def _show_plans(graph: TaskGraph) -> None:
    waits = plan_edges(graph)
    rows = []
    for plan in graph.plans.values():
        before = [f"{a} ({why})" for (a, b), why in waits.items() if b == plan.id]
        told = f"after {', '.join(before)}" if before else "waits for no plan"
        rows.append(
            (f"  {plan.id}", counted(len(plan.tasks), "task"), plain(title(plan), TITLE), told)
        )
    out().print(counted(len(graph.plans), "plan"), style="bold")
    for row in columns(rows):
        out().print(row)
    out().print()


def title(plan: Plan) -> str:
    """The first line of its objective."""
    rows = [row.strip(" *#") for row in plan.section("objective").splitlines()]
    return next((row for row in rows if row), "")


def plan_edges(graph: TaskGraph) -> dict[tuple[str, str], str]:
    """Which plan waits for which, and why; only those that no other plan between them explains."""
    found: dict[tuple[str, str], str] = {}
    for edge in graph.direct():
        pair = (graph.plan_of(edge.before).id, graph.plan_of(edge.after).id)
        if pair[0] != pair[1]:
            found.setdefault(pair, why(edge))
    return found


def show_shape(graph: TaskGraph) -> None:
    """What makes the run long: the longest chain, how wide it gets, and what holds it back."""
    path, width = graph.critical_path(), graph.width()
    seconds = graph.remaining_s(path[0]) if path else 0.0
    out().print()
    out().print(f"longest chain: {' -> '.join(path)} (about {duration(seconds)})")
    out().print(f"width: {counted(width, 'task')} at once at most")
    rows = list(_held_back(graph))
    if rows:
        out().print("what holds it back:")
        for row in columns(rows):
            out().print(f"  {row}")


def _held_back(graph: TaskGraph) -> Iterator[tuple[str, str, str]]:
    edges = graph.direct()
    counts = Counter(edge.reason for edge in edges)
    for reason, count in counts.most_common():
        those = [edge for edge in edges if edge.reason is reason][:SHOWN_EXAMPLES]
        shown = ", ".join(f"{edge.before} before {edge.after}{_note(edge)}" for edge in those)
        more = ", …" if count > len(those) else ""
        yield f"{count} {reason}", ADVICE[reason], f"{shown}{more}"
    clashes = clashing(graph)
    if clashes:
        shown = ", ".join(f"{a} and {b}" for a, b, _ in clashes[:SHOWN_EXAMPLES])
        yield f"{len(clashes)} not at once", clashes[0][2], shown


def clashing(graph: TaskGraph) -> list[tuple[TaskId, TaskId, str]]:
    """Pairs that wait for nobody of the two and still never meet, with the reason."""
    after = {task: graph.all_after(task) for task in graph}
    return [
        (a, b, reason)
        for a, b in combinations(graph, 2)
        if b not in after[a] and a not in after[b]
        if (reason := graph.clash(a, b)) is not None
    ]


def document(graph: TaskGraph, tools: Mapping[TaskId, str] = NO_TOOLS) -> dict[str, Any]:
    path = graph.critical_path()
    return {
        "version": 1,
        "tasks": [_task(graph, task, tools.get(task.id)) for task in graph.tasks.values()],
        "edges": [edge.model_dump(mode="json") for edge in graph.edges()],
        "batches": graph.batches(),
        "plans": [
            {"id": plan.id, "file": plan.path, "title": title(plan), "tasks": len(plan.tasks)}
            for plan in graph.plans.values()
        ],
        "critical_path": path,
        "critical_path_s": graph.remaining_s(path[0]) if path else 0.0,
        "width": graph.width(),
        "not_at_once": [{"tasks": [a, b], "reason": reason} for a, b, reason in clashing(graph)],
    }


def because(edge: Edge) -> str:
    return f"{edge.before} ({why(edge)})"


def edges_into(graph: TaskGraph) -> dict[TaskId, list[Edge]]:
    into = defaultdict(list)
    for edge in graph.edges():
        into[edge.after].append(edge)
    return into


def _waits(edges: list[Edge]) -> str:
    if not edges:
        return "starts at once"
    reasons = defaultdict(list)
    for edge in edges[:SHOWN_EDGES]:
        reasons[why(edge)].append(edge.before)
    told = ", ".join(f"{', '.join(before)} ({reason})" for reason, before in reasons.items())
    more = f" and {len(edges) - SHOWN_EDGES} more" if len(edges) > SHOWN_EDGES else ""
    return f"after {told}{more}"


def why(edge: Edge) -> str:
    return f"{edge.reason}{_note(edge)}"


def _note(edge: Edge) -> str:
    return f": {plain(edge.note)}" if edge.note else ""


def _task(graph: TaskGraph, task: Task, tool: str | None) -> dict[str, Any]:
    return {
        "id": task.id,
        "plan": graph.plan_of(task.id).path,
        "line": task.position.line,
        "name": task.title,
        "type": task.type,
        "files": None if task.files is None else list(task.files),
        "tool": tool,
    }
