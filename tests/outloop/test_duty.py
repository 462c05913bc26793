"""A daemon's clock looks for patterns, as `patterns analyze` does."""

from __future__ import annotations

from pathlib import Path

import anyio

from orchestrator import settings
from orchestrator.cli import duties
from orchestrator.daemon.schedule import Holder, Schedule
from orchestrator.outloop import store
from tests.cli.test_patterns import BACKEND, now
from tests.outloop.test_discovery import seen


async def test_at_its_time_candidates_are_found_and_their_suggestions_written(tmp_path: Path):
    with store.writing(tmp_path) as book:
        book.record(seen(6, BACKEND, at=now()))
    chosen = settings.load(tmp_path)
    holder = Holder(lambda: (), anyio.Lock())
    own = duties.of(tmp_path, lambda: chosen, holder)
    assert await own["patterns"]() == "0 operations seen, 1 pattern worth a script (orchestrator patterns)"  # fmt: skip
    assert (tmp_path / ".orchestrator/suggestions/test-pytest-backend.md").exists()
    schedule = Schedule({"patterns": chosen.daemon.patterns}, own, lambda _: None)
    assert "patterns" in schedule.due
