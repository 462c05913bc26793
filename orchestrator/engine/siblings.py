"""Attempts that begin alike: the first one's first word is awaited, so that the provider's cache has their common beginning."""

from __future__ import annotations

import hashlib
import time

import anyio

from orchestrator.model import Attempt

WARM_S = 240.0  # providers keep a prefix for five minutes after its last use

Prefix = tuple[str, str | None, str]


def prefix(attempt: Attempt) -> Prefix | None:
    """What it shares with others; None: nothing that a cache could keep."""
    if not attempt.route.asks_a_model or attempt.session is not None:
        return None
    digest = hashlib.sha256(attempt.system.encode()).hexdigest()
    return attempt.route.worker, attempt.route.model, digest


class Siblings:
    """Of one run. `longest_s` is how long anybody waits for another; 0: nobody does."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._first: dict[Prefix, anyio.Event] = {}
        self._warm_until: dict[Prefix, float] = {}

    def must_wait(self, mine: Prefix | None) -> bool:
        return bool(self._longest_s) and mine in self._first

    async def wait(self, mine: Prefix | None) -> None:
        """Returns at once for the first one, and for all while the cache is warm."""
        if mine is None or not self._longest_s or self._is_warm(mine):
            return
        with anyio.move_on_after(self._longest_s):
            while (first := self._first.get(mine)) is not None:
                await first.wait()
                if self._is_warm(mine):
                    return
            self._first[mine] = anyio.Event()

    def _is_warm(self, mine: Prefix) -> bool:
        return self._warm_until.get(mine, 0.0) > time.monotonic()

    def spoke(self, mine: Prefix | None) -> None:
        if mine is not None:
            self._warm_until[mine] = time.monotonic() + WARM_S
            self.ended(mine)

    def ended(self, mine: Prefix | None) -> None:
        """It will not speak any more: the next one is the first."""
        if mine is not None and (first := self._first.pop(mine, None)):
            first.set()
