"""Trackers with a history, and a registry of four models, for the tests of this room."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator import ledger
from orchestrator.intelligence import (
    ExecutionRecord,
    ModelInfo,
    ModelRegistry,
    PerformanceTracker,
    TaskOutcome,
    records,
)
from orchestrator.ledger import Entry
from orchestrator.model import Tier

CHEAP, MIDDLE, OTHER, STRONG = "cheap-1", "middle-1", "middle-2", "strong-1"


def registry() -> ModelRegistry:
    """Baseline: small -> cheap-1, medium -> middle-1, large -> strong-1."""
    return ModelRegistry(
        (
            ModelInfo(CHEAP, "alpha", Tier.HAIKU, "Cheap One", 0.002),
            ModelInfo(MIDDLE, "alpha", Tier.SONNET, "Middle One", 0.02),
            ModelInfo(OTHER, "beta", Tier.SONNET, "Middle Two", 0.01),
            ModelInfo(STRONG, "alpha", Tier.OPUS, "Strong One", 0.1),
        )
    )


def told(model: str = MIDDLE, **more: Any) -> dict[str, Any]:
    """What `record_execution` is told of a task."""
    values: dict[str, Any] = {
        "task_id": "T-1",
        "task_area": "api",
        "task_risk": "medium",
        "task_complexity": "medium",
        "planner_model": STRONG,
        "planner_provider": "alpha",
        "implementer_model": model,
        "implementer_provider": "alpha",
        "outcome": TaskOutcome.SUCCESS,
        "duration_seconds": 10.0,
        "total_cost_usd": 0.02,
        "num_steps": 3,
    }
    return values | more


def record(tracker: PerformanceTracker, model: str = MIDDLE, **more: Any) -> ExecutionRecord:
    return tracker.record_execution(**told(model, **more))


REST: dict[str, Any] = {
    "num_retries": 0,
    "quality_gate_passed": None,
    "code_review_passed": None,
    "plan_review_passed": None,
    "error_type": None,
    "error_message": None,
    "failed_step": None,
}


def line(model: str = MIDDLE, **more: Any) -> Entry:
    """The same as a line, nowhere written."""
    return records.write(REST | told(model, **more))


def history(
    tracker: PerformanceTracker, model: str, good: int, of: int, **more: Any
) -> list[ExecutionRecord]:
    """`good` successes, then failures, `of` tasks together; one write for all."""
    outcomes = [TaskOutcome.SUCCESS] * good + [TaskOutcome.FAILED] * (of - good)
    names = [f"{model}-{number}" for number in range(of)]
    lines = [
        line(model, **({"task_id": name, "outcome": outcome} | more))
        for name, outcome in zip(names, outcomes, strict=True)
    ]
    ledger.append(tracker.storage_dir, lines)
    return [records.read(one) for one in lines]


@contextmanager
def environment(folder: Path, **more: str) -> Iterator[MutableMapping[str, str]]:
    """A user without settings of their own; put back at the end."""
    kept = dict(os.environ)
    for name in [one for one in kept if one.startswith(("ORCHESTRATOR_", "RAE_"))]:
        del os.environ[name]
    os.environ |= {
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        **more,
    }
    try:
        yield os.environ
    finally:
        os.environ.clear()
        os.environ.update(kept)
