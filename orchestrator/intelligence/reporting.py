"""What the ledger of this user says of finished work, as the documents of `report`. Refuses to start or write anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator import clock, estimates, ledger, reports
from orchestrator.intelligence import learner
from orchestrator.intelligence.comparison import Method, Policy
from orchestrator.ledger import Entry, token_stats
from orchestrator.model import Tier
from orchestrator.model.learned import LIVE
from orchestrator.settings import Settings, ledger_folder

SHOWN = 0.6  # how sure an opportunity must be to be shown (C-03)


def since(days: int) -> str:
    return (datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=days)).isoformat()


def entries(days: int) -> tuple[tuple[Entry, ...], int]:
    """Attempts, and how many lines are damaged."""
    window = ledger.read(ledger_folder(), since(days))
    return window.entries, len(window.damaged)


def report(kind: str, chosen: Settings, days: int, against: Tier) -> dict[str, Any]:
    given, damaged = entries(days)
    head = {"version": 1, "report": kind, "window_days": days, "damaged_lines": damaged}
    return head | _report(kind, given, chosen, days, against)


def _report(
    kind: str, given: tuple[Entry, ...], chosen: Settings, days: int, against: Tier
) -> dict[str, Any]:
    work = reports.gather(given)
    match kind:
        case "routing":
            return reports.routing(work, against, opportunities(chosen, days))
        case "cost":
            return reports.cost(work, against)
        case "models":
            return reports.models(work, calibration(given))
        case _:
            return reports.validate(work, against, chosen.learning.margin)


def stats(days: int) -> dict[str, Any]:
    given, damaged = entries(days)
    live = [one for one in given if one.origin == LIVE]
    kinds = [{**key._asdict(), **asdict(one)} for key, one in token_stats.fold(live).items()]
    head = {"version": 1, "window_days": days, "damaged_lines": damaged}
    return head | {"kinds": kinds, "calibration": calibration(live)}


def calibration(given: Iterable[Entry]) -> Mapping[str, Any]:
    """How good estimates were, by kind of task."""
    past = estimates.Past(map(estimates.used, given))
    return {
        kind: {name: {"n": one.n, "ratio": round(one.ratio, 4)} for name, one in told.items()}
        for kind, told in estimates.calibration(past).items()
    }


def opportunities(chosen: Settings, days: int) -> list[dict[str, Any]]:
    """What the learner would recommend, from a lower certainty on than it is used from."""
    used = policy(chosen)
    shown = used.model_copy(update={"min_confidence": min(SHOWN, used.min_confidence)})
    samples = ledger.Samples(ledger_folder(), since(days))
    return [
        one.model_dump(mode="json", exclude={"missing"})
        | {"used": one.confidence >= used.min_confidence}
        for one in learner.learn(samples, shown).rules
    ]


def policy(chosen: Settings) -> Policy:
    """When a rule is a rule, by these settings."""
    words, (haiku_max, sonnet_max) = chosen.learning, chosen.routing.ends
    return Policy(
        method=Method(words.confidence),
        **words.model_dump(include=set(Policy.model_fields) & set(type(words).model_fields)),
        haiku_max=haiku_max,
        sonnet_max=sonnet_max,
    )
