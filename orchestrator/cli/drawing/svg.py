"""A TaskGraph as an SVG picture: layers from top to bottom, one frame per plan's row of tasks. Refuses to need a script or a font of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from textwrap import wrap
from typing import NamedTuple
from xml.sax.saxutils import escape

from orchestrator.cli.drawing import why
from orchestrator.graph import Edge, Reason, TaskGraph
from orchestrator.model import Task, TaskId
from orchestrator.views.layout import cells
from orchestrator.views.text import plain

WIDTH, HEIGHT = 236, 74  # of a box
ACROSS, DOWN = 28, 58  # between boxes
MARGIN, FOOT, LEAST = 24, 56, 640
LETTERS, ROWS = 29, 2  # of a title in its box

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.id { font-weight: 600 } .by { fill: #59636e; font-size: 12px }
.box { fill: #fff; stroke: #8c959f } .ask { fill: #fff8c5; stroke: #bf8700 }
.longest { stroke: #cf222e; stroke-width: 2.5 }
.edge { fill: none; stroke: #8c959f } .chain { stroke: #cf222e; stroke-width: 2 }
.conflict { stroke-dasharray: 5 4 } .back { fill: #f6f8fa }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .by { fill: #9198a1 } .back { fill: #0d1117 }
.box { fill: #151b23; stroke: #656c76 } .ask { fill: #2e2a1f; stroke: #d29922 } .longest { stroke: #f85149 }
}"""


class Place(NamedTuple):
    x: float
    y: float


def svg(graph: TaskGraph) -> str:
    """The same graph gives the same bytes."""
    direct = graph.direct()
    places = _places(graph, direct)
    width = max((place.x for place in places.values()), default=0) + WIDTH + MARGIN
    width = max(width, LEAST)
    height = max((place.y for place in places.values()), default=0) + HEIGHT + FOOT
    path = graph.critical_path()
    steps = set(pairwise(path))
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img">',
        f"<title>{escape(', '.join(graph.plans))}</title><style>{STYLE}</style>",
        '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8c959f"/></marker></defs>',
        f'<rect class="back" width="{width:g}" height="{height:g}"/>',
        *(_edge(edge, places, (edge.before, edge.after) in steps) for edge in direct),
    ]
    for task in graph.tasks.values():
        rows += _box(task, places[task.id], task.id in path)
    rows += _legend(height)
    return "\n".join([*rows, "</svg>", ""])


def _places(graph: TaskGraph, direct: Sequence[Edge]) -> dict[TaskId, Place]:
    """Each level is a row."""
    return {
        task: Place(MARGIN + lane * (WIDTH + ACROSS), MARGIN + level * (HEIGHT + DOWN))
        for task, (level, lane) in cells(graph, direct).items()
    }


def _edge(edge: Edge, places: Mapping[TaskId, Place], chain: bool) -> str:
    a, b = places[edge.before], places[edge.after]
    x1, y1, x2, y2 = a.x + WIDTH / 2, a.y + HEIGHT, b.x + WIDTH / 2, b.y
    turn = y2 - DOWN
    bend = DOWN / 2
    kind = "edge" + (" chain" if chain else "")
    kind += " conflict" if edge.reason is Reason.CONFLICT else ""
    curve = f"M{x1:g} {y1:g}V{turn:g}C{x1:g} {turn + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"
    told = escape(f"{edge.after} waits for {edge.before}: {why(edge)}")
    return f'<path class="{kind}" d="{curve}" marker-end="url(#to)"><title>{told}</title></path>'


def _box(task: Task, place: Place, longest: bool) -> Iterator[str]:
    kind = ("ask" if task.is_checkpoint else "box") + (" longest" if longest else "")
    x, y = place
    yield f"<g><title>{escape(f'{task.id}: {plain(task.title)}')}</title>"
    yield f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
    who = "a person" if task.is_checkpoint else str(task.model or task.subagent or "")
    yield f'<text class="id" x="{x + 10:g}" y="{y + 20:g}">{escape(task.id[-20:])}</text>'
    yield f'<text class="by" x="{x + WIDTH - 10:g}" y="{y + 20:g}" text-anchor="end">{escape(who)}</text>'
    for row, words in enumerate(_titled(task)):
        yield f'<text x="{x + 10:g}" y="{y + 41 + row * 18:g}">{escape(words)}</text>'
    yield "</g>"


def _titled(task: Task) -> list[str]:
    rows = wrap(plain(task.title), LETTERS) or [""]
    return [*rows[: ROWS - 1], _cut(" ".join(rows[ROWS - 1 :]), LETTERS)][:ROWS]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _legend(height: float) -> Iterator[str]:
    told = "red: the longest chain   ·   dashed: they write the same file   ·   yellow: a person is asked"
    yield f'<text class="by" x="{MARGIN}" y="{height - 20:g}">{told}</text>'
