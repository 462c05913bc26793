"""Who is stopped because a budget had no more: no model is blamed for it, no try is spent, and it goes on where it was. Real runs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import ledger, settings
from orchestrator.engine import caps
from orchestrator.history import Tried
from orchestrator.model import (
    Attempt,
    Cap,
    EventKind,
    Failure,
    Outcome,
    Reserve,
    Review,
    Route,
    Score,
    Tier,
    Usage,
)
from orchestrator.model.learned import OF_THE_MODEL
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.workers import Report
from tests.engine.runs import resume, run
from tests.engine.test_budgets import Spender, prepare, shortages, task, used

ROUTE = Route(worker="agent", model="haiku-9", tier=Tier.HAIKU, confidence=1.0, reason="x")


async def test_c_07_five_that_share_too_little_are_refused_and_no_model_is_blamed(tmp_path: Path):
    prepare(tmp_path, *(task(n) for n in range(1, 6)), budget="run_usd = 0.6")
    agent = Spender(lambda _: [0.05] * 6)  # 0.30, and each gets 0.12
    ran = await run(tmp_path, workers={"agent": agent}, slots=5)
    assert ran.code == 1
    assert {f for n in range(1, 6) for f in ran.failures(f"demo/{n}")} == {Failure.SHORTAGE}
    assert set(shortages(ran)) == {f"demo/{n}" for n in range(1, 6)}
    assert all("this run may use $0.60" in why for why in shortages(ran).values())
    assert all("--budget-usd" in why for why in shortages(ran).values())
    assert not ran.count(EventKind.REROUTED)
    entries = ledger.read(settings.ledger_folder()).entries
    assert {one.failure for one in entries if one.run_id == ran.run} == {"shortage"}
    assert "shortage" not in OF_THE_MODEL
    before = {attempt.task: attempt.route for attempt in agent.handed}
    more = await resume(tmp_path, workers={"agent": agent}, budget_usd=10.0)
    assert more.code == 0
    after = {attempt.task: attempt.route for attempt in agent.handed}
    assert {one.tier for one in before.values()} == {one.tier for one in after.values()}


async def test_the_same_try_goes_on_in_the_same_run_once_there_is_room(tmp_path: Path):
    prepare(tmp_path, task(1), task(2), budget="run_usd = 1.0")
    agent = Spender(lambda a: [0.1] * (8 if a.task == "demo/1" else 1), together=2)
    ran = await run(tmp_path, workers={"agent": agent}, slots=2)
    first = [one for one in agent.handed if one.task == "demo/1"]
    assert ran.failures("demo/1")[0] is Failure.SHORTAGE
    assert len({one.route.tier for one in first}) == 1
    assert sum(agent.spent) <= 1.0 + 0.1
    caps_of = [one.max_usd or 0 for one in first]
    assert all(later >= 2 * earlier for earlier, later in pairwise(caps_of))


async def test_who_reaches_all_that_one_attempt_may_have_has_failed_by_itself(tmp_path: Path):
    prepare(tmp_path, task(1), budget="run_usd = 5.0\nattempt_usd = 0.2")
    agent = Spender(lambda _: [0.1] * 8)
    ran = await run(tmp_path, workers={"agent": agent})
    assert ran.failures("demo/1")[0] is Failure.BUDGET
    assert len({one.route.tier for one in agent.handed}) > 1  # the next try is another's
    assert "budget" in OF_THE_MODEL


async def test_a_tasks_own_tokens_that_are_used_up_lead_to_nothing_dearer(tmp_path: Path):
    limited = task(1).replace(
        "<done>", "<metrics><token-budget>20000</token-budget></metrics><done>"
    )
    prepare(tmp_path, limited)

    class Talker(Spender):
        async def run(self, attempt: Attempt, report: Report) -> Outcome:
            self.handed.append(attempt)
            assert attempt.max_tokens
            return Outcome(
                failure=Failure.BUDGET, detail="tokens", usage=used(0.01, attempt.max_tokens + 10)
            )

    agent = Talker(lambda _: [])
    ran = await run(tmp_path, workers={"agent": agent})
    assert set(ran.failures("demo/1")) == {Failure.SHORTAGE}
    assert "<token-budget>" in shortages(ran)["demo/1"]  # type: ignore[index]
    assert len({one.route.tier for one in agent.handed}) == 1


# --- which cap it was ---------------------------------------------------------------------------------


def outcome(usd: float | None = None, tokens: int | None = None, **more: object) -> Outcome:
    usage = Usage(input_tokens=tokens, cost_usd=usd)
    return Outcome.model_validate({"failure": Failure.BUDGET, "usage": usage, **more})


@pytest.mark.parametrize(
    ("usd_cap", "tokens_cap", "usd", "tokens", "expected"),
    [
        (Cap.SHARE, None, 0.11, 10, Failure.SHORTAGE),
        (Cap.ROUTE, None, 0.11, 10, Failure.BUDGET),
        (Cap.ATTEMPT, None, 0.11, 10, Failure.BUDGET),
        (Cap.ATTEMPT, Cap.SHARE, 0.01, 990, Failure.SHORTAGE),
        (Cap.ATTEMPT, Cap.SHARE, 0.099, 200, Failure.BUDGET),
        (Cap.SHARE, Cap.ATTEMPT, 0.01, 1200, Failure.BUDGET),
        (Cap.SHARE, None, None, None, Failure.SHORTAGE),
        (None, None, 0.11, 10, Failure.BUDGET),
    ],
)
def test_a_shortage_is_what_met_a_share_of_a_budget(
    usd_cap: Cap | None,
    tokens_cap: Cap | None,
    usd: float | None,
    tokens: int | None,
    expected: Failure,
):
    most = 1000 if tokens_cap else None
    reserve = Reserve(max_usd=0.1, max_tokens=most, usd_cap=usd_cap, tokens_cap=tokens_cap)
    assert caps.excused(reserve, outcome(usd, tokens)).failure is expected


def test_a_reserve_of_before_says_nothing_and_its_failure_stays_what_it_was():
    old = Reserve.model_validate({"usd": 0.1, "tokens": 10, "max_usd": 0.1, "max_tokens": 10})
    assert caps.excused(old, outcome(0.2, 20)).failure is Failure.BUDGET
    assert caps.excused(None, outcome(0.2, 20)).failure is Failure.BUDGET


def test_a_reviewer_that_had_too_little_left_is_short_and_its_work_is_not_tried_again_by_another():
    reserve = Reserve(max_usd=0.1, usd_cap=Cap.SHARE)
    told = Review(
        approved=False, worker="agent", model="x", text="", usage=None, failure=Failure.BUDGET
    )
    short = outcome(0.1, 10, failure=Failure.INCONCLUSIVE, review=told)
    assert caps.excused(reserve, short).failure is Failure.SHORTAGE
    slow = told.model_copy(update={"failure": Failure.TIMEOUT})
    other = short.model_copy(update={"review": slow})
    assert caps.excused(reserve, other).failure is Failure.INCONCLUSIVE


def test_a_shortage_spends_no_try():
    assert REACTIONS[Failure.SHORTAGE] is Reaction.SAME_TRY


@given(st.floats(0, 5), st.integers(0, 10**6), st.booleans())
def test_the_next_try_needs_more_than_what_was_too_little(usd: float, tokens: int, dollars: bool):
    cap = {"max_usd": usd, "usd_cap": "share"}
    if not dollars:
        cap = {"max_tokens": tokens, "tokens_cap": "share"}
    tried = Tried(1, ROUTE, Score(value=5, reasons=()), "2026-01-01T00:00:00Z")
    tried.reserve, tried.outcome = Reserve.model_validate(cap), outcome(usd, tokens)
    tried.outcome = caps.excused(tried.reserve, tried.outcome)
    least = caps.least_after(tried, ROUTE)
    assert least.usd >= 2 * usd if dollars else least.tokens >= 2 * tokens
    assert least.usd + least.tokens > 0
    assert not caps.least_after(tried, ROUTE.model_copy(update={"model": "opus-9"})).usd
