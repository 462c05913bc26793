"""Seed 004's usage, call by call (S4-01 to S4-24), on an empty ledger and on one with a history."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.intelligence import (
    AdaptiveModelRouter,
    LearningConfig,
    PerformanceAnalytics,
    PerformanceTracker,
    RoutingStrategy,
    TaskComplexity,
    TaskOutcome,
    TaskRisk,
    create_rae_integration,
    get_configured_registry,
)
from tests.conftest import REPOSITORY
from tests.intelligence.samples import history

SONNET = "claude-sonnet-4-5-20250929"


@pytest.fixture(params=["empty", "history"])
def tracker(request: pytest.FixtureRequest) -> PerformanceTracker:
    tracker = PerformanceTracker()
    if request.param == "history":
        history(tracker, "claude-sonnet-5-5", good=44, of=50, total_cost_usd=0.015)
        history(tracker, "claude-haiku-5-5", good=46, of=50, total_cost_usd=0.0003)
        history(tracker, SONNET, good=9, of=10, task_area="core", task_risk="high")
    return tracker


def test_s4_01_tracking_and_analysis_run_as_written(tracker: PerformanceTracker):
    record = tracker.record_execution(
        task_id="RAE-001",
        task_area="core",
        task_risk="high",
        task_complexity="large",
        planner_model=SONNET,
        planner_provider="claude",
        implementer_model=SONNET,
        implementer_provider="claude",
        outcome=TaskOutcome.SUCCESS,
        duration_seconds=450.5,
        total_cost_usd=0.38,
        num_steps=10,
        num_retries=2,
        quality_gate_passed=True,
        code_review_passed=True,
        plan_review_passed=True,
    )
    assert record in tracker.get_all_records()
    assert record in tracker.get_records_by_outcome(TaskOutcome.SUCCESS)
    assert record in tracker.get_records_by_area("core")
    assert record in tracker.get_records_by_model(SONNET)

    analytics = PerformanceAnalytics(tracker)
    perf = analytics.analyze_model_performance(model_id=SONNET, role="implementer")
    assert perf is not None
    assert f"{perf.success_rate:.1%} ${perf.avg_cost_per_task:.4f} {perf.avg_duration:.1f}s"

    pattern = analytics.analyze_task_pattern(task_area="core", task_risk="high")
    assert pattern is not None
    if pattern.best_implementer:
        model, success_rate = pattern.best_implementer
        assert f"Best implementer: {model} ({success_rate:.1%})"

    rankings = analytics.rank_models_for_task(
        task_area="api", task_risk="medium", role="implementer", metric="success_rate"
    )
    for model_id, success_rate in rankings[:3]:
        assert f"{model_id}: {success_rate:.1%}"

    for provider, metrics in analytics.get_provider_comparison().items():
        assert f"{provider}: {metrics['success_rate']:.1%} success"

    for opp in analytics.identify_optimization_opportunities():
        assert f"Save ${opp['savings_per_task']:.4f} with {opp['recommended_model']}"

    stats = tracker.get_statistics()
    assert f"{stats['success_rate']:.1%} ${stats['avg_cost']:.4f}"


def test_s4_15_routing_runs_as_written(tracker: PerformanceTracker):
    registry = get_configured_registry()
    router = AdaptiveModelRouter(
        registry=registry,
        tracker=tracker,
        strategy=RoutingStrategy.LEARNING,
        config=LearningConfig(
            min_samples=5, success_weight=0.7, cost_weight=0.3, exploration_rate=0.1
        ),
    )
    planner = router.choose_planner(
        task_risk=TaskRisk.HIGH, task_area="core", task_complexity=TaskComplexity.LARGE
    )
    assert planner.model_id == "claude-opus-5-5"
    decision = router.choose_implementer(
        step_risk=TaskRisk.MEDIUM,
        step_complexity=TaskComplexity.MEDIUM,
        step_type="implementation",
        step_area="api",
    )
    assert decision.model_info.display_name
    assert decision.rationale
    assert f"{decision.confidence:.2f} ${decision.estimated_cost:.4f}"
    learned = len(tracker.get_all_records()) > 0
    assert decision.model_id == ("claude-haiku-5-5" if learned else "claude-sonnet-5-5")

    summary = router.get_learning_summary()
    assert f"{summary['strategy']} {summary['overall_success_rate']:.1%}"
    assert summary["optimization_opportunities"] == int(learned)
    router.adapt_strategy()


def test_s4_11_opportunities_are_printed_as_written(tracker: PerformanceTracker):
    analytics = PerformanceAnalytics(tracker)
    for opp in analytics.identify_optimization_opportunities(min_cost_savings=0.01):
        assert f"{opp['task_area']}/{opp['task_risk']}"
        assert f"{opp['current_model']} (${opp['current_cost']:.4f})"
        assert f"{opp['recommended_model']} (${opp['new_cost']:.4f})"
        assert f"${opp['savings_per_task']:.4f}"
        assert f"{opp['current_success_rate']:.1%} {opp['new_success_rate']:.1%}"


def test_s4_21_rae_runs_as_written(tracker: PerformanceTracker, tmp_path: Path):
    rae = create_rae_integration()
    for execution_record in tracker.get_all_records():
        rae.sync_record(execution_record)
    similar = rae.query_similar_tasks(
        task_description="Implement vector search with filters",
        task_area="core",
        task_risk="high",
        limit=10,
    )
    assert (similar, rae.get_global_statistics()) == ([], {})
    rae.enable_cross_deployment_learning(tracker)
    synced = PerformanceTracker(storage_dir=tmp_path / "data", rae_integration=True)
    assert synced.storage_dir.is_dir()


def test_the_examples_of_the_page_run_as_they_are_written(tmp_path: Path):
    """One after the other, by somebody who has copied them; among them the calls of the adaptive router."""
    page = (REPOSITORY / "docs" / "intelligence.md").read_text("utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    assert "choose_planner(" in "".join(examples)
    assert "choose_implementer(" in "".join(examples)
    program = tmp_path / "example.py"
    for example in examples:
        program.write_text(example)
        ended = subprocess.run(
            [sys.executable, str(program)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("claude-sonnet-5-5 anthropic $")


def test_s4_01_the_names_cost_nothing_until_they_are_used():
    """Who imports one part of this room does not load HTTP and prices with it."""
    program = "import sys, orchestrator.intelligence.learning; print('genai_prices' in sys.modules, 'http.client' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["False", "False"]
