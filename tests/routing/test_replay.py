"""The router against outcomes: a fleet that the tests make, and, where it is there, the public one."""

from __future__ import annotations

import csv
import gzip
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from bench import replay
from orchestrator.model import RunId, Strategy
from orchestrator.routing.evidence import PERFECT, Evidence, Trial
from tests.conftest import REPOSITORY

TASKS = 400


def made_up(*models: tuple[str, float, float]) -> dict[str, dict[str, replay.Result]]:
    """Models as (name, how able, mean cost): a hard task is hard and dear for all."""
    chance = random.Random(5)
    found: dict[str, dict[str, replay.Result]] = {name: {} for name, _, _ in models}
    for number in range(TASKS):
        hard = chance.gauss(0, 1)
        for name, able, cost in models:
            right = chance.gauss(able - hard, 0.7) > 0
            paid = cost * chance.lognormvariate(-0.1, 0.5) * (1.2 if hard > 0 else 0.8)
            found[name][f"task-{number}"] = replay.Result(right, paid, paid / 20)
    return found


def figures(results: dict[str, dict[str, replay.Result]], shuffles: int = 4) -> replay.Figures:
    one = replay.fleet(results, tuple(results))
    return replay.compare(one, PERFECT, shuffles, {"router": replay.learned})["router"]


def test_cheap_first_is_found_from_nothing():
    found = figures(made_up(("cheap", 0.3, 0.05), ("middle", 0.6, 0.8), ("strong", 0.8, 1.0)))
    assert found.saved > 35
    assert found.d_low >= -2
    assert found.regret < 4


def test_a_dominated_cheap_model_costs_little_to_find_out():
    found = figures(made_up(("cheap", -0.5, 0.9), ("middle", 0.0, 1.0), ("strong", 0.8, 1.0)))
    assert found.regret < 8
    assert found.d_low >= -2


def test_it_plans_as_runs_do_with_the_shipped_settings():
    """The band while nothing is known, then the cascade with its draws and caps; no second tries, which the table has not."""
    results = made_up(("cheap", 0.3, 0.05), ("middle", 0.6, 0.8), ("strong", 0.8, 1.0))
    one = replay.fleet(results, tuple(results))
    first = replay.rungs(one, "task-1", Evidence(), RunId("r"))
    assert [(each.model, each.strategy) for each in first] == [
        ("middle", Strategy.DEFAULT),
        ("strong", Strategy.DEFAULT),
    ]
    known = Evidence.of(
        [Trial("cheap", n > 3, 0.05) for n in range(9)] + [Trial("strong", True, 1.0)] * 5
    )
    later = [replay.rungs(one, f"task-{n}", known, RunId("r"))[0] for n in range(40)]
    assert {each.strategy for each in later} == {Strategy.CASCADE}
    assert min(each.propensity for each in later) < 0.5
    assert any(each.cap_usd for each in later)


def test_a_plan_climbs_until_its_check_passes():
    made = [replay.Result(False, 1.0), replay.Result(True, 2.0), replay.Result(True, 4.0)]
    assert replay.climb((0, 1, 2), made, PERFECT, random.Random(0)) == replay.Result(True, 3.0)
    assert replay.climb((0,), made, PERFECT, random.Random(0)) == replay.Result(False, 1.0)


def test_the_command_prints_a_table_and_json(tmp_path: Path):
    names = {name for three in (replay.MAIN, *replay.TRIPLES) for name in three}
    table = made_up(*((name, 0.2, 1.0) for name in sorted(names)))
    path = tmp_path / "fleet.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["instance", "repo", "model", "resolved", "cost_usd", "api_calls"])
        for model, results in table.items():
            rows.writerows(
                [t, "r", model, int(r.right), r.cost, 20] for t, r in list(results.items())[:20]
            )
    said = [run(path), run(path, "--json")]
    assert "this router, from an empty ledger" in said[0]
    assert len(json.loads(said[1])["triples"]) == 10


def run(path: Path, *more: str) -> str:
    command = [sys.executable, "-m", "bench.replay", str(path), "--shuffles", "1", *more]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.timeout(180)
def test_on_public_outcomes_it_keeps_its_promises(shared: Path):
    results = replay.read(shared / "data/routing/fleet_a.csv.gz")
    main = replay.compare(
        replay.fleet(results, replay.MAIN), PERFECT, 4, {"router": replay.learned}
    )["router"]
    assert main.saved >= 39
    assert main.d_low >= -2
    regrets = [
        replay.compare(replay.fleet(results, names), PERFECT, 8, {"router": replay.learned})[
            "router"
        ].regret
        for names in replay.TRIPLES
    ]
    assert statistics.median(regrets) <= 2
    assert max(regrets) <= 6


@pytest.mark.parametrize("names", replay.TRIPLES[:3])
def test_the_first_three_triples_are_best_with_the_strongest_alone(
    shared: Path, names: tuple[str, ...]
):
    results = replay.read(shared / "data/routing/fleet_a.csv.gz")
    assert replay.best_plan(replay.fleet(results, names)) == (2,)
    assert (
        sum(replay.best_plan(replay.fleet(results, each)) == (2,) for each in replay.TRIPLES) == 3
    )
