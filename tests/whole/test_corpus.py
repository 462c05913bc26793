"""The whole program over 1,344 real plans: nothing crashes, nothing is lost, and every refusal is known by name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

TABLE = Path(__file__).with_name("corpus_refusals.json")
pytestmark = pytest.mark.timeout(
    120
)  # linting them all takes 12 s, and was seen to take 38 s on a busy machine
STRUCTURE = ("S", "F", "T")  # the others refuse what is well read: kind, graph, path


@pytest.fixture(scope="module")
def lint(shared: Path) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "-m", "orchestrator", "lint", str(shared / "data/plans"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


@pytest.fixture(scope="module")
def refused(lint: dict[str, Any]) -> dict[str, list[str]]:
    codes = defaultdict(set)
    for one in lint["diagnostics"]:
        if one["severity"] == "error":
            codes[one["file"]].add(one["code"])
    return {file: sorted(found) for file, found in sorted(codes.items())}


def test_every_plan_is_there(lint: dict[str, Any], shared: Path):
    assert len(lint["plans"]) == 1344


def test_nearly_every_plan_has_no_structure_error(refused: dict[str, list[str]]):
    broken = [f for f, codes in refused.items() if any(c.startswith(STRUCTURE) for c in codes)]
    assert len(broken) <= 0.005 * 1344


def test_every_refusal_is_in_the_table(refused: dict[str, list[str]]):
    """After a change of the reader: look at the difference, then write the table anew from the assertion."""
    assert refused == json.loads(TABLE.read_text())


def test_every_task_tag_is_a_task_or_a_located_diagnostic(lint: dict[str, Any], shared: Path):
    tags = {}
    for line in (shared / "data/plans/manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        tags[f"{entry['repo'].replace('/', '__')}/{entry['path']}"] = entry["n_task_tags"]
    tasks = {plan["file"]: plan["tasks"] for plan in lint["plans"]}
    said = Counter(one["file"] for one in lint["diagnostics"] if "<task" in one["message"])
    lost = {f: (n, tasks[f]) for f, n in tags.items() if tasks[f] + said[f] < n}
    assert lost == {}


def test_the_page_of_rules_has_the_counts_of_today(shared: Path):
    """`python -m bench.rules FOLDER > docs/rules.md` writes it anew."""
    told = subprocess.run(
        [sys.executable, "-m", "bench.rules", str(shared / "data/plans")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == (REPOSITORY / "docs" / "rules.md").read_text("utf-8")
