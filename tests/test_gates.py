"""Transient trouble is waited out, for everybody at that provider, and not for ever."""

from __future__ import annotations

import anyio

from orchestrator.gates import Gates
from orchestrator.model import Failure, Outcome


class Provider:
    """Answers with the given failures in turn, then with success; counts the calls."""

    def __init__(self, *failures: Failure, retry_after_s: float | None = None) -> None:
        self.failures = list(failures)
        self.retry_after_s = retry_after_s
        self.calls = 0

    async def __call__(self) -> Outcome:
        self.calls += 1
        if self.failures:
            return Outcome(failure=self.failures.pop(0), retry_after_s=self.retry_after_s)
        return Outcome(detail="done")


def gates(longest_s: float = 5.0) -> Gates:
    return Gates(longest_s, first_pause_s=0.001)


def ignore(_met: Outcome, _wait_s: float) -> None:
    pass


async def test_trouble_that_passes_is_not_seen_by_the_task():
    provider = Provider(Failure.RATE_LIMIT, Failure.OVERLOADED, Failure.NETWORK)
    waits: list[tuple[Failure | None, float]] = []
    outcome = await gates().call("p", provider, lambda met, s: waits.append((met.failure, s)))
    assert outcome.detail == "done"
    assert [failure for failure, _ in waits] == [
        Failure.RATE_LIMIT,
        Failure.OVERLOADED,
        Failure.NETWORK,
    ]


async def test_other_failures_come_back_at_once():
    provider = Provider(Failure.EXIT, Failure.EXIT)
    assert (await gates().call("p", provider, ignore)).failure is Failure.EXIT
    assert provider.calls == 1


async def test_retry_after_is_honoured():
    provider = Provider(Failure.RATE_LIMIT, retry_after_s=0.2)
    waits: list[float] = []
    began = anyio.current_time()
    await gates().call("p", provider, lambda _met, s: waits.append(s))
    assert anyio.current_time() - began >= 0.2
    assert 0.19 <= waits[0] <= 0.3


async def test_a_limit_that_outlasts_the_longest_wait_is_unavailable_without_waiting():
    provider = Provider(Failure.RATE_LIMIT, retry_after_s=3600)
    with anyio.fail_after(2):
        outcome = await gates().call("p", provider, ignore)
    assert outcome.failure is Failure.UNAVAILABLE
    assert "provider_wait_max_s" in outcome.detail


async def test_only_pauses_count_not_the_work_before_them():
    class Slow(Provider):
        async def __call__(self) -> Outcome:
            with anyio.move_on_after(0.3):
                await anyio.sleep_forever()
            return await super().__call__()

    outcome = await gates(0.2).call("p", Slow(Failure.RATE_LIMIT), ignore)
    assert outcome.ok


async def test_trouble_without_end_is_unavailable():
    provider = Provider(*[Failure.OVERLOADED] * 10_000)
    with anyio.fail_after(5):
        outcome = await gates(0.1).call("p", provider, ignore)
    assert outcome.failure is Failure.UNAVAILABLE
    assert 1 < provider.calls < 10_000


async def test_a_closed_gate_holds_back_the_others_of_that_provider_only():
    shared = gates()
    order: list[str] = []
    limited = Provider(Failure.RATE_LIMIT, retry_after_s=0.2)

    async def call(name: str, provider: Provider, key: str) -> None:
        await shared.call(key, provider, ignore)
        order.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(call, "limited", limited, "p")
        while not shared.closed_for_s("p"):
            await anyio.lowlevel.checkpoint()
        group.start_soon(call, "same", Provider(), "p")
        group.start_soon(call, "other", Provider(), "q")
    assert order[0] == "other"
    assert set(order[1:]) == {"limited", "same"}
