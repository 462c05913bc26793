"""Who says where a task starts: the plan, its label, a pattern, what was learned, its band; and the floors below which only the plan goes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Plan, Route, Score, Strategy, Tier
from orchestrator.model.learned import Rule
from orchestrator.routing import Choice, Kept, Policy, choose, every_rung, ladder, review
from orchestrator.routing.tiers import ORDER, band, route_to_model
from tests.build import plan, task

CONSERVATIVE = Policy(haiku_max=3)


def rule(tier: str, confidence: float, *, adopt: bool = True, complexity: int = 5) -> Policy:
    said = Rule(
        complexity=complexity,
        tier=Tier(tier),
        confidence=confidence,
        reason="16 of 16",
        success_rate=1.0,
        sample_size=16,
        adopt=adopt,
    )
    return Policy(rules={complexity: said})


def chosen(policy: Policy = Policy(), value: int = 5, **values: Any) -> Choice:  # noqa: B008 - frozen
    given = {"name": "Task 1: do it", "files": ("a", "b")} | values
    return choose(task(1, **given), Score(value=value, reasons=()), policy)


def told(*args: Any, **values: Any) -> tuple[str, float, str]:
    found = chosen(*args, **values)
    return (found.tier, found.confidence, found.strategy)


@pytest.mark.parametrize(("of", "counts"), [(None, True), ("mini-2", True), ("mini-1", False)])
def test_a_rule_of_another_model_is_passed_over_with_a_note(of: str | None, counts: bool):
    policy = rule("haiku", 0.95)
    known = {n: one.model_copy(update={"model_id": of}) for n, one in policy.rules.items()}
    models = dict(zip(Tier, ("mini-2", "middle-1", "large-1"), strict=True))
    given = task(1, name="Task 1: do it", files=("a", "b"))
    found = choose(given, Score(value=5, reasons=()), policy._replace(rules=known), models)
    assert (found.strategy is Strategy.LEARNED) is counts
    told = "passed over: mini-1 is what was learned of, and haiku is mini-2 here"
    assert (told in found.reason) is not counts


# --- each tier ------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{"model": Tier.HAIKU}, {"labels": ("Model:Haiku", "mine")}])
def test_s1_01_an_explicit_model_is_sure_and_beats_every_other_tier(values: dict[str, Any]):
    others = {"labels": ("complexity:complex", *values.pop("labels", ()))} | values
    assert told(rule("opus", 1.0), 10, name="Task 1: Design the data model", **others) == (
        "haiku",
        1.0,
        "explicit",
    )


def test_s1_01_the_attribute_counts_before_the_label_and_the_stronger_label_before_the_weaker():
    assert told(model=Tier.HAIKU, labels=("model:opus",))[0] == "haiku"
    assert told(labels=("model:haiku", "model:opus"))[0] == "opus"
    assert told(labels=("model:gpt",))[2] == "default"


@pytest.mark.parametrize(
    ("word", "tier"),
    [("trivial", "haiku"), ("simple", "haiku"), ("standard", "sonnet"), ("complex", "opus")],
)
def test_s1_02_a_complexity_label_beats_patterns_rules_and_bands(word: str, tier: str):
    labels = (f"complexity:{word}",)
    for name in ("Task 1: Rename it", "Task 1: Design the data model", "Task 1: do it"):
        found = told(rule("opus", 1.0), 1, name=name, labels=labels)
        assert found == (tier, 0.95, "complexity-label")


def test_s1_02_of_several_labels_the_hardest_counts():
    assert told(labels=("complexity:complex", "complexity:trivial"))[0] == "opus"


def test_s1_03_a_pattern_beats_rules_and_bands():
    assert told(rule("opus", 1.0), 9, name="Task 1: Rename function f") == (
        "haiku",
        0.85,
        "pattern",
    )
    assert "rename" in chosen(name="Task 1: Rename function f").reason


def test_s1_03_a_guess_from_the_title_does_not_go_below_the_number_of_the_author():
    assert told(value=9, name="Task 1: Rename it", complexity=9)[::2] == ("opus", "default")
    assert told(value=2, name="Task 1: Rename it", complexity=2)[::2] == ("haiku", "pattern")
    assert told(value=2, name="Task 1: Design the data model", complexity=2)[0] == "opus"


def test_s1_04_what_nothing_matches_starts_on_sonnet():
    assert told() == ("sonnet", 0.6, "default")


@pytest.mark.parametrize(
    ("confidence", "found"),
    [(0.699, ("sonnet", 0.6, "default")), (0.7, ("haiku", 0.7, "learned")), (0.701, ("haiku", 0.701, "learned"))],
)  # fmt: skip
def test_s0_03_a_rule_counts_from_its_confidence_on(
    confidence: float, found: tuple[str, float, str]
):
    assert told(rule("haiku", confidence), commands=("true",)) == found


def test_s0_03_a_rule_for_a_weaker_model_without_a_check_must_be_sure_enough_to_stand_alone():
    assert told(rule("haiku", 0.8, adopt=False))[2] == "default"
    assert told(rule("haiku", 0.8, adopt=False), commands=("true",))[2] == "learned"
    assert told(rule("haiku", 0.95, adopt=True))[2] == "learned"
    assert told(rule("opus", 0.8, adopt=False))[2] == "learned"


def test_s0_03_a_rule_is_of_one_complexity():
    assert told(rule("haiku", 1.0, complexity=6), 5)[2] == "default"
    assert route_to_model(6, rule("haiku", 0.7, complexity=6)) is Tier.HAIKU
    assert route_to_model(6, rule("haiku", 0.69, complexity=6)) is Tier.SONNET


@pytest.mark.parametrize(
    ("value", "default", "conservative"),
    [
        *((n, "haiku", "haiku") for n in (1, 2, 3)),
        (4, "haiku", "sonnet"),
        *((n, "sonnet", "sonnet") for n in (5, 6, 7, 8)),
        *((n, "opus", "opus") for n in (9, 10)),
    ],
)
def test_s0_31_c_01_d_10_all_ten_values_in_both_bands(value: int, default: str, conservative: str):
    assert (band(value, Policy()), band(value, CONSERVATIVE)) == (default, conservative)
    assert (told(value=value)[0], told(CONSERVATIVE, value)[0]) == (default, conservative)
    assert route_to_model(value, Policy()) == default


def test_c_17_exploring_only_changes_the_default():
    assert told(value=9, subagent="explore") == ("haiku", 0.6, "default")
    assert told(subagent="explore", model=Tier.OPUS)[0] == "opus"
    assert told(subagent="explore", labels=("complexity:complex",))[0] == "opus"
    assert told(rule("opus", 0.9), subagent="explore")[0] == "opus"


# --- floors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [{"labels": ("complexity:trivial",)}, {"subagent": "explore"}, {"value": 1}, {"policy": "rule"}],
)  # fmt: skip
def test_s1_15_no_tier_and_no_rule_goes_below_the_floor_of_security(values: dict[str, Any]):
    if values.pop("policy", None):
        values["policy"] = rule("haiku", 1.0)
    found = chosen(name="Task 1: Add authentication", commands=("true",), **values)
    assert (found.tier, found.floor) == ("opus", "opus")
    assert "authentication" in found.reason


def test_s1_15_the_floor_of_security_and_of_risk_can_be_set():
    policy = Policy(security_floor=Tier.SONNET, risk_floor=Tier.HAIKU)
    assert told(policy, 1, name="Task 1: Add authentication")[0] == "sonnet"
    assert told(policy, 1, risk="high")[0] == "haiku"


def test_c_30_high_risk_sets_a_floor_and_says_so():
    found = chosen(value=1, risk="High")
    assert (found.tier, found.strategy, found.floor) == ("opus", Strategy.FLOOR, "opus")
    assert found.reason == (
        'risk="high" in the plan: not below opus; else haiku, complexity 1: up to 4 starts on haiku'
    )
    assert told(value=1, risk="medium")[0] == "haiku"


def test_s1_01_an_explicit_model_below_a_floor_counts_with_a_warning():
    found = chosen(model=Tier.HAIKU, risk="high")
    assert (found.tier, found.strategy, found.floor) == ("haiku", Strategy.EXPLICIT, "opus")
    assert found.reason.endswith('; below the floor opus (risk="high" in the plan)')


def reviewed(**values: Any) -> list[str]:
    given: Plan = plan(task(1, **values))
    return [one.message for one in review.check(given, Policy())]


def test_s1_01_lint_says_so_too():
    [told] = reviewed(model=Tier.SONNET, risk="high")
    assert 'model="sonnet" of p/1 counts, though risk="high" in the plan' in told
    [told] = reviewed(labels=("model:haiku",), name="Task 1: Add authentication")
    assert "the label model:haiku of p/1 counts" in told
    assert reviewed(model=Tier.OPUS, risk="high") == reviewed(risk="high") == []
    assert reviewed(type="checkpoint:decision", model=Tier.HAIKU, risk="high") == []


TITLES = st.sampled_from(["do it", "Rename it", "Add authentication", "Design the data model"])
LABELS = st.sets(
    st.sampled_from(["model:haiku", "model:opus", "complexity:trivial", "complexity:complex", "x"])
)


@given(
    title=TITLES,
    labels=LABELS,
    model=st.none() | st.sampled_from(Tier),
    risk=st.sampled_from([None, "low", "high"]),
    explores=st.booleans(),
    value=st.integers(1, 10),
    learned=st.none() | st.tuples(st.sampled_from(Tier), st.floats(0, 1)),
)
def test_any_choice_has_its_four_words_and_keeps_its_floor(
    title: str,
    labels: set[str],
    model: Tier | None,
    risk: str | None,
    explores: bool,
    value: int,
    learned: tuple[Tier, float] | None,
):
    """S1-05: model, confidence, strategy and a reason; S1-01: what is explicit wins; S1-15: else the floor holds."""
    policy = rule(*learned, complexity=value) if learned else Policy()
    more = {"name": f"Task 1: {title}", "labels": tuple(labels), "model": model, "risk": risk}
    found = chosen(policy, value, subagent="explore" if explores else None, **more)
    assert found.reason
    assert 0 <= found.confidence <= 1
    if model is not None:
        assert (found.tier, found.strategy) == (model, Strategy.EXPLICIT)
    if found.strategy is not Strategy.EXPLICIT and found.floor is not None:
        assert ORDER.index(found.tier) >= ORDER.index(found.floor)
    if risk == "high" or title == "Add authentication":
        assert found.floor is Tier.OPUS


# --- the ladder -----------------------------------------------------------------------------------


def routes(keep: Any, **values: Any) -> tuple[Route, ...]:
    return ladder(
        task(1, **values),
        Score(value=1, reasons=()),
        worker="agent",
        tiers=tuple(Tier),
        models={tier: f"{tier}-id" for tier in Tier},
        asks_a_model=True,
        provider=lambda model: None,
        policy=Policy(),
        keep=keep,
    )


def climbed(keep: Any, **values: Any) -> list[tuple[str, str]]:
    return [(str(one.tier), one.reason) for one in routes(keep, **values)]


def test_rungs_that_do_not_pay_are_left_out_with_the_reason():
    def without_sonnet(choice: Choice, tiers: Any) -> Kept:
        skipped = {Tier.SONNET: "dearer than it helps"}
        return Kept((Tier.HAIKU, Tier.HAIKU, Tier.OPUS), "cheap enough", skipped, 0.25)

    first, again, last = climbed(without_sonnet)
    assert first == again
    assert (first[0], last[0]) == ("haiku", "opus")
    assert first[1].endswith("; cheap enough")
    assert last[1] == "haiku did not pass; sonnet left out: dearer than it helps"
    assert [tier for tier, _ in climbed(without_sonnet, model_lock=True)] == ["haiku", "haiku"]


TRIES = st.lists(st.sampled_from(Tier), min_size=1, max_size=5)


@given(TRIES, st.sampled_from([None, "high"]), st.none() | st.sampled_from(Tier))
def test_s1_01_s1_15_no_choice_of_rungs_goes_below_the_floor_or_the_plan(
    tries: list[Tier], risk: str | None, model: Tier | None
):
    found = routes(lambda choice, tiers: Kept(tuple(tries)), risk=risk, model=model)
    assert found
    if model is not None:
        assert found[0].tier is model
    least = model or (Tier.OPUS if risk else Tier.HAIKU)
    assert all(one.tier and ORDER.index(one.tier) >= ORDER.index(least) for one in found)


def test_s1_15_a_worker_without_the_floor_does_it_with_its_strongest():
    found = ladder(
        task(1, risk="high"),
        Score(value=1, reasons=()),
        worker="agent",
        tiers=(Tier.HAIKU, Tier.SONNET),
        models={tier: f"{tier}-id" for tier in Tier},
        asks_a_model=True,
        provider=lambda model: None,
        policy=Policy(),
    )
    assert [one.tier for one in found] == ["sonnet", "sonnet"]
    assert found[0].reason.endswith("agent has no opus, so sonnet")


def test_what_keeps_rungs_is_handed_the_choice_and_all_tiers():
    def only_strong(choice: Choice, tiers: Any) -> Kept:
        assert (choice.tier, choice.strategy, tuple(tiers)) == ("haiku", "default", tuple(Tier))
        return Kept((Tier.OPUS,), propensity=0.25)

    [only] = routes(only_strong)
    assert (only.tier, only.propensity) == ("opus", 0.25)
    assert {one.propensity for one in routes(every_rung)} == {1.0}
