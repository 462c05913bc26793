"""Other runs of this person: what they used today and hold now, and what this one holds, told to them. Refuses to count an attempt twice."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from orchestrator import ledger
from orchestrator.budget import Charge, Money
from orchestrator.ledger.day import Day
from orchestrator.ledger.held import Aside, Held
from orchestrator.model import RunId


class Neighbours:
    """Of one run, through the ledger's folder."""

    def __init__(self, folder: Path, run: RunId) -> None:
        self._day, self._held = Day(folder / ledger.NAME, run), Held(folder, run)

    def turn(self) -> AbstractContextManager[bool]:
        """Whether it is ours: between a look and what is told, no other engine may take the same dollar."""
        return self._held.turn()

    def charge(self, since: str, unknown_usd: float) -> Charge:
        """What ended since an ISO time, and what is held now. Of an attempt with a line of its own the line counts."""
        told = self._day.used(since, unknown_usd)
        used = Money(told.cost_usd or 0.0, told.fresh_tokens or 0)
        found = Charge(used, used, used)
        for run, one in self._held.others():
            if not self._day.has(run, one.task, one.attempt):
                held, sure = Money(one.usd, one.tokens), Money(one.sure_usd, one.sure_tokens)
                found = found.plus(Charge(held, sure, sure))
        return found

    def is_told(self, asides: Iterable[Aside]) -> bool:
        return self._held.is_told(asides)

    def tell(self, asides: Iterable[Aside]) -> None:
        """In a turn."""
        self._held.tell(asides)

    def close(self) -> None:
        self._held.close()
