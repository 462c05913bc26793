"""Where each task of a graph stands in its picture: at which level, in which lane. Refuses to know how large a box is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from orchestrator.graph import Edge, TaskGraph
from orchestrator.model import TaskId


class Cell(NamedTuple):
    level: int  # the longest chain in front of it
    lane: int


def cells(graph: TaskGraph, direct: Sequence[Edge]) -> dict[TaskId, Cell]:
    """A lane stays free while an edge passes in it, so that no edge crosses a box. `direct`: the edges that are drawn."""
    levels = graph.levels()
    depth = {task: number for number, level in enumerate(levels) for task in level}
    lasts = dict.fromkeys(graph, 0)
    for edge in direct:
        lasts[edge.before] = max(lasts[edge.before], depth[edge.after])
    lanes: dict[TaskId, int] = {}
    for number, level in enumerate(levels):
        taken = {lanes[task] for task in lanes if lasts[task] > number}
        for task in sorted(level, key=lambda one: _wanted(graph, one, lanes)):
            lanes[task] = _free(_wanted(graph, task, lanes), taken)
            taken.add(lanes[task])
    return {task: Cell(depth[task], lane) for task, lane in lanes.items()}


def _wanted(graph: TaskGraph, task: TaskId, lanes: Mapping[TaskId, int]) -> int:
    """Beside the first of those it waits for."""
    return min((lanes[one] for one in graph.before(task) if one in lanes), default=0)


def _free(wanted: int, taken: set[int]) -> int:
    """The nearest free lane."""
    reach = range(len(taken) + 1)
    near = (lane for step in reach for lane in (wanted + step, wanted - step) if lane >= 0)
    return next(lane for lane in near if lane not in taken)
