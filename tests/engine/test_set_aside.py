"""What is set aside for an attempt: the upper end of what attempts like it have used, where that is known, and of the table else. Real ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator import engine, ledger, project, settings
from orchestrator.engine import Crew, Seat, appraisal, treasurer
from orchestrator.graph import TaskGraph
from orchestrator.model import Route, TaskId, Tier, Usage
from orchestrator.order import Order
from tests.engine.runs import Watcher, run
from tests.engine.test_budgets import Spender, prepare, reserves, shortages, task
from tests.reports.lines import line

ONE = TaskId("demo/1")
COSTS = [0.10, 0.20, 0.30, 0.40, 0.50] * 4


def remember(tier: str) -> None:
    """Attempts of many cached tokens and few new ones."""
    now = datetime.now(UTC).isoformat()
    lines = [
        line(
            number,
            tier,
            complexity=5,
            run=f"{tier}{number}",
            name="Task 1: do it",
            usage=Usage(
                input_tokens=1000 * (number % 5 + 1),
                output_tokens=100,
                cache_read_tokens=900_000,
                cache_write_tokens=0,
                cost_usd=cost,
                cost_basis="reported",
            ),
        )
        for number, cost in enumerate(COSTS)
    ]
    moved = [ledger.seal(one.model_copy(update={"timestamp": now})) for one in lines]
    ledger.append(settings.ledger_folder(), moved)


def prepared(root: Path) -> tuple[TaskGraph, Crew]:
    conf = settings.load(root)
    sources = project.sources(root, [root / "plans" / "demo-PLAN.md"])
    graph = project.chosen(project.load(root, sources, conf.reader, ()).checked(), (), (), ())
    return graph, engine.prepare(root, graph, conf, {"agent": Spender(lambda _: [0.01])})


def foreseen(graph: TaskGraph, crew: Crew, route: Route) -> engine.Foreseen:
    assert crew.known is not None
    seat = Seat(route.worker, route.provider, route.tier, route.model)
    return crew.known.foresee(graph.tasks[ONE], crew.scores[ONE], seat, fresh=True)


async def test_s2_55_a_budget_sets_the_upper_end_of_what_was_learned_aside(tmp_path: Path):
    remember("haiku")
    given = task(1, model="haiku", estimated_complexity="5")
    prepare(tmp_path, given, budget="run_usd = 0.35\nattempt_usd = 0.0")
    graph, crew = prepared(tmp_path)
    route = crew.ladders[ONE][0]
    found = foreseen(graph, crew, route)
    assert found.expected.samples == len(COSTS)
    assert found.cost_usd is not None
    asked = appraisal.forecast(graph, graph.tasks[ONE], route, crew)
    assert asked.cost_usd == pytest.approx(found.cost_usd.high)
    assert asked.fresh_tokens == round(found.anew.high)
    assert found.anew.high < 10_000 < found.tokens.high  # what comes from a cache is not counted
    assert route.estimated_cost_usd is not None
    assert route.estimated_cost_usd < 0.35 < found.cost_usd.high
    ran = await run(tmp_path, workers={"agent": Spender(lambda _: [0.01])})
    assert f"may need ${found.cost_usd.high:.2f}" in shortages(ran)[ONE]


async def test_s2_55_what_a_cheaper_tier_was_seen_to_cost_is_what_it_is_offered_for(tmp_path: Path):
    """The table has it for a few cents: by what was learned it is too dear, too."""
    remember("haiku")
    remember("sonnet")
    prepare(tmp_path, task(1, estimated_complexity="5"), budget="run_usd = 2.0\ndear_share = 0.15")
    graph, crew = prepared(tmp_path)
    cheaper = crew.ladders[ONE][0].model_copy(
        update={
            **dict.fromkeys(treasurer.OF_THE_DEARER),
            "tier": Tier.HAIKU,
            "model": "haiku-9",
        }
    )
    found = foreseen(graph, crew, cheaper)
    assert found.cost_usd is not None
    asked = appraisal.forecast(graph, graph.tasks[ONE], cheaper, crew)
    assert asked.cost_usd == pytest.approx(found.cost_usd.high)


async def test_without_a_past_it_is_the_upper_end_of_the_table(tmp_path: Path):
    prepare(tmp_path, task(1, model="haiku"), budget="run_usd = 5.0")
    graph, crew = prepared(tmp_path)
    found = foreseen(graph, crew, crew.ladders[ONE][0])
    assert found.cost_usd is not None
    assert found.cost_usd.low < found.cost_usd.high
    asked = appraisal.forecast(graph, graph.tasks[ONE], crew.ladders[ONE][0], crew)
    assert asked.cost_usd == pytest.approx(found.cost_usd.high)
    ran = await run(tmp_path, workers={"agent": Spender(lambda _: [0.01])})
    assert reserves(ran)[0].usd >= found.cost_usd.high


async def test_a_crew_that_was_prepared_is_not_prepared_again(tmp_path: Path):
    """The command line prepares one to refuse early: a long ledger is read once for a run, not twice."""
    prepare(tmp_path, task(1))
    conf, watcher = settings.load(tmp_path), Watcher()
    _, crew = prepared(tmp_path)
    sources = project.sources(tmp_path, [tmp_path / "plans" / "demo-PLAN.md"])
    loaded = project.load(tmp_path, sources, conf.reader, ())
    crew = replace(crew, environment={**crew.environment, "PREPARED": "once"})
    _, code = await engine.begin(
        tmp_path, sources, loaded, Order(workers=1), conf, watcher, crew=crew
    )
    assert code == 0
    agent = crew.workers["agent"]
    assert isinstance(agent, Spender)
    assert agent.handed[0].environment["PREPARED"] == "once"


@pytest.mark.parametrize("part", [{"only": ("2",)}, {"start": ("2",)}, {"skip": ("1",)}])
async def test_a_part_without_the_plans_first_task_has_its_summary_too(
    part: dict[str, tuple[str, ...]], tmp_path: Path
):
    """The budget of the plan is told there, and the first task is no part of the run."""
    prepare(tmp_path, *(task(n, model="haiku") for n in (1, 2)), budget="plan_usd = 3.0")
    ran = await run(tmp_path, workers={"agent": Spender(lambda _: [0.01])}, **part)
    assert ran.code == 0
    (path,) = ran.watcher.summaries
    assert "**Budget of the plan:** $3.00" in path.read_text()
