"""Lines of the ledger as tasks with their attempts; refuses as evidence what others told, scripts, and what was no fault of a model. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.model import Tier
from orchestrator.model.learned import OF_THE_MODEL, RETROACTIVE
from orchestrator.reports.rates import Rate, rate

if TYPE_CHECKING:
    from orchestrator.ledger import Entry

ORDER = tuple(Tier)


@dataclass(frozen=True)
class Done:
    """One task of one run, its attempts in order."""

    attempts: tuple[Entry, ...]

    @cached_property
    def judged(self) -> tuple[Entry, ...]:
        return tuple(one for one in self.attempts if is_judged(one))

    @property
    def first(self) -> Entry:
        return self.attempts[0]

    @property
    def ok(self) -> bool:
        """Partial is no success here."""
        return bool(self.judged) and self.judged[-1].outcome == "success"

    @property
    def cost_usd(self) -> float | None:
        return total(one.cost_usd if not one.lower_bound else None for one in self.attempts)

    @property
    def least_usd(self) -> float | None:
        """What it surely cost; None where nothing of it is known."""
        known = [one.cost_usd for one in self.attempts if one.cost_usd is not None]
        return sum(known) if known else None

    @property
    def own_cost_usd(self) -> float | None:
        """Without reviews: they would be the same on another model."""
        return total(own_cost(one) for one in self.attempts)

    @property
    def tiers(self) -> list[Tier]:
        """Each that was tried, in order."""
        return list(dict.fromkeys(one.model_routed for one in self.judged if one.model_routed))

    def cost_on(self, tier: Tier) -> float | None:
        """Of all its tries there, without reviews; None where there were none, too."""
        there = [one for one in self.judged if one.model_routed is tier]
        return total(map(own_cost, there)) if there else None

    def ok_on(self, tier: Tier) -> bool:
        return any(one.outcome == "success" for one in self.judged if one.model_routed is tier)


@dataclass(frozen=True, slots=True)
class Work:
    """All tasks of a window that a model worked on, and how many lines were left out, and why."""

    tasks: tuple[Done, ...]
    retroactive: int
    scripts: int
    blameless: int  # attempts that a limit, an outage or a person ended

    @property
    def attempts(self) -> list[Entry]:
        return [one for task in self.tasks for one in task.attempts]

    @property
    def judged(self) -> list[Entry]:
        return [one for task in self.tasks for one in task.judged]

    @property
    def finished(self) -> list[Done]:
        return [task for task in self.tasks if task.judged]

    @property
    def success(self) -> Rate:
        return rate(task.ok for task in self.finished)


def gather(entries: Iterable[Entry]) -> Work:
    tasks: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    retroactive = scripts = blameless = 0
    for one in entries:
        if one.origin == RETROACTIVE:
            retroactive += 1
        elif one.model_routed is None and one.model_version is None:
            scripts += 1
        else:
            blameless += not is_judged(one)
            tasks[one.run_id, one.task_id].append(one)
    done = (Done(tuple(sorted(of, key=lambda one: one.attempt))) for of in tasks.values())
    return Work(tuple(done), retroactive, scripts, blameless)


def is_judged(one: Entry) -> bool:
    """A model had its turn, and this came of it."""
    return one.failure is None or one.failure in OF_THE_MODEL


def own_cost(one: Entry) -> float | None:
    """Of the model that worked, where all of it is known."""
    return None if one.lower_bound else one.own_cost_usd


def total(costs: Iterable[float | None]) -> float | None:
    """Unknown as soon as one is."""
    found = list(costs)
    return None if None in found else sum(one for one in found if one is not None)
