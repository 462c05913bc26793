"""The ladder: which tiers a task's tries walk, and why."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model import Route, Score, Task, Tier
from orchestrator.routing import Policy, ladder
from tests.build import task

ALL = tuple(Tier)
POLICY = Policy()


def owner(model: str | None) -> str | None:
    return f"owner of {model}"


def routes(
    given: Task, value: int = 5, tiers: tuple[Tier, ...] = ALL, **more: Any
) -> tuple[Route, ...]:
    score = Score(value=value, reasons=("because",))
    models = {tier: f"{tier}-id" for tier in tiers}
    return ladder(
        given,
        score,
        worker="agent",
        tiers=tiers,
        models=models,
        provider=owner,
        **({"policy": POLICY, "asks_a_model": True} | more),
    )


def tiers(*args: Any, **more: Any) -> list[str]:
    return [str(route.tier) for route in routes(*args, **more)]


@pytest.mark.parametrize(
    ("score", "first"),
    [(1, "haiku"), (4, "haiku"), (5, "sonnet"), (8, "sonnet"), (9, "opus"), (10, "opus")],
)
def test_the_score_chooses_the_first_rung(score: int, first: str):
    assert tiers(task(1), score)[0] == first


def test_one_retry_on_the_first_rung_then_one_try_on_each_above():
    assert tiers(task(1), 1) == ["haiku", "haiku", "sonnet", "opus"]
    assert tiers(task(1), 10) == ["opus", "opus"]


def test_an_explicit_model_fixes_the_first_rung_and_escalates_above_it():
    assert tiers(task(1, model=Tier.SONNET), 1) == ["sonnet", "sonnet", "opus"]
    assert routes(task(1, model=Tier.SONNET))[0].confidence == 1.0


def test_model_lock_forbids_escalation():
    assert tiers(task(1, model=Tier.HAIKU, model_lock=True)) == ["haiku", "haiku"]


def test_exploring_starts_cheap_unless_the_plan_says_otherwise():
    assert tiers(task(1, subagent="explore"), 9)[0] == "haiku"
    assert tiers(task(1, subagent="explore", model=Tier.OPUS))[0] == "opus"


def test_a_tier_that_the_worker_lacks_is_replaced_by_the_next_stronger():
    assert tiers(task(1), 1, (Tier.SONNET, Tier.OPUS)) == ["sonnet", "sonnet", "opus"]
    assert "has no haiku" in routes(task(1), 1, (Tier.SONNET,))[0].reason


def test_a_worker_that_chooses_its_model_itself_gets_two_tries_and_no_tier():
    assert tiers(task(1, model=Tier.OPUS), 1, ()) == ["None", "None"]
    assert {(route.model, route.asks_a_model) for route in routes(task(1), 1, ())} == {
        ("agent", True)
    }


def test_a_worker_that_asks_no_model_has_none():
    first, second = routes(task(1), 1, (), asks_a_model=False)
    assert first == second
    assert (first.model, first.provider, first.asks_a_model) == (None, None, False)


def test_every_route_says_why():
    assert all(route.reason for route in routes(task(1), 1))
    assert "complexity 3 (because)" in routes(task(1), 3)[0].reason


def test_a_tier_becomes_the_workers_own_model_id_and_its_provider():
    first, *_, last = routes(task(1), 1)
    assert (first.model, first.provider) == ("haiku-id", "owner of haiku-id")
    assert (last.model, last.provider) == ("opus-id", "owner of opus-id")
