"""A write that fails while the daemon runs: its health says so with the reason, and no longer once it works again."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.daemon.door import Door
from tests.daemon.test_door import has_run, supervised, until, write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    root = tmp_path / "project"
    (root / "plans").mkdir(parents=True)
    (root / ".orchestrator").mkdir()
    return root


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """As on a full disk, for this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_journal_that_could_not_be_written_is_told_until_it_can(root: Path):
    said = list[str]()
    async with supervised(root, trusts_all=True, say=said.append) as supervisor:
        door = Door(supervisor)
        await until(lambda: door.health().status == "ok")
        wal = root / ".orchestrator" / "journal.db-wal"
        write(root, "one", name="../draft")
        with no_file_longer_than(wal.stat().st_size):
            (root / "draft-PLAN.md").rename(root / "plans" / "a-PLAN.md")
            await until(lambda: "the journal cannot be written" in str(door.health().reasons))
            (reason,) = door.health().reasons
            assert "journal.db: " in reason
            assert "Put that right (space, permissions)" in reason
            assert any("plans/a-PLAN.md does not run" in line for line in said)
        await until(lambda: door.health().status == "ok")
        assert not has_run(root, "a")()  # it was tried by itself, not by the next run


async def test_a_ledger_that_could_not_be_written_is_told_until_it_can(root: Path, tmp_path: Path):
    ledger = tmp_path / "data" / "orchestrator" / "task_ledger.jsonl"
    async with supervised(root, trusts_all=True) as supervisor:
        door = Door(supervisor)
        await until(lambda: door.health().status == "ok")
        ledger.mkdir(parents=True)
        write(root, "one")
        await until(has_run(root, "a"))
        await until(lambda: not door.health().runs)
        (reason,) = door.health().reasons
        assert reason.startswith("the ledger cannot be written: 1 outcome is in the journal but ")
        assert f"{ledger}: nothing was appended" in reason
        assert "correct the permissions" in reason
        ledger.rmdir()
        await until(lambda: door.health().status == "ok")
        assert ledger.read_bytes() == b""
