"""Lengths and places on pages: nothing lies outside, over something else, or in a wrong order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.graph import TaskGraph, build
from orchestrator.reader import markdown
from orchestrator.views.layout import cells
from orchestrator.web.shapes import Axis, Span, clock, share, shares
from orchestrator.web.shapes_graph import BOX, TILE, picture
from tests.build import plan, task

MOMENTS = st.floats(0, 90_000)
SPANS = st.lists(st.tuples(MOMENTS, MOMENTS).map(lambda two: Span(min(two), max(two))), max_size=12)


@given(SPANS, st.lists(MOMENTS, min_size=2))
def test_time_goes_from_left_to_right_and_stays_on_the_axis(
    spans: list[Span], moments: list[float]
):
    axis = Axis(spans, 0.0, 90_000.0)
    at = [axis.at(moment) for moment in sorted(moments)]
    assert all(a <= b + 0.002 for a, b in pairwise(at))
    assert all(0 <= x <= 100.01 for x in at)
    assert abs(axis.at(0.0)) < 0.01
    assert abs(axis.at(90_000.0) - 100) < 0.05
    assert all(x <= 94 for x, _ in axis.ticks)


def test_a_night_in_which_nothing_ran_takes_little_of_the_axis():
    night = Axis([Span(0, 600), Span(36_600, 37_200)], 0, 37_200)
    assert [(gap.start, gap.end) for gap in night.cuts] == [(600, 36_600)]
    assert 45 < night.at(600) < 50 < night.at(36_600) < 55
    assert [word for _, word in night.ticks] == ["0s", "5m", "10m", "10h 15m"]
    assert Axis([Span(0, 600), Span(630, 900)], 0, 900).cuts == []


@given(
    st.dictionaries(
        st.sampled_from(["succeeded", "failed", "waiting", "paused"]), st.integers(0, 500)
    )
)
def test_a_bar_is_full_and_has_a_part_for_each_state(counts: dict[str, int]):
    parts = shares(counts)
    assert {part.name: part.number for part in parts} == {k: n for k, n in counts.items() if n}
    assert not parts or abs(sum(part.width for part in parts) - 100) < 0.1
    assert all(abs(a.x + a.width - b.x) < 0.01 for a, b in pairwise(parts))


def test_a_share_is_never_more_than_all():
    assert [share(1, 4), share(9, 4), share(-1, 4), share(1, 0)] == [25, 100, 0, 0]
    assert [clock(s) for s in (5, 60, 90, 3600, 5400)] == ["5s", "1m", "1m 30s", "1h", "1h 30m"]


@st.composite
def graphs(draw: st.DrawFn, most: int = 14) -> TaskGraph:
    tasks = []
    for n in range(1, draw(st.integers(1, most)) + 1):
        before = draw(st.lists(st.integers(1, n - 1), unique=True, max_size=3)) if n > 1 else []
        tasks.append(task(n, depends_on=tuple(map(str, before))))
    graph, said = build([plan(*tasks)])
    assert graph is not None, said
    return graph


@given(graphs())
def test_no_two_tasks_lie_on_each_other_and_lines_go_forward(graph: TaskGraph):
    direct = graph.direct()
    at = cells(graph, direct)
    assert len(set(at.values())) == len(graph.tasks)
    assert all(at[edge.before].level < at[edge.after].level for edge in direct)
    for edge in direct:  # its lane is free between the two
        between = range(at[edge.before].level + 1, at[edge.after].level)
        passed = {(level, at[edge.before].lane) for level in between}
        assert not passed & set(at.values())


@given(graphs())
def test_a_picture_is_as_large_as_what_is_in_it(graph: TaskGraph):
    drawn = picture(graph, lambda _: "waiting")
    assert drawn.size is BOX
    assert all(s.x > 0 and s.x + BOX.width < drawn.width for s in drawn.shapes)
    assert all(s.y > 0 and s.y + BOX.height < drawn.height for s in drawn.shapes)


def test_many_tasks_are_tiles_and_lie_across_the_screen():
    tasks = [task(n, depends_on=() if n % 5 == 1 else (str(n - 1),)) for n in range(1, 101)]
    graph, _ = build([plan(*tasks)])
    assert graph is not None
    drawn = picture(graph, lambda name: "succeeded" if name == "p/1" else "waiting")
    assert drawn.size is TILE
    assert drawn.width > 3 * drawn.height
    assert [line.kind for line in drawn.lines] == ["line done", "line"]  # joined
    assert sum(line.d.count("M") for line in drawn.lines) == 80


def test_markdown_of_others_leads_nowhere():
    text = "# Hi\n\n| a | b |\n|---|---|\n| 1 | `2` |\n\n<b>x</b> [go](javascript:alert(1)) ![p](http://e/p.png) <http://e> [r]\n\n[r]: http://e\n"
    told = markdown.html(text)
    assert "<h3>Hi</h3>" in told
    assert "<td><code>2</code></td>" in told
    assert "&lt;b&gt;x&lt;/b&gt;" in told
    assert "href" not in told
    assert "src" not in told.replace("![p]", "")
