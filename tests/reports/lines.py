"""Lines of a ledger for tests, in few words."""

from __future__ import annotations

from typing import Any

from orchestrator import ledger
from orchestrator.ledger import Entry
from orchestrator.model import (
    Failure,
    Outcome,
    Plan,
    PlanId,
    Review,
    Route,
    RunId,
    Score,
    Strategy,
    Tier,
    Usage,
    Verdict,
    Verified,
)
from tests.build import task

GREEN = Verdict(verified=Verified.COMMAND, strength=0.9)
AT = "2026-11-20T12:00:00Z"


def line(
    number: int,
    tier: str | None = "haiku",
    *,
    ok: bool = True,
    cost: float | None = 0.01,
    complexity: int = 5,
    attempt: int = 1,
    failure: Failure | None = None,
    usage: Usage | None = None,
    duration_s: float = 60.0,
    at: str = AT,
    name: str = "Task 1: Add the users endpoint",
    run: str = "r1",
    partial: bool = False,
    review: Review | None = None,
    **route: Any,
) -> Entry:
    """One attempt of task `number`; its model is `TIER-9`."""
    usage = usage or Usage(input_tokens=900, output_tokens=100, cost_usd=cost)
    human = Verdict(verified=Verified.HUMAN, strength=0)
    ended = Outcome(
        failure=failure or (None if ok else Failure.VERIFY),
        usage=usage,
        model=f"{tier}-9" if tier else None,
        duration_s=duration_s,
        verdict=human if partial else GREEN,
        review=review,
    )
    given: dict[str, Any] = {"confidence": 0.9, "reason": "x", "strategy": Strategy.PATTERN}
    agent = {"worker": "agent", "tier": tier and Tier(tier), "model": f"{tier}-9"}
    return ledger.entry(
        run=RunId(run),
        project="shop",
        task=task(number, plan="08-02", name=name),
        plan=Plan(id=PlanId("08-02"), path="08-02-PLAN.md", tasks=()),
        attempt=attempt,
        route=Route(**({"worker": "shell"} if tier is None else agent), **(given | route)),
        score=Score(value=complexity, reasons=()),
        outcome=ended,
        timestamp=at,
        escalated_from=None,
    )


def retroactive(one: Entry) -> Entry:
    return ledger.seal(one.model_copy(update={"origin": "retroactive"}))
