"""A TaskGraph for the eye and for other programs: text, JSON, Mermaid, DOT. Refuses to call batches more than a view."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from orchestrator.cli.terminal import columns, out, plain
from orchestrator.graph import Edge, TaskGraph
from orchestrator.model import Task, TaskId

TITLE = 44
SHOWN_EDGES = 8  # of one task in the text; --json has all


def show_text(graph: TaskGraph) -> None:
    """Who starts when, as a picture; each task with what it waits for and why."""
    into = _edges_into(graph)
    rows = {
        task.id: (f"  {task.id}", plain(task.title, TITLE), _waits(into[task.id]))
        for task in graph.tasks.values()
    }
    aligned = dict(zip(rows, columns(rows.values()), strict=True))
    for number, batch in enumerate(graph.batches(), 1):
        out().print(f"Batch {number}: {', '.join(batch)}", style="bold")
        for task in batch:
            out().print(aligned[task])


def document(graph: TaskGraph) -> dict[str, Any]:
    return {
        "version": 1,
        "tasks": [_task(graph, task) for task in graph.tasks.values()],
        "edges": [edge.model_dump(mode="json") for edge in graph.edges()],
        "batches": graph.batches(),
    }


def mermaid(graph: TaskGraph) -> str:
    number = {task: f"t{place}" for place, task in enumerate(graph, 1)}
    rows = ["graph TD"]
    for task in graph.tasks.values():
        label = f"{task.id}: {plain(task.title)}".replace("&", "&amp;").replace('"', "&quot;")
        label = label.replace("<", "&lt;").replace(">", "&gt;")
        rows.append(f'    {number[task.id]}["{label}"]')
    for edge in graph.edges():
        rows.append(f"    {number[edge.before]} -->|{edge.reason}| {number[edge.after]}")
    return "\n".join(rows)


def dot(graph: TaskGraph) -> str:
    rows = ["digraph plan {", "    rankdir=TB;", "    node [shape=box];"]
    for task in graph.tasks.values():
        rows.append(f"    {_quoted(task.id)} [label={_quoted(f'{task.id}: {plain(task.title)}')}];")
    for edge in graph.edges():
        label = _quoted(edge.reason)
        rows.append(f"    {_quoted(edge.before)} -> {_quoted(edge.after)} [label={label}];")
    return "\n".join([*rows, "}"])


def because(edge: Edge) -> str:
    return f"{edge.before} ({_why(edge)})"


def _edges_into(graph: TaskGraph) -> dict[TaskId, list[Edge]]:
    into = defaultdict(list)
    for edge in graph.edges():
        into[edge.after].append(edge)
    return into


def _waits(edges: list[Edge]) -> str:
    if not edges:
        return "starts at once"
    reasons = defaultdict(list)
    for edge in edges[:SHOWN_EDGES]:
        reasons[_why(edge)].append(edge.before)
    told = ", ".join(f"{', '.join(before)} ({why})" for why, before in reasons.items())
    more = f" and {len(edges) - SHOWN_EDGES} more" if len(edges) > SHOWN_EDGES else ""
    return f"after {told}{more}"


def _why(edge: Edge) -> str:
    return f"{edge.reason}: {plain(edge.note)}" if edge.note else edge.reason


def _task(graph: TaskGraph, task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "plan": graph.plan_of(task.id).path,
        "line": task.position.line,
        "name": task.title,
        "type": task.type,
        "files": None if task.files is None else list(task.files),
    }


def _quoted(text: str) -> str:
    """As DOT reads strings; other escapes of JSON it would show as they are."""
    return json.dumps(text, ensure_ascii=False)
