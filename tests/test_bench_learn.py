"""The bench of `learn` with what is installed: its own figure always, and the others by name where they are not there."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

from bench.learn import lines
from orchestrator.ledger import Entry
from orchestrator.ledger.line import encode
from orchestrator.ledger.samples import HEAD
from tests.conftest import REPOSITORY


def test_its_lines_are_as_this_version_writes_them():
    """Others are parsed in full, which is three times as slow: that would be the time of a ledger that nobody has."""
    now = datetime.now(UTC)
    for line in lines(30, now, timedelta(days=1)):
        assert HEAD.match(line)
        assert encode(Entry.model_validate_json(line)) == line


def test_it_measures_itself_and_says_what_is_not_installed():
    """Two thousand lines of three models and ten complexities."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.learn", "2000"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [row.split() for row in done.stdout.splitlines() if row.startswith("  ")]
    assert [row[0] for row in rows] == ["learn", "duckdb", "polars"] * 2
    for name, *figures in rows:
        if find_spec(name if name != "learn" else "orchestrator") is None:
            assert figures[:2] == ["not", "installed"]
        else:
            assert figures[figures.index("groups") - 1] == "30"
