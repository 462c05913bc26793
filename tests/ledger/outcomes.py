"""Lines of the ledger in few words, and the sample of seed 000's own test: 88 tasks over two months."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.ledger import Entry, seal
from orchestrator.ledger.line import VERSION

IDS = {
    "haiku": "claude-haiku-4-5-20251001",
    "sonnet": "claude-sonnet-4-20250514",
    "opus": "claude-opus-4-5-20251101",
}
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def line(
    model: str = "haiku",
    outcome: str = "success",
    *,
    cost: float | None = 0.01,
    at: datetime = NOW,
    number: int = 1,
    **more: Any,
) -> Entry:
    """A first try that a command has judged."""
    values = {
        "v": VERSION,
        "run_id": "r1",
        "project": "shop",
        "task_id": f"06-02-task-{number}",
        "attempt": 1,
        "timestamp": stamp(at),
        "duration_seconds": 275.0,
        "complexity_estimated": 6,
        "worker": "claude",
        "provider": "anthropic",
        "model_routed": model,
        "model_version": IDS.get(model),
        "route": {"tier": model, "confidence": 0.6, "reason": "complexity", "propensity": None},
        "tokens": dict.fromkeys(("input", "output", "cache_read", "cache_write", "reasoning")),
        "tokens_total": 5000,
        "cost_usd": cost,
        "cost_basis": "unknown" if cost is None else "reported",
        "outcome": outcome,
        "failure": "verify" if outcome == "failed" else None,
        "verified": "command",
        "verify_strength": 0.9,
        "escalated_from": None,
        "area": "src",
        "risk": "medium",
        "task_type": "api-impl",
        "checksum": "",
    }
    return seal(Entry.model_validate(values | more, strict=False))


def lines(*parts: tuple[str, int, int, float], **more: Any) -> list[Entry]:
    """Of each (model, successes, tries, cost), all tasks of their own."""
    found = []
    for model, good, tries, cost in parts:
        for number in range(tries):
            name = f"{model}-{number}-{len(found)}"
            outcome = "success" if number < good else "failed"
            found.append(line(model, outcome, cost=cost, task_id=name, **more))
    return found


def seed_sample(now: datetime) -> Iterator[Entry]:
    """88 tasks of two months. In the last 30 days haiku does 16 of 16 at complexity 6, and sonnet 9 of 10.

    The month before says the opposite, so that who counts it learns nothing: haiku failed all 20 of its tasks.
    """
    old = [("haiku", 6, 0, 20, 0.00175), ("sonnet", 6, 10, 10, 0.018)]
    new = [("haiku", 6, 16, 16, 0.00175), ("sonnet", 6, 9, 10, 0.018)]
    new += [("haiku", 3, 11, 12, 0.0012), ("sonnet", 7, 9, 10, 0.02), ("opus", 9, 9, 10, 0.09)]
    number = 0
    for back, groups in ((60, old), (29, new)):
        for model, complexity, good, tries, cost in groups:
            for turn in range(tries):
                number += 1
                yield line(
                    model,
                    "success" if turn < good else "failed",
                    cost=cost,
                    number=number,
                    at=now - timedelta(days=back) + timedelta(hours=turn),
                    complexity_estimated=complexity,
                )
