"""Estimates that were learned: means and ranges of attempts like a task, how sure they are, what does not count, and how good earlier ones were."""

from __future__ import annotations

import pytest

from orchestrator import estimates, settings
from orchestrator.estimates import Past, calibration, settle
from orchestrator.estimates.names import Names
from orchestrator.estimates.past import Group, Measured, used
from orchestrator.graph import build
from orchestrator.model import Estimate, Failure, Score, TaskId, Tier, Usage
from orchestrator.settings import EstimateSettings
from tests.build import plan, task
from tests.reports.lines import line, retroactive

SIX = Score(value=6, reasons=())
API = task(1, name="Task 1: Add the users endpoint")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> EstimateSettings:
    return settings.load(tmp_path_factory.mktemp("p")).estimate


def spent(count: int, cached: int = 0) -> Usage:
    return Usage(
        input_tokens=count - 100, output_tokens=100, cache_read_tokens=cached, cost_usd=count / 1e5
    )


def past(*tokens: int, tier: str = "sonnet", complexity: int = 6) -> Past:
    lines = [
        line(n, tier, usage=spent(one, 4000), complexity=complexity, duration_s=one / 100)
        for n, one in enumerate(tokens, 1)
    ]
    return Past(map(used, lines))


def found(given: Past, complexity: int = 6, model: str = "sonnet-9") -> Group | None:
    return given.find("api-impl", complexity, worker="agent", model=model)


def test_s2_55_the_mean_with_its_range_its_confidence_and_its_success():
    group = found(past(1000, 2000, 3000, 4000, 5000))
    assert group is not None
    assert group.work == Measured(5, 3000, 1000, 5000)
    assert group.tokens == Measured(5, 7000, 5000, 9000)
    assert group.duration_s == Measured(5, 30, 10, 50)
    assert group.cost_usd == Measured(5, pytest.approx(0.03), 0.01, 0.05)
    assert (group.n, group.success_rate, group.confidence) == (5, 1.0, 0.5)


def test_s3_30_with_fewer_than_five_like_it_the_range_is_the_wide_one_of_the_table(
    table: EstimateSettings,
):
    four, five = (found(past(*[9000] * n)) for n in (4, 5))
    assert four is None
    few = estimates.expect(API, SIX, Tier.SONNET, table, four)
    assert (few.samples, few.billed) == (0, None)
    assert few.tokens.high / few.tokens.low == pytest.approx(1.3 / 0.7, rel=0.02)
    many = estimates.expect(API, SIX, Tier.SONNET, table, five)
    assert (many.samples, many.tokens) == (5, Estimate(low=9000, high=9000))


@pytest.mark.parametrize(("n", "confidence"), [(5, 0.5), (9, 0.9), (10, 0.95), (50, 0.95)])
def test_s2_55_confidence_is_the_number_of_samples_over_ten_and_at_most_95(
    n: int, confidence: float
):
    group = found(past(*[1000] * n))
    assert group is not None
    assert group.confidence == confidence


def test_a_range_of_many_leaves_a_tenth_at_each_end_out():
    assert Measured.of(map(float, range(1, 12))) == Measured(11, 6, 2, 10)
    assert Measured.of(map(float, range(1, 11))) == Measured(10, 5.5, 1, 10)
    assert Measured.of([None]) is None


def test_s2_56_below_five_samples_the_table_counts(table: EstimateSettings):
    """api-impl at complexity 6 on sonnet: 9,200 in the mean, with the confidence of a table."""
    assert found(past(1000, 2000, 3000, 4000)) is None
    told = estimates.expect(API, SIX, Tier.SONNET, table, found(past(1000, 2000, 3000, 4000)))
    assert (told.tokens.low + told.tokens.high) / 2 == 9200
    assert (told.samples, told.confidence, told.success_rate) == (0, 0.3, None)


def test_s2_55_from_five_samples_on_what_was_used_counts(table: EstimateSettings):
    group = found(past(1000, 2000, 3000, 4000, 5000))
    told = estimates.expect(API, SIX, Tier.SONNET, table, group)
    assert told.tokens == Estimate(low=1000, high=5000)
    assert told.billed == Estimate(low=5000, high=9000)
    assert told.duration_s == Estimate(low=10, high=50)
    assert (told.samples, told.confidence) == (5, 0.5)
    assert told.why[1] == (
        "tokens: 5 attempts of api-impl on sonnet-9, complexity 6: 7,000 in the mean"
    )


def test_the_word_of_the_plan_counts_before_what_was_learned(table: EstimateSettings):
    own = task(
        1,
        name=API.name,
        estimated_tokens=Estimate(low=5, high=8),
        estimated_duration_s=Estimate(low=1, high=2),
    )
    told = estimates.expect(own, SIX, Tier.SONNET, table, found(past(*[1000] * 5)))
    assert (told.tokens, told.billed) == (Estimate(low=5, high=8), None)
    assert told.duration_s == Estimate(low=1, high=2)


def test_other_complexities_stand_in_brought_to_this_one():
    """At 15% a point: 1,150 at complexity 6 is 1,000 at 5."""
    group = found(past(*[1150] * 5), complexity=5)
    assert group is not None
    assert group.work is not None
    assert (group.work.mean, group.whole) == (pytest.approx(1000), False)


def test_c_10_another_model_or_tier_never_shares_its_counts():
    given = past(*[1000] * 5)
    assert found(given, model="sonnet-8") is None
    assert given.find("api-impl", 6, worker="agent", model="opus-9") is None
    assert given.find("other", 6, worker="agent", model="sonnet-9") is None


def names(*seen: tuple[str | None, str]) -> Names:
    return settle([("w", asked, answered) for asked, answered in seen])[1]


def test_c_10_an_alias_is_the_id_that_answered_to_it_last():
    known = names(("haiku", "h-4"), ("haiku", "h-5"), ("sonnet", "s-4"), ("haiku", "haiku"))
    assert (known.resolve("w", "haiku"), known.resolve("w", "sonnet")) == ("h-5", "s-4")
    assert known.resolve("other", "haiku") == "haiku"
    own = [one._replace(asked="sonnet") for one in past(*[1000] * 5).every]
    assert found(Past(own), model="sonnet") is not None


def test_c_10_only_a_date_is_no_part_of_a_name():
    dated = ("gpt-5-2025-08-07", "h-4-5-20251001", "h-4@20250514")
    known = names(*((None, one) for one in dated), (None, "gpt-5-mini"), (None, "gpt-5.1"))
    asked = ("gpt-5", "some/h-4-5", "h-4")
    assert tuple(known.resolve("w", one) for one in asked) == dated
    assert [known.find("w", one) for one in ("gpt", "gpt-5-m", "h", "h-4-5-2025")] == [None] * 4
    assert known.resolve("w", "some/gpt-5-mini") == "gpt-5-mini"
    assert names((None, "gpt-5-mini")).find("w", "gpt-5") is None
    assert found(past(*[1000] * 5), model="sonnet") is None  # sonnet-9 is another name


def test_what_ended_before_anybody_had_answered_is_of_the_id_that_answered_before_it():
    seen = [("haiku", "haiku"), ("haiku", "h-4"), ("haiku", "haiku"), ("haiku", "h-5")]
    ids, _ = settle([("w", *one) for one in seen])
    assert ids == ["h-5", "h-4", "h-4", "h-5"]
    assert settle([("w", "h-4", "h-4")])[0] == ["h-4"]


@pytest.mark.parametrize(
    "failure", [Failure.RATE_LIMIT, Failure.NETWORK, Failure.INTERRUPTED, Failure.CONFLICT]
)
def test_what_was_not_the_work_itself_says_nothing_of_it(failure: Failure):
    assert used(line(1, ok=False, failure=failure)) is None
    assert used(retroactive(line(1))) is None
    assert used(line(1, ok=False)) is not None


def test_c_16_what_is_only_partly_known_is_no_figure():
    one = used(line(1, usage=Usage(input_tokens=5, cost_usd=0.1, lower_bound=True)))
    assert one is not None
    assert (one.work, one.tokens, one.cost_usd, one.duration_s) == (None, None, None, 60.0)


def test_calibration_is_actual_over_estimated_by_kind():
    lines = [
        line(1, cost=0.2, estimated_cost_usd=0.1, estimated_tokens=500, estimated_duration_s=30.0),
        line(2, cost=0.2, estimated_cost_usd=0.3, estimated_tokens=1500, estimated_duration_s=90.0),
        line(3, cost=0.2),  # nobody estimated it
        line(4, cost=None, estimated_cost_usd=0.1, name="Task 4: Write a poem"),
    ]
    found = calibration(Past(map(used, lines)))
    assert set(found) == {"api-impl"}
    api = found["api-impl"]
    assert (api["cost"].n, api["cost"].ratio) == (2, pytest.approx(1.0))
    assert (api["tokens"].n, api["tokens"].ratio) == (2, pytest.approx(1.0))
    assert (api["time"].n, api["time"].ratio) == (2, pytest.approx(1.0))


def test_what_tasks_take_moves_the_longest_path_unless_the_plan_says_it():
    told = Estimate(low=10, high=10)
    first, second, third = task(1), task(2), task(3, estimated_duration_s=told)
    graph, _ = build([plan(first, second, third)])
    assert graph is not None
    assert graph.remaining_s(TaskId("p/1")) == graph.remaining_s(TaskId("p/2"))
    seconds = {one.id: 100.0 * one.ordinal for one in (first, second, third)}
    weighed = graph.weighed(seconds)
    assert [weighed.remaining_s(one) for one in weighed] == [100, 200, 10]
    assert [weighed.isolated().remaining_s(one) for one in weighed] == [100, 200, 10]
    assert weighed.meaning() == graph.meaning()
