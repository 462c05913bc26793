"""Held by who listens to a program and knows when it should be over. Refuses to give more time than was said once."""

from __future__ import annotations

import math
import time

import anyio
from anyio import CancelScope


class Leash:
    """For who listens to a program and knows when it should be over: it is ended then, if it is not by itself."""

    def __init__(self) -> None:
        self.end_at, self.pulled = math.inf, False
        self._waiting = CancelScope()

    def pull(self, after_s: float = 0.0) -> None:
        """It may go on for `after_s`. The shortest pull counts."""
        self.end_at = min(self.end_at, time.monotonic() + after_s)
        self._waiting.deadline = min(self._waiting.deadline, anyio.current_time() + after_s)

    def wait(self, seconds: float) -> CancelScope:
        """A scope that ends after `seconds`, or when a pull is due."""
        seconds = min(seconds, self.end_at - time.monotonic())
        self._waiting = anyio.move_on_after(max(0.0, seconds))
        return self._waiting
