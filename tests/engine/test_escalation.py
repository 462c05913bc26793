"""From the first outcome on the tries are those of least expected cost; nobody's own word is touched, and a weak check forbids it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import ledger, settings
from orchestrator.engine.escalation import keeper
from orchestrator.engine.experience import Experience, trials
from orchestrator.ledger import Entry, seal
from orchestrator.model import Failure, Score, Strategy, Task, Tier
from orchestrator.routing import Choice, Forecast, every_rung
from orchestrator.routing.evidence import Evidence
from orchestrator.settings import load
from tests.build import task
from tests.engine.runs import run
from tests.engine.test_budgets import Spender, prepare
from tests.ledger.outcomes import line, stamp

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


async def test_a_cheap_try_gives_way_at_its_cap(tmp_path: Path):
    """One that has spent so much seldom passes: its client is told the sum, and the next model takes over."""
    seen = [*entries("haiku", 18, 2, 0.04), *entries("opus", 15, 5, 0.7)]
    ledger.append(settings.ledger_folder(), [seal(one) for one in recently(seen)])
    prepare(tmp_path, checked_task())
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
