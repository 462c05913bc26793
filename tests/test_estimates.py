"""Estimates: the corrected table of seed 002, the billing of all token classes, and makespans as the engine would have them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import estimates, settings
from orchestrator.graph import TaskGraph, build
from orchestrator.model import Estimate, Score, TaskId, Tier
from orchestrator.settings import EstimateSettings
from tests.build import plan, task


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> EstimateSettings:
    return settings.load(tmp_path_factory.mktemp("p")).estimate


def scored(value: int, *reasons: str) -> Score:
    return Score(value=value, reasons=reasons)


def test_the_golden_figure_of_the_seed(table: EstimateSettings):
    """8000 for an API, times 1.15 for complexity 6, times 1.0 for sonnet: 9200."""
    api = task(1, name="Task 1: Add the users endpoint")
    found = estimates.expect(api, scored(6), Tier.SONNET, table)
    assert found.kind == "api-impl"
    assert (found.tokens.low + found.tokens.high) / 2 == 9200
    assert found.tokens == Estimate(low=6400, high=12000)
    assert "8000 for api-impl, times 1.15 for complexity 6" in found.why[1]


@pytest.mark.parametrize(
    ("tier", "middle"), [(Tier.HAIKU, 6000), (Tier.SONNET, 5000), (Tier.OPUS, 4250)]
)
def test_a_stronger_model_needs_fewer_tokens(table: EstimateSettings, tier: Tier, middle: int):
    found = estimates.expect(task(1, files=None), scored(5), tier, table)
    assert (found.tokens.low + found.tokens.high) / 2 == pytest.approx(middle, abs=100)


def test_what_the_plan_says_counts_as_it_is_written(table: EstimateSettings):
    told = task(
        1, estimated_tokens=Estimate(low=5, high=8), estimated_duration_s=Estimate(low=60, high=90)
    )
    found = estimates.expect(told, scored(10), Tier.OPUS, table)
    assert (found.tokens.low, found.tokens.high) == (5, 8)
    assert (found.duration_s.low, found.duration_s.high) == (60, 90)
    assert found.why[1:] == (
        "tokens: <estimated-tokens> of the plan",
        "time: <estimated-duration> of the plan",
    )


def test_a_worker_without_a_model_uses_no_tokens_and_a_checkpoint_no_time(table: EstimateSettings):
    assert estimates.expect(task(1), scored(5), None, table).tokens == estimates.NOTHING
    asked = estimates.expect(task(1, type="checkpoint:decision"), scored(5), None, table)
    assert (asked.tokens, asked.duration_s) == (estimates.NOTHING, estimates.NOTHING)


@pytest.mark.parametrize(
    ("values", "reasons", "kind"),
    [
        ({"files": ("tests/test_a.py", "src/a.spec.ts")}, (), "test-write"),
        ({"files": ("tests/test_a.py", "src/a.ts")}, (), "other"),
        ({"files": ("src/a.ts",)}, (), "simple-impl"),
        ({"files": ()}, ("mainly reading (-2)",), "file-read"),
        ({"files": ("a", "b", "c")}, ("refactoring of several files (+2)",), "complex-refactor"),
        ({}, ("architecture decision (+3)",), "architecture"),
        ({"files": None, "name": "Task 1: Polish the words"}, (), "other"),
    ],
)  # fmt: skip
def test_each_kind_of_task_is_told_by_its_files_and_its_name(
    values: dict[str, object], reasons: tuple[str, ...], kind: str
):
    found, why = estimates.kind_of(task(1, **values), scored(5, *reasons))
    assert (found, bool(why)) == (kind, True)


def test_all_tokens_are_billed_not_only_the_work(table: EstimateSettings):
    """Of 8,000 tokens of work and 14,000 to start, 84 of 100 that are billed were read from the cache."""
    used = estimates.bill(8000, table, fresh=True)
    assert used.tokens == pytest.approx(22_000 / 0.16, abs=2)
    assert used.cache_read_tokens == pytest.approx(used.tokens * 0.84, rel=1e-3)
    assert used.output_tokens == pytest.approx(used.tokens * 0.0164, rel=1e-3)
    assert (estimates.bill(8000, table, fresh=False).tokens or 0) < used.tokens


GRAPHS = st.lists(st.sets(st.integers(0, 6), max_size=3), min_size=1, max_size=7)


def graph_of(edges: list[set[int]]) -> TaskGraph:
    tasks = [
        task(n, depends_on=tuple(str(one + 1) for one in before if one + 1 < n))
        for n, before in enumerate(edges, 1)
    ]
    built, said = build([plan(*tasks)])
    assert built is not None, said
    return built


@given(GRAPHS, st.lists(st.integers(0, 50), min_size=7, max_size=7), st.integers(1, 8))
def test_a_makespan_is_between_the_longest_chain_and_the_sum(
    edges: list[set[int]], lengths: list[int], workers: int
):
    graph = graph_of(edges)
    seconds = {one: float(lengths[n]) for n, one in enumerate(graph)}
    chain = sum(seconds[one] for one in graph.critical_path(seconds))
    total = sum(seconds.values())
    span = estimates.makespan_s(graph, seconds, workers)
    assert max(chain, total / workers) <= span + 1e-9
    assert span <= total
    assert math.isclose(estimates.makespan_s(graph, seconds, 1), total)
    assert math.isclose(estimates.makespan_s(graph, seconds, len(seconds)), chain)


def test_tasks_that_must_not_meet_follow_each_other():
    graph, _ = build([plan(task(1, resources=("db",)), task(2, resources=("db",)))])
    assert graph is not None
    seconds = {TaskId("p/1"): 5.0, TaskId("p/2"): 7.0}
    assert estimates.makespan_s(graph, seconds, 5) == 12.0


def test_a_checkpoint_takes_no_slot():
    asked = task(1, type="checkpoint:human-verify", depends_on=())
    graph, _ = build([plan(asked, task(2))])
    assert graph is not None
    assert estimates.makespan_s(graph, {TaskId("p/1"): 0.0, TaskId("p/2"): 3.0}, 1) == 3.0
