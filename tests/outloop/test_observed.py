"""The end of a run: what its agents did is counted then, or not at all where that is switched off, and no trouble of it is the run's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from orchestrator import journal
from orchestrator.journal import beside
from orchestrator.outloop import sync
from tests.engine import runs
from tests.outloop.test_sync import Stepper, rows, task


async def play(root: Path, detect: bool) -> runs.Ran:
    runs.write_plan(root, task("Task 1: Run the tests"))
    (root / ".orchestrator").mkdir(exist_ok=True)
    (root / ".orchestrator" / "config.toml").write_text(
        f"[patterns]\ndetect = {str(detect).lower()}\n"
    )
    return await runs.run(root, workers={"agent": Stepper("pytest -q")})


async def test_what_its_agents_did_is_counted_when_a_run_ends(tmp_path: Path):
    ended = await play(tmp_path, detect=True)
    assert (ended.code, ended.watcher.warnings) == (0, [])
    assert rows(tmp_path) == {"test:pytest": (1, 110), "test:pytest:all": (1, 110)}
    assert sync.sync(tmp_path, 70) == 0


async def test_switched_off_nothing_of_it_is_read_or_written(tmp_path: Path):
    ended = await play(tmp_path, detect=False)
    assert (ended.code, ended.watcher.warnings) == (0, [])
    with beside.to_read(tmp_path) as db:
        assert db is not None
        for table in ("operation_patterns", "pattern_occurrences", "hook_events", "outloop_read"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


async def test_trouble_with_it_is_said_and_is_none_of_the_run(tmp_path: Path):
    with journal.writing(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / journal.HOME / "journal.db")) as db:
        db.execute("DROP TABLE pattern_occurrences")
    ended = await play(tmp_path, detect=True)
    assert ended.code == 0
    (told,) = ended.watcher.warnings
    assert "not counted yet" in told
    assert "pattern_occurrences" in told
    assert "orchestrator patterns analyze" in told
