"""Models that nobody can price, under limits of dollars: what they tell is counted, and what is guessed is no limit. Real runs and ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from orchestrator import ledger, process, settings
from orchestrator.budget import BRIEF_S, charge
from orchestrator.engine import appraisal
from orchestrator.model import Attempt, EventKind, Failure, Outcome, TaskId, Tier, Usage
from orchestrator.workers import Report
from tests.engine.runs import resume, run
from tests.engine.test_budgets import Spender, prepare, reserves, shortages, spent, task
from tests.engine.test_set_aside import prepared
from tests.reports.lines import line

ONE = TaskId("demo/1")


@pytest.mark.parametrize(("guess", "slots"), [(1.0, 5), (0.1, 5), (0.1, 1), (0.02, 10)])
async def test_what_nobody_can_price_is_stopped_at_the_persons_limit_all_the_same(
    tmp_path: Path, guess: float, slots: int
):
    prepare(
        tmp_path,
        *(task(n, model="haiku") for n in range(1, 8)),
        budget=f"run_usd = 1.0\nunknown_usd = {guess}",
        prices="",
    )
    agent = Spender(lambda _: [0.28] * 20)
    ran = await run(tmp_path, workers={"agent": agent}, slots=slots)
    assert ran.code == 1
    assert sum(agent.spent) <= 1.0 + slots * 0.28 + 1e-9
    assert all(one.max_usd is not None and one.max_usd <= 1.0 for one in agent.handed)
    assert all(one.max_usd is None or one.usd <= one.max_usd + 1e-9 for one in reserves(ran))


async def test_of_a_client_that_never_tells_the_guess_is_charged_and_no_more(tmp_path: Path):
    prepare(
        tmp_path,
        *(task(n, model="haiku") for n in range(1, 8)),
        budget="run_usd = 2.2\nunknown_usd = 0.5",
        prices="",
    )
    silent = Outcome(usage=Usage(input_tokens=1000, cost_usd=None))
    agent = Spender(lambda _: [], lambda _: silent)
    ran = await run(tmp_path, workers={"agent": agent}, slots=5)
    assert len(agent.handed) == 4  # of which each is taken for 0.50
    why = next(iter(shortages(ran).values()))
    assert "may need $0.50 (that is budget.unknown_usd, as haiku-9 has no price" in why
    assert "raise --budget-usd" in why


async def test_what_a_run_has_seen_a_model_cost_takes_the_place_of_the_guess(tmp_path: Path):
    prepare(
        tmp_path,
        *(task(n, model="haiku") for n in range(1, 7)),
        budget="run_usd = 1.0\nunknown_usd = 1.0",
        prices="",
    )
    agent = Spender(lambda _: [0.0142])
    ran = await run(tmp_path, workers={"agent": agent}, slots=3)
    assert ran.code == 0
    assert len(agent.handed) == 6
    assert spent(ran) == pytest.approx(6 * 0.0142)


async def test_what_the_ledger_has_seen_it_cost_is_what_it_needs(tmp_path: Path):
    now = datetime.now(UTC).isoformat()
    told = [line(n, "haiku", cost=0.014, run=f"r{n}", name="Task 1: refactor it") for n in (1, 2)]
    ledger.append(
        settings.ledger_folder(),
        [ledger.seal(one.model_copy(update={"timestamp": now})) for one in told],
    )
    prepare(tmp_path, task(1, model="haiku"), budget="run_usd = 0.5\nunknown_usd = 1.0", prices="")
    graph, crew = prepared(tmp_path)
    assert appraisal.forecast(graph, graph.tasks[ONE], crew.ladders[ONE][0], crew).cost_usd is None
    agent = Spender(lambda _: [0.014])
    assert (await run(tmp_path, workers={"agent": agent})).code == 0


async def test_a_refusal_is_the_same_when_it_is_asked_again(tmp_path: Path):
    """By what the run itself has used meanwhile it might be cheap: but then it would have been so before."""
    prices = "".join(f'[prices."{tier}-9"]\ninput = 20.0\noutput = 20.0\n' for tier in Tier)
    prepare(tmp_path, task(1, model="haiku"), prices=prices)
    _, crew = prepared(tmp_path)
    need = crew.ladders[ONE][0].estimated_cost_usd_high
    assert need is not None
    (tmp_path / "again").mkdir()
    prepare(
        tmp_path / "again",
        *(task(n, model="haiku") for n in range(1, 9)),
        budget=f"run_usd = {need + 0.06}",
        prices=prices,
    )
    agent = Spender(lambda _: [0.01])
    ran = await run(tmp_path / "again", workers={"agent": agent}, slots=1)
    assert list(shortages(ran)) == ["demo/8"]
    same = await resume(tmp_path / "again", workers={"agent": agent})
    assert len(agent.handed) == 7
    assert shortages(same) == shortages(ran)


class Long(Spender):
    """The second task works until the first was tried again."""

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        self.handed.append(attempt)
        if attempt.task == "demo/2":
            with anyio.fail_after(20):
                await self.met.wait()
        elif attempt.number > 1:
            self.met.set()
        else:
            return Outcome(failure=Failure.EXIT, detail="no", usage=Usage(lower_bound=True))
        await anyio.Path(attempt.workspace, f"{attempt.task[-1]}.txt").write_text("x")
        return Outcome(usage=Usage(input_tokens=10, output_tokens=0, cost_usd=0.01))


@pytest.mark.parametrize("rivals", [0, 1])
async def test_by_default_a_try_leaves_tokens_for_others_and_for_those_that_are_tried_again(
    tmp_path: Path, rivals: int
):
    """What a client has lost stays charged as it was set aside."""
    prepare(tmp_path, task(1), *(task(n) for n in range(2, rivals + 2)))
    agent = Long(lambda _: [])
    ran = await run(tmp_path, workers={"agent": agent})
    assert ran.code == 0
    assert not ran.count(EventKind.BUDGET_SHORT)
    assert len(agent.handed) == 2 + rivals


# --- a client that gives up ----------------------------------------------------------------------------


class Gone(Spender):
    """Its client ends by itself, and tells nothing: a real process."""

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        self.handed.append(attempt)
        ended = await process.run(
            process.Command(
                argv=("false",),
                cwd=Path(attempt.workspace),
                env=attempt.environment,
                stdin=b"",
                timeout_s=20,
            )
        )
        usage = Usage(lower_bound=True)
        return Outcome(failure=Failure.EXIT, usage=usage, duration_s=ended.duration_s)


async def test_who_gives_up_at_once_is_tried_again_also_where_the_check_before_it_took_long(
    tmp_path: Path,
):
    """The check takes longer than BRIEF_S, and is no part of what its client did."""
    check = "<verify><automated>sleep 5.2; false</automated></verify><done>"
    prepare(tmp_path, task(1).replace("<done>", check), budget="run_usd = 3.0")
    agent = Gone(lambda _: [])
    ran = await run(tmp_path, workers={"agent": agent})
    first, *others = ran.history.of(ONE).tried
    assert first.outcome is not None
    assert first.outcome.duration_s > BRIEF_S
    assert charge(first).held.usd < 0.5
    assert others
    assert not ran.count(EventKind.BUDGET_SHORT)


# --- an attempt that met its own cap ------------------------------------------------------------------


def priced(**usd: float) -> str:
    return "".join(
        f'[prices."{tier}-9"]\ninput = {one}\noutput = {one}\n' for tier, one in usd.items()
    )


async def test_who_reached_the_cap_of_an_attempt_is_followed_by_nobody_dearer_and_the_setting_is_named(
    tmp_path: Path,
):
    prices = priced(haiku=1.0, sonnet=5.0, opus=25.0)
    prepare(tmp_path, task(1), budget="attempt_usd = 0.2", prices=prices)
    agent = Spender(lambda _: [0.09] * 9)
    ran = await run(tmp_path, workers={"agent": agent})
    assert len(agent.handed) == 1
    assert ran.failures("demo/1") == [Failure.BUDGET]
    outcome = ran.history.of(ONE).tried[-1].outcome
    assert outcome is not None
    assert "one attempt may use $0.20: raise budget.attempt_usd in" in outcome.detail


async def test_the_same_model_is_not_tried_again_under_the_same_cap(tmp_path: Path):
    prices = priced(haiku=1.0, sonnet=1.0, opus=1.0)
    prepare(tmp_path, task(1), budget="attempt_usd = 0.2", prices=prices)
    agent = Spender(lambda _: [0.09] * 9)
    await run(tmp_path, workers={"agent": agent})
    models = [one.route.model for one in agent.handed]
    assert len(models) == len(set(models)) > 1
