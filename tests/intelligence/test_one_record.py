"""One record, many views (C-25): the project's `[learning]` counts in the adaptive router and analytics, and a told record in `orchestrator learn`."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator import clock, ledger
from orchestrator.intelligence import (
    AdaptiveModelRouter,
    LearningConfig,
    PerformanceAnalytics,
    PerformanceTracker,
    RoutingStrategy,
    records,
)
from orchestrator.intelligence.comparison import Policy
from orchestrator.intelligence.dashboard import show
from orchestrator.intelligence.learner import learn
from orchestrator.ledger import Entry, Samples, seal
from orchestrator.model import Tier, Verified
from orchestrator.settings import load
from tests.cli.projects import Project
from tests.intelligence.samples import CHEAP, MIDDLE, STRONG, history, line, record, registry
from tests.intelligence.test_settings import write

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"


def general(root: Path, text: str) -> None:
    path = root / ".orchestrator" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[learning]\n{text}\n")


def of(root: Path) -> PerformanceTracker:
    return PerformanceTracker(storage_dir=root / "records", root=root)


def aged(tracker: PerformanceTracker, days: float, model: str, good: int, **more: Any) -> None:
    """Successes of so many days ago."""
    when = datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=days)
    lines = [line(model, task_id=f"{days}-{n}", **more) for n in range(good)]
    moved = [one.model_copy(update={"timestamp": when.isoformat()}) for one in lines]
    ledger.append(tracker.storage_dir, [seal(one) for one in moved])


# --- [learning] -> router, analytics --------------------------------------------------------------


def test_what_learning_says_is_what_router_and_analytics_take(tmp_path: Path):
    general(
        tmp_path,
        "window_days = 9\nmin_confidence = 0.61\nadoption_confidence = 0.97\nmargin = 0.11\nmin_samples = 7",
    )
    router = AdaptiveModelRouter(registry(), of(tmp_path))
    found = router.config
    assert (found.window_days, found.margin, found.min_samples) == (9, 0.11, 7)
    assert (found.min_confidence, found.unguarded_confidence) == (0.61, 0.97)
    assert PerformanceAnalytics(router.tracker).config == found


def test_the_defaults_of_both_files_are_one(tmp_path: Path):
    usual = load(tmp_path).learning
    assert of(tmp_path).config == LearningConfig(window_days=usual.window_days)


def test_the_word_of_intelligence_yaml_and_of_the_program_stand_over_it(tmp_path: Path):
    general(tmp_path, "min_samples = 7\nmargin = 0.11")
    write(tmp_path, "learning:\n  min_samples: 3\n")
    tracker = of(tmp_path)
    assert (tracker.config.min_samples, tracker.config.margin) == (3, 0.11)
    router = AdaptiveModelRouter(registry(), tracker, config=LearningConfig(min_samples=2))
    assert (router.config.min_samples, router.config.margin) == (2, 0.11)
    router = AdaptiveModelRouter(registry(), tracker, config=LearningConfig(margin=0.2))
    assert (router.config.min_samples, router.config.margin) == (3, 0.2)


def test_analytics_leave_out_what_is_older_than_the_window(tmp_path: Path):
    general(tmp_path, "window_days = 9")
    tracker = of(tmp_path)
    aged(tracker, 9.1, STRONG, 6)
    aged(tracker, 8.9, MIDDLE, 6)
    found = PerformanceAnalytics(tracker)
    assert [model for model, _ in found.rank_models_for_task("api", "medium")] == [MIDDLE]
    assert found.analyze_model_performance(STRONG) is None
    assert found.analyze_model_performance(STRONG, "planner") is not None, "of the six others"
    pattern = found.analyze_task_pattern("api", "medium")
    assert pattern
    assert pattern.total_tasks == 6
    assert found.get_provider_comparison()["alpha"]["total_tasks"] == 6
    assert len(tracker.get_all_records()) == 12, "the ledger has all of them"
    everything = PerformanceAnalytics(tracker, LearningConfig(window_days=None))
    assert everything.analyze_model_performance(STRONG) is not None


def test_the_router_forgets_what_is_older_than_the_window(tmp_path: Path):
    tracker = of(tmp_path)
    aged(tracker, 31, CHEAP, 40, total_cost_usd=0.001)
    history(tracker, MIDDLE, good=40, of=40)

    def model(root: Path) -> str:
        router = AdaptiveModelRouter(registry(), of(root), RoutingStrategy.COST)
        return router.choose_implementer("medium", "medium", "x", "api", True).model_id

    assert model(tmp_path) == MIDDLE
    general(tmp_path, "window_days = 40")
    assert model(tmp_path) == CHEAP


def test_the_margin_decides_what_is_no_worse(tmp_path: Path):
    tracker = of(tmp_path)
    history(tracker, MIDDLE, good=60, of=60)
    history(tracker, CHEAP, good=54, of=60, total_cost_usd=0.001)
    assert PerformanceAnalytics(tracker).identify_optimization_opportunities() == []
    general(tmp_path, "margin = 0.25")
    (found,) = [
        one
        for one in PerformanceAnalytics(of(tmp_path)).identify_optimization_opportunities()
        if one["role"] == "implementer"
    ]
    assert found["recommended_model"] == CHEAP


# --- record_execution -> the line, and learn -----------------------------------------------------


def written(tracker: PerformanceTracker) -> list[Entry]:
    return ledger.read(tracker.storage_dir).entries


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        (HAIKU, Tier.HAIKU),
        ("anthropic/claude-opus-5-5", Tier.OPUS),
        ("claude-opus-5-5-20260801", Tier.OPUS),
        ("another/claude-sonnet-5-5@20260801", Tier.SONNET),
        ("claude-haiku-5-5-turbo", None),
        ("model-a", None),
    ],
)
def test_s4_03_the_line_has_the_tier_that_its_model_is_mapped_to(
    tracker: PerformanceTracker, model: str, tier: Tier | None
):
    record(tracker, model)
    (entry,) = written(tracker)
    assert (entry.model_routed, entry.route.tier, entry.model_version) == (tier, tier, model)


def test_a_model_of_two_tiers_has_none_and_the_projects_own_mapping_counts(tmp_path: Path):
    path = tmp_path / ".orchestrator" / "config.toml"
    path.parent.mkdir()
    path.write_text('[models.haiku]\npi = "both"\n[models.opus]\npi = "both"\ncodex = "mine"\n')
    models = load(tmp_path).models
    assert (models.tier("both"), models.tier("mine")) == (None, Tier.OPUS)


@pytest.mark.parametrize(
    ("told", "verified"),
    [
        ({"quality_gate_passed": True}, Verified.COMMAND),
        ({"quality_gate_passed": False, "outcome": "failed"}, Verified.COMMAND),
        ({"outcome": "failed", "error_type": "verify"}, Verified.COMMAND),
        ({"code_review_passed": True}, Verified.REVIEW),
        ({}, Verified.NONE),
        ({"outcome": "failed", "error_type": "TimeoutError"}, Verified.NONE),
    ],
)
def test_s4_03_who_has_judged_it_is_in_the_line(
    tracker: PerformanceTracker, told: dict[str, Any], verified: Verified
):
    made = record(tracker, **told)
    (entry,) = written(tracker)
    assert entry.verified is verified
    assert records.read(entry) == made
    assert made.quality_gate_passed is told.get("quality_gate_passed")


def samples(tracker: PerformanceTracker) -> Samples:
    return Samples(tracker.storage_dir, "2026-01-01T00:00:00Z")


def test_learn_learns_from_records_that_a_gate_has_judged(tracker: PerformanceTracker):
    for model, cost in ((HAIKU, 0.001), (SONNET, 0.02)):
        for _ in range(20):
            record(tracker, model, task_complexity=6, total_cost_usd=cost, quality_gate_passed=True)
    (rule,) = learn(samples(tracker), Policy()).rules
    assert (rule.complexity, rule.tier) == (6, Tier.HAIKU)


def test_orchestrator_learn_makes_a_rule_of_what_a_program_has_recorded(tmp_path: Path):
    """Into the user's ledger, as the program finds it; and who is mapped nowhere is told as that."""
    project = Project(tmp_path)
    os.environ |= project.environment
    tracker = PerformanceTracker(root=project.root)
    for model, cost in ((HAIKU, 0.001), (f"anthropic/{SONNET}-20260801", 0.02), ("model-a", 0.001)):
        for _ in range(20):
            record(tracker, model, total_cost_usd=cost, quality_gate_passed=True)
    found = project.json("learn")
    assert found["learned_recommendations"]["5"]["model"] == "haiku"
    assert found["passed_over"] == {"a model of no tier": 20}
    assert "haiku" in project.told("route", "--complexity", "5")


def test_a_callers_bare_word_is_no_evidence_either_way(tracker: PerformanceTracker):
    """Its successes do not count; if its failures did, a model that always fails would be no worse than another."""
    for model, cost in ((HAIKU, 0.001), (SONNET, 0.02)):
        for number in range(40):
            outcome = "failed" if number % 2 else "success"
            record(tracker, model, task_complexity=6, total_cost_usd=cost, outcome=outcome)
    found = learn(samples(tracker), Policy())
    assert (found.rules, found.analysed, found.passed) == ((), 0, {"judged by nothing": 80})


def test_the_dashboard_says_which_window_it_looks_at(tmp_path: Path):
    general(tmp_path, "window_days = 9")
    tracker = of(tmp_path)
    aged(tracker, 10, MIDDLE, 6)
    told = list(show(["model", MIDDLE], PerformanceAnalytics(tracker)))
    assert told[1:] == ["  of the last 9 days", "insufficient evidence: no task yet"]
    assert "Total Tasks: 6" in " ".join(show(["summary"], PerformanceAnalytics(tracker)))
