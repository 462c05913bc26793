"""What the reports say of lines of a ledger: rates with n, costs, savings on the same tasks, criteria; and when they say that they do not know."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import Any

import pytest

from orchestrator import reports
from orchestrator.cli import reporting_text
from orchestrator.ledger import Entry
from orchestrator.model import Failure, Review, Strategy, Tier, Usage
from orchestrator.reports import savings
from orchestrator.reports.criteria import LEAST, Criterion, Status
from orchestrator.reports.rates import bootstrap
from tests.reports.lines import line, retroactive


def routing(entries: Iterable[Entry], tier: Tier = Tier.SONNET) -> dict[str, Any]:
    return reports.routing(reports.gather(entries), tier, [])


def cost(*entries: Entry) -> dict[str, Any]:
    return reports.cost(reports.gather(entries), Tier.SONNET)


def shown(found: dict[str, Any], kind: str) -> list[str]:
    head = {"window_days": 30, "damaged_lines": 0}
    return list(reporting_text.shown(reporting_text.lines(kind, head | found), None))


def validate(entries: Iterable[Entry]) -> dict[str, dict[str, Any]]:
    found = reports.validate(reports.gather(entries), Tier.SONNET, 0.05)
    return {one["name"]: one for one in found["criteria"]} | {"all": found}


def escalated(number: int, **more: Any) -> list[Entry]:
    """Haiku fails twice, sonnet does it."""
    return [
        line(number, "haiku", ok=False, **more),
        line(number, "haiku", ok=False, attempt=2, **more),
        line(number, "sonnet", cost=0.1, attempt=3, **more),
    ]


# --- what counts ----------------------------------------------------------------------------------


def test_s1_07_success_by_model_cost_confidence_and_strategies_with_their_n():
    found = routing([*escalated(1), line(2), line(3, "sonnet", cost=0.2, confidence=0.6)])
    assert (found["tasks"], found["attempts"]) == (3, 5)
    assert (found["success"]["successes"], found["success"]["n"]) == (3, 3)
    assert found["escalated"]["successes"] == 1
    haiku, sonnet = found["models"]
    assert (haiku["model"], haiku["success"]["successes"], haiku["success"]["n"]) == (
        "haiku-9",
        1,
        3,
    )
    assert (sonnet["cost_usd"]["n"], sonnet["cost_usd"]["mean"]) == (2, pytest.approx(0.15))
    assert (found["confidence"]["n"], found["confidence"]["mean"]) == (3, pytest.approx(0.8))
    [strategy] = found["strategies"]
    assert (strategy["strategy"], strategy["success"]["n"]) == ("pattern", 3)


def test_s1_13_imported_outcomes_and_scripts_are_no_evidence_and_are_counted():
    found = routing([retroactive(line(1)), line(2, None), line(3, ok=False)])
    assert found["left_out"] == {"retroactive": 1, "scripts": 1, "blameless": 0}
    assert (found["success"]["successes"], found["success"]["n"]) == (0, 1)


@pytest.mark.parametrize(
    "failure", [Failure.RATE_LIMIT, Failure.QUOTA, Failure.NETWORK, Failure.INTERRUPTED]
)
def test_limits_and_outages_are_held_against_no_model_and_still_cost(failure: Failure):  # fmt: skip
    entries = [line(1, ok=False, failure=failure), line(1, attempt=2)]
    found = routing(entries)
    assert found["models"][0]["success"]["n"] == 1
    assert found["left_out"]["blameless"] == 1
    assert cost(*entries)["spent"]["usd"] == pytest.approx(0.02)
    assert routing(entries[:1])["success"]["n"] == 0


def test_c_29_partial_is_no_success_and_is_told_apart():
    found = routing([line(1, partial=True), line(2)])
    assert found["models"][0]["success"]["successes"] == 1
    assert found["models"][0]["partial"] == 1
    assert (found["success"]["successes"], found["success"]["n"]) == (1, 2)


def test_the_same_task_of_two_runs_is_two_tasks():
    assert routing([line(1), line(1, run="r2")])["tasks"] == 2


def test_s1_06_each_routed_task_is_an_experiment_with_what_was_decided():
    found = routing([line(1, propensity=0.1), *escalated(2, at="2026-11-21T12:00:00Z")])
    experiments = found["experiments"]
    assert (experiments["n"], experiments["drawn"]) == (2, 1)
    newest, oldest = experiments["latest"]
    assert (newest["id"], newest["attempts"], newest["outcome"]) == (
        "r1 08-02-task-2",
        3,
        "success",
    )
    assert newest["cost_usd"] == pytest.approx(0.12)
    assert set(newest) >= {"id", "model", "confidence", "strategy", "cost_usd", "outcome", "reason"}
    assert oldest["propensity"] == 0.1


# --- cost -----------------------------------------------------------------------------------------


def test_costs_are_sums_of_all_attempts_failed_ones_too():
    found = cost(*escalated(1), line(2))
    assert found["spent"] == {"attempts": 4, "usd": pytest.approx(0.13), "unknown": 0}
    assert found["failed_attempts"]["usd"] == pytest.approx(0.02)
    assert found["above_the_first_tier"] == {
        "attempts": 1,
        "usd": pytest.approx(0.1),
        "unknown": 0,
    }
    assert (found["per_task"]["n"], found["per_task"]["mean"]) == (2, pytest.approx(0.065))
    assert found["per_success_usd"] == pytest.approx(0.065)
    assert found["projected"]["100"]["mean"] == pytest.approx(6.5)


def test_what_is_not_known_is_no_0_and_is_told():
    half = Usage(input_tokens=5, cost_usd=0.5, lower_bound=True)
    found = cost(line(1, cost=None), line(2, usage=half), line(3))
    assert found["spent"] == {"attempts": 3, "usd": pytest.approx(0.51), "unknown": 2}
    assert (found["per_task"]["n"], found["tasks_of_unknown_cost"]) == (2, 1)
    assert found["per_success_usd"] is None


def test_a_dear_task_that_is_known_only_in_part_is_in_the_projection_as_at_least_that():
    """Four tasks of $0.10 and one that was stopped at $2: a hundred like them cost at least $48, and not $10."""
    dear = Usage(input_tokens=5, cost_usd=2.0, lower_bound=True)
    found = cost(*(line(n, cost=0.1) for n in range(1, 5)), line(5, usage=dear))
    each, hundred = found["per_task"], found["projected"]["100"]
    assert (each["n"], each["mean"], each["at_least"]) == (5, pytest.approx(0.48), True)
    assert (hundred["mean"], hundred["high"]) == (pytest.approx(48.0), None)
    assert each["mean"] * each["n"] == pytest.approx(found["spent"]["usd"])
    told = "\n".join(shown(found, "cost"))
    assert "a task: at least $0.48 in the mean of 5" in told
    assert "at least $48.00 (95%: from $10.00 on)" in told
    assert cost(line(1), line(2))["per_task"]["at_least"] is False


# --- savings --------------------------------------------------------------------------------------


def saved(entries: Iterable[Entry], tier: Tier = Tier.SONNET) -> savings.Savings:
    return savings.against(reports.gather(entries), tier)


def cheap_and_dear(cheap: int = 6, dear: int = 6, **more: Any) -> list[Entry]:
    first = [line(n, "haiku", cost=0.001, **more) for n in range(1, cheap + 1)]
    return [
        *first,
        *(line(n, "sonnet", cost=0.01, **more) for n in range(cheap + 1, cheap + dear + 1)),
    ]


def test_c_07_savings_are_of_the_same_tasks_at_the_learned_mean_of_the_other_tier():
    found = saved(cheap_and_dear())
    assert (found.tasks, found.samples) == (12, 6)
    assert found.actual_usd == pytest.approx(0.066)
    assert found.other_usd == pytest.approx(0.12)
    assert found.share == pytest.approx(0.45)
    assert found.low_share is not None
    assert found.high_share is not None
    assert found.low_share < 0.45 < found.high_share
    assert "each of the same 12 tasks on sonnet alone" in found.statement


def test_c_04_s1_18_shares_are_of_unrounded_dollars():
    """Six at $0.001 and two at $0.010 against eight at $0.010: 67.5%, and not 62.5% of a rounded $0.03."""
    tasks = [savings.Known(5, 0.001, None)] * 6 + [savings.Known(5, 0.010, 0.010)] * 2
    assert savings._other(tasks) == pytest.approx(0.08)
    assert savings._saved(tasks)[1] == pytest.approx(0.675)


def test_a_complexity_with_enough_tasks_has_its_own_mean():
    hard = [line(100 + n, "sonnet", cost=1.0, complexity=8) for n in range(5)]
    found = saved([*cheap_and_dear(5, 5), *hard, line(200, "haiku", cost=0.5, complexity=8)])
    assert found.other_usd == pytest.approx(10 * 0.01 + 6 * 1.0)


def review(usd: float, tokens: int = 1) -> Review:
    usage = Usage(input_tokens=tokens, output_tokens=0, cost_usd=usd)
    return Review(approved=True, worker="agent", model="opus-9", text="", usage=usage)


def test_what_a_review_has_cost_is_of_the_model_that_reviewed():
    found = cost(line(1, cost=0.3, review=review(0.25)), line(2, cost=0.1))
    told = {name: (one["attempts"], one["usd"]) for name, one in found["by_model"].items()}
    assert told == {"haiku-9": (2, pytest.approx(0.15)), "opus-9": (1, pytest.approx(0.25))}
    assert found["spent"]["usd"] == pytest.approx(0.4)


@pytest.mark.parametrize("kind", ["routing", "models"])
def test_a_cheap_model_is_not_dear_because_a_strong_one_has_looked(kind: str):
    """A try of $0.0047 and a review of it of $0.0710."""
    tried = line(1, cost=0.0757, review=review(0.0710, 300))
    work = reports.gather([tried, line(2, cost=0.0047)])
    found = routing([*work.attempts]) if kind == "routing" else reports.models(work, {})
    [haiku] = found["models"]
    assert haiku["cost_usd"]["mean"] == pytest.approx(0.0047)
    assert haiku["tokens"]["mean"] == pytest.approx(850)
    [opus] = found["reviews"]
    assert (opus["model"], opus["n"], opus["approved"]) == ("opus-9", 1, 1)
    assert (opus["cost_usd"]["mean"], opus["tokens"]["mean"]) == (pytest.approx(0.0710), 300)
    assert "opus-9  1 of 1 accepted  $0.071 in the mean of 1" in "\n".join(shown(found, kind))


def test_savings_are_without_reviews_on_both_sides():
    bare = saved(cheap_and_dear())
    entries = [
        line(n, tier, cost=usd + 0.5, review=review(0.5))
        for n, (tier, usd) in enumerate([("haiku", 0.001)] * 6 + [("sonnet", 0.01)] * 6, start=1)
    ]
    found = saved(entries)
    assert (found.actual_usd, found.other_usd) == (
        pytest.approx(bare.actual_usd),
        pytest.approx(bare.other_usd),
    )
    assert found.statement.endswith("; reviews are in neither")


def test_a_try_that_failed_there_is_part_of_what_a_task_costs_there():
    twice = [line(n, "sonnet", cost=0.01, ok=False) for n in range(1, 6)]
    twice += [line(n, "sonnet", cost=0.01, attempt=2) for n in range(1, 6)]
    assert saved(twice).other_usd == pytest.approx(0.1)
    assert saved(twice).saved_usd == pytest.approx(0)


def test_what_failed_elsewhere_first_prices_nothing_where_others_are_enough():
    """Tasks that haiku failed take sonnet $0.20, those that began there $0.10: the first are the harder ones."""
    hard = [one for n in range(1, 21) for one in escalated(n)]
    hard = [one.model_copy(update={"cost_usd": 0.2}) if one.attempt == 3 else one for one in hard]
    began = [line(100 + n, "sonnet", cost=0.1) for n in range(5)]
    fair, unfair = saved([*hard, *began]), saved(hard)
    assert fair.other_usd == pytest.approx(25 * 0.1)
    assert fair.bias == (
        "overstated: 20 began below sonnet, and of one complexity those are rather the easier ones",
    )
    assert unfair.other_usd == pytest.approx(20 * 0.2)
    assert unfair.bias[0].startswith("overstated: 20 of the 20 are priced by a mean with tasks")
    assert "overstated: 20 of the 20" in "\n".join(shown(routing(hard), "routing"))


def test_which_way_savings_may_be_wrong_is_told():
    half = Usage(input_tokens=5, cost_usd=0.5, lower_bound=True)
    lost = [line(20 + n, "sonnet", ok=False, cost=0.01) for n in range(2)]
    told = " ".join(saved([*cheap_and_dear(), *lost, line(30, usage=half)]).bias)
    assert "understated: 2 of the 8 did not end well on sonnet" in told
    assert "overstated: of 1 left out only a part of the cost is known" in told
    assert saved([]).bias == ()
    other = saved([*cheap_and_dear(4, 6), *(line(40 + n, "opus") for n in range(5))])
    assert other.bias[-1].startswith("understated: 5 began above sonnet")


def test_of_many_tasks_the_interval_is_that_of_drawings():
    chance = random.Random(7)
    tasks = [
        savings.Known(
            1 + n % 3,
            chance.lognormvariate(-5, 0.6),
            chance.lognormvariate(-4, 0.6) if n % 2 else None,
        )
        for n in range(400)
    ]
    for ours, drawn in zip(
        savings._intervals(tasks), bootstrap(tasks, savings._saved), strict=True
    ):
        width = drawn[1] - drawn[0]
        assert ours == pytest.approx(drawn, abs=0.08 * width)


def test_reports_of_ten_thousand_lines_take_no_longer_than_learning_from_them():
    """Drawing a thousand times for each figure took 1.6 to 3.6 seconds."""
    some = [line(n, tier, cost=0.01 * n) for n in range(1, 51) for tier in ("haiku", "sonnet")]
    many = [
        one.model_copy(update={"run_id": f"r{k}-{one.model_routed}"})
        for k in range(100)
        for one in some
    ]
    began = time.process_time()
    routing(many)
    cost(*many)
    validate(many)
    reports.models(reports.gather(many), {})
    assert time.process_time() - began < 3.0


def test_with_little_evidence_there_is_no_figure():
    found = saved(cheap_and_dear(10, 4))
    assert found.missing.startswith("insufficient evidence: 5 tasks of known cost are needed")
    assert found.missing.endswith("there are 4 on sonnet")
    assert (found.saved_usd, found.share, found.low_usd) == (None, None, None)
    assert saved([]).missing


def test_a_task_of_unknown_cost_is_left_out_and_counted():
    found = saved([*cheap_and_dear(), line(50, cost=None)])
    assert (found.tasks, found.unknown) == (12, 1)


def test_routing_that_costs_more_is_told_with_its_sign():
    dear = [line(n, "opus", cost=1.0) for n in range(1, 7)]
    found = saved([*dear, *(line(n, "sonnet", cost=0.01) for n in range(10, 16))])
    assert found.share is not None
    assert found.share < 0
    assert found.high_usd is not None
    assert found.high_usd < 0


# --- criteria -------------------------------------------------------------------------------------


def many(n: int, tier: str = "haiku", *, failed: int = 0, start: int = 1) -> list[Entry]:
    price = {"haiku": 0.001, "sonnet": 0.01}[tier]
    return [line(start + k, tier, ok=k >= failed, cost=price) for k in range(n)]


def test_s1_16_each_criterion_has_n_interval_and_status():
    found = validate([*many(60), *many(60, "sonnet", start=100)])
    assert (
        {name: one["status"] for name, one in found.items()}
        == {
            "haiku success": "met",
            "cost reduction": "met",
            "average routing confidence": "met",
            "no regressions": "insufficient evidence",  # 60 against 60: the interval is wider than 5 points
            "all": "insufficient evidence",
        }
    )
    for one in found["all"]["criteria"]:
        assert one["n"] >= one["least_n"] == LEAST
        assert one["low"] <= one["value"] <= one["high"]


def test_s1_16_enough_of_it_meets_all_and_failures_do_not():
    good = [*many(200), *many(200, "sonnet", start=1000)]
    assert validate(good)["all"]["status"] == "met"
    bad = validate([*many(200, failed=80), *many(200, "sonnet", start=1000)])
    assert bad["haiku success"]["status"] == "not met"
    assert bad["no regressions"]["status"] == "not met"
    assert bad["all"]["status"] == "not met"


def test_c_06_nothing_is_validated_below_the_stated_n():
    found = validate([*many(6), *many(2, "sonnet", start=100)])
    assert found["haiku success"]["value"] == 1.0
    assert {one["status"] for one in found["all"]["criteria"]} == {"insufficient evidence"}
    assert validate([])["all"]["status"] == "insufficient evidence"


def test_c_06_18_straight_successes_are_not_enough_whatever_their_interval():
    assert Criterion("x", "y", 0.5, LEAST - 1, 1.0, 0.9, 1.0).status is Status.UNKNOWN
    assert Criterion("x", "y", 0.5, LEAST, 1.0, 0.9, 1.0).status is Status.MET


def test_an_interval_on_both_sides_of_the_promise_is_no_answer():
    assert Criterion("x", "y", 0.85, LEAST, 0.8, 0.7, 0.9).status is Status.UNKNOWN
    assert Criterion("x", "y", 0.85, LEAST, 0.9, 0.8, 1.0).status is Status.UNKNOWN
    assert Criterion("x", "y", 0.85, LEAST, 0.8, 0.7, 0.84).status is Status.NOT_MET


def test_easy_work_is_not_compared_with_hard_work():
    """Haiku does the easy half and sonnet the hard one; where both did the same, haiku is worse by 30 points."""
    easy = [line(n, "haiku", complexity=2) for n in range(200)]
    hard = [line(1000 + n, "sonnet", complexity=8, ok=n % 2 > 0) for n in range(200)]
    both = [line(2000 + n, "haiku", complexity=5, ok=n % 10 >= 3) for n in range(100)]
    both += [line(3000 + n, "sonnet", complexity=5) for n in range(100)]
    found = validate([*easy, *hard, *both])["no regressions"]
    assert (found["value"], found["n"]) == (pytest.approx(-0.3), 100)
    assert found["status"] == "not met"
    assert "within complexity 5: 100 of 300 tasks" in found["note"]
    assert "a regression is rather understated" in found["note"]
    alone = validate([*easy, *hard])["no regressions"]
    assert (alone["status"], alone["n"]) == ("insufficient evidence", 0)
    assert alone["note"] == "no complexity has both tasks begun below sonnet and others"


def test_haiku_success_is_of_tasks_that_haiku_did_itself():
    found = validate([*escalated(1), line(2)])
    assert (found["haiku success"]["value"], found["haiku success"]["n"]) == (0.5, 2)


# --- models ---------------------------------------------------------------------------------------


def test_models_are_told_by_complexity_with_calibration():
    entries = [line(1), line(2, complexity=6, ok=False), line(3, "sonnet")]
    found = reports.models(reports.gather(entries), {"api-impl": {}})
    haiku = found["models"][0]
    assert {level: one["n"] for level, one in haiku["by_complexity"].items()} == {"5": 1, "6": 1}
    assert found["calibration"] == {"api-impl": {}}


def test_an_empty_ledger_makes_every_report_and_no_figure():
    nothing = reports.gather([])
    assert routing([])["confidence"] is None
    assert cost()["per_task"] is None
    assert reports.models(nothing, {})["models"] == []
    assert routing([line(1, strategy=Strategy.WORKER)])["strategies"][0]["strategy"] == "worker"
