"""What keeps plans waiting for the sake of money and quota: a person's word on the cost, and the month's end. Refuses to stop what runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from anyio import to_thread

from orchestrator import clock
from orchestrator.amounts import dollars
from orchestrator.daemon import trust
from orchestrator.daemon.queue import Found, Refusal
from orchestrator.engine import Crew
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.graph import TaskGraph
from orchestrator.outloop import admission, quota
from orchestrator.outloop.forecast import throttle
from orchestrator.project import Source
from orchestrator.settings import Settings
from orchestrator.views.text import command

EVERY_S = 2.0  # the forecast is made anew at most so often


class Thrift:
    """What the queue must know, as it is now."""

    def __init__(self, root: Path, load: Callable[[], Settings]) -> None:
        self._root, self._load = root, load
        self._at = -math.inf
        self.approved: Mapping[str, float] = {}  # dollars by the hash of a plan
        self.waits = ""  # why plans of low priority wait

    async def look(self, found: Iterable[Found]) -> None:
        """The ledger is read only while a plan of low priority lies there."""
        self.approved = await to_thread.run_sync(trust.approved, self._root)
        if not any(one.priority < 0 for one in found):
            self.waits, self._at = "", -math.inf
        elif abs(clock.wall() - self._at) >= EVERY_S:
            self._at = clock.wall()
            self.waits = await to_thread.run_sync(self._why)

    def _why(self) -> str:
        """What cannot be read keeps nothing waiting: `orchestrator quota` tells of it."""
        try:
            settings = self._load().quota
            if not settings.throttle:
                return ""
            forecast = quota.risk(self._root, settings, clock.wall())
        except (OrchestratorError, OSError):
            return ""
        return throttle(forecast, on=True) or ""


class Unapproved(UsageError):
    """Of each plan why it waits, and for how many dollars; 0: only for the others."""

    def __init__(self, parts: Mapping[str, Refusal]) -> None:
        super().__init__("; ".join(one.why for one in parts.values()))
        self.parts = parts


def refuse_unapproved(root: Path, sources: Sequence[Source], graph: TaskGraph, crew: Crew) -> None:
    """Unapproved where the plans together cost more than is spent without a word, and nobody has said that these texts may."""
    budget = crew.settings.budget
    total = admission.expect((tries[0] for tries in crew.ladders.values()), budget.unknown_usd)
    if not admission.must_ask(total, budget.ask_usd):
        return
    given = trust.approved(root)
    parts = dict[str, Refusal]()
    for one in sources:
        firsts = [
            tries[0] for task, tries in crew.ladders.items() if graph.plan_of(task).id == one.id
        ]
        own = admission.expect(firsts, budget.unknown_usd)
        usd = math.ceil(round(own.usd * 100, 6)) / 100
        if given.get(trust.digest(one.content), 0.0) >= usd:
            why = "it waits for a word on the cost of the plans beside it"
            parts[one.path] = Refusal(why, waits=True)
            continue
        whole = f"its first tries are expected to cost {own.told}"
        if len(sources) > 1:
            whole = f"its phase is expected to cost {total.told}, {dollars(own.usd)} of that for it"
        over = f"more than {dollars(budget.ask_usd)} (budget.ask_usd)"
        step = command("trust", "--usd", f"{usd:.2f}", one.path)
        why = f"{whole}, {over}; a person must say so: {step}, or on its page"
        parts[one.path] = Refusal(why, waits=True, asks_usd=usd)
    if any(one.asks_usd for one in parts.values()):
        raise Unapproved(parts)
