"""Per provider: open, or closed until when and why. Waits transient trouble out with growing, jittered pauses; spends no try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    wait_random_exponential,
)

from orchestrator.model import Failure, Outcome

TRANSIENT = frozenset({Failure.RATE_LIMIT, Failure.OVERLOADED, Failure.NETWORK})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 120.0

Waited = Callable[[Outcome, float], None]  # what was met, seconds until the next call


class Gates:
    """Shared by all attempts of a run: trouble met by one of them holds back the others too."""

    def __init__(self, longest_s: float, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._longest_s = longest_s
        self._jitter = wait_random_exponential(multiplier=first_pause_s, max=LONGEST_PAUSE_S)
        self._closed_until: dict[str, float] = {}

    def closed_for_s(self, provider: str) -> float:
        return max(0.0, self._closed_until.get(provider, 0.0) - anyio.current_time())

    async def call(
        self, provider: str, work: Callable[[], Awaitable[Outcome]], waited: Waited
    ) -> Outcome:
        """The outcome of `work`, repeated while it meets transient trouble.

        `unavailable` once the next pause would end later than the longest wait allows.
        """

        def pause_s(state: RetryCallState) -> float:
            outcome = _result(state)
            pause = max(self._jitter(state), outcome.retry_after_s or 0.0)
            self._close(provider, pause)
            return self.closed_for_s(provider)

        def told(state: RetryCallState) -> None:
            waited(_result(state), state.upcoming_sleep)

        async def once() -> Outcome:
            while (closed := self.closed_for_s(provider)) > 0:  # noqa: ASYNC110 - it may be closed anew
                await anyio.sleep(closed)
            return await work()

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda outcome: outcome.failure in TRANSIENT),
            wait=pause_s,
            stop=lambda state: self._is_over(state),
            before_sleep=told,
            sleep=anyio.sleep,
            retry_error_callback=lambda state: self._unavailable(provider, _result(state)),
        )
        outcome: Outcome = await retrying(once)
        return outcome

    def _close(self, provider: str, pause: float) -> None:
        until = anyio.current_time() + pause
        self._closed_until[provider] = max(until, self._closed_until.get(provider, 0.0))

    def _is_over(self, state: RetryCallState) -> bool:
        """Only pauses count, not the work between them; one that leads beyond the limit is not begun."""
        return state.idle_for + state.upcoming_sleep > self._longest_s

    def _unavailable(self, provider: str, last: Outcome) -> Outcome:
        detail = (
            f"{provider} stayed unavailable ({last.failure}: {last.detail}) beyond "
            f"provider_wait_max_s = {self._longest_s:g}; try again later with: orchestrator retry"
        )
        return last.model_copy(update={"failure": Failure.UNAVAILABLE, "detail": detail})


def _result(state: RetryCallState) -> Outcome:
    assert state.outcome is not None
    outcome: Outcome = state.outcome.result()
    return outcome
