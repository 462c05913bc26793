"""Words of the format that this version reads and does not act on yet (L7xx): better said than ignored."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.model import Diagnostic, Plan, Position
from orchestrator.model.codes import diagnostic

KEYS = ("priority", "not-before")


def check(plan: Plan) -> Iterator[Diagnostic]:
    """Once for each word and plan."""
    for key in KEYS:
        if key in plan.frontmatter:
            yield _say(plan, plan.place(key), f"the key {key}")


def _say(plan: Plan, place: Position, what: str) -> Diagnostic:
    text = f"{what} has no effect in this version yet; it is kept"
    return diagnostic("L701", plan.path, place, text)
