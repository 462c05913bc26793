"""What is done by the clock: each duty at its time, or once when it wakes later. Refuses to do two duties at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import NamedTuple

import anyio

from orchestrator import clock
from orchestrator.daemon.lasting import told, trace
from orchestrator.settings import cron

Duty = Callable[[], Awaitable[str]]  # what came of it
LOOK_S = 30.0  # clocks are set, and machines sleep


class Holder(NamedTuple):
    """Who holds the project: the runs that go on in it, and the turn in which none is taken up again."""

    runs: Callable[[], Collection[str]]
    turn: anyio.Lock


class Schedule:
    """`times` are cron's five fields by the name of the duty; empty: never. The settings let no other pass."""

    def __init__(
        self,
        times: Mapping[str, str],
        duties: Mapping[str, Duty],
        say: Callable[[str], None],
        look_s: float = LOOK_S,
    ) -> None:
        self._times = {name: words for name, words in times.items() if words and name in duties}
        self._duties, self._say, self._look_s = duties, say, look_s
        self.troubles: dict[str, str] = {}
        self.done: dict[str, str] = {}  # when each was done last, and what came of it
        self._due = {name: self._next(name) for name in self._times}

    @property
    def due(self) -> dict[str, str]:
        """When each is done next, ISO."""
        return {name: at.isoformat(timespec="minutes") for name, at in self._due.items()}

    async def keep(self) -> None:
        while True:
            await anyio.sleep(self._look_s)
            for name in self._times:
                coming = self._next(name)
                at = min(self._due[name], coming)  # the clock was ahead, and is set right
                self._due[name] = coming
                if at <= _now():
                    await self._do(name)

    async def _do(self, name: str) -> None:
        try:
            came = await self._duties[name]()
        except Exception as trouble:  # a duty that fails must not end the daemon; it is said, and tried at its next time
            trace(trouble, self._say)
            again = f"{self._due[name]:%Y-%m-%d %H:%M}"
            self.troubles[name] = f"{told(trouble)}; it is tried again at {again}"
            self._say(f"warning: {name} failed: {self.troubles[name]}")
        else:
            self.troubles.pop(name, None)
            self.done[name] = f"{_now():%Y-%m-%d %H:%M}: {came}"
            self._say(f"{name}: {came}")

    def _next(self, name: str) -> datetime:
        return cron.after(self._times[name], _now())


def _now() -> datetime:
    return datetime.fromtimestamp(clock.wall()).astimezone()
