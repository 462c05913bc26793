"""The ledger as the files of the seeds, each a view that can be thrown away. Pure; refuses to mix imported outcomes with our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from orchestrator.intelligence import records
from orchestrator.ledger import token_stats
from orchestrator.ledger.line import Entry
from orchestrator.model.learned import LIVE

NINE = (
    *("task_id", "complexity_estimated", "model_routed", "outcome", "duration_seconds"),
    *("tokens_total", "cost_usd", "model_version", "timestamp"),
)
STRATEGIES = {1.0: "explicit", 0.95: "complexity-label", 0.85: "pattern", 0.6: "default"}


def live(entries: Iterable[Entry]) -> Iterator[Entry]:
    return (one for one in entries if one.origin == LIVE)


def nine_keys(each: Entry) -> dict[str, Any]:
    """As seed 000 writes it."""
    return each.model_dump(mode="json", include=set(NINE))


def experiment(each: Entry) -> dict[str, Any]:
    """As seed 001 names it. The ledger holds no title of a task: what is known of its kind stands for it."""
    where = f" in {each.area}" if each.area else ""
    return {
        "id": each.task_id,
        "description": f"{each.task_type}, complexity {each.complexity_estimated}{where}",
        "model": each.model_routed,
        "confidence": each.route.confidence,
        "strategy": _strategy(each),
        "cost": each.cost_usd,
        "outcome": each.outcome,
        "notes": "; ".join(filter(None, (each.route.reason, each.failure))),
        "timestamp": each.timestamp,
        "complexity": each.complexity_estimated,
        "model_version": each.model_version,
        "duration_seconds": each.duration_seconds,
        "tokens_total": each.tokens_total,
        "run_id": each.run_id,
        "attempt": each.attempt,
    }


def _strategy(each: Entry) -> str:
    """Lines of the first version do not tell; each way to choose had its own confidence."""
    return each.route.strategy or STRATEGIES.get(each.route.confidence, "learned")


def execution(each: Entry) -> dict[str, Any]:
    """As seed 004 names it."""
    return records.read(each).model_dump(mode="json", exclude={"record_id", "imported"})


VIEWS: Mapping[str, Callable[[Entry], dict[str, Any]]] = {
    "task_ledger.jsonl": nine_keys,
    "routing-experiments.jsonl": experiment,
    "execution_records.jsonl": execution,
}
FORMATS = (*VIEWS, token_stats.NAME)


def render(view: str, entries: Iterable[Entry]) -> str:
    """The whole text of one of FORMATS."""
    if view == token_stats.NAME:
        return token_stats.dumps(token_stats.fold(live(entries)))
    rows = (VIEWS[view](one) for one in live(entries))
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
