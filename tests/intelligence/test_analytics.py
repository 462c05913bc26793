"""PerformanceAnalytics (S4-07 to S4-11) and what watches over models (S4-28)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.intelligence import (
    ExecutionRecord,
    LearningConfig,
    PerformanceAnalytics,
    PerformanceTracker,
)
from orchestrator.intelligence.monitoring import (
    compare_models,
    find_anomalies,
    find_degradations,
)
from orchestrator.intelligence.records import TaskOutcome, read
from orchestrator.intelligence.tally import Tally
from tests.intelligence.samples import CHEAP, MIDDLE, OTHER, STRONG, history, line, record


@pytest.fixture
def analytics(tracker: PerformanceTracker) -> PerformanceAnalytics:
    return PerformanceAnalytics(tracker)


# --- S4-07: one model ----------------------------------------------------------------------------


def create_test_tracker(tracker: PerformanceTracker) -> PerformanceTracker:
    """The helper that the seed's test names."""
    history(tracker, "test-model", good=3, of=4)
    return tracker


def test_analyze_model_performance(tracker: PerformanceTracker):
    """S4-07, S4-27: the seed's own test."""
    tracker = create_test_tracker(tracker)
    analytics = PerformanceAnalytics(tracker)

    perf = analytics.analyze_model_performance("test-model")

    assert perf is not None
    assert perf.success_rate > 0
    assert perf.total_tasks > 0


def test_s4_07_a_model_is_told_in_full(analytics: PerformanceAnalytics):
    tracker = analytics.tracker
    history(tracker, MIDDLE, good=8, of=9, duration_seconds=20.0, quality_gate_passed=True)
    record(tracker, outcome="partial", total_cost_usd=None, num_retries=2)
    record(tracker, outcome="failed", error_type="verify", quality_gate_passed=False)
    record(tracker, outcome="blocked")
    perf = analytics.analyze_model_performance(MIDDLE)
    assert perf is not None
    assert (perf.total_tasks, perf.successful, perf.partial, perf.failed) == (11, 8, 1, 2)
    assert perf.blocked == 1
    assert perf.success_rate == 8 / 11
    assert perf.partial_rate == 1 / 11
    low, high = perf.success_interval
    assert low < 8 / 11 < high
    assert perf.avg_cost_per_task == pytest.approx(0.02)
    assert perf.tasks_of_known_cost == 10
    assert perf.avg_duration == pytest.approx((9 * 20 + 20) / 11)
    assert perf.avg_retries == pytest.approx(2 / 11)
    assert perf.quality_gate_rate == pytest.approx(0.9)
    assert perf.code_review_rate is None, "nobody reviewed anything"
    assert perf.common_errors == (("verify", 1),)


def test_s4_07_planner_and_implementer_are_two_roles(analytics: PerformanceAnalytics):
    history(analytics.tracker, MIDDLE, good=1, of=2)
    planner = analytics.analyze_model_performance(STRONG, role="planner")
    assert planner is not None
    assert planner.total_tasks == 2
    assert analytics.analyze_model_performance(STRONG, role="implementer") is None
    with pytest.raises(ValueError, match="'reviewer' is no role: write implementer or planner"):
        analytics.analyze_model_performance(STRONG, role="reviewer")  # type: ignore[arg-type]


def test_s4_07_without_data_there_is_no_answer(analytics: PerformanceAnalytics):
    assert analytics.analyze_model_performance(MIDDLE) is None
    record(analytics.tracker, outcome="blocked")
    assert analytics.analyze_model_performance(MIDDLE) is None, "it had no turn"


@given(st.lists(st.sampled_from(list(TaskOutcome)), max_size=30))
def test_s4_07_counts_add_up_and_the_interval_holds_the_rate(outcomes: list[TaskOutcome]):
    tally = Tally.of(read(line(outcome=outcome)) for outcome in outcomes)
    assert tally.successful + tally.partial + tally.failed == tally.tasks
    assert tally.tasks + tally.blocked == len(outcomes)
    low, high = tally.interval
    assert 0 <= low <= high <= 1
    if tally.rate is not None:
        assert low - 1e-9 <= tally.rate <= high + 1e-9


def test_s4_07_what_was_imported_counts_nowhere():
    some = [read(line(outcome=outcome)) for outcome in TaskOutcome]
    told = [one.model_copy(update={"imported": True}) for one in some]
    assert Tally.of(told) == Tally.of([])
    assert Tally.of([*some, *told]) == Tally.of(some)


# --- S4-08: one kind of task ---------------------------------------------------------------------


def test_s4_08_a_pattern_names_the_best_of_both_roles(analytics: PerformanceAnalytics):
    history(analytics.tracker, MIDDLE, good=8, of=8, duration_seconds=30.0)
    for error in ("verify", "timeout", "verify"):
        record(analytics.tracker, MIDDLE, outcome="failed", error_type=error)
    history(analytics.tracker, CHEAP, good=6, of=6, total_cost_usd=0.001, planner_model=CHEAP)
    record(analytics.tracker, CHEAP, task_risk="high", outcome="failed")
    pattern = analytics.analyze_task_pattern(task_area="api", task_risk="medium")
    assert pattern is not None
    assert pattern.best_implementer == (CHEAP, 1.0)
    model, rate = pattern.best_implementer
    assert (model, rate) == (CHEAP, 1.0)
    assert pattern.best_implementer.tally.tasks == 6
    assert pattern.best_planner == (CHEAP, 1.0)
    assert pattern.total_tasks == 17
    assert pattern.cost_range == (0.001, 0.02)
    assert pattern.duration_range == (10.0, 30.0)
    assert pattern.common_errors == (("verify", 2), ("timeout", 1))
    assert pattern.note == ""


def test_s4_08_few_tasks_are_insufficient_evidence(analytics: PerformanceAnalytics):
    assert analytics.analyze_task_pattern("api", "medium") is None
    history(analytics.tracker, MIDDLE, good=4, of=4)
    pattern = analytics.analyze_task_pattern("api", "medium")
    assert pattern is not None
    assert pattern.best_implementer is None
    assert pattern.note == "insufficient evidence: no model has 5 tasks here"


# --- S4-09: ranking ------------------------------------------------------------------------------


def test_s4_09_models_are_ranked_by_each_metric(analytics: PerformanceAnalytics):
    tracker = analytics.tracker
    history(tracker, CHEAP, good=5, of=10, total_cost_usd=0.001, duration_seconds=90.0)
    history(tracker, MIDDLE, good=9, of=10, total_cost_usd=0.02, duration_seconds=60.0)
    history(tracker, STRONG, good=10, of=10, total_cost_usd=0.1, duration_seconds=30.0)
    ranked = {
        metric: [
            model
            for model, _ in analytics.rank_models_for_task(
                task_area="api", task_risk="medium", role="implementer", metric=metric
            )
        ]
        for metric in ("success_rate", "cost", "duration")
    }
    assert ranked == {
        "success_rate": [STRONG, MIDDLE, CHEAP],
        "cost": [CHEAP, MIDDLE, STRONG],
        "duration": [STRONG, MIDDLE, CHEAP],
    }
    best = analytics.rank_models_for_task("api", "medium")[0]
    assert (best.tally.tasks, round(best.tally.interval[0], 3)) == (10, 0.722)
    with pytest.raises(ValueError, match="'beauty' is no metric: write one of success_rate"):
        analytics.rank_models_for_task("api", "medium", metric="beauty")  # type: ignore[arg-type]


def test_s4_09_ties_go_to_the_cheaper_and_unknown_costs_behind(analytics: PerformanceAnalytics):
    history(analytics.tracker, STRONG, good=5, of=5, total_cost_usd=0.1)
    history(analytics.tracker, MIDDLE, good=5, of=5, total_cost_usd=0.02)
    history(analytics.tracker, CHEAP, good=5, of=5, total_cost_usd=None)
    ranked = analytics.rank_models_for_task("api", "medium")
    assert [model for model, _ in ranked] == [MIDDLE, STRONG, CHEAP]
    ranked = analytics.rank_models_for_task("api", "medium", metric="cost")
    assert [model for model, _ in ranked] == [MIDDLE, STRONG]


def test_s4_09_luck_in_one_task_is_no_first_place(analytics: PerformanceAnalytics):
    history(analytics.tracker, CHEAP, good=1, of=1)
    history(analytics.tracker, MIDDLE, good=9, of=10)
    ranked = analytics.rank_models_for_task("api", "medium")
    assert [(model, one.sufficient) for one in ranked for model in one[:1]] == [
        (MIDDLE, True),
        (CHEAP, False),
    ]


# --- S4-10: providers ----------------------------------------------------------------------------


def test_s4_10_providers_are_compared(analytics: PerformanceAnalytics):
    history(analytics.tracker, MIDDLE, good=3, of=4)
    history(analytics.tracker, OTHER, good=1, of=2, implementer_provider="beta")
    record(analytics.tracker, OTHER, implementer_provider="gamma", outcome="blocked")
    found = analytics.get_provider_comparison()
    assert list(found) == ["alpha", "beta"], "of gamma nothing is known"
    assert found["alpha"]["success_rate"] == 0.75
    assert found["beta"] | {"success_interval": ()} == {
        "total_tasks": 2,
        "successful": 1,
        "partial": 0,
        "failed": 1,
        "blocked": 0,
        "success_rate": 0.5,
        "success_interval": (),
        "avg_cost": 0.02,
        "avg_duration": 10.0,
    }
    assert [f"{p}: {m['success_rate']:.1%} success" for p, m in found.items()]


# --- S4-11: opportunities ------------------------------------------------------------------------


def test_s4_11_the_seeds_example_saves_what_it_says(analytics: PerformanceAnalytics):
    """$0.015 at 88% against $0.0003 at 85%: 0.0147 saved a task."""
    history(analytics.tracker, MIDDLE, good=176, of=200, total_cost_usd=0.015)
    history(analytics.tracker, CHEAP, good=85, of=100, total_cost_usd=0.0003)
    (found, *others) = analytics.identify_optimization_opportunities(min_cost_savings=0.01)
    assert others == []
    assert (found["task_area"], found["task_risk"], found["role"]) == (
        "api",
        "medium",
        "implementer",
    )
    assert (found["current_model"], found["recommended_model"]) == (MIDDLE, CHEAP)
    assert found["savings_per_task"] == pytest.approx(0.0147)
    assert (found["current_cost"], found["new_cost"]) == (
        pytest.approx(0.015),
        pytest.approx(0.0003),
    )
    assert (found["current_success_rate"], found["new_success_rate"]) == (0.88, 0.85)
    assert (found["current_tasks"], found["new_tasks"]) == (200, 100)
    assert 0.6 <= found["confidence"] < 0.9, "enough to show it, not enough to do it unguarded"
    assert analytics.identify_optimization_opportunities(min_cost_savings=0.02) == []


def test_s4_11_what_is_clearly_worse_or_hardly_known_is_no_opportunity(
    analytics: PerformanceAnalytics,
):
    history(analytics.tracker, MIDDLE, good=19, of=20, total_cost_usd=0.02)
    history(analytics.tracker, CHEAP, good=12, of=20, total_cost_usd=0.001)
    history(analytics.tracker, OTHER, good=4, of=4, total_cost_usd=0.001)
    assert analytics.identify_optimization_opportunities() == []


def test_s4_11_other_kinds_of_tasks_are_not_mixed(analytics: PerformanceAnalytics):
    history(analytics.tracker, MIDDLE, good=20, of=20, total_cost_usd=0.02)
    history(analytics.tracker, CHEAP, good=20, of=20, total_cost_usd=0.001, task_area="docs")
    assert analytics.identify_optimization_opportunities() == []
    assert analytics.kinds() == [("api", "medium"), ("docs", "medium")]


def test_s4_11_how_sure_it_must_be_can_be_set(tracker: PerformanceTracker):
    history(tracker, MIDDLE, good=19, of=20, total_cost_usd=0.02)
    history(tracker, CHEAP, good=12, of=20, total_cost_usd=0.001)
    bold = PerformanceAnalytics(tracker, LearningConfig(show_confidence=0.0))
    (found,) = bold.identify_optimization_opportunities()
    assert found["confidence"] < 0.1, "and it says how sure it is"


# --- S4-28: watching -----------------------------------------------------------------------------


def test_s4_28_a_model_that_got_worse_is_told():
    good = [read(line(MIDDLE)) for _ in range(40)]
    bad = [read(line(MIDDLE, outcome="failed")) for _ in range(12)]
    later = [read(line(MIDDLE)) for _ in range(8)]
    (found,) = find_degradations([*good, *bad, *later])
    assert (found.model_id, found.before.tasks, found.lately.tasks) == (MIDDLE, 40, 20)
    assert find_degradations([*good, *later, *bad[:2]]) == [], "chance explains two of ten"
    assert find_degradations(good[:5]) == []


def test_s4_28_a_task_far_out_of_line_is_told():
    usual = [read(line(total_cost_usd=0.02 + n / 1000, task_id=f"T-{n}")) for n in range(25)]
    odd = read(line(total_cost_usd=2.0, task_id="odd"))
    (found,) = find_anomalies([*usual, odd])
    assert (found.record.task_id, found.measure, found.value) == ("odd", "cost", 2.0)
    assert find_anomalies([*usual[:10], odd]) == [], "of few nobody knows what is usual"


def test_s4_28_two_models_are_compared_and_chance_is_no_winner():
    def some(model: str, good: int, of: int) -> list[ExecutionRecord]:
        outcomes = ["success"] * good + ["failed"] * (of - good)
        return [read(line(model, outcome=outcome)) for outcome in outcomes]

    clear = compare_models([*some(MIDDLE, 48, 50), *some(CHEAP, 25, 50)], CHEAP, MIDDLE)
    assert clear.better == MIDDLE
    assert clear.confidence > 0.95
    unclear = compare_models([*some(MIDDLE, 9, 10), *some(CHEAP, 8, 10)], CHEAP, MIDDLE)
    assert unclear.better is None
    assert unclear.answer.startswith("insufficient evidence")
    assert compare_models(some(MIDDLE, 50, 50), CHEAP, MIDDLE).better is None
