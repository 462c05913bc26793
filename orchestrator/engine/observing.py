"""What agents did in runs that are over -> the patterns of this project. Refuses to fail a run, and to hold up its end for long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anyio import to_thread

from orchestrator.outloop import sync
from orchestrator.settings import Settings

PORTIONS = 5  # of the journal at the end of one run: who has years of it brings it up with `patterns analyze`


async def observe(root: Path, settings: Settings, warn: Callable[[str], None]) -> None:
    """Other runs go on meanwhile."""
    if not settings.patterns.detect:
        return
    try:
        await to_thread.run_sync(_count, root, settings)
    except Exception as trouble:  # the run is done and recorded, whatever is wrong here
        step = "Next: orchestrator patterns analyze"
        warn(f"the operations of this run are not counted yet: {trouble}. {step}")


def _count(root: Path, settings: Settings) -> None:
    per_file = settings.context.tokens_per_file
    sync.sync(root, settings.patterns.match, per_file, portions=PORTIONS)
    sync.prune(root, settings.run.retention_days)
