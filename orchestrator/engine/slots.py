"""How many attempts run at once over all runs of a process, and whose turn it is. Refuses a slot to who has more while another waits with less."""

from __future__ import annotations

import math
from collections.abc import Callable, Sized
from dataclasses import dataclass

from orchestrator.model import RunId

PATIENCE = 20  # attempts of more urgent runs that go before one that waits, until it counts as a step more urgent


@dataclass(slots=True)
class _Guest:
    running: Callable[[], Sized]
    wake: Callable[[], None]  # it is to ask again
    priority: int
    waits: bool = False
    passed: int = 0  # attempts of more urgent runs since it waits


class Slots:
    """A higher priority first, then who has fewer running, then who came first. Who is passed by again and again becomes more urgent.

    The limit of a run itself is its own affair.
    """

    def __init__(self, limit: float = math.inf) -> None:
        self.limit = limit
        self._guests: dict[RunId, _Guest] = {}

    @property
    def free(self) -> float:
        return self.limit - sum(len(guest.running()) for guest in self._guests.values())

    def enter(
        self, run: RunId, running: Callable[[], Sized], wake: Callable[[], None], priority: int = 0
    ) -> None:
        self._guests[run] = _Guest(running, wake, priority)

    def leave(self, run: RunId) -> None:
        del self._guests[run]
        self._call()

    def may_start(self, run: RunId) -> bool:
        """One attempt that is ready. Who is refused waits, and is woken when it may be its turn."""
        guest = self._guests[run]
        guest.waits = True
        if self.free < 1:
            return False
        first = min((one for one in self._guests.values() if one.waits), key=_rank)
        if first is guest:
            guest.waits, guest.passed = False, 0
            for other in self._guests.values():
                other.passed += other.waits and other.priority < guest.priority
            return True
        first.wake()
        return False

    def rest(self, run: RunId) -> None:
        """It has nothing that could start: others need not wait for it, and may have what it was let have."""
        self._guests[run].waits = False
        self._call()

    def freed(self) -> None:
        """An attempt is over."""
        self._call()

    def _call(self) -> None:
        waiting = [guest for guest in self._guests.values() if guest.waits]
        if waiting and self.free >= 1:
            min(waiting, key=_rank).wake()


def _rank(guest: _Guest) -> tuple[int, int]:
    """Of two that are alike, the one that entered first: `min` takes it."""
    return -guest.priority - guest.passed // PATIENCE, len(guest.running())
