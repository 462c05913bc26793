"""Attempts with one beginning: the first goes ahead, the others wait for its first word, and never for long."""

from __future__ import annotations

import anyio
import pytest

from orchestrator.engine.siblings import Prefix, Siblings, prefix
from orchestrator.model import Attempt, Route, RunId, Session, TaskId, Tier

MINE: Prefix = ("claude", "m", "digest")


def attempt(system: str = "rules", model: str | None = "m", **more: object) -> Attempt:
    return Attempt.model_validate(
        {
            **{"run": RunId("r"), "task": TaskId("p/1"), "name": "x", "number": 1, "action": "x"},
            **{"system": system, "prompt": "x", "workspace": "/w", "timeout_s": 1, "stall_s": 1},
            "route": Route(worker="claude", tier=Tier.HAIKU, model=model, confidence=1, reason="r"),
            **{"transcript": "/t", "environment": {}},
            **more,
        }
    )


async def test_the_second_waits_for_the_first_word_and_then_nobody_waits():
    siblings, through = Siblings(30), list[str]()

    async def come(name: str) -> None:
        await siblings.wait(MINE)
        through.append(name)

    async with anyio.create_task_group() as group:
        await come("first")
        group.start_soon(come, "second")
        await anyio.wait_all_tasks_blocked()
        assert through == ["first"]
        siblings.spoke(MINE)
    await come("third")
    assert through == ["first", "second", "third"]


async def test_one_that_ends_without_a_word_lets_the_next_go_first():
    siblings = Siblings(30)
    await siblings.wait(MINE)
    async with anyio.create_task_group() as group:
        group.start_soon(siblings.wait, MINE)
        await anyio.wait_all_tasks_blocked()
        siblings.ended(MINE)
    assert siblings.must_wait(MINE)  # for the second, which is the first now


async def test_nobody_waits_longer_than_is_settled():
    siblings = Siblings(0.05)
    await siblings.wait(MINE)
    with anyio.fail_after(20):
        await siblings.wait(MINE)


@pytest.mark.parametrize(("longest_s", "mine"), [(0.0, MINE), (30.0, None)])
async def test_who_shares_nothing_does_not_wait(longest_s: float, mine: Prefix | None):
    siblings = Siblings(longest_s)
    with anyio.fail_after(5):
        await siblings.wait(mine)
        await siblings.wait(mine)
    siblings.spoke(mine)
    siblings.ended(mine)


def test_a_prefix_is_worker_model_and_what_all_are_told():
    assert prefix(attempt()) == prefix(attempt())
    assert prefix(attempt()) != prefix(attempt(system="other"))
    assert prefix(attempt(model=None)) is None
    assert prefix(attempt(session=Session(id="s", fork=True))) is None
