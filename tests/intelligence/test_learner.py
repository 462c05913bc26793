"""Learning from outcomes: the seed's example, what counts as evidence, and when a rule is a rule."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.intelligence import lessons
from orchestrator.intelligence.comparison import Method, Policy
from orchestrator.intelligence.learner import Learned, Pool, learn
from orchestrator.ledger import Entry
from orchestrator.ledger.samples import sample
from orchestrator.model.learned import OF_THE_MODEL, Sample
from orchestrator.routing import confidence
from tests.ledger.outcomes import IDS, NOW, line, lines, seed_sample

SEED = Policy(method=Method.SEED)
EXAMPLE = (("haiku", 16, 16, 0.00175), ("sonnet", 9, 10, 0.018))


def samples(entries: Iterable[Entry]) -> list[Sample]:
    return [sample(one) for one in entries]


def learned(entries: Iterable[Entry], policy: Policy = SEED, **more: Any) -> Learned:
    return learn(samples(entries), policy, **more)


def recent(entries: Iterable[Entry]) -> list[Entry]:
    since = (NOW - timedelta(days=30)).isoformat()
    return [one for one in entries if one.timestamp >= since[:19]]


# --- the seed's example ---------------------------------------------------------------------------


def test_s0_06_of_the_seeds_88_tasks_only_the_window_counts_and_the_rules_are_exact():
    everything = list(seed_sample(NOW))
    assert len(everything) == 88
    found = learned(recent(everything))
    assert found.loaded == 58
    (rule,) = found.rules
    assert (rule.complexity, rule.tier) == (6, "haiku")
    assert rule.confidence == round(confidence.seed(16), 4) == 0.8912
    assert rule.metrics["sample_size"] == 16
    assert learned(everything).rules == ()  # the month before would spoil it


def test_s0_25_the_seeds_example_is_learned_in_seed_mode():
    (rule,) = learned(lines(*EXAMPLE)).rules
    assert rule.tier == "haiku"
    assert rule.reason.startswith("Better than sonnet: 100% success, $0.0018 avg cost (16 samples)")
    assert rule.evidence["incumbent"]["model"] == "sonnet"
    assert rule.evidence["incumbent"]["success_rate"] == 0.9


def test_s0_25_no_rule_for_less_success_or_the_same_cost():
    assert learned(lines(("haiku", 17, 20, 0.001), ("sonnet", 9, 10, 0.018))).rules == ()
    assert learned(lines(("haiku", 16, 16, 0.018), ("sonnet", 9, 10, 0.018))).rules == ()
    for tries in range(10, 30):  # sums of equal costs differ in their last bit, either way
        same = lines(("haiku", 20, 20, 0.018), ("sonnet", tries - 1, tries, 0.018))
        (other,) = learned(same).others
        assert other.missing.startswith("not cheaper")


def test_s0_24_the_figures_of_each_group():
    entries = [
        line(number=1, cost=0.01, duration_seconds=100.0),
        line(number=2, cost=0.02, duration_seconds=200.0),
        line(number=3, cost=None, duration_seconds=None),
        line(number=4, cost=0.03, duration_seconds=600.0, outcome="failed"),
    ]
    pool = Pool(SEED)
    for one in samples(entries):
        pool.add(one)
    (group,) = pool.groups.values()
    assert (group.tries, group.successes, group.rate) == (4, 3, 0.75)
    assert group.avg_cost == pytest.approx(0.02)
    assert group.avg_seconds == 300.0


def test_s0_23_groups_are_of_one_complexity_and_one_model_id():
    """C-10: the alias of two models shares no counts."""
    pool = Pool(SEED)
    for one in samples(
        [
            line(number=1),
            line(number=2, complexity_estimated=5),
            line(number=3, model_version="claude-haiku-5"),
            line(number=4),
        ]
    ):
        pool.add(one)
    counts = {key: group.tries for key, group in pool.groups.items()}
    haiku = IDS["haiku"]
    assert counts == {(6, haiku): 2, (5, haiku): 1, (6, "claude-haiku-5"): 1}


def asked(name: str, answered: str | None, number: int, **more: Any) -> Entry:
    """Of a worker that was given a name; None: it ended before anybody had answered, and the name is all that is known."""
    route = {"tier": "haiku", "confidence": 1.0, "reason": "r", "propensity": None, "model": name}
    return line(number=number, route=route, model_version=answered or name, **more)


def counts(entries: Iterable[Entry], policy: Policy = SEED) -> dict[tuple[int, str], float]:
    pool = Pool(policy)
    for one in samples(entries):
        pool.add(one)
    pool.settle()
    return {key: group.tries for key, group in pool.groups.items()}


def test_an_attempt_that_nobody_answered_is_of_the_id_behind_its_name():
    """Before the first answer that of the first; after it that of the last before it. An alias is no model."""
    old, new = "claude-haiku-4-5", "claude-haiku-5-5"
    ended = {"outcome": "failed", "failure": "timeout", "verified": None, "verify_strength": None}
    entries = [
        asked("haiku", None, 1, **ended),
        asked("haiku", old, 2),
        asked("haiku", None, 3, **ended),
        asked("haiku", new, 4),
        asked("haiku", None, 5, **ended),
        asked("haiku", None, 6, **ended, worker="another", complexity_estimated=5),
        asked(old, old, 7),  # who asks for an id gets it
        asked("by-date", None, 8, **ended),
        asked("by-date", "by-date-20261001", 9),
        line(number=10, model_version="haiku", origin="retroactive"),
    ]
    expected = {(6, old): 3, (6, new): 3, (5, "haiku"): 1, (6, "by-date-20261001"): 2}
    assert counts(entries) == expected
    assert counts(entries, Policy()) == expected


def test_what_nobody_answered_counts_against_the_model_in_comparisons():
    """20 of 20 judged passes, and 20 times no answer at all: not as good as sonnet's 20 of 20."""
    good = [asked("haiku", IDS["haiku"], n, cost=0.001) for n in range(20)]
    silent = [
        asked("haiku", None, 100 + n, outcome="failed", failure="timeout", cost=None)
        for n in range(20)
    ]
    usual = lines(("sonnet", 20, 20, 0.018))
    assert learned([*good, *usual], Policy()).rules
    (other,) = learned([*good, *silent, *usual], Policy()).others
    assert other.metrics["success_rate"] == 0.5
    assert other.evidence["model_id"] == IDS["haiku"]


@pytest.mark.parametrize(
    ("method", "level"),
    [(Method.SEED, 0.8912), (Method.WILSON, None), (Method.NONINFERIORITY, 0.943)],
)
def test_s0_26_each_method_decides_and_all_three_are_kept(method: Method, level: float | None):
    (rule,) = learned(lines(*EXAMPLE), Policy(method=method)).rules
    told = rule.evidence["confidences"]
    assert rule.confidence == told[method]
    assert set(told) == {"seed", "wilson", "noninferiority"}
    assert told["seed"] == pytest.approx(1 - 2 ** (-16 / 5), abs=1e-4)
    assert told["noninferiority"] == pytest.approx(0.943, abs=1e-3)
    assert told["wilson"] == pytest.approx(confidence.wilson(16, 16), abs=1e-4)
    assert level is None or rule.confidence == pytest.approx(level, abs=1e-3)


@pytest.mark.parametrize(("least", "is_rule"), [(0.699, True), (0.70, True), (0.701, False)])
def test_s0_27_the_threshold_is_reached_at_the_threshold(least: float, is_rule: bool):
    """C-03: >= everywhere. 8.685 samples would give .70 exactly; so the threshold is moved, not the sample."""
    found = learned(lines(*EXAMPLE), Policy(method=Method.SEED, min_confidence=0.70))
    exact = confidence.seed(16)
    shifted = SEED.model_copy(update={"min_confidence": exact + least - 0.70})
    assert bool(learned(lines(*EXAMPLE), shifted).rules) is is_rule
    assert found.rules


def test_ten_samples_are_enough_for_the_seed_and_five_are_not():
    assert learned(lines(("haiku", 10, 10, 0.001), ("sonnet", 9, 10, 0.018))).rules
    (other,) = learned(lines(("haiku", 5, 5, 0.001), ("sonnet", 9, 10, 0.018))).others
    assert other.missing == "confidence 50%"


# --- our own mode ---------------------------------------------------------------------------------


def test_the_example_is_a_rule_that_may_stand_alone():
    (rule,) = learned(lines(*EXAMPLE), Policy()).rules
    assert rule.evidence["adopt"] is True
    assert rule.evidence["margin"] == 0.05
    assert rule.evidence["cost_lower"] == 1.0


def test_between_the_two_thresholds_a_rule_needs_a_check_behind_it():
    (rule,) = learned(lines(("haiku", 10, 10, 0.001), ("sonnet", 9, 10, 0.018)), Policy()).rules
    assert 0.7 <= rule.confidence < 0.9
    assert rule.evidence["adopt"] is False


def test_c_28_a_little_less_success_is_within_the_margin_and_not_in_seed_mode():
    entries = lines(("haiku", 176, 200, 0.001), ("sonnet", 178, 200, 0.018))
    (rule,) = learned(entries, Policy()).rules
    assert rule.reason.startswith("Nearly as good as sonnet: 88% success")
    assert learned(entries).rules == ()
    assert rule.evidence["margin"] == 0.05


def test_cost_must_be_surely_lower():
    spread = (0.002, 0.9, 0.01, 0.4, 0.003, 0.7)
    entries = [
        line(model, cost=shift * spread[n % 6], task_id=f"{model}-{n}")
        for model, shift in (("haiku", 0.95), ("sonnet", 1.0))
        for n in range(12)
    ]
    found = learned(entries, Policy())
    assert found.rules == ()
    assert found.others[0].missing.startswith("not surely cheaper")
    assert len(learned(entries).rules) == 1  # the seed asks for a lower mean only


def test_c_29_partial_counts_as_failure_and_is_told():
    entries = lines(*EXAMPLE) + [
        line(outcome="partial", task_id=f"p{n}", cost=0.00175) for n in range(4)
    ]
    found = learned(entries, Policy())
    one = (*found.rules, *found.others)[0]
    assert one.metrics["success_rate"] == 0.8
    assert one.evidence["partial_rate"] == 0.2


@pytest.mark.parametrize(
    "failure",
    [
        "rate-limit",
        "quota",
        "network",
        "auth",
        "interrupted",
        "workspace",
        "conflict",
        "killed",
        "a newer word",
    ],
)
@pytest.mark.parametrize("policy", [SEED, Policy()], ids=["seed", "default"])
def test_what_others_did_never_counts_against_a_model(failure: str, policy: Policy):
    assert failure not in OF_THE_MODEL
    bad = [line(outcome="failed", failure=failure, task_id=f"x{n}") for n in range(50)]
    found = learned(lines(*EXAMPLE) + bad, policy)
    (rule,) = found.rules
    assert rule.metrics["sample_size"] == 16
    assert found.passed == {"not the model's doing": 50}


def test_s1_13_imported_outcomes_are_no_evidence():
    """C-06: of what is told later only the good is told."""
    told = lines(*EXAMPLE, origin="retroactive")
    for policy in (SEED, Policy()):
        found = learned(told, policy)
        assert (found.rules, found.analysed, found.passed) == ((), 0, {"imported": 26})


def test_only_first_tries_that_something_judged_are_compared():
    """An escalation gets the tasks that the cheap model could not do: it must not look worse for that."""
    late = [
        line("sonnet", "failed", task_id=f"e{n}", attempt=2, escalated_from="haiku", cost=0.018)
        for n in range(30)
    ]
    late += [line("haiku", task_id=f"r{n}", attempt=2, cost=0.001) for n in range(20)]
    nothing = [
        line("haiku", task_id=f"n{n}", verified="none", verify_strength=0.0) for n in range(30)
    ]
    green = [line("haiku", task_id=f"g{n}", verify_strength=0.0) for n in range(30)]
    found = learned(lines(*EXAMPLE) + late + nothing + green, Policy())
    (rule,) = found.rules
    assert rule.evidence["incumbent"]["sample_size"] == 10
    assert rule.metrics["sample_size"] == 16
    assert found.passed == {"judged by nothing": 60, "not a first try": 50}


def test_c_09_without_outcomes_of_the_usual_model_there_is_no_rule():
    found = learned(lines(("haiku", 40, 40, 0.001), ("opus", 20, 20, 0.1)), Policy())
    assert (found.rules, found.alone) == ((), (6,))


def test_c_10_a_new_model_id_starts_with_ten_samples_of_its_predecessor_at_most():
    old = lines(("haiku", 200, 200, 0.001), at=NOW - timedelta(days=9))
    sonnet = lines(("sonnet", 9, 10, 0.018))
    new = lines(("haiku", 6, 6, 0.001), model_version="claude-haiku-5")
    found = learned(old + sonnet + new, Policy())
    (rule,) = found.rules
    assert rule.evidence["model_id"] == "claude-haiku-5"
    assert rule.metrics["sample_size"] == 6
    assert rule.evidence["inherited"] == {"model_id": IDS["haiku"], "samples": 10.0}
    assert rule.confidence == round(confidence.noninferiority(16, 16, 9, 10, 0.05), 4)
    assert rule.evidence["confidences"]["seed"] == round(confidence.seed(6), 4)
    alone = learned(sonnet + new, Policy())
    assert "inherited" not in (*alone.rules, *alone.others)[0].evidence


def test_a_rule_in_force_does_not_lose_what_it_was_compared_with():
    """The usual model hardly runs any more at that complexity: what was known of it counts for ten samples."""
    first = learned(lines(*EXAMPLE), Policy())
    before = {6: json.loads(json.dumps(first.rules[0].evidence))}
    later = lines(("haiku", 30, 30, 0.00175))
    assert learned(later, Policy()).rules == ()
    (rule,) = learned(later, Policy(), before=before).rules
    assert rule.evidence["incumbent"]["sample_size"] == 10
    again = learned(later, Policy(), before={6: rule.evidence}).rules
    assert again == (rule,)  # it neither grows nor fades by being learned once more


@pytest.mark.parametrize("broken", [{}, {"incumbent": 3}, {"incumbent": {"model": "sonnet"}}])
def test_evidence_of_before_that_cannot_be_read_is_none(broken: dict[str, Any]):
    assert learned(lines(("haiku", 30, 30, 0.001)), Policy(), before={6: broken}).rules == ()


def test_a_stronger_model_that_costs_less_is_learned_too():
    (rule,) = learned(lines(("opus", 40, 40, 0.74), ("sonnet", 30, 40, 1.03)), Policy()).rules
    assert rule.tier == "opus"


# --- any history ----------------------------------------------------------------------------------

OUTCOMES = st.builds(
    line,
    model=st.sampled_from(["haiku", "sonnet", "opus"]),
    outcome=st.sampled_from(["success", "partial", "failed"]),
    cost=st.none() | st.floats(0, 5),
    complexity_estimated=st.integers(1, 10),
    attempt=st.integers(1, 3),
    failure=st.sampled_from([None, "verify", "rate-limit"]),
)


@settings(max_examples=60, deadline=None)
@given(entries=st.lists(OUTCOMES, max_size=80), method=st.sampled_from(list(Method)))
def test_of_any_history_the_document_is_json_and_each_rule_is_cheaper_and_sure(
    entries: list[Entry], method: Method
):
    policy = Policy(method=method)
    found = learned(entries, policy)
    document = lessons.document(found, "2026-03-01T00:00:00Z", 30)
    assert json.loads(json.dumps(document, allow_nan=False))
    assert found.analysed + sum(found.passed.values()) == found.loaded == len(entries)
    for rule in found.rules:
        assert rule.confidence >= policy.min_confidence
        assert rule.tier != policy.usual(rule.complexity)
        assert rule.metrics["avg_cost_usd"] < rule.evidence["incumbent"]["avg_cost_usd"]
        assert rule.metrics["sample_size"] >= policy.min_samples
    assert list(lessons.report(found, policy, 30, "saved", "never"))


@settings(max_examples=40, deadline=None)
@given(entries=st.lists(OUTCOMES, max_size=60), order=st.randoms())
def test_the_order_of_lines_does_not_matter(entries: list[Entry], order: Any):
    shuffled = list(entries)
    order.shuffle(shuffled)
    ours, theirs = learned(entries, Policy()), learned(shuffled, Policy())
    assert [(rule.complexity, rule.tier) for rule in ours.rules] == [
        (rule.complexity, rule.tier) for rule in theirs.rules
    ]


# --- the file and the report ----------------------------------------------------------------------


def test_s0_28_the_file_has_exactly_the_keys_of_the_seed():
    document = lessons.document(learned(lines(*EXAMPLE)), "2026-01-16T07:44:08Z", 30)
    assert list(document) == ["learned_recommendations", "last_updated", "window_days"]
    (level, rule), *_ = document["learned_recommendations"].items()
    assert level == "6"
    assert list(rule) == ["model", "confidence", "reason", "metrics", "evidence"]
    assert rule["metrics"] == {
        "success_rate": 1.0,
        "avg_cost_usd": 0.00175,
        "avg_duration_sec": 275.0,
        "sample_size": 16,
    }


REPORT = """\
Loading outcomes of the last 30 days...
Loaded 58 attempts

Found 1 improved routing rule:
  Complexity 6: Use haiku (confidence: 94%, 16 samples)
    Reason: No worse than sonnet: 100% success, $0.0018 avg cost (16 samples); sonnet: 90%, $0.0180 avg cost (10 samples)
  Insufficient evidence at complexity 3, 7, 9: nothing to compare with the usual model

Saving recommendations to routing_heuristics.json

✓ Learning complete
  Analyzed: 58 attempts
  Learned: 1 routing rule
  Confidence threshold: 70%, 90% without a verified escalation (noninferiority)
  Next run: 2026-04-01 00:00 (crontab)"""


def test_s0_29_the_report():
    found = learned(recent(seed_sample(NOW)), Policy())
    saving = "Saving recommendations to routing_heuristics.json"
    told = lessons.report(found, Policy(), 30, saving, "2026-04-01 00:00 (crontab)")
    assert "\n".join(told) == REPORT
