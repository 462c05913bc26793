"""Reports on finished work, from lines of the ledger: success, cost, savings, and whether promises hold. Pure; never a figure that was not measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.model import Tier
from orchestrator.reports import criteria, savings
from orchestrator.reports.criteria import Status
from orchestrator.reports.rates import mean, projected, rate, rounded
from orchestrator.reports.work import Done, Work, gather, total

if TYPE_CHECKING:
    from orchestrator.ledger import Entry

__all__ = ["Status", "cost", "gather", "models", "routing", "validate"]

Key = TypeVar("Key", bound=Hashable)
LATEST = 10  # experiments that are shown
PROJECTED = (100, 1000, 10_000)  # tasks


def routing(work: Work, tier: Tier, opportunities: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    begun = [task for task in work.tasks if task.first.model_routed]
    confidence = mean(task.first.route.confidence for task in begun)
    drawn = [task for task in begun if (task.first.route.propensity or 1.0) < 1]
    return {
        **_head(work),
        "success": work.success.document(),
        "escalated": rate(len(task.tiers) > 1 for task in work.finished).document(),
        "models": [_model(name, of) for name, of in _by(work.judged, _name)],
        "strategies": [_strategy(name, of) for name, of in _by(begun, _strategy_of)],
        "confidence": confidence and confidence.document(),
        "savings": savings.against(work, tier).document(),
        "experiments": {
            "n": len(begun),
            "drawn": len(drawn),
            "latest": [experiment(task) for task in _newest(begun)[:LATEST]],
        },
        "opportunities": list(opportunities),
    }


def cost(work: Work, tier: Tier) -> dict[str, Any]:
    attempts = work.attempts
    each = mean(task.cost_usd for task in work.finished)
    ok = sum(task.ok for task in work.finished)
    spent = _spent(attempts)
    whole = spent["usd"] if not spent["unknown"] else None
    return {
        **_head(work),
        "spent": spent,
        "by_model": {name: _spent(of) for name, of in _by(attempts, _name)},
        "by_kind": {name: _spent(of) for name, of in _by(attempts, lambda one: one.task_type)},
        "failed_attempts": _spent(one for one in attempts if one.outcome == "failed"),
        "above_the_first_tier": _spent(_escalations(work)),
        "basis": dict(sorted(Counter(one.cost_basis for one in attempts).items())),
        "per_task": each and each.document(),
        "per_success_usd": rounded(whole / ok, 8) if whole is not None and ok else None,
        "projected": {str(n): projected(each, n).document() for n in PROJECTED} if each else {},
        "savings": savings.against(work, tier).document(),
    }


def models(work: Work, calibration: Mapping[str, Any]) -> dict[str, Any]:
    """`calibration` is that of estimates, by kind of task."""
    found = []
    for name, of in _by(work.judged, _name):
        levels = _by(of, lambda one: one.complexity_estimated)
        told = {str(level): rate(map(_ok, those)).document() for level, those in levels}
        found.append(_model(name, of) | {"by_complexity": told})
    return {**_head(work), "models": found, "calibration": calibration}


def validate(work: Work, tier: Tier, margin: float) -> dict[str, Any]:
    found = criteria.criteria(work, savings.against(work, tier), margin)
    statuses = [one.status for one in found]
    whole = next(
        (one for one in (Status.NOT_MET, Status.UNKNOWN) if one in statuses),
        Status.MET,
    )
    return {
        **_head(work),
        "status": whole,
        "criteria": [one.document() for one in found],
        "savings": savings.against(work, tier).document(),
    }


def experiment(task: Done) -> dict[str, Any]:
    """A task as seed 001 tells it; it has no description, which the ledger does not keep."""
    first = task.first
    return {
        "id": f"{first.run_id} {first.task_id}",
        "timestamp": first.timestamp,
        "model": first.model_routed,
        "confidence": first.route.confidence,
        "strategy": first.route.strategy,
        "propensity": first.route.propensity,
        "reason": first.route.reason,
        "attempts": len(task.attempts),
        "cost_usd": rounded(task.cost_usd, 8),
        "outcome": task.judged[-1].outcome if task.judged else None,
    }


# --- parts ----------------------------------------------------------------------------------------


def _head(work: Work) -> dict[str, Any]:
    return {
        "tasks": len(work.tasks),
        "attempts": len(work.attempts),
        "left_out": {
            "retroactive": work.retroactive,
            "scripts": work.scripts,
            "blameless": work.blameless,
        },
    }


def _name(one: Entry) -> str:
    return one.model_version or one.worker


def _strategy_of(task: Done) -> str:
    return task.first.route.strategy or "unknown"


def _ok(one: Entry) -> bool:
    return one.outcome == "success"


Item = TypeVar("Item")


def _by(items: Iterable[Item], key: Callable[[Item], Any]) -> list[tuple[Any, list[Item]]]:
    groups: dict[Any, list[Item]] = defaultdict(list)
    for one in items:
        groups[key(one)].append(one)
    return sorted(groups.items())


def _newest(tasks: Iterable[Done]) -> list[Done]:
    return sorted(tasks, key=lambda task: task.attempts[-1].timestamp, reverse=True)


def _model(name: str, of: Sequence[Entry]) -> dict[str, Any]:
    whole = [one for one in of if not one.lower_bound]
    costs = mean(one.cost_usd for one in whole)
    tokens = mean(one.tokens_total for one in whole)
    times = mean(one.duration_seconds for one in of)
    return {
        "model": name,
        "tiers": sorted({one.model_routed for one in of if one.model_routed}),
        "success": rate(map(_ok, of)).document(),
        "partial": sum(one.outcome == "partial" for one in of),
        "cost_usd": costs and costs.document(),
        "tokens": tokens and tokens.document(),
        "duration_s": times and times.document(),
    }


def _strategy(name: str, of: Sequence[Done]) -> dict[str, Any]:
    confidence = mean(task.first.route.confidence for task in of)
    return {
        "strategy": name,
        "success": rate(task.ok for task in of if task.judged).document(),
        "confidence": confidence and rounded(confidence.mean),
    }


def _spent(attempts: Iterable[Entry]) -> dict[str, Any]:
    """`usd` is at least this where some are unknown, or only partly known."""
    given = list(attempts)
    unknown = sum(one.cost_usd is None or one.lower_bound for one in given)
    known = total(one.cost_usd or 0.0 for one in given)
    return {"attempts": len(given), "usd": rounded(known, 8), "unknown": unknown}


def _escalations(work: Work) -> list[Entry]:
    return [
        one
        for task in work.tasks
        for one in task.attempts
        if one.model_routed is not task.first.model_routed
    ]
