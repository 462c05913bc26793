"""The day's budget over several engines at once: no two of them take the same dollar, and who is gone holds nothing. Real files and locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from orchestrator import engine, project, settings
from orchestrator.engine import Hub
from orchestrator.engine.neighbours import Neighbours
from orchestrator.ledger.held import FOLDER, Aside, Held
from orchestrator.model import RunId
from orchestrator.order import Order
from tests.engine.runs import Watcher, write_plan
from tests.engine.test_budgets import Spender, prepare, task

DAY = "day_usd = 1.0\nattempt_usd = 0.0\n"
TURN = 0.1


@asynccontextmanager
async def unheeding(_: Hub) -> AsyncIterator[None]:
    """Nobody ends these runs by a signal."""
    yield


async def run_all(holder: engine.Engine, plans: list[Path], agent: Spender) -> list[int]:
    """Each plan is a run of its own, and all run at once."""
    conf, codes, root = settings.load(holder.root), list[int](), holder.root
    async with anyio.create_task_group() as group:
        for plan in plans:
            sources = project.sources(root, [plan])
            loaded = project.load(root, sources, conf.reader, ())
            workers = {"agent": agent}
            crew = engine.prepare(root, project.chosen(loaded.checked(), (), (), ()), conf, workers)
            given = holder.new(sources, loaded, Order(workers=2), crew, Watcher())

            async def play(given: engine.Given = given) -> None:
                codes.append(await holder.play(given))

            group.start_soon(play)
    return codes


async def in_a_project(root: Path, plans: list[Path], agent: Spender) -> list[int]:
    warn = Watcher().warn
    async with engine.held(root, settings.load(root), warn, heed=unheeding) as holder:
        return await run_all(holder, plans, agent)


def project_of(root: Path, *names: str, budget: str = DAY) -> list[Path]:
    root.mkdir(exist_ok=True)
    prepare(root, task(1, model="haiku"), budget=budget)
    (root / "plans" / "demo-PLAN.md").unlink()
    head = "---\nphase: {}\nplan: 01\nworkspace: directory\n---\n"
    return [
        write_plan(root, task(1, model="haiku"), name=name, head=head.format(name))
        for name in names
    ]


async def test_two_engines_in_two_projects_stay_within_one_day_and_a_turn_each(tmp_path: Path):
    agent = Spender(lambda _: [TURN] * 30)
    plans = {root: project_of(root, "demo") for root in (tmp_path / "one", tmp_path / "two")}
    async with anyio.create_task_group() as group:
        for root, mine in plans.items():
            group.start_soon(in_a_project, root, mine, agent)
    assert len(agent.handed) >= 1
    assert sum(agent.spent) <= 1.0 + 2 * TURN + 1e-9
    assert sum(agent.spent) > 0.9


async def test_two_runs_in_one_process_stay_within_one_day_and_a_turn_each(tmp_path: Path):
    plans = project_of(tmp_path, "first", "second")
    agent = Spender(lambda _: [TURN] * 30)
    codes = await in_a_project(tmp_path, plans, agent)
    assert codes == [1, 1]
    assert sum(agent.spent) <= 1.0 + 2 * TURN + 1e-9


async def test_what_fits_beside_what_others_hold_runs_at_the_same_time(tmp_path: Path):
    plans = project_of(tmp_path, "first", "second", budget="day_usd = 1.0\nattempt_usd = 0.4\n")
    agent = Spender(lambda _: [TURN], together=2)
    assert await in_a_project(tmp_path, plans, agent) == [0, 0]


async def test_who_waits_for_another_engine_starts_when_that_one_is_done(tmp_path: Path):
    """And not a dollar that was only set aside is refused for good."""
    plans = project_of(tmp_path, "first", "second")
    agent = Spender(lambda _: [TURN])
    assert await in_a_project(tmp_path, plans, agent) == [0, 0]
    assert sum(agent.spent) == pytest.approx(2 * TURN)
    assert not list((settings.ledger_folder() / FOLDER).glob("*.json"))  # nothing is left


# --- who is alive ------------------------------------------------------------------------------------

ASIDE = Aside("demo/1", 1, 0.75, 1000.0, 0.25, 100.0)
HOLD = """
import sys, time
from pathlib import Path
from orchestrator.ledger.held import Aside, Held
held = Held(Path(sys.argv[1]), "other")
with held.turn() as ours:
    assert ours
    held.tell([Aside("demo/1", 1, 0.75, 1000.0, 0.25, 100.0)])
print("held", flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", HOLD, str(folder)]
    held = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    return held


def test_what_an_engine_holds_is_known_until_it_is_killed(tmp_path: Path):
    other = holder(tmp_path)
    mine = Held(tmp_path, RunId("mine"))
    try:
        with mine.turn() as ours:
            assert ours
            assert mine.others() == [("other", ASIDE)]
        other.send_signal(signal.SIGKILL)
        other.wait()
        with mine.turn():
            assert mine.others() == []
        assert not (tmp_path / FOLDER / "other.json").exists()
    finally:
        other.kill()
        other.communicate()


def test_a_file_that_a_live_process_has_by_chance_the_number_of_is_removed(tmp_path: Path):
    """Nobody locks it, whoever has that number now."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / f"{os.getpid()}.json").write_text('[["demo/1", 1, 5.0, 0, 0, 0]]')
    assert Held(tmp_path, RunId("mine")).others() == []


def test_only_one_has_the_turn_and_nobody_waits_for_it(tmp_path: Path):
    one, two = (Held(tmp_path, RunId(name)) for name in ("one", "two"))
    with one.turn() as first, two.turn() as second:
        assert (first, second) == (True, False)
    with two.turn() as again:
        assert again


def test_an_attempt_that_has_its_line_is_not_counted_from_the_file_too(tmp_path: Path):
    other = Held(tmp_path, RunId("other"))
    with other.turn():
        other.tell([ASIDE, ASIDE._replace(attempt=2)])
    (tmp_path / "task_ledger.jsonl").write_text(
        '{"run_id":"other","task_id":"demo/1","attempt":1,"timestamp":"2026-11-20T12:00:00Z",'
        '"cost_usd":0.5,"tokens":{"input":10}}\n'
    )
    mine = Neighbours(tmp_path, RunId("mine"))
    found = mine.charge("2026-11-20T00:00:00+00:00", 1.0)
    assert found.held.usd == pytest.approx(0.5 + 0.75)
    assert found.sure.usd == pytest.approx(0.5 + 0.25)
    assert found.held.tokens == pytest.approx(10 + 1000)
    other.close()
    assert mine.charge("2026-11-20T00:00:00+00:00", 1.0).held.usd == pytest.approx(0.5)
    mine.close()


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path):
    (tmp_path / FOLDER).write_text("a file")
    mine = Held(tmp_path, RunId("mine"))
    with mine.turn() as ours:
        assert ours
        mine.tell([ASIDE])
        assert mine.others() == []
    mine.close()
