"""What routing saved against always using one tier on the same tasks, at that tier's own learned cost. Pure; with too little evidence it says so and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from orchestrator.model import Tier
from orchestrator.reports.rates import bootstrap, rounded
from orchestrator.reports.work import Work

LEAST = 5  # tasks on the other tier, and tasks at all


class Known(NamedTuple):
    """A task: what it cost, and what its tries on the other tier cost if it had some."""

    complexity: int
    cost: float
    there: float | None


class Savings(NamedTuple):
    """Dollars of all tasks together; the interval is of a bootstrap over tasks. `missing`: why there is no figure."""

    against: Tier
    tasks: int
    unknown: int  # tasks that are left out: nobody knows their cost
    samples: int  # tasks of which the other tier's mean is
    actual_usd: float | None = None
    other_usd: float | None = None
    low_usd: float | None = None
    high_usd: float | None = None
    low_share: float | None = None
    high_share: float | None = None
    missing: str = ""

    @property
    def saved_usd(self) -> float | None:
        if self.actual_usd is None or self.other_usd is None:
            return None
        return self.other_usd - self.actual_usd

    @property
    def share(self) -> float | None:
        """Of what it would have cost; of unrounded figures."""
        saved = self.saved_usd
        return None if saved is None or not self.other_usd else saved / self.other_usd

    @property
    def statement(self) -> str:
        """What it is compared with."""
        return (
            f"each of the same {self.tasks} tasks on {self.against} alone, at what a task cost there "
            f"(the mean of its own complexity where {LEAST} or more are known, else of all {self.samples}); "
            "tasks that were routed there can be harder or easier than these"
        )

    def document(self) -> dict[str, Any]:
        names = ("actual_usd", "other_usd", "low_usd", "high_usd", "low_share", "high_share")
        return {
            "against": self.against,
            "tasks": self.tasks,
            "tasks_of_unknown_cost": self.unknown,
            "samples": self.samples,
            "statement": self.statement,
            "missing": self.missing or None,
            "saved_usd": rounded(self.saved_usd, 8),
            "share": rounded(self.share),
            **{name: rounded(getattr(self, name), 8) for name in names},
        }


def against(work: Work, tier: Tier) -> Savings:
    tasks = [
        Known(task.first.complexity_estimated, cost, task.cost_on(tier))
        for task in work.finished
        if (cost := task.cost_usd) is not None
    ]
    unknown = len(work.finished) - len(tasks)
    samples = sum(one.there is not None for one in tasks)
    if len(tasks) < LEAST or samples < LEAST:
        what = f"{samples} on {tier}" if len(tasks) >= LEAST else str(len(tasks))
        told = (
            f"insufficient evidence: {LEAST} tasks of known cost are needed, and there are {what}"
        )
        return Savings(tier, len(tasks), unknown, samples, missing=told)
    figures = bootstrap(tasks, _saved), bootstrap(tasks, _share)
    return Savings(
        tier,
        len(tasks),
        unknown,
        samples,
        sum(one.cost for one in tasks),
        _other(tasks),
        *figures[0],
        *figures[1],
    )


def _other(tasks: Sequence[Known]) -> float:
    """What all of them would have cost on the other tier."""
    every = [one.there for one in tasks if one.there is not None]
    if not every:
        return sum(one.cost for one in tasks)  # a drawing without any says nothing
    groups: dict[int, list[float]] = defaultdict(list)
    for one in tasks:
        if one.there is not None:
            groups[one.complexity].append(one.there)
    overall = sum(every) / len(every)
    means = {key: sum(of) / len(of) for key, of in groups.items() if len(of) >= LEAST}
    return sum(means.get(one.complexity, overall) for one in tasks)


def _saved(tasks: Sequence[Known]) -> float:
    return _other(tasks) - sum(one.cost for one in tasks)


def _share(tasks: Sequence[Known]) -> float:
    other = _other(tasks)
    return _saved(tasks) / other if other else 0.0
