"""Whether routing keeps what was promised of it: each criterion with its n and interval. Pure; nothing is called met below a stated n."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from orchestrator.model import Tier
from orchestrator.reports.rates import Rate, mean, rate, rounded, stratified
from orchestrator.reports.savings import Savings
from orchestrator.reports.work import ORDER, Done, Work

LEAST = 19  # so many straight successes are needed before 85% is shown (one-sided 95%)


class Status(StrEnum):
    MET = "met"
    NOT_MET = "not met"
    UNKNOWN = "insufficient evidence"


class Criterion(NamedTuple):
    """`low` and `high`: its 95% interval. `n` are tasks, or pairs of groups' smaller one."""

    name: str
    wanted: str
    least: float  # the value from which it is met
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""  # what it is of, and which way it may be wrong

    @property
    def status(self) -> Status:
        if self.n < LEAST or self.low is None or self.high is None:
            return Status.UNKNOWN
        if self.low >= self.least:
            return Status.MET
        return Status.NOT_MET if self.high < self.least else Status.UNKNOWN

    def document(self) -> dict[str, Any]:
        figures = {name: rounded(getattr(self, name)) for name in ("value", "low", "high")}
        told = {"name": self.name, "wanted": self.wanted, "n": self.n, "least_n": LEAST}
        return told | figures | {"status": self.status, "note": self.note or None}


def criteria(work: Work, saved: Savings, margin: float) -> list[Criterion]:
    """Those of seed 001, made so that they can fail."""
    return [
        _haiku(work),
        Criterion(
            "cost reduction",
            f"more than 0 against {saved.against} on the same tasks",
            0.0,
            saved.tasks if not saved.missing else min(saved.tasks, saved.samples),
            saved.share,
            saved.low_share,
            saved.high_share,
        ),
        _confidence(work),
        _regressions(work, saved.against, margin),
    ]


def _haiku(work: Work) -> Criterion:
    found = rate(task.ok_on(Tier.HAIKU) for task in work.finished if Tier.HAIKU in task.tiers)
    wanted = "at least 85% of tasks that haiku tried"
    return Criterion("haiku success", wanted, 0.85, int(found.n), found.share, *found.interval)


def _confidence(work: Work) -> Criterion:
    """Of the decisions where each task began; that of scripts and of agents that choose themselves is none."""
    found = mean(task.first.route.confidence for task in work.tasks if task.first.model_routed)
    told = ("average routing confidence", "at least 80%", 0.8)
    return Criterion(*told, found.n, *found[1:]) if found else Criterion(*told, 0)


def _regressions(work: Work, tier: Tier, margin: float) -> Criterion:
    """Tasks that began below the tier against those that began on it or above, each within its own complexity."""
    told = (
        "no regressions",
        f"tasks begun below {tier} end well as often, within {margin:.0%}",
        -margin,
    )
    weaker, others = defaultdict[int, list[Done]](list), defaultdict[int, list[Done]](list)
    for task in work.finished:
        if task.first.model_routed is not None:
            under = ORDER.index(task.first.model_routed) < ORDER.index(tier)
            (weaker if under else others)[task.first.complexity_estimated].append(task)
    both = sorted(weaker.keys() & others.keys())
    if not both:
        note = f"no complexity has both tasks begun below {tier} and others"
        return Criterion(*told, 0, note=note if weaker and others else "")
    pairs = [(_ok(weaker[level]), _ok(others[level])) for level in both]
    n = [int(sum(one.n for one in side)) for side in zip(*pairs, strict=True)]
    note = (
        f"within complexity {', '.join(map(str, both))}: {n[0]} of {_count(weaker)} tasks begun below {tier} "
        f"against {n[1]} of {_count(others)}; of one complexity the harder tasks go rather to the stronger models, "
        "so a regression is rather understated"
    )
    return Criterion(*told, min(n), *stratified(pairs), note)


def _count(tasks: Mapping[int, list[Done]]) -> int:
    return sum(map(len, tasks.values()))


def _ok(tasks: Iterable[Done]) -> Rate:
    return rate(task.ok for task in tasks)
