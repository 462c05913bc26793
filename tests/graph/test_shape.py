"""The shape of a graph: its longest chain, its width, and the pictures of it."""

from __future__ import annotations

import re
import time
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from orchestrator.cli.drawing import languages, svg
from orchestrator.graph import TaskGraph, build
from orchestrator.model import TaskId
from tests.build import plan, task

GRAPHS = st.lists(st.sets(st.integers(0, 7), max_size=3), min_size=1, max_size=8)


def graph_of(edges: list[set[int]], **values: object) -> TaskGraph:
    tasks = [
        task(n, depends_on=tuple(str(one + 1) for one in before if one + 1 < n), **values)
        for n, before in enumerate(edges, 1)
    ]
    built, said = build([plan(*tasks)])
    assert built is not None, said
    return built


@given(GRAPHS)
def test_the_width_is_that_of_the_largest_set_of_strangers(edges: list[set[int]]):
    graph = graph_of(edges)
    after = {one: graph.all_after(one) for one in graph}

    def strangers(some: tuple[TaskId, ...]) -> bool:
        return all(b not in after[a] and a not in after[b] for a, b in combinations(some, 2))

    sizes = range(1, len(graph.tasks) + 1)
    widest = max(n for n in sizes if any(map(strangers, combinations(graph, n))))
    assert graph.width() == widest


@given(GRAPHS, st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_no_chain_is_longer_than_the_critical_path(edges: list[set[int]], lengths: list[int]):
    graph = graph_of(edges)
    seconds = {one: float(lengths[n]) for n, one in enumerate(graph)}
    path = graph.critical_path(seconds)
    assert all(b in graph.all_after(a) for a, b in combinations(path, 2))

    def longest(one: TaskId) -> float:
        return seconds[one] + max(map(longest, graph.before(one)), default=0.0)

    assert sum(seconds[one] for one in path) == max(map(longest, graph))


@given(GRAPHS, GRAPHS)
def test_graphs_mean_the_same_exactly_if_they_order_alike(a: list[set[int]], b: list[set[int]]):
    first, second = graph_of(a), graph_of(b)
    reach = [{(x, y) for x in graph for y in graph.all_after(x)} for graph in (first, second)]
    assert (first.meaning() == second.meaning()) == (reach[0] == reach[1])


ODD = 'say "hi" <b> & [x] | {y}'


@given(GRAPHS)
def test_every_task_and_every_needed_edge_is_in_every_picture(edges: list[set[int]]):
    graph = graph_of(edges, name=ODD)
    count = len(graph.direct())
    told = languages.mermaid(graph)
    assert len(re.findall(r'^    t\d+\["', told, re.M)) == len(graph.tasks)
    assert told.count("-->|") == count
    assert "<b>" not in told
    told = languages.dot(graph)
    assert told.count(" -> ") == count
    assert told.count("[label=") == count + len(graph.tasks)
    root = etree.fromstring(svg.svg(graph).encode())
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{name}g")) == len(graph.tasks)
    assert len(root.findall(f"{name}path")) == count


@given(GRAPHS)
def test_no_box_lies_on_another(edges: list[set[int]]):
    root = etree.fromstring(svg.svg(graph_of(edges)).encode())
    boxes = [
        (float(rect.get("x") or 0), float(rect.get("y") or 0))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
        if rect.get("rx")
    ]
    for (ax, ay), (bx, by) in combinations(boxes, 2):
        assert abs(ax - bx) >= svg.WIDTH or abs(ay - by) >= svg.HEIGHT


def test_large_graphs_are_drawn_in_a_moment():
    graph = graph_of([set(), *({n - 1, n // 2} for n in range(1, 400))])
    begin = time.process_time()
    assert graph.width() > 0
    assert svg.svg(graph) == svg.svg(graph)
    languages.mermaid(graph)
    assert time.process_time() - begin < 5  # half a second here


def test_several_plans_have_frames_of_their_own():
    built, _ = build([plan(task(1, "a"), id="a"), plan(task(1, "b"), id="b")])
    assert built is not None
    assert 'subgraph p1["a"]' in languages.mermaid(built)
    assert "subgraph cluster_2 {" in languages.dot(built)


@pytest.mark.parametrize("values", [{"parallel": "can-parallelize", "depends_on": None}, {}])
def test_a_tracer_holds_back_all_that_follows_in_its_plan(values: dict[str, object]):
    tracer = task(1, type="tracer", depends_on=None)
    built, _ = build([plan(tracer, task(2, **values), task(3, **values))])
    assert built is not None
    assert {(e.before, e.after, e.reason.value) for e in built.edges()} == {
        ("p/1", "p/2", "tracer"),
        ("p/1", "p/3", "tracer"),
    }


def test_references_that_read_backwards_or_twice_are_said():
    _, said = build([plan(task(1, depends_on=("2",)), task(2), task(3, depends_on=("1", "1")))])
    assert [(one.code, one.line) for one in said] == [("G507", 10), ("G508", 30)]
