"""A project on a read-only disk: no work is begun, and all that only looks works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import Project, makes, waits_for
from tests.whole.disks import MB, disk, make_read_only

PLAN = "demo-PLAN.md"


@pytest.fixture
def frozen(project: Project) -> Iterator[Project]:
    """With a run that is done; then nothing can be written any more."""
    with disk(project.root, 32 * MB):
        project.write(makes("Task 1: one", "a"))
        (project.root / ".orchestrator").mkdir()
        project.told("run", PLAN)
        make_read_only(project.root)
        yield project


def test_what_only_looks_works_where_nothing_can_be_written(frozen: Project):
    run = frozen.newest()
    assert run in frozen.told("runs")
    assert frozen.told("runs", "--disk")
    assert frozen.json("show", run)["tasks"][0]["state"] == "succeeded"
    assert "attempt_finished" in frozen.told("show", "--events")
    assert "succeeded" in frozen.told("explain", run, "1")
    assert frozen.call("logs", run, "1").returncode == 0
    assert "1 task" in frozen.told("lint", PLAN)
    assert "demo/1" in frozen.told("graph", PLAN)
    assert "one" in frozen.told("show", PLAN)


@pytest.mark.parametrize("words", [("run", "--again", PLAN), ("annotate", "--write", PLAN)])
def test_what_would_write_says_so_before_it_begins(words: tuple[str, ...], frozen: Project):
    done = frozen.call(*words)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Read-only file system" in done.stderr
    assert "writable" in done.stderr
    assert str(frozen.root) in done.stderr
    assert "Traceback" not in done.stderr
    assert len(frozen.json("runs")["runs"]) == 1


def test_a_run_whose_engine_died_can_be_looked_at_after_the_disk_became_read_only(
    project: Project, tmp_path: Path
):
    """Its last events are in the WAL alone."""
    with disk(project.root, 32 * MB):
        project.write(waits_for(tmp_path / "never"))
        (project.root / ".orchestrator").mkdir()
        with project.started("run", PLAN) as engine:
            while not list((project.root / ".orchestrator" / "runs").glob("*/001-*.1.log")):
                assert engine.poll() is None
            engine.kill()
            engine.wait()
        wal = project.root / ".orchestrator" / "journal.db-wal"
        assert wal.stat().st_size > 0
        make_read_only(project.root)
        assert "broken off" in project.told("runs")
        assert project.json("show")["tasks"][0]["state"] == "interrupted"
        done = project.call("resume")
        assert done.returncode == 4, done.stderr
        assert "Read-only file system" in done.stderr
        assert "Traceback" not in done.stderr
