"""Routing and models as the ledger tells them, each figure with its n and interval. Refuses to rank, and to save, what there is too little evidence of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.intelligence import reporting
from orchestrator.intelligence.analytics import INSUFFICIENT, ROLES, PerformanceAnalytics, Ranked
from orchestrator.intelligence.performance_tracker import PerformanceTracker
from orchestrator.ledger.window import NAME
from orchestrator.model import Tier
from orchestrator.settings import Settings, ledger_folder
from orchestrator.views.text import plain

AGAINST = Tier.SONNET
SHOWN_KINDS = 24


class Level(NamedTuple):
    """A rate as a mark within its interval, per cent."""

    name: str
    told: str
    value: float | None
    low: float
    high: float
    n: int


class Place(NamedTuple):
    model: str
    level: Level
    cost: float | None
    sufficient: bool


class Ranking(NamedTuple):
    area: str
    risk: str
    role: str
    places: tuple[Place, ...]
    best: str | None


def version() -> tuple[int, int] | None:
    """Of the ledger as it lies there."""
    try:
        told = (ledger_folder() / NAME).stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size


def level(name: str, found: Mapping[str, Any], word: Callable[[float], str]) -> Level:
    low, high = 100 * (found["low"] or 0), 100 * (found["high"] or 0)
    value = found["rate"]
    if not found["n"]:
        return Level(plain(name, 60), "no task yet", None, 0, 100, 0)
    told = f"{word(value)} of {found['n']} (95%: {word(found['low'])} to {word(found['high'])})"
    return Level(plain(name, 60), told, 100 * value, low, high, found["n"])


def routing(chosen: Settings) -> dict[str, Any]:
    found = reporting.report("routing", chosen, chosen.learning.window_days, AGAINST)
    return {
        "found": found,
        "success": level("all tasks", found["success"], _percent),
        "escalated": level("went on to a stronger model", found["escalated"], _percent),
        "by_model": [
            (level(one["model"], one["success"], _percent), one) for one in found["models"]
        ],
        "by_strategy": [
            (level(one["strategy"], one["success"], _percent), one) for one in found["strategies"]
        ],
    }


def models(root: Path, chosen: Settings) -> dict[str, Any]:
    days = chosen.learning.window_days
    found = reporting.report("models", chosen, days, AGAINST)
    told: dict[str, Any] = {
        "found": found,
        "rankings": [],
        "opportunities": [],
        "insufficient": INSUFFICIENT,
    }
    told["by_model"] = [
        (level(one["model"], one["success"], _percent), one) for one in found["models"]
    ]
    told["needed"] = chosen.learning.min_samples
    if ledger_folder().is_dir():  # a tracker makes its folder, and who looks makes none
        analytics = PerformanceAnalytics(PerformanceTracker(rae_integration=False, root=root))
        told["rankings"] = list(_rankings(analytics))
        told["opportunities"] = analytics.identify_optimization_opportunities()
    return told


def _rankings(analytics: PerformanceAnalytics) -> Iterator[Ranking]:
    for area, risk in analytics.kinds()[:SHOWN_KINDS]:
        for role in ROLES:
            ranked = analytics.rank_models_for_task(area, risk, role)
            if ranked:
                best = ranked[0][0] if ranked[0].sufficient else None
                yield Ranking(plain(area), risk, role, tuple(map(_place, ranked)), best)


def _place(one: Ranked) -> Place:
    model, rate = one
    low, high = one.tally.interval
    found = {"rate": rate, "low": low, "high": high, "n": one.tally.tasks}
    return Place(
        plain(model, 60), level(model, found, _percent), one.tally.mean_cost, one.sufficient
    )


def _percent(share: float) -> str:
    return f"{share:.0%}"
