"""Records counted: rates with how many there are and their interval, means of what is known. Refuses to count what was blocked or imported. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.intelligence.records import ExecutionRecord, TaskOutcome
from orchestrator.routing.confidence import wilson

Interval = tuple[float, float]
Z = 1.959964  # two-sided 95%


@dataclass(frozen=True, slots=True)
class Tally:
    """`tasks` is without the blocked ones. Means are None where nothing is known."""

    tasks: int
    successful: int
    partial: int
    failed: int
    blocked: int
    costs: tuple[float, ...]  # of those tasks whose cost is known
    durations: tuple[float, ...]

    @classmethod
    def of(cls, records: Iterable[ExecutionRecord]) -> Tally:
        given = [one for one in records if not one.imported]
        counted = [one for one in given if one.counts]
        outcomes = [one.outcome for one in counted]
        return cls(
            tasks=len(counted),
            successful=outcomes.count(TaskOutcome.SUCCESS),
            partial=outcomes.count(TaskOutcome.PARTIAL),
            failed=outcomes.count(TaskOutcome.FAILED),
            blocked=sum(1 for one in given if one.outcome is TaskOutcome.BLOCKED),
            costs=tuple(c for one in counted if (c := one.own_cost_usd) is not None),
            durations=tuple(d for one in counted if (d := one.duration_seconds) is not None),
        )

    @property
    def rate(self) -> float | None:
        return self.successful / self.tasks if self.tasks else None

    @property
    def interval(self) -> Interval:
        """Wilson's, 95%, two-sided; (0, 1) without a task."""
        if not self.tasks:
            return (0.0, 1.0)
        failures = self.tasks - self.successful
        return (wilson(self.successful, self.tasks, Z), 1 - wilson(failures, self.tasks, Z))

    @property
    def mean_cost(self) -> float | None:
        return mean(self.costs)

    @property
    def mean_duration(self) -> float | None:
        return mean(self.durations)

    def told(self) -> str:
        """`90.0% of 20 (95%: 69.9-97.2%)`."""
        if self.rate is None:
            return "no task yet"
        low, high = self.interval
        return f"{self.rate:.1%} of {self.tasks} (95%: {low:.1%} to {high:.1%})"


def mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def known(values: Iterable[float | None]) -> list[float]:
    return [one for one in values if one is not None]
