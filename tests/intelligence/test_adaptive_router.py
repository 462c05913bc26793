"""AdaptiveModelRouter (S4-12 to S4-20, S4-29): each strategy on a history with a known answer, and none of it under the baseline."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator import ledger
from orchestrator.errors import SettingsError
from orchestrator.intelligence import (
    AdaptiveModelRouter,
    LearningConfig,
    ModelInfo,
    ModelRegistry,
    PerformanceAnalytics,
    PerformanceTracker,
    RoutingDecision,
    RoutingStrategy,
    TaskComplexity,
    TaskOutcome,
    TaskRisk,
    get_configured_registry,
)
from orchestrator.intelligence.exploring import LEAST, adapted_rate
from orchestrator.intelligence.records import read
from orchestrator.model import Tier
from tests.intelligence.samples import (
    CHEAP,
    MIDDLE,
    OTHER,
    STRONG,
    history,
    line,
    record,
    registry,
)

MEDIUM, HIGH = TaskRisk.MEDIUM, TaskRisk.HIGH
BASELINE, LEARNING = RoutingStrategy.BASELINE, RoutingStrategy.LEARNING


def ask(router: AdaptiveModelRouter, risk: TaskRisk = MEDIUM, has_check: bool = True):
    return router.choose_implementer(
        step_risk=risk,
        step_complexity=TaskComplexity.MEDIUM,
        step_type="implementation",
        step_area="api",
        has_check=has_check,
    )


def route(tracker: PerformanceTracker, strategy: RoutingStrategy, **config: float):
    return ask(AdaptiveModelRouter(registry(), tracker, strategy, LearningConfig(**config)))


# --- S4-12, S4-15, S4-16, S4-27 ------------------------------------------------------------------


def test_adaptive_routing(tracker: PerformanceTracker):
    """S4-12, S4-15, S4-27: the seed's own test."""
    test_registry, test_tracker = registry(), tracker
    router = AdaptiveModelRouter(
        registry=test_registry, tracker=test_tracker, strategy=RoutingStrategy.PERFORMANCE
    )

    decision = router.choose_planner(TaskRisk.HIGH, "core", TaskComplexity.LARGE)

    assert decision.model_id is not None
    assert decision.confidence > 0


def test_s4_16_a_decision_has_the_seeds_fields(tracker: PerformanceTracker):
    decision = route(tracker, RoutingStrategy.LEARNING)
    assert decision.model_info.display_name == "Middle One"
    assert (decision.model_id, decision.provider) == (MIDDLE, "alpha")
    assert decision.rationale.startswith("baseline: complexity medium (5) starts on sonnet")
    assert decision.confidence == 0.6
    assert decision.estimated_cost == 0.02, "by the price list, as nothing was learned"
    assert f"${decision.estimated_cost:.4f} {decision.confidence:.2f}" == "$0.0200 0.60"
    history(tracker, MIDDLE, good=5, of=5, total_cost_usd=0.07)
    assert route(tracker, RoutingStrategy.PERFORMANCE).estimated_cost == pytest.approx(0.07)


def test_s4_15_words_do_as_well_as_enums_and_others_are_refused(tracker: PerformanceTracker):
    router = AdaptiveModelRouter(registry(), tracker, "cost")
    assert router.choose_planner("low", "api", "small").model_id == CHEAP
    assert router.choose_planner("low", "api", "large").model_id == STRONG
    with pytest.raises(ValueError, match="'huge' is no TaskComplexity: write one of small, medium"):
        router.choose_implementer("low", "huge", "implementation", "api")


# --- S4-13: configuration ------------------------------------------------------------------------


def test_s4_13_defaults_are_the_seeds():
    config = LearningConfig()
    assert (config.min_samples, config.exploration_rate) == (5, 0.1)
    assert (config.success_weight, config.cost_weight) == (0.7, 0.3)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_s4_13_weights_are_brought_to_a_sum_of_1(success: float, cost: float):
    if success + cost == 0:
        with pytest.raises(ValidationError, match="both 0"):
            LearningConfig(success_weight=success, cost_weight=cost)
        return
    config = LearningConfig(success_weight=success, cost_weight=cost)
    assert config.success_weight + config.cost_weight == pytest.approx(1)
    assert config.success_weight == pytest.approx(success / (success + cost))


@pytest.mark.parametrize(
    "wrong",
    [
        {"success_weight": -0.1},
        {"cost_weight": math.nan},
        {"cost_weight": math.inf},
        {"exploration_rate": 1.1},
        {"min_samples": 0},
        {"exploration": 0.1},
    ],
)
def test_s4_13_what_cannot_be_is_refused(wrong: dict[str, float]):
    with pytest.raises(ValidationError):
        LearningConfig(**wrong)


# --- S4-14: strategies ---------------------------------------------------------------------------


@pytest.fixture
def known(tracker: PerformanceTracker) -> PerformanceTracker:
    """The usual middle-1: 80% for $0.020. middle-2: 85% for $0.005. cheap-1: 60% for $0.001. strong-1: 100% for $0.1."""
    history(tracker, MIDDLE, good=40, of=50, total_cost_usd=0.02)
    history(tracker, OTHER, good=34, of=40, total_cost_usd=0.005)
    history(tracker, CHEAP, good=24, of=40, total_cost_usd=0.001)
    history(tracker, STRONG, good=40, of=40, total_cost_usd=0.1)
    return tracker


def test_s4_14_baseline_is_the_standard_rule(known: PerformanceTracker):
    decision = route(known, BASELINE)
    assert decision.model_id == MIDDLE
    assert decision.estimated_cost == 0.02


def test_s4_14_performance_takes_the_highest_success_rate(known: PerformanceTracker):
    decision = route(known, RoutingStrategy.PERFORMANCE)
    assert decision.model_id == STRONG
    assert decision.confidence > 0.99
    assert "100.0% of 40 (95%: 91.2% to 100.0%)" in decision.rationale


def test_s4_14_cost_takes_the_cheapest_above_the_floor(known: PerformanceTracker):
    assert route(known, RoutingStrategy.COST).model_id == OTHER
    low = LearningConfig(quality_floor=0.5, min_confidence=0.0)
    router = AdaptiveModelRouter(registry(), known, RoutingStrategy.COST, low)
    assert ask(router).model_id == CHEAP
    assert route(known, RoutingStrategy.COST, quality_floor=1.0).model_id == STRONG


def test_s4_14_cost_with_nobody_above_the_floor_is_the_baseline(tracker: PerformanceTracker):
    history(tracker, OTHER, good=20, of=40)
    decision = route(tracker, RoutingStrategy.COST)
    assert decision.model_id == MIDDLE
    assert decision.rationale.endswith("cost finds nothing better")


def test_s4_14_balanced_weighs_both(known: PerformanceTracker):
    """0.7 and 0.3: middle-2 has .595 + .285 = .88, strong-1 .7 + 0, middle-1 .56 + .24, cheap-1 .42 + .297."""
    assert route(known, RoutingStrategy.BALANCED).model_id == OTHER
    assert (
        route(known, RoutingStrategy.BALANCED, success_weight=1.0, cost_weight=0.0).model_id
        == STRONG
    )


def test_s4_14_learning_without_a_draw_is_balanced(known: PerformanceTracker):
    assert route(known, LEARNING, exploration_rate=0.0).model_id == OTHER


# --- S4-17: the branches -------------------------------------------------------------------------


def test_s4_17_too_few_tasks_are_the_baseline(tracker: PerformanceTracker):
    history(tracker, MIDDLE, good=4, of=4)
    history(tracker, STRONG, good=4, of=4)
    decision = route(tracker, RoutingStrategy.PERFORMANCE)
    assert decision.model_id == MIDDLE
    assert "insufficient data: no model has 5 api tasks of medium risk" in decision.rationale
    history(tracker, MIDDLE, good=0, of=1)
    history(tracker, STRONG, good=1, of=1)
    assert route(tracker, RoutingStrategy.PERFORMANCE).model_id == STRONG


@pytest.mark.parametrize("tasks_of_the_usual_one", [0, 4])
@pytest.mark.parametrize("strategy", [one for one in RoutingStrategy if one is not BASELINE])
def test_s4_17_nobody_is_no_worse_than_a_model_of_which_little_is_known(
    tracker: PerformanceTracker, strategy: RoutingStrategy, tasks_of_the_usual_one: int
):
    """C-09: 40 of 40 against no data would be .97 sure."""
    history(tracker, MIDDLE, good=0, of=tasks_of_the_usual_one)
    history(tracker, OTHER, good=40, of=40, total_cost_usd=0.001)
    decision = route(tracker, strategy, exploration_rate=0.0)
    assert decision.model_id == MIDDLE
    assert decision.rationale.endswith(
        "insufficient data: middle-1 has fewer than 5 api tasks of medium risk as implementer to hold middle-2 against"
    )


def test_s4_17_low_confidence_is_the_baseline(tracker: PerformanceTracker):
    """5/5 against 5/5 with 5 points of margin: between 0.6, enough to be named, and 0.7, enough to be used."""
    history(tracker, MIDDLE, good=5, of=5)
    history(tracker, OTHER, good=5, of=5, total_cost_usd=0.001)
    decision = route(tracker, RoutingStrategy.COST)
    assert decision.model_id == MIDDLE
    assert "low confidence: middle-2 is no worse by 0.6" in decision.rationale
    assert decision.rationale.endswith("and 0.70 is needed")
    assert route(tracker, RoutingStrategy.COST, min_confidence=0.6).model_id == OTHER
    hidden = route(tracker, RoutingStrategy.COST, show_confidence=0.69)
    assert hidden.rationale.endswith("low confidence in any other")


def test_s4_17_without_a_check_more_confidence_is_needed(tracker: PerformanceTracker):
    """9/10 for the usual one, 10/10 for the other: 0.87 sure."""
    history(tracker, MIDDLE, good=9, of=10)
    history(tracker, OTHER, good=10, of=10, total_cost_usd=0.001)
    router = AdaptiveModelRouter(registry(), tracker, RoutingStrategy.COST)
    assert ask(router, has_check=True).model_id == OTHER
    unguarded = ask(router, has_check=False)
    assert unguarded.model_id == MIDDLE
    assert unguarded.rationale.endswith("no worse by 0.87, and 0.90 is needed")


def test_s4_17_a_model_that_is_not_configured_is_never_chosen(tracker: PerformanceTracker):
    history(tracker, "gone-1", good=40, of=40)
    assert route(tracker, RoutingStrategy.PERFORMANCE).model_id == MIDDLE


def test_s4_17_high_risk_has_a_floor(tracker: PerformanceTracker):
    history(tracker, CHEAP, good=40, of=40, task_risk="high", total_cost_usd=0.001)
    router = AdaptiveModelRouter(registry(), tracker, RoutingStrategy.COST)
    assert ask(router, risk=HIGH).model_id == STRONG
    small = router.choose_implementer(HIGH, "small", "implementation", "api")
    assert small.model_id == STRONG
    assert "high risk asks for opus at least" in small.rationale


# --- S4-18, S4-19 --------------------------------------------------------------------------------


def test_s4_18_the_summary_says_what_was_learned(known: PerformanceTracker):
    summary = AdaptiveModelRouter(registry(), known, LEARNING).get_learning_summary()
    assert summary["strategy"] == "learning"
    assert summary["overall_success_rate"] == 138 / 170
    low, high = summary["success_interval"]
    assert low < 138 / 170 < high
    found = PerformanceAnalytics(known).identify_optimization_opportunities()
    assert summary["optimization_opportunities"] == len(found) == 1
    assert summary["models"] == 4
    assert summary["exploration_rate"] == 0.1


def test_s4_18_of_nothing_no_rate_is_said(tracker: PerformanceTracker):
    summary = AdaptiveModelRouter(registry(), tracker).get_learning_summary()
    assert f"{summary['overall_success_rate']:.1%}" == "nan%"
    assert summary["optimization_opportunities"] == 0


def test_s4_19_exploration_falls_as_evidence_grows_and_never_stops(tracker: PerformanceTracker):
    router = AdaptiveModelRouter(registry(), tracker, LEARNING)
    rates = [router.adapt_strategy()]
    for model in (CHEAP, MIDDLE, OTHER, STRONG):
        history(tracker, model, good=4, of=4)
    rates.append(router.adapt_strategy())
    assert rates == [0.1, 0.1], "fewer than min_samples are nothing"
    for _ in range(6):
        for model in (CHEAP, MIDDLE, OTHER, STRONG):
            history(tracker, model, good=20, of=20)
        rates.append(router.adapt_strategy())
    assert rates == sorted(rates, reverse=True)
    assert rates[2] == pytest.approx(0.1 * 20 / 44)
    assert rates[-1] == pytest.approx(0.02)
    assert router.exploration_rate == rates[-1]


def test_s4_19_a_new_model_or_worse_results_bring_it_back(tracker: PerformanceTracker):
    for model in (CHEAP, MIDDLE, OTHER, STRONG):
        history(tracker, model, good=40, of=40)
    models = registry().models
    router = AdaptiveModelRouter(registry(), tracker, LEARNING)
    assert router.adapt_strategy() < 0.05
    new = ModelRegistry((*models, ModelInfo("new-1", "alpha", Tier.SONNET)))
    assert AdaptiveModelRouter(new, tracker, LEARNING).adapt_strategy() == 0.1
    history(tracker, MIDDLE, good=0, of=20)
    assert router.adapt_strategy() == 0.1


@given(
    st.floats(0, 1),
    st.lists(st.tuples(st.sampled_from([CHEAP, MIDDLE]), st.sampled_from(list(TaskOutcome)))),
)
def test_s4_19_the_rate_stays_within_its_bounds(
    configured: float, given_ones: list[tuple[str, TaskOutcome]]
):
    records = [read(line(model, outcome=outcome)) for model, outcome in given_ones]
    rate = adapted_rate(configured, [CHEAP, MIDDLE], records, min_samples=5)
    assert configured * LEAST <= rate <= configured


# --- S4-20: trying others ------------------------------------------------------------------------


def draws(tracker: PerformanceTracker, seed: int, **more: object) -> list[str]:
    config = LearningConfig(exploration_rate=0.5)
    router = AdaptiveModelRouter(registry(), tracker, LEARNING, config, seed=seed)
    return [ask(router, **more).model_id for _ in range(200)]


def test_s4_20_the_same_seed_tries_the_same(tracker: PerformanceTracker):
    history(tracker, MIDDLE, good=10, of=10)
    assert draws(tracker, seed=1) == draws(tracker, seed=1)
    assert draws(tracker, seed=1) != draws(tracker, seed=2)


def test_s4_20_it_tries_as_often_as_it_says(tracker: PerformanceTracker):
    history(tracker, MIDDLE, good=10, of=10)
    counts = Counter(draws(tracker, seed=3))
    assert set(counts) == {CHEAP, MIDDLE, OTHER, STRONG}
    assert 70 <= counts[MIDDLE] <= 130
    router = AdaptiveModelRouter(
        registry(), tracker, LEARNING, LearningConfig(exploration_rate=0.5), seed=3
    )
    asked = [ask(router) for _ in range(200)]
    for one in asked:
        assert one.propensity == pytest.approx(0.5 / 3 if one.explored else 0.5)
        assert one.explored == (one.model_id != MIDDLE)
        assert not one.explored or "a check will tell" in one.rationale


def test_s4_20_the_propensity_is_of_the_model_whichever_way_it_was_chosen(
    known: PerformanceTracker,
):
    """The strategy's own pick is not the usual model here: it is not drawn once more, and the usual one is tried, too."""
    config = LearningConfig(exploration_rate=0.4)
    router = AdaptiveModelRouter(registry(), known, LEARNING, config, seed=5)
    asked = [ask(router) for _ in range(600)]
    counts = Counter(one.model_id for one in asked)
    told = {m: {one.propensity for one in asked if one.model_id == m} for m in counts}
    assert set(counts) == {OTHER, MIDDLE, STRONG}, "cheap-1 is known to be too bad"
    assert told == {OTHER: {0.6}, MIDDLE: {0.2}, STRONG: {0.2}}
    for model, (chance,) in told.items():
        assert counts[model] / 600 == pytest.approx(chance, abs=0.06)
    assert all(one.explored == (one.model_id != OTHER) for one in asked)


@pytest.mark.parametrize("more", [{"risk": HIGH}, {"has_check": False}], ids=["risk", "no check"])
def test_s4_20_it_tries_nothing_where_a_mistake_would_cost(
    tracker: PerformanceTracker, more: dict[str, object]
):
    history(tracker, MIDDLE, good=10, of=10)
    history(tracker, STRONG, good=10, of=10, task_risk="high")
    assert set(draws(tracker, seed=1, **more)) == {STRONG if "risk" in more else MIDDLE}


def test_s4_20_only_learning_tries_and_not_what_is_known_to_be_bad(tracker: PerformanceTracker):
    history(tracker, MIDDLE, good=10, of=10)
    history(tracker, CHEAP, good=0, of=10)
    assert set(draws(tracker, seed=1)) == {MIDDLE, OTHER, STRONG}
    config = LearningConfig(exploration_rate=1.0)
    router = AdaptiveModelRouter(registry(), tracker, RoutingStrategy.BALANCED, config)
    assert {ask(router).model_id for _ in range(50)} == {MIDDLE}


# --- S4-26: the registry -------------------------------------------------------------------------


def test_s4_26_the_registry_is_that_of_the_settings(tmp_path: Path):
    config = tmp_path / ".orchestrator" / "config.toml"
    config.parent.mkdir()
    config.write_text(
        '[run]\nagents = ["codex", "claude"]\n[models.haiku]\ncodex = "small-codex"\n'
        "[prices.small-codex]\ninput = 1.0\noutput = 10.0\n"
        "[routing]\nhaiku_max = 2\n"
    )
    found = get_configured_registry(tmp_path)
    small = found.models[0]
    assert (small.model_id, small.provider, small.tier) == ("small-codex", "openai", Tier.HAIKU)
    assert small.display_name == "small-codex (codex)"
    assert 0 < small.prior_cost < 1
    assert found.baseline(TaskComplexity.SMALL, MEDIUM)[0] is small
    assert found.baseline(TaskComplexity.MEDIUM, MEDIUM)[0].tier is Tier.SONNET
    assert found.baseline(TaskComplexity.LARGE, MEDIUM)[0].tier is Tier.OPUS
    assert found.get("small-codex") is small
    claude = found.get("claude-opus-5-5")
    assert claude is not None
    assert claude.provider == "anthropic", "as lines of runs name it"
    assert found.get("nobody") is None


def test_s4_26_a_registry_without_the_tier_takes_the_next_stronger():
    cheap, strong = registry().models[0], registry().models[3]
    assert ModelRegistry((cheap, strong)).baseline(TaskComplexity.MEDIUM, MEDIUM)[0] is strong
    assert ModelRegistry((cheap,)).baseline(TaskComplexity.LARGE, HIGH)[0] is cheap
    with pytest.raises(SettingsError, match="no model is known"):
        ModelRegistry(())


# --- S4-29: learning can be switched off ---------------------------------------------------------

MODELS = st.sampled_from([CHEAP, MIDDLE, OTHER, STRONG, "gone-1"])
PAST = st.lists(
    st.builds(
        dict,
        model=MODELS,
        outcome=st.sampled_from(list(TaskOutcome)),
        task_risk=st.sampled_from(list(TaskRisk)),
        task_area=st.sampled_from(["api", "docs"]),
        total_cost_usd=st.none() | st.floats(0, 10),
    ),
    max_size=40,
)


@given(PAST, st.sampled_from(list(TaskRisk)), st.sampled_from(list(TaskComplexity)), st.booleans())
def test_s4_29_under_the_baseline_no_ledger_changes_a_route(
    tmp_path_factory: pytest.TempPathFactory,
    past: list[dict[str, object]],
    risk: TaskRisk,
    complexity: TaskComplexity,
    has_check: bool,
):
    def decisions(lines: list[dict[str, object]]) -> tuple[RoutingDecision, RoutingDecision]:
        folder = tmp_path_factory.mktemp("ledger")
        ledger.append(folder, [line(str(one.pop("model")), **one) for one in lines])
        router = AdaptiveModelRouter(
            registry(), PerformanceTracker(storage_dir=folder), BASELINE, seed=1
        )
        router.adapt_strategy()
        return (
            router.choose_planner(risk, "api", complexity, has_check),
            router.choose_implementer(risk, complexity, "implementation", "api", has_check),
        )

    assert decisions(past) == decisions([])


def test_s4_29_the_baseline_asks_nothing_of_the_tracker_and_the_file_can_choose_it(
    tmp_path: Path,
):
    settings = tmp_path / ".orchestrator" / "intelligence.yaml"
    settings.parent.mkdir()
    settings.write_text("learning:\n  strategy: baseline\n")
    tracker = PerformanceTracker(storage_dir=tmp_path / "r", root=tmp_path)
    record(tracker)
    (tracker.storage_dir / ledger.NAME).unlink()
    os.mkdir(tracker.storage_dir / ledger.NAME)  # whoever reads it now fails
    assert ask(AdaptiveModelRouter(registry(), tracker)).rationale.startswith("baseline: ")
