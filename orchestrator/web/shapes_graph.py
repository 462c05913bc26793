"""A TaskGraph as boxes and lines from left to right, with the states of its tasks. Pure; past a number of tasks it refuses names and draws tiles, and of them only those by themselves that a person looks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from textwrap import wrap
from typing import NamedTuple
from weakref import WeakKeyDictionary

from orchestrator.graph import Edge, Reason, TaskGraph
from orchestrator.model import Task, TaskId
from orchestrator.views.layout import Cell, cells
from orchestrator.views.text import plain

MOST_BOXES = 80  # more are tiles
MOST_LINES = 2000  # more of them say nothing
MOST_APART = 120  # tiles by themselves, where not all are asked for
LOOKED_FOR = frozenset({"running", "paused", "failed", "interrupted"})
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


class Heap(NamedTuple):
    """Tiles of one state as one curve."""

    state: str
    d: str
    number: int


class Picture(NamedTuple):
    width: int
    height: int
    size: Size
    shapes: tuple[Shape, ...]
    heaps: tuple[Heap, ...]
    lines: tuple[Line, ...]
    lines_left_out: int

    @property
    def states(self) -> set[str]:
        return {one.state for one in self.shapes} | {heap.state for heap in self.heaps}

    @property
    def named(self) -> bool:
        return self.size is BOX


class Plan(NamedTuple):
    """What of a picture stays as it is while the run goes on."""

    size: Size
    at: Mapping[TaskId, tuple[int, int]]
    tiles: Mapping[TaskId, str]  # their outlines, where they have no names
    edges: tuple[Edge, ...]
    curves: tuple[str, ...]  # of these edges; none where there are too many


_drawn: WeakKeyDictionary[TaskGraph, Plan] = WeakKeyDictionary()


def plan_of(graph: TaskGraph) -> Plan:
    """Worked out once: a large graph takes its time."""
    found = _drawn.get(graph)
    if found is None:
        found = _drawn[graph] = _planned(graph)
    return found


def _planned(graph: TaskGraph) -> Plan:
    edges = tuple(graph.direct())
    cells_ = cells(graph, edges)
    size, draw = (BOX if len(graph.tasks) <= MOST_BOXES else TILE), _across
    if size is TILE and _is_tall(cells_.values()):  # a screen is wider than it is high
        cells_ = {task: Cell(lane, level) for task, (level, lane) in cells_.items()}
        draw = _down
    at = {task: _place(cell, size) for task, cell in cells_.items()}
    drawn = edges if len(edges) <= MOST_LINES else ()
    tiles = {task: _tile(*at[task], round_=graph.tasks[task].is_checkpoint) for task in at}
    curves = tuple(draw(at[one.before], at[one.after], size) for one in drawn)
    return Plan(size, at, tiles if size is TILE else {}, edges, curves)


def picture(graph: TaskGraph, state: Callable[[TaskId], str], *, whole: bool = False) -> Picture:
    """Of many tasks those that are done, wait or are skipped are one shape for each state, unless it is to be `whole`."""
    plan, states = plan_of(graph), {task: state(task) for task in graph}
    size, apart = plan.size, list(graph)
    if size is TILE and not whole:
        apart = [task for task in graph if states[task] in LOOKED_FOR][:MOST_APART]
    shapes = tuple(_shape(graph.tasks[task], plan, states[task]) for task in apart)
    lines = _lines(plan, states) if size is BOX else _joined(plan, states)
    return Picture(
        max((x for x, _ in plan.at.values()), default=0) + size.width + MARGIN,
        max((y for _, y in plan.at.values()), default=0) + size.height + MARGIN,
        size,
        shapes,
        tuple(_heaps(plan, states, set(apart))),
        tuple(lines),
        len(plan.edges) - len(plan.curves),
    )


def _place(cell: Cell, size: Size) -> tuple[int, int]:
    return (
        MARGIN + cell.level * (size.width + size.across),
        MARGIN + cell.lane * (size.height + size.down),
    )


def _joined(plan: Plan, states: Mapping[TaskId, str]) -> Iterator[Line]:
    """Thousands of lines as a few: nobody points at one among so many."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for edge, curve in zip(plan.edges, plan.curves, strict=False):
        kinds[_kind(edge, states)].append(curve)
    for kind, curves in kinds.items():
        yield Line("".join(curves), kind, "")


def _heaps(plan: Plan, states: Mapping[TaskId, str], apart: Collection[TaskId]) -> Iterator[Heap]:
    heaps: dict[str, list[str]] = defaultdict(list)
    for task, state in states.items():
        if task not in apart:
            heaps[state].append(plan.tiles[task])
    for state, tiles in heaps.items():
        yield Heap(state, "".join(tiles), len(tiles))


def _tile(x: int, y: int, *, round_: bool) -> str:
    side, half = TILE.width, TILE.width // 2
    if round_:
        return f"M{x} {y + half}a{half} {half} 0 1 0 {side} 0a{half} {half} 0 1 0-{side} 0z"
    return f"M{x} {y}h{side}v{side}h-{side}z"


def _shape(task: Task, plan: Plan, state: str) -> Shape:
    x, y = plan.at[task.id]
    title = plain(task.title, 200)
    rows = _rows(title) if plan.size is BOX else ()
    return Shape(task.id, rows, x, y, state, task.is_checkpoint, f"{task.id}, {title}: {state}")


def _rows(title: str) -> tuple[str, ...]:
    rows = wrap(title, LETTERS, break_long_words=True) or [""]
    return (rows[0] if len(rows) == 1 else f"{rows[0][: LETTERS - 1]}…",)


def _is_tall(cells_: Collection[Cell]) -> bool:
    levels, lanes = max(cell.level for cell in cells_), max(cell.lane for cell in cells_)
    return lanes > levels


def _across(a: tuple[int, int], b: tuple[int, int], size: Size) -> str:
    """Straight along its own lane until the last gap, then over to the other."""
    x1, y1, x2, y2 = a[0] + size.width, a[1] + size.height // 2, b[0], b[1] + size.height // 2
    if y1 == y2:
        return f"M{x1} {y1}H{x2}"
    turn, bend = x2 - size.across, size.across // 2
    return f"M{x1} {y1}H{turn}C{turn + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _down(a: tuple[int, int], b: tuple[int, int], size: Size) -> str:
    x1, y1, x2, y2 = a[0] + size.width // 2, a[1] + size.height, b[0] + size.width // 2, b[1]
    if x1 == x2:
        return f"M{x1} {y1}V{y2}"
    turn, bend = y2 - size.down, size.down // 2
    return f"M{x1} {y1}V{turn}C{x1} {turn + bend} {x2} {y2 - bend} {x2} {y2}"


def _lines(plan: Plan, states: Mapping[TaskId, str]) -> Iterator[Line]:
    for edge, curve in zip(plan.edges, plan.curves, strict=False):
        note = f": {plain(edge.note)}" if edge.note else ""
        told = f"{edge.after} waits for {edge.before} ({edge.reason}{note})"
        yield Line(curve, _kind(edge, states), told)


def _kind(edge: Edge, states: Mapping[TaskId, str]) -> str:
    kinds = ["line", *(["conflict"] if edge.reason is Reason.CONFLICT else [])]
    return " ".join([*kinds, *(["done"] if states[edge.before] == "succeeded" else [])])
