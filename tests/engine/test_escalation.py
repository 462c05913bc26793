"""From the first outcome on the tries are those of least expected cost; nobody's own word is touched, and a weak check forbids it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import journal, ledger, settings
from orchestrator.engine import gather, policy
from orchestrator.engine.escalation import Trying, drawn, keeper
from orchestrator.engine.experience import Experience, trials
from orchestrator.ledger import Entry, seal
from orchestrator.model import (
    Attempt,
    EventKind,
    Failure,
    Outcome,
    Route,
    RunId,
    Score,
    Strategy,
    Task,
    TaskId,
    Tier,
    Usage,
)
from orchestrator.routing import Choice, Forecast, every_rung, ladder
from orchestrator.routing.evidence import Evidence
from orchestrator.settings import load
from orchestrator.workers import Report
from tests.build import task
from tests.engine.runs import TieredAgent, resume, run, write_plan
from tests.engine.test_budgets import PRICES, Spender, prepare, used
from tests.ledger.outcomes import line, stamp

QUIET = "[routing]\nexplore = false\n"
MODELS = {tier: f"{tier}-9" for tier in Tier}
TIERS = tuple(Tier)
FORECASTS: dict[Tier | None, Forecast] = {
    tier: Forecast(10_000, cost, 60.0) for tier, cost in zip(TIERS, (0.04, 0.5, 0.7), strict=True)
}
SCORE = Score(value=9, reasons=())
BAND = Choice(Tier.OPUS, Strategy.DEFAULT, 0.6, "complexity 9")
CHECKED = task(1, commands=("true",))


def entries(tier: str, passed: int, failed: int, cost: float) -> list[Entry]:
    outcomes = ["success"] * passed + ["failed"] * failed
    return [
        line(
            tier,
            outcome,
            cost=cost,
            run_id=f"{tier}{number}",
            complexity_estimated=9,
            model_version=MODELS[Tier(tier)],
        )
        for number, outcome in enumerate(outcomes)
    ]


def recently(lines: list[Entry]) -> list[Entry]:
    when = stamp(datetime.now(UTC))
    return [one.model_copy(update={"timestamp": when}) for one in lines]


def checked_task() -> str:
    return (
        '<task type="auto" worker="agent"><name>Task 1: do it</name><files>1.txt</files><action>Do.</action>'
        "<verify><automated>test -s 1.txt</automated></verify><done>x</done></task>\n"
    )


def kept(known: Experience, one: Task = CHECKED, choice: Choice = BAND) -> tuple[Tier, ...]:
    return keeper(one, SCORE, known, MODELS, FORECASTS)(choice, TIERS).rungs


@pytest.fixture
def usual(tmp_path: Path) -> Experience:
    return Experience(load(tmp_path))


@pytest.fixture
def cheap(usual: Experience) -> Experience:
    """The small model passes nearly always, at a tenth of the cost."""
    seen = [*entries("haiku", 18, 2, 0.04), *entries("opus", 15, 5, 0.7)]
    return Experience(usual.settings, evidence=Evidence.of(trials(seen)))


def test_an_empty_ledger_leaves_the_band(usual: Experience):
    assert kept(usual) == every_rung(BAND, TIERS).rungs


def test_a_cheap_model_that_passes_starts_and_the_strongest_ends(cheap: Experience):
    rungs = kept(cheap)
    assert rungs[0] is Tier.HAIKU
    assert rungs[-1] is Tier.OPUS


def test_a_task_without_a_command_is_not_begun_cheaply(cheap: Experience):
    assert kept(cheap, task(1))[0] is Tier.OPUS


@pytest.mark.parametrize(
    "strategy", [one for one in Strategy if one not in (Strategy.DEFAULT, Strategy.LEARNED)]
)
def test_what_somebody_said_is_not_touched(strategy: Strategy, cheap: Experience):
    said = Choice(Tier.SONNET, strategy, 1.0, "said")
    assert kept(cheap, choice=said) == every_rung(said, TIERS).rungs


def test_a_locked_model_is_not_touched(cheap: Experience):
    assert kept(cheap, task(1, commands=("true",), model_lock=True))[0] is Tier.OPUS


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0.001, 5))
def test_without_the_cascade_routing_does_not_depend_on_the_ledger(
    passed: int, failed: int, cost: float
):
    settings = load(Path("/nonexistent"))
    routing = settings.routing.model_copy(update={"cascade": False})
    settings = settings.model_copy(update={"routing": routing})
    seen = [*entries("haiku", passed, failed, cost), *entries("opus", failed, passed, cost)]
    known = Experience(settings, evidence=Evidence.of(trials(seen)))
    assert kept(known) == every_rung(BAND, TIERS).rungs


def routes(known: Experience, one: Task = CHECKED, **more: Trying) -> tuple[Route, ...]:
    """Of a worker that has these models."""
    return ladder(
        one,
        SCORE,
        worker="agent",
        tiers=TIERS,
        models=MODELS,
        asks_a_model=True,
        provider=str,
        policy=policy(known.settings),
        keep=keeper(one, SCORE, known, MODELS, FORECASTS, **more),
        forecasts=FORECASTS,
    )


def test_what_outcomes_decide_has_its_own_strategy_and_the_chance_that_the_check_passes(
    cheap: Experience,
):
    first, *_, last = routes(cheap)
    assert first.strategy is last.strategy is Strategy.CASCADE
    assert 0.9 < first.confidence == last.confidence < 1
    assert "; without outcomes opus: complexity 9: above 8 starts on opus" in first.reason
    unchecked = routes(cheap, task(1))[0]
    assert (unchecked.strategy, unchecked.confidence) == (Strategy.DEFAULT, 0.6)


def test_all_that_is_left_out_is_kept_with_its_reason(cheap: Experience):
    found = routes(cheap)
    out = dict(found[0].left_out)
    assert {one.model for one in found} | out.keys() == set(MODELS.values())
    assert out["sonnet-9"].startswith("does not pay: passes ")
    assert not any(one.left_out for one in found[1:])


def test_below_a_floor_nothing_is_planned_and_the_sum_is_of_what_runs(cheap: Experience):
    floored = Choice(Tier.SONNET, Strategy.DEFAULT, 0.6, "complexity 7", Tier.SONNET)
    found = keeper(CHECKED, SCORE, cheap, MODELS, FORECASTS)(floored, TIERS)
    assert Tier.HAIKU not in found.rungs
    assert found.skipped[Tier.HAIKU] == "below the floor sonnet"
    cost = float(found.why.partition("$")[2].split()[0])
    assert cost > 0.5  # with haiku first it would be some ten cents
    for risk in ("high", "High"):
        first = routes(cheap, task(1, commands=("true",), risk=risk))[0]
        assert first.tier is Tier.OPUS
        assert "a task" not in first.reason


@pytest.mark.parametrize("risk", ["high", "HIGH"])
def test_nothing_is_tried_out_at_high_risk_or_without_exploring(risk: str, cheap: Experience):
    quiet = cheap.settings.routing.model_copy(update={"explore": False})
    off = cheap.settings.model_copy(update={"routing": quiet})
    lower = cheap.settings.routing.model_copy(update={"risk_floor": Tier.HAIKU})
    low = cheap.settings.model_copy(update={"routing": lower})
    risky = task(1, commands=("true",), risk=risk)
    for number in range(200):
        trying = Trying(number / 200)
        assert routes(replace(cheap, settings=off), trying=trying)[0].propensity == 1
        assert routes(replace(cheap, settings=low), risky, trying=trying)[0].propensity == 1
    assert min(routes(cheap, trying=Trying(n / 200))[0].propensity for n in range(200)) < 0.5
    assert routes(cheap)[0].propensity == 1  # as `route` and `estimate` tell it


def test_a_draw_is_that_of_the_run_and_the_task_for_ever():
    every = {(r, t): drawn(RunId(r), TaskId(t)) for r in "abcdefgh" for t in "abcdefgh"}
    assert all(drawn(RunId(r), TaskId(t)) == was for (r, t), was in every.items())
    assert len(set(every.values())) == 64
    assert 0.3 < sum(every.values()) / 64 < 0.7
    assert drawn(RunId("20261128-1"), TaskId("08-02/4")) == pytest.approx(0.2892, abs=1e-4)


def chain(count: int) -> list[str]:
    return [
        f'<task type="auto" worker="agent" estimated-complexity="9"><name>Task {n}: do it</name><files>{n}.txt</files>'
        f"<action>Do.</action><verify><automated>test -s {n}.txt</automated></verify><done>x</done></task>\n"
        for n in range(1, count + 1)
    ]


class Writer(TieredAgent):
    """Writes its task's file; costs what its tier costs."""

    def __init__(self) -> None:
        super().__init__('cat > /dev/null; echo "$TIER" > "${ORCHESTRATOR_TASK#*/}.txt"')


async def test_a_run_learns_from_its_own_outcomes(tmp_path: Path):
    """The first task starts where its band says, later ones where the run's outcomes say; each change is on record."""
    write_plan(tmp_path, *chain(8))
    ran = await run(tmp_path, workers={"agent": Writer()}, slots=1)
    assert ran.code == 0
    firsts = [ran.history.of(TaskId(f"demo/{n}")).tried[0].route for n in range(1, 9)]
    assert (firsts[0].tier, firsts[0].strategy) == (Tier.OPUS, Strategy.DEFAULT)
    assert {one.strategy for one in firsts[1:]} == {Strategy.CASCADE}
    assert Tier.HAIKU in {one.tier for one in firsts[1:]}
    told = [one for one in ran.events if one.kind is EventKind.REROUTED]
    assert {one.task for one in told} == {f"demo/{n}" for n in range(2, 9)}
    assert "(1 outcome of this run)" in told[0].data["reason"]
    again = await run_again(tmp_path)
    assert again == [(one.model, one.propensity) for one in firsts]


async def run_again(root: Path) -> list[tuple[str | None, float]]:
    """The first tries, by the events alone: what was planned anew comes back from the journal."""
    with journal.reading(root) as book:
        row = book.find(None)
        events = book.events(row.id)
    ladders = dict[str, list[Route]]()
    for event in events:
        if event.kind is EventKind.RUN_STARTED:
            ladders.update(
                {
                    t: list(map(Route.model_validate, one))
                    for t, one in event.data["ladders"].items()
                }
            )
        elif event.kind is EventKind.REROUTED:
            ladders[event.task or ""] = list(map(Route.model_validate, event.data["ladder"]))
    return [
        (ladders[f"demo/{n}"][0].model, ladders[f"demo/{n}"][0].propensity) for n in range(1, 9)
    ]


async def test_a_run_that_goes_on_keeps_the_tries_of_what_had_begun(tmp_path: Path):
    """Its place among them is counted in these, whatever was learned since; what had not begun is planned anew."""
    seen = [*entries("haiku", 18, 2, 0.04), *entries("opus", 15, 5, 0.7)]
    ledger.append(settings.ledger_folder(), [seal(one) for one in recently(seen)])
    prepare(tmp_path, *chain(2), prices=QUIET)

    class Down(Writer):
        """Haiku fails at its task; the stronger ones are not there today."""

        async def run(self, attempt: Attempt, report: Report) -> Outcome:
            if attempt.route.tier is not Tier.HAIKU:
                return Outcome(failure=Failure.AUTH, detail="no key", usage=Usage.nothing())
            return Outcome(failure=Failure.EXIT, usage=used(0.01), model="haiku-9")

    first = await run(tmp_path, workers={"agent": Down()}, slots=1)
    begun = first.history.of(TaskId("demo/1")).tried
    assert begun[0].route.tier is Tier.HAIKU
    assert first.failures("demo/1")[-1] is Failure.AUTH
    worse = [*entries("haiku", 0, 40, 1.5)]
    more = [one.model_copy(update={"run_id": f"later-{one.run_id}"}) for one in recently(worse)]
    ledger.append(settings.ledger_folder(), [seal(one) for one in more])
    ran = await resume(tmp_path, workers={"agent": Writer()})
    assert ran.code == 0
    tried = ran.history.of(TaskId("demo/1")).tried
    assert tried[-1].route.model == begun[-1].route.model
    assert tried[-1].route.reason == begun[-1].route.reason
    assert ran.history.of(TaskId("demo/2")).tried[0].route.tier is not Tier.HAIKU


async def test_what_a_run_did_itself_counts_once_when_it_goes_on(tmp_path: Path):
    lines = [
        one.model_copy(update={"run_id": "mine", "task_id": one.run_id})
        for one in recently(entries("haiku", 3, 1, 0.04))
    ]
    ledger.append(settings.ledger_folder(), [seal(one) for one in lines])
    known = load(tmp_path)
    assert gather(known).evidence.attempts("haiku-9") > 3
    assert gather(known, RunId("mine")).evidence.attempts("haiku-9") == 0


async def test_a_cheap_try_gives_way_at_its_cap(tmp_path: Path):
    """One that has spent so much seldom passes: its client is told the sum, and the next model takes over."""
    seen = [*entries("haiku", 18, 2, 0.04), *entries("opus", 15, 5, 0.7)]
    ledger.append(settings.ledger_folder(), [seal(one) for one in recently(seen)])
    prepare(tmp_path, checked_task(), prices=PRICES + QUIET)
    agent = Spender(lambda a: [0.05] * (20 if a.route.tier is Tier.HAIKU else 2))
    ran = await run(tmp_path, workers={"agent": agent})
    assert ran.code == 0
    first, *_, last = agent.handed
    cap = first.route.cap_usd
    assert first.route.tier is Tier.HAIKU
    assert cap is not None
    assert 4 * 0.04 < cap < 0.7
    assert first.max_usd == pytest.approx(cap)
    assert f"gives way at ${cap:.2f}" in first.route.reason
    assert ran.failures("demo/1")[0] is Failure.BUDGET
    assert sum(agent.spent[:-2]) <= (cap + 0.05) * (len(agent.handed) - 1)
    assert (last.route.tier, last.route.cap_usd) == (Tier.OPUS, None)


def test_a_trial_knows_who_failed_at_the_same_task_before():
    first = line("haiku", "failed")
    limited = line("sonnet", "failed", attempt=2, failure="rate-limit")
    last = line("opus", attempt=3)
    found = list(trials([first, limited, last]))
    assert [one.after for one in found] == [(), (found[0].model,), (found[0].model,)]
    assert [one.counts for one in found] == [True, False, True]
