"""A TaskGraph in the languages of Mermaid and Graphviz. Refuses names that these would read as their own words."""

from __future__ import annotations

import json
from collections.abc import Iterator

from orchestrator.graph import Reason, TaskGraph
from orchestrator.model import Plan, Task, TaskId
from orchestrator.views.text import plain


def mermaid(graph: TaskGraph) -> str:
    """Tasks by plan; checkpoints are rounded, conflicts dashed, the longest chain is thick."""
    number = {task: f"t{place}" for place, task in enumerate(graph, 1)}
    rows = ["graph TD"]
    for place, plan in enumerate(graph.plans.values(), 1):
        several = len(graph.plans) > 1
        rows += [f'    subgraph p{place}["{_escaped(plan.id)}"]'] if several else []
        rows += [f"    {number[task.id]}{_shape(task)}" for task in plan.tasks]
        rows += ["    end"] if several else []
    for edge in graph.direct():
        arrow = "-.->" if edge.reason is Reason.CONFLICT else "-->"
        rows.append(f"    {number[edge.before]} {arrow}|{edge.reason}| {number[edge.after]}")
    path = ",".join(number[task] for task in graph.critical_path())
    return "\n".join([*rows, "    classDef longest stroke-width:3px", f"    class {path} longest"])


def _shape(task: Task) -> str:
    label = f'"{_escaped(f"{task.id}: {plain(task.title)}")}"'
    return f"([{label}])" if task.is_checkpoint else f"[{label}]"


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace('"', "&quot;")
    return text.replace("<", "&lt;").replace(">", "&gt;")


def dot(graph: TaskGraph) -> str:
    rows = ["digraph plan {", "    rankdir=TB;", "    node [shape=box, style=rounded];"]
    longest = set(graph.critical_path())
    for place, plan in enumerate(graph.plans.values(), 1):
        rows += _cluster(plan, place, longest, several=len(graph.plans) > 1)
    for edge in graph.direct():
        style = ", style=dashed" if edge.reason is Reason.CONFLICT else ""
        label = f"[label={_quoted(edge.reason)}{style}]"
        rows.append(f"    {_quoted(edge.before)} -> {_quoted(edge.after)} {label};")
    return "\n".join([*rows, "}"])


def _cluster(plan: Plan, place: int, longest: set[TaskId], *, several: bool) -> Iterator[str]:
    if several:
        yield f"    subgraph cluster_{place} {{"
        yield f"    label={_quoted(plan.id)};"
    for task in plan.tasks:
        shape = ", shape=ellipse" if task.is_checkpoint else ""
        bold = ", penwidth=3" if task.id in longest else ""
        label = _quoted(f"{task.id}: {plain(task.title)}")
        yield f"    {_quoted(task.id)} [label={label}{shape}{bold}];"
    if several:
        yield "    }"


def _quoted(text: str) -> str:
    """As DOT reads strings; other escapes of JSON it would show as they are."""
    return json.dumps(text, ensure_ascii=False)
