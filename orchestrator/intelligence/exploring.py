"""How often others are tried, from what is known of all models; refuses to stop for good: models change. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.intelligence.records import ExecutionRecord
from orchestrator.intelligence.tally import Tally

LEAST = 0.2  # of the configured rate, whatever is known: a model may change behind its name
HALF = 20  # so many tasks of each model halve the rate
RECENT = 20  # tasks that are compared with all before them


def adapted_rate(
    configured: float, models: Sequence[str], records: Sequence[ExecutionRecord], min_samples: int
) -> float:
    """Between a fifth of `configured` and `configured`; the whole of it while a model is new or results have fallen."""
    counted = [one for one in records if one.counts and one.implementer_model in models]
    numbers = [sum(one.implementer_model == model for one in counted) for model in models]
    if not numbers or min(numbers) < min_samples or has_fallen(counted):
        return configured
    return configured * max(LEAST, HALF / (HALF + min(numbers)))


def has_fallen(records: Sequence[ExecutionRecord]) -> bool:
    """Whether the last ones are worse than those before them, beyond what chance explains: their 95% intervals part."""
    ordered = sorted(records, key=lambda one: one.timestamp)
    before, lately = Tally.of(ordered[:-RECENT]), Tally.of(ordered[-RECENT:])
    return bool(before.tasks) and lately.interval[1] < before.interval[0]
