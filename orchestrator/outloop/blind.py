"""Agents of which nothing can be counted, as their clients report text only. Refuses to say so of one that has ever told of a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from orchestrator.journal import tail
from orchestrator.model import EventKind

NEWEST = 20_000  # events that are looked through


def silent(root: Path) -> dict[str, int]:
    """Workers that asked a model, and how many of their attempts ended without a step; only where all of them did."""
    events = tail.after(root, max(0, tail.latest(root) - NEWEST), NEWEST)
    asked, ended, seen = dict[object, str](), Counter[str](), set[str]()
    for event in events:
        which = (event.run, event.task, event.attempt)
        if event.kind is EventKind.ATTEMPT_STARTED and event.data["route"].get("model"):
            asked[which] = event.data["route"]["worker"]
        elif event.kind is EventKind.WORKER_REPORTED and event.data.get("steps"):
            seen |= {asked[which]} if which in asked else set()
        elif event.kind is EventKind.ATTEMPT_FINISHED and which in asked:
            ended[asked[which]] += 1
    return {worker: count for worker, count in sorted(ended.items()) if worker not in seen}


def notes(root: Path) -> Iterator[str]:
    for worker, count in silent(root).items():
        attempts = (
            "its one attempt did not tell" if count == 1 else f"none of its {count} attempts told"
        )
        yield f"what {worker} runs cannot be seen, so nothing of it is counted: {attempts} what it did"
