"""A TaskGraph as boxes and lines from left to right, with the states of its tasks. Pure; past a number of tasks it refuses names and draws tiles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from textwrap import wrap
from typing import NamedTuple
from weakref import WeakKeyDictionary

from orchestrator.graph import Edge, Reason, TaskGraph
from orchestrator.model import TaskId
from orchestrator.views.layout import Cell, cells
from orchestrator.views.text import plain

MOST_BOXES = 80  # more are tiles
MOST_LINES = 2000  # more of them say nothing
LETTERS = 25  # of a row in a box


class Size(NamedTuple):
    width: int
    height: int
    across: int
    down: int


BOX, TILE = Size(200, 52, 36, 12), Size(16, 16, 8, 8)
MARGIN = 8


class Shape(NamedTuple):
    task: TaskId
    title: str
    rows: tuple[str, ...]
    x: int
    y: int
    state: str
    asks: bool
    name: str  # its text alternative


class Line(NamedTuple):
    d: str
    kind: str
    title: str


class Picture(NamedTuple):
    width: int
    height: int
    size: Size
    shapes: tuple[Shape, ...]
    lines: tuple[Line, ...]
    lines_left_out: int

    @property
    def states(self) -> set[str]:
        return {one.state for one in self.shapes}

    @property
    def named(self) -> bool:
        return self.size is BOX


class Plan(NamedTuple):
    """What of a picture stays as it is while the run goes on."""

    at: Mapping[TaskId, Cell]
    edges: tuple[Edge, ...]


_drawn: WeakKeyDictionary[TaskGraph, Plan] = WeakKeyDictionary()


def plan_of(graph: TaskGraph) -> Plan:
    """Worked out once: a large graph takes its time."""
    found = _drawn.get(graph)
    if found is None:
        edges = tuple(graph.direct())
        found = _drawn[graph] = Plan(cells(graph, edges), edges)
    return found


def picture(graph: TaskGraph, state: Callable[[TaskId], str]) -> Picture:
    plan = plan_of(graph)
    size = BOX if len(graph.tasks) <= MOST_BOXES else TILE
    states = {task: state(task) for task in graph}
    if size is TILE and _is_tall(plan.at.values()):  # a screen is wider than it is high
        plan = plan._replace(
            at={task: Cell(lane, level) for task, (level, lane) in plan.at.items()}
        )
        down = True
    else:
        down = False
    shapes = tuple(_shapes(graph, plan, size, states))
    edges = plan.edges if len(plan.edges) <= MOST_LINES else ()
    draw = _down if down else _across
    lines = tuple(_line(edge, plan.at, size, states, draw) for edge in edges)
    if size is TILE:
        lines = tuple(_joined(lines))
    return Picture(
        max((one.x for one in shapes), default=0) + size.width + MARGIN,
        max((one.y for one in shapes), default=0) + size.height + MARGIN,
        size,
        shapes,
        lines,
        len(plan.edges) - len(edges),
    )


def _place(cell: Cell, size: Size) -> tuple[int, int]:
    return (
        MARGIN + cell.level * (size.width + size.across),
        MARGIN + cell.lane * (size.height + size.down),
    )


def _joined(lines: Iterable[Line]) -> Iterator[Line]:
    """Thousands of lines as a few: nobody points at one among so many."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for one in lines:
        kinds[one.kind].append(one.d)
    for kind, curves in kinds.items():
        yield Line("".join(curves), kind, "")


def _shapes(
    graph: TaskGraph, plan: Plan, size: Size, states: Mapping[TaskId, str]
) -> Iterator[Shape]:
    for task in graph.tasks.values():
        x, y = _place(plan.at[task.id], size)
        title = plain(task.title, 200)
        rows = _rows(title) if size is BOX else ()
        name = f"{task.id}, {title}: {states[task.id]}" if rows else f"{task.id}: {states[task.id]}"
        yield Shape(task.id, title, rows, x, y, states[task.id], task.is_checkpoint, name)


def _rows(title: str) -> tuple[str, ...]:
    rows = wrap(title, LETTERS, break_long_words=True) or [""]
    return (rows[0] if len(rows) == 1 else f"{rows[0][: LETTERS - 1]}…",)


def _is_tall(cells_: Collection[Cell]) -> bool:
    levels, lanes = max(cell.level for cell in cells_), max(cell.lane for cell in cells_)
    return lanes > levels


def _across(a: tuple[int, int], b: tuple[int, int], size: Size) -> str:
    """Straight along its own lane until the last gap, then over to the other."""
    x1, y1, x2, y2 = a[0] + size.width, a[1] + size.height // 2, b[0], b[1] + size.height // 2
    turn, bend = x2 - size.across, size.across // 2
    return f"M{x1} {y1}H{turn}C{turn + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _down(a: tuple[int, int], b: tuple[int, int], size: Size) -> str:
    x1, y1, x2, y2 = a[0] + size.width // 2, a[1] + size.height, b[0] + size.width // 2, b[1]
    turn, bend = y2 - size.down, size.down // 2
    return f"M{x1} {y1}V{turn}C{x1} {turn + bend} {x2} {y2 - bend} {x2} {y2}"


def _line(
    edge: Edge,
    at: Mapping[TaskId, Cell],
    size: Size,
    states: Mapping[TaskId, str],
    draw: Callable[[tuple[int, int], tuple[int, int], Size], str],
) -> Line:
    curve = draw(_place(at[edge.before], size), _place(at[edge.after], size), size)
    kinds = ["line", *(["conflict"] if edge.reason is Reason.CONFLICT else [])]
    kinds += ["done"] if states[edge.before] == "succeeded" else []
    note = f": {plain(edge.note)}" if edge.note else ""
    told = f"{edge.after} waits for {edge.before} ({edge.reason}{note})"
    return Line(curve, " ".join(kinds), told)
