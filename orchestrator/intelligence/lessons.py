"""What was learned as the seed's routing_heuristics.json and as its report. Pure; refuses figures that the learner did not give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.intelligence.comparison import Comparison, Policy
from orchestrator.intelligence.learner import Learned

MOST_OTHERS = 10  # of what was looked at and is no rule


def document(learned: Learned, at: str, window_days: int) -> dict[str, Any]:
    """Exactly the keys of seed 000; all that is ours is below each recommendation's `evidence`."""
    return {
        "learned_recommendations": {
            str(rule.complexity): {
                "model": str(rule.tier),
                "confidence": rule.confidence,
                "reason": rule.reason,
                "metrics": rule.metrics,
                "evidence": rule.evidence,
            }
            for rule in learned.rules
        },
        "last_updated": at,
        "window_days": window_days,
    }


def report(
    learned: Learned, policy: Policy, window_days: int, saving: str, next_run: str
) -> Iterator[str]:
    """In the order of the seed. `saving` says where the rules go, `next_run` when this is done again."""
    yield f"Loading outcomes of the last {window_days} days..."
    yield f"Loaded {_counted(learned.loaded, 'attempt')}"
    for why, count in learned.passed.items():
        yield f"  {count} passed over: {why}"
    yield ""
    yield f"Found {_counted(len(learned.rules), 'improved routing rule')}" + (
        ":" if learned.rules else ""
    )
    for rule in learned.rules:
        yield from _rule(rule)
    yield from _not_yet(learned)
    yield ""
    yield saving
    yield ""
    yield "✓ Learning complete"
    yield f"  Analyzed: {_counted(learned.analysed, 'attempt')}"
    yield f"  Learned: {_counted(len(learned.rules), 'routing rule')}"
    yield f"  Confidence threshold: {_threshold(policy)}"
    yield f"  Next run: {next_run}"


def _rule(rule: Comparison) -> Iterator[str]:
    samples = rule.metrics["sample_size"]
    yield (
        f"  Complexity {rule.complexity}: Use {rule.tier} "
        f"(confidence: {rule.confidence:.0%}, {samples} samples)"
    )
    yield f"    Reason: {rule.reason}"
    if not rule.evidence["adopt"]:
        yield "    Only where a check and a stronger model stand behind it: not sure enough alone"


def _not_yet(learned: Learned) -> Iterator[str]:
    for one in learned.others[:MOST_OTHERS]:
        why = one.missing or "another rule is better"
        yield f"  Complexity {one.complexity}: not {one.tier} ({one.evidence['model_id']}): {why}"
    if len(learned.others) > MOST_OTHERS:
        yield f"  and {len(learned.others) - MOST_OTHERS} more such comparisons (--json has all)"
    if learned.alone:
        levels = ", ".join(map(str, learned.alone))
        yield f"  Insufficient evidence at complexity {levels}: nothing to compare with the usual model"


def _threshold(policy: Policy) -> str:
    if policy.is_seed:
        return f"{policy.min_confidence:.0%} (seed)"
    return f"{policy.min_confidence:.0%}, {policy.adoption_confidence:.0%} without a verified escalation ({policy.method})"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
