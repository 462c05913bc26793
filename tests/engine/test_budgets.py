"""Budgets in whole runs in this process: set aside before, settled after, refused with a reason. Real files, git and SQLite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import anyio
import pytest

from orchestrator import ledger, settings
from orchestrator.engine import treasurer
from orchestrator.model import (
    Attempt,
    EventKind,
    Failure,
    Outcome,
    Progress,
    Reserve,
    Strategy,
    Task,
    TaskId,
    Tier,
    Usage,
)
from orchestrator.order import Order
from orchestrator.workers import Condition, Report, Worker, registry
from tests.engine.runs import Ran, resume, run, write_plan

PRICES = "".join(f'[prices."{tier}-9"]\ninput = 1.0\noutput = 1.0\n' for tier in Tier)
WAIT_S = 20.0


def used(usd: float | None, tokens: int = 1000, **more: bool) -> Usage:
    basis = "unknown" if usd is None else "reported"
    return Usage(input_tokens=tokens, output_tokens=0, cost_usd=usd, cost_basis=basis, **more)


@dataclass
class Spender:
    """A client that tells after each turn what it used, and is stopped one turn after its cap, as the real ones are."""

    turns: Callable[[Attempt], list[float]]  # dollars
    ends: Callable[[Attempt], Outcome] = lambda _: Outcome()
    together: int = 0  # so many must run at once before one of them goes on
    name: str = "agent"
    tiers: tuple[Tier, ...] = tuple(Tier)
    asks_a_model: bool = True
    sessions: tuple[str, ...] = ()
    models: ClassVar = {tier: f"{tier}-9" for tier in Tier}
    handed: list[Attempt] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    running: int = 0
    most: int = 0
    met: anyio.Event = field(default_factory=anyio.Event)

    def provider(self, model: str | None) -> str | None:
        return "somebody"

    def has_no_login(self) -> bool:
        return False

    async def examine(self) -> Condition:
        return Condition("9")

    def refuses(self, task: Task) -> str | None:
        return None

    def missing(self) -> str | None:
        return None

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        self.handed.append(attempt)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            with anyio.fail_after(WAIT_S):
                if self.most >= self.together:
                    self.met.set()
                await self.met.wait()
            return await self._work(attempt, report)
        finally:
            self.running -= 1

    async def _work(self, attempt: Attempt, report: Report) -> Outcome:
        total = 0.0
        name = f"{attempt.task.rpartition('/')[2]}.txt"
        await anyio.Path(attempt.workspace, name).write_text(f"try {attempt.number}\n")
        for turn in self.turns(attempt):
            total += turn
            self.spent.append(turn)
            report(Progress(usage=used(total), session="s"))
            await anyio.lowlevel.checkpoint()
            if attempt.max_usd is not None and total > attempt.max_usd:
                return Outcome(failure=Failure.BUDGET, detail="its cap", usage=used(total))
        outcome = self.ends(attempt)
        return outcome if outcome.usage else outcome.model_copy(update={"usage": used(total)})


def task(number: int, **attributes: str) -> str:
    given = {"type": "auto", "worker": "agent", "depends_on": ""} | attributes
    words = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in given.items())
    return f"<task {words}><name>Task {number}: do it</name><files>{number}.txt</files><action>Do {number}.</action><done>x</done></task>\n"


def prepare(
    root: Path, *tasks: str, budget: str = "", prices: str = PRICES, head: str = ""
) -> None:
    write_plan(root, *tasks, **({"head": head} if head else {}))
    (root / ".orchestrator").mkdir()
    share = "" if "dear_share" in budget else "dear_share = 0.0\n"
    (root / ".orchestrator" / "config.toml").write_text(
        f"[run]\nshare_prompt_cache_s = 0\n[budget]\n{share}{budget}\n{prices}"
    )


def spent(ran: Ran) -> float:
    """As the journal has it."""
    every = [one for past in ran.history.tasks.values() for one in past.tried]
    return sum(
        one.outcome.usage.cost_usd or 0 for one in every if one.outcome and one.outcome.usage
    )


def reserves(ran: Ran) -> list[Reserve]:
    every = [one for past in ran.history.tasks.values() for one in past.tried]
    return [one.reserve for one in every if one.reserve]


def shortages(ran: Ran) -> Mapping[TaskId, str]:
    return {task: one.reason for task, one in ran.history.shortages.items() if one.stops}


async def test_s2_30_ten_agents_on_a_small_budget_spend_no_more_than_it_and_one_turn_each(
    tmp_path: Path,
):
    prepare(tmp_path, *(task(n, model="haiku") for n in range(1, 31)), budget="run_usd = 1.0")
    agent = Spender(lambda _: [0.03] * 8, together=5)
    ran = await run(tmp_path, workers={"agent": agent}, slots=10)
    assert ran.code == 1
    assert agent.most >= 5
    assert sum(agent.spent) <= 1.0 + 10 * 0.03
    assert sum(agent.spent) > 0.8  # and it was not left lying
    assert spent(ran) == pytest.approx(sum(agent.spent))
    lines = [one for one in ledger.read(settings.ledger_folder()).entries if one.run_id == ran.run]
    assert sum(one.cost_usd or 0 for one in lines) == pytest.approx(sum(agent.spent))
    assert any("this run may use $1.00" in why for why in shortages(ran).values())


async def test_every_attempt_has_its_reserve_before_it_starts_and_its_client_has_it_as_its_cap(
    tmp_path: Path,
):
    prepare(tmp_path, *(task(n, model="haiku") for n in range(1, 6)), budget="run_usd = 2.0")
    agent = Spender(lambda _: [0.01], together=5)
    ran = await run(tmp_path, workers={"agent": agent})
    assert ran.code == 0
    caps = [attempt.max_usd for attempt in agent.handed]
    assert [one.usd for one in reserves(ran)] == pytest.approx(caps)
    assert sum(cap or 0 for cap in caps) <= 2.0 + 1e-9
    assert min(cap or 0 for cap in caps) > 0.2


async def test_fault_25_a_worker_that_uses_ten_times_its_estimate_is_stopped_and_the_rest_is_told(
    tmp_path: Path,
):
    prepare(
        tmp_path,
        *(task(n, model="haiku", model_lock="true") for n in (1, 2, 3)),
        budget="run_usd = 0.6",
    )
    agent = Spender(lambda _: [0.1] * 20)
    ran = await run(tmp_path, workers={"agent": agent}, slots=3)
    assert ran.code == 1
    assert sum(agent.spent) <= 0.6 + 3 * 0.1 + 1e-9
    assert set(ran.failures("demo/1")) == {Failure.SHORTAGE}
    assert shortages(ran) or all(ran.failures(f"demo/{n}") for n in (1, 2, 3))


async def test_fault_25_of_a_worker_whose_report_is_lost_the_reserve_stays_charged(tmp_path: Path):
    prepare(tmp_path, *(task(n, model="haiku") for n in range(1, 9)), budget="run_usd = 0.5")
    lost = Outcome(usage=Usage(lower_bound=True))
    agent = Spender(lambda _: [], lambda _: lost)
    ran = await run(tmp_path, workers={"agent": agent}, slots=1)
    assert ran.code == 1
    kept = sum(one.usd for one in reserves(ran))
    assert kept <= 0.5
    assert len(agent.handed) < 8
    assert shortages(ran)
    again = await resume(tmp_path, workers={"agent": agent})
    assert again.count(EventKind.ATTEMPT_STARTED) == len(agent.handed)
    assert len(agent.handed) == len(
        reserves(ran)
    )  # S2-30: what was charged is charged after a restart, too


async def test_fault_25_a_storm_of_tries_ends_at_the_budget(tmp_path: Path):
    prepare(tmp_path, *(task(n) for n in range(1, 9)), budget="run_usd = 0.7")
    agent = Spender(lambda _: [0.05], lambda _: Outcome(failure=Failure.EXIT, detail="no"))
    ran = await run(tmp_path, workers={"agent": agent}, slots=8)
    assert ran.code == 1
    assert sum(agent.spent) <= 0.7 + 8 * 0.05
    assert len(agent.handed) < 8 * 4  # all tries of all


async def test_fault_25_a_provider_that_refuses_for_long_uses_no_budget_up(tmp_path: Path):
    prepare(tmp_path, task(1, model="haiku"), budget="run_usd = 0.2")
    tries: list[int] = []

    def refuses(_: Attempt) -> Outcome:
        tries.append(1)
        limited = Outcome(
            failure=Failure.RATE_LIMIT, usage=Usage(lower_bound=True), retry_after_s=0.01
        )
        return limited if len(tries) < 2 else Outcome()

    agent = Spender(lambda _: [], refuses)
    ran = await run(tmp_path, workers={"agent": agent}, wait_s=30.0)
    assert (ran.code, len(tries)) == (0, 2)


async def test_what_is_refused_waits_and_goes_on_once_the_budget_is_raised(tmp_path: Path):
    prepare(
        tmp_path,
        task(1, model="haiku"),
        task(2, model="haiku", depends_on="1"),
        budget="run_usd = 0.13",
    )
    agent = Spender(lambda _: [0.12])
    ran = await run(tmp_path, workers={"agent": agent})
    assert ran.code == 1
    assert list(shortages(ran)) == ["demo/2"]
    assert "--budget-usd" in shortages(ran)[TaskId("demo/2")]
    same = await resume(tmp_path, workers={"agent": agent})
    print(
        [
            (
                e.kind,
                e.task,
                e.data.get("reason"),
                e.data.get("reserve"),
                (e.data.get("route") or {}).get("estimated_cost_usd"),
            )
            for e in same.events
        ]
    )
    assert (same.code, len(agent.handed)) == (1, 1)
    more = await resume(tmp_path, workers={"agent": agent}, budget_usd=1.0)
    assert (more.code, len(agent.handed)) == (0, 2)
    assert more.history.limits is not None
    assert more.history.limits.run.usd == 1.0
    assert not more.history.shortages


async def test_a_raised_budget_is_remembered_by_the_next_resume(tmp_path: Path):
    prepare(tmp_path, task(1, model="haiku"), budget="run_usd = 0.01")
    fails = Spender(lambda _: [0.01], lambda _: Outcome(failure=Failure.AUTH, detail="no key"))
    await run(tmp_path, workers={"agent": fails})
    await resume(tmp_path, workers={"agent": fails}, budget_usd=1.0)
    done = await resume(tmp_path, workers={"agent": Spender(lambda _: [0.01])})
    assert done.code == 0
    assert done.history.limits is not None
    assert done.history.limits.run.usd == 1.0


async def test_a_task_that_is_too_dear_does_not_keep_scripts_and_cheaper_ones_from_running(
    tmp_path: Path,
):
    dear = task(1, model="haiku").replace(
        "<done>", "<metrics><estimated-tokens>9000000</estimated-tokens></metrics><done>"
    )
    prepare(
        tmp_path,
        dear,
        task(2, model="haiku"),
        task(3, worker="shell", subagent="bash").replace(
            "Do 3.", "\n```bash\necho x > 3.txt\n```\n"
        ),
    )
    ran = await run(tmp_path, workers={"agent": Spender(lambda _: [0.01]), **_shell(tmp_path)})
    assert ran.code == 1
    assert list(shortages(ran)) == ["demo/1"]
    assert {ran.history.of(TaskId(f"demo/{n}")).tried[0].outcome.ok for n in (2, 3)} == {True}  # type: ignore[union-attr]


def _shell(root: Path) -> Mapping[str, Worker]:
    return {"shell": registry.known(settings.load(root))["shell"]}


async def test_s2_15_a_tasks_own_token_budget_is_honoured(tmp_path: Path):
    limited = task(1, model="haiku").replace(
        "<done>", "<metrics><token-budget>100</token-budget></metrics><done>"
    )
    prepare(tmp_path, limited, task(2, model="haiku"))
    ran = await run(tmp_path, workers={"agent": Spender(lambda _: [0.01])})
    assert list(shortages(ran)) == ["demo/1"]
    assert "<token-budget>" in shortages(ran)[TaskId("demo/1")]


async def test_a_plans_own_budget_is_honoured(tmp_path: Path):
    head = "---\nphase: demo\nplan: 01\nworkspace: directory\nbudget: $0.01\n---\n"
    prepare(tmp_path, task(1, model="haiku"), head=head)
    ran = await run(tmp_path, workers={"agent": Spender(lambda _: [0.01])})
    assert "the plan demo may use $0.01" in shortages(ran)[TaskId("demo/1")]


async def test_the_days_budget_counts_what_other_projects_used(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        prepare(tmp_path / name, task(1, model="haiku"), budget="day_usd = 1.0\nattempt_usd = 0.0")
    first = Spender(lambda _: [0.95])
    assert (await run(tmp_path / "one", workers={"agent": first})).code == 0
    ran = await run(tmp_path / "two", workers={"agent": Spender(lambda _: [0.1])})
    assert ran.code == 1
    assert "today may use $1.00, $0.05 of it is left" in shortages(ran)[TaskId("demo/1")]


async def test_s2_32_what_is_dear_for_what_is_left_goes_to_a_cheaper_tier_unless_the_plan_says_otherwise(
    tmp_path: Path,
):
    prices = "".join(
        f'[prices."{tier}-9"]\ninput = {usd}\noutput = {usd}\n'
        for tier, usd in ((Tier.HAIKU, 1), (Tier.SONNET, 5), (Tier.OPUS, 25))
    )
    prepare(
        tmp_path,
        task(1, estimated_complexity="6"),
        task(2, model="sonnet"),
        task(3, labels="model:opus"),
        budget="run_usd = 3.0\ndear_share = 0.15",
        prices=prices,
    )
    agent = Spender(lambda _: [0.01])
    ran = await run(tmp_path, workers={"agent": agent}, slots=1)
    assert ran.code == 0
    tiers = {attempt.task: attempt.route.tier for attempt in agent.handed}
    assert tiers == {"demo/1": Tier.HAIKU, "demo/2": Tier.SONNET, "demo/3": Tier.OPUS}
    route = ran.history.of(TaskId("demo/1")).tried[0].route
    assert "more than 15% of the $3.00 that are left" in route.reason
    assert (route.strategy, route.confidence, route.propensity) == (Strategy.BUDGET, 0.5, 1.0)


async def test_0_is_no_limit(tmp_path: Path):
    off = "".join(
        f"{scope}_{unit} = 0\n" for scope in ("run", "day", "attempt") for unit in ("usd", "tokens")
    )
    prepare(tmp_path, task(1, model="haiku"), budget=off.replace("usd = 0", "usd = 0.0"))
    agent = Spender(lambda _: [100.0])
    ran = await run(tmp_path, workers={"agent": agent})
    assert ran.code == 0
    assert (agent.handed[0].max_usd, agent.handed[0].max_tokens) == (None, None)
    assert treasurer.limits(settings.load(tmp_path), Order()).run.is_none
