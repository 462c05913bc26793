"""Reports on finished work, from lines of the ledger: success, cost, savings, and whether promises hold. Pure; never a figure that was not measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from orchestrator.model import Tier
from orchestrator.reports import criteria, savings
from orchestrator.reports.criteria import Status
from orchestrator.reports.rates import Mean, mean, projected, rate, rounded
from orchestrator.reports.work import Done, Work, gather, own_cost, total

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
        "reviews": _reviews(work),
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
    each = _per_task(work)
    ok = sum(task.ok for task in work.finished)
    spent = _spent(attempts)
    whole = spent["usd"] if not spent["unknown"] else None
    return {
        **_head(work),
        "spent": spent,
        "by_model": _by_model(attempts),
        "by_kind": {name: _spent(of) for name, of in _by(attempts, lambda one: one.task_type)},
        "failed_attempts": _spent(one for one in attempts if one.outcome == "failed"),
        "above_the_first_tier": _spent(_escalations(work)),
        "basis": dict(sorted(Counter(one.cost_basis for one in attempts).items())),
        "per_task": each and _at_least(each),
        "tasks_of_unknown_cost": len(work.finished) - (each.n if each else 0),
        "per_success_usd": rounded(whole / ok, 8) if whole is not None and ok else None,
        "projected": {str(n): _at_least(projected(each, n)) for n in PROJECTED} if each else {},
        "savings": savings.against(work, tier).document(),
    }


def models(work: Work, calibration: Mapping[str, Any]) -> dict[str, Any]:
    """`calibration` is that of estimates, by kind of task."""
    found = []
    for name, of in _by(work.judged, _name):
        levels = _by(of, lambda one: one.complexity_estimated)
        told = {str(level): rate(map(_ok, those)).document() for level, those in levels}
        found.append(_model(name, of) | {"by_complexity": told})
    return {
        **_head(work),
        "models": found,
        "reviews": _reviews(work),
        "calibration": calibration,
    }


def validate(work: Work, tier: Tier, margin: float) -> dict[str, Any]:
    saved = savings.against(work, tier)
    found = criteria.criteria(work, saved, margin)
    statuses = [one.status for one in found]
    whole = next(
        (one for one in (Status.NOT_MET, Status.UNKNOWN) if one in statuses),
        Status.MET,
    )
    return {
        **_head(work),
        "status": whole,
        "criteria": [one.document() for one in found],
        "savings": saved.document(),
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
    """Its own work alone: who has looked at it is told by `_reviews`."""
    costs = mean(map(own_cost, of))
    tokens = mean(one.own_tokens for one in of if not one.lower_bound)
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


def _reviews(work: Work) -> list[dict[str, Any]]:
    """By the model that has reviewed."""
    given = [one for one in work.attempts if one.review is not None]
    return [_review(name, of) for name, of in _by(given, _reviewer)]


def _review(name: str, of: Sequence[Entry]) -> dict[str, Any]:
    found = [one.review for one in of if one.review is not None]
    costs = mean(one.cost_usd for one in found)
    tokens = mean(one.tokens_total for one in found)
    return {
        "model": name,
        "n": len(found),
        "approved": sum(one.approved for one in found),
        "cost_usd": costs and costs.document(),
        "tokens": tokens and tokens.document(),
    }


def _reviewer(one: Entry) -> str:
    return (one.review and one.review.model) or "unknown"


def _per_task(work: Work) -> Mean | None:
    """What is known only in part counts with that part: dear tasks are the ones that are cut off, and a mean without them is too low."""
    found = mean(task.least_usd for task in work.finished)
    partly = any(task.cost_usd is None and task.least_usd is not None for task in work.finished)
    return found._replace(high=inf) if found and partly else found


def _at_least(found: Mean) -> dict[str, Any]:
    return found.document() | {"at_least": found.at_least}


def _strategy(name: str, of: Sequence[Done]) -> dict[str, Any]:
    confidence = mean(task.first.route.confidence for task in of)
    return {
        "strategy": name,
        "success": rate(task.ok for task in of if task.judged).document(),
        "confidence": confidence and rounded(confidence.mean),
    }


def _spent(attempts: Iterable[Entry | Part]) -> dict[str, Any]:
    """`usd` is at least this where some are unknown, or only partly known."""
    given = list(attempts)
    unknown = sum(one.cost_usd is None or one.lower_bound for one in given)
    known = total(one.cost_usd or 0.0 for one in given)
    return {"attempts": len(given), "usd": rounded(known, 8), "unknown": unknown}


class Part(NamedTuple):
    """What one model has cost in one attempt."""

    model: str
    cost_usd: float | None
    lower_bound: bool


def _by_model(attempts: Sequence[Entry]) -> dict[str, Any]:
    """Each has its own: a review counts with the model that reviewed."""
    parts = [part for one in attempts for part in _parts(one)]
    return {name: _spent(of) for name, of in _by(parts, lambda one: one.model)}


def _parts(one: Entry) -> Iterator[Part]:
    yield Part(_name(one), one.own_cost_usd, one.lower_bound)
    if one.review is not None:
        yield Part(_reviewer(one), one.review.cost_usd, one.lower_bound)


def _escalations(work: Work) -> list[Entry]:
    return [
        one
        for task in work.tasks
        for one in task.attempts
        if one.model_routed is not task.first.model_routed
    ]
