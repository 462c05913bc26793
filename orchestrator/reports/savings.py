"""What routing saved against always using one tier on the same tasks, at that tier's own learned cost. Pure; with too little evidence it says so and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import nan
from typing import Any, NamedTuple

from orchestrator.model import Tier
from orchestrator.reports.rates import bootstrap, interval, rounded
from orchestrator.reports.work import ORDER, Done, Work

LEAST = 5  # tasks on the other tier, and tasks at all
DRAWN = 200  # so many tasks are drawn again and again; of more each one's own share in the figure is enough


class Known(NamedTuple):
    """A task: what it cost, and what its tries on the other tier cost if it had some; `begun`: nobody else tried it before."""

    complexity: int
    cost: float
    there: float | None
    begun: bool = True


class Savings(NamedTuple):
    """Dollars of all tasks together, without reviews; the interval is of a bootstrap over tasks. `missing`: why there is no figure."""

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
    selected: int = 0  # tasks priced by what failed elsewhere first
    unfinished: int = 0  # of the samples: they did not end well there
    cut_off: int = 0  # of the unknown: they cost at least something
    reviewed: int = 0
    below: int = 0  # tasks that began on a weaker tier
    above: int = 0

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
        reviews = "; reviews are in neither" if self.reviewed else ""
        return (
            f"each of the same {self.tasks} tasks on {self.against} alone, at what a task cost there "
            f"(the mean of its own complexity where {LEAST} or more are known, else of all {self.samples}; "
            f"of tasks that began there, where those are {LEAST} or more){reviews}"
        )

    @property
    def bias(self) -> tuple[str, ...]:
        """What the comparison cannot mend, and in which direction that moves it."""
        return () if self.missing else tuple(_bias(self))

    def document(self) -> dict[str, Any]:
        names = ("actual_usd", "other_usd", "low_usd", "high_usd", "low_share", "high_share")
        return {
            "against": self.against,
            "tasks": self.tasks,
            "tasks_of_unknown_cost": self.unknown,
            "samples": self.samples,
            "statement": self.statement,
            "bias": list(self.bias),
            "missing": self.missing or None,
            "saved_usd": rounded(self.saved_usd, 8),
            "share": rounded(self.share),
            **{name: rounded(getattr(self, name), 8) for name in names},
        }


def _bias(found: Savings) -> Iterator[str]:
    tier = found.against
    if found.selected:
        yield (
            f"overstated: {found.selected} of the {found.tasks} are priced by a mean with tasks that came to {tier} after "
            "a failure elsewhere, and those are mostly dearer"
        )
    if found.unfinished:
        yield (
            f"understated: {found.unfinished} of the {found.samples} did not end well on {tier}, and what that would "
            "still have cost is not in it"
        )
    if found.cut_off:
        yield f"overstated: of {found.cut_off} left out only a part of the cost is known, and mostly dear ones are cut off"
    if found.below > found.above:
        yield f"overstated: {found.below} began below {tier}, and of one complexity those are rather the easier ones"
    if found.above > found.below:
        yield f"understated: {found.above} began above {tier}, and of one complexity those are rather the harder ones"


def against(work: Work, tier: Tier) -> Savings:
    done = [(task, cost) for task in work.finished if (cost := task.own_cost_usd) is not None]
    tasks = [_known(task, cost, tier) for task, cost in done]
    there = [task for task, _ in done if task.cost_on(tier) is not None]
    found = Savings(
        tier,
        len(tasks),
        len(work.finished) - len(tasks),
        len(there),
        unfinished=sum(not task.ok_on(tier) for task in there),
        cut_off=sum(
            task.own_cost_usd is None and task.least_usd is not None for task in work.finished
        ),
        below=sum(_place(task) < ORDER.index(tier) for task, _ in done),
        above=sum(_place(task) > ORDER.index(tier) for task, _ in done),
        reviewed=sum(one.review is not None for task, _ in done for one in task.attempts),
    )
    if len(tasks) < LEAST or len(there) < LEAST:
        what = f"{len(there)} on {tier}" if len(tasks) >= LEAST else str(len(tasks))
        told = (
            f"insufficient evidence: {LEAST} tasks of known cost are needed, and there are {what}"
        )
        return found._replace(missing=told)
    usd, share = _intervals(tasks)
    prices = _Prices(tasks)
    return found._replace(
        actual_usd=sum(one.cost for one in tasks),
        other_usd=_other(tasks),
        low_usd=usd[0],
        high_usd=usd[1],
        low_share=share[0],
        high_share=share[1],
        selected=sum(prices.is_selected(one) for one in tasks),
    )


def _known(task: Done, cost: float, tier: Tier) -> Known:
    begun = task.tiers[:1] in ([], [tier])
    return Known(task.first.complexity_estimated, cost, task.cost_on(tier), begun)


def _place(task: Done) -> float:
    """Of the tier where it began; without one neither below nor above any."""
    tier = task.first.model_routed
    return nan if tier is None else ORDER.index(tier)


# --- what the other tier costs --------------------------------------------------------------------


class _Prices:
    """Of one task on the other tier: the mean of those that say most about it."""

    def __init__(self, tasks: Sequence[Known]) -> None:
        groups: dict[int | None, list[Known]] = defaultdict(list)
        for one in tasks:
            if one.there is not None:
                groups[one.complexity].append(one)
                groups[None].append(one)
        self._of = {key: _best(of) for key, of in groups.items() if len(of) >= LEAST}
        self._of.setdefault(None, _best(groups[None]))
        self._means = {key: _mean(of) for key, of in self._of.items()}
        self._selected = {key for key, of in self._of.items() if not all(one.begun for one in of)}

    def of(self, one: Known) -> float:
        return self._means[self._key(one)]

    def is_selected(self, one: Known) -> bool:
        return self._key(one) in self._selected

    def _key(self, one: Known) -> int | None:
        return one.complexity if one.complexity in self._of else None

    def parts(self, tasks: Sequence[Known]) -> list[float]:
        """What each task adds to the sum of all, by being priced and by being one of those that others are priced by."""
        priced: dict[int | None, int] = defaultdict(int)
        for one in tasks:
            priced[self._key(one)] += 1
        found = {id(one): self.of(one) for one in tasks}
        for key, of in self._of.items():
            for one in of:
                off = (one.there or 0.0) - self._means[key]
                found[id(one)] += priced[key] / len(of) * off
        return [found[id(one)] for one in tasks]


def _best(of: list[Known]) -> list[Known]:
    """Those that nobody else has failed on before, where they are enough."""
    begun = [one for one in of if one.begun]
    return begun if len(begun) >= LEAST else of


def _mean(of: Sequence[Known]) -> float:
    return sum(one.there or 0.0 for one in of) / len(of)


def _other(tasks: Sequence[Known]) -> float:
    """What all of them would have cost on the other tier."""
    if all(one.there is None for one in tasks):
        return sum(one.cost for one in tasks)  # a drawing without any says nothing
    prices = _Prices(tasks)
    return sum(map(prices.of, tasks))


# --- how sure that is -----------------------------------------------------------------------------


def _intervals(tasks: Sequence[Known]) -> list[tuple[float, float]]:
    """Of the dollars and of the share that were saved."""
    if len(tasks) <= DRAWN:
        return bootstrap(tasks, _saved)
    saved, share = _saved(tasks)
    other = _other(tasks)
    parts = list(zip(_Prices(tasks).parts(tasks), (one.cost for one in tasks), strict=True))
    of_usd = [part - cost for part, cost in parts]
    of_share = [((1 - share) * part - cost) / other for part, cost in parts] if other else [0.0]
    return [_around(saved, of_usd), _around(share, of_share)]


def _around(figure: float, parts: Sequence[float]) -> tuple[float, float]:
    """By the infinitesimal jackknife: the figure moves as the sum of its parts does."""
    low, high = interval(parts)
    middle = sum(parts) / len(parts)
    return figure + len(parts) * (low - middle), figure + len(parts) * (high - middle)


def _saved(tasks: Sequence[Known]) -> tuple[float, float]:
    """Dollars, and their share of what it would have cost."""
    other = _other(tasks)
    saved = other - sum(one.cost for one in tasks)
    return saved, saved / other if other else 0.0
