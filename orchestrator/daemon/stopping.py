"""How a daemon ends: the first signal lets what runs end, within a limit; the second stops it. Refuses to begin anything after the first."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import anyio
import anyio.abc

from orchestrator.engine import Hub
from orchestrator.engine.signals import heard


class Step(IntEnum):
    NONE, DRAIN, STOP = range(3)


class Stopping:
    """`goes_on`: whether anything does that could be waited for."""

    def __init__(self, say: Callable[[str], None], goes_on: Callable[[], bool]) -> None:
        self._say, self._goes_on = say, goes_on
        self.step = Step.NONE

    @property
    def began(self) -> bool:
        return self.step > Step.NONE

    async def hear(
        self, tell: Callable[[], None], limit_s: float, *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        """`tell` is called at each step; one is taken without a signal when the limit is over."""
        with anyio.open_signal_receiver(*heard()) as signals:
            task_status.started()
            await anext(signals)
            self.step = Step.DRAIN
            self._say(
                f"ends when what runs is over, in {limit_s:g}s at the latest; again stops it at once"
                if self._goes_on()
                else "ends: nothing runs"
            )
            tell()
            with anyio.move_on_after(limit_s):
                await anext(signals)
            self.step = Step.STOP
            self._say("stops; everything goes on at the next start")
            tell()
            async for _ in signals:
                tell()

    def catch_up(self, hub: Hub) -> None:
        """Whatever was said, a run must know."""
        if self.step is Step.STOP:
            hub.stop()
        elif self.step is Step.DRAIN:
            hub.drain()
