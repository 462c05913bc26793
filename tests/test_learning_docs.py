"""docs/learning.md and what ships with it: the headings, the lines for cron and systemd, and each command on the page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.cli.schedules import after, cron_lines
from orchestrator.ledger import append, heuristics
from tests.conftest import REPOSITORY
from tests.ledger.outcomes import IDS, line, lines

PAGE = (REPOSITORY / "docs" / "learning.md").read_text("utf-8")
UNITS = REPOSITORY / "config" / "systemd"
HEADINGS = (
    *("The 3-phase cycle", "Setup", "Expected outcomes", "Cost analysis", "Verification"),
    *("Troubleshooting", "File locations", "Data privacy"),
)


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_s0_07_the_page_has_the_eight_headings_of_the_seed():
    assert tuple(re.findall(r"^## (.+)$", PAGE, re.M)) == HEADINGS


def test_s0_09_the_cron_line_is_the_first_of_each_month():
    (table,) = fenced("cron")
    assert cron_lines(table) == ["0 0 1 * *"]
    now = datetime(2026, 11, 28, 8, 30, tzinfo=UTC)
    assert after("0 0 1 * *", now) == datetime(2026, 12, 1, tzinfo=UTC)


def test_s0_09_the_units_of_systemd_are_good_ones(tmp_path: Path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here; install systemd")
    units = sorted(map(str, UNITS.glob("orchestrator-learn.*")))
    assert [Path(one).suffix for one in units] == [".service", ".timer"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", *units],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_s0_09_the_timer_means_what_the_cron_line_means():
    timer = (UNITS / "orchestrator-learn.timer").read_text()
    assert "OnCalendar=*-*-01 00:00:00\n" in timer
    assert "Persistent=true" in timer
    service = (UNITS / "orchestrator-learn.service").read_text()
    assert "ExecStart=/usr/bin/env orchestrator learn\n" in service
    for name in ("orchestrator-learn.service", "orchestrator-learn.timer"):
        assert f"config/systemd/{name}" in PAGE


def test_s0_11_the_lines_with_jq_work(tmp_path: Path):
    """Where there is no jq, Python must be able to read the same files."""
    folder = tmp_path / "orchestrator"
    append(folder, lines(("haiku", 3, 4, 0.01), ("sonnet", 2, 2, 0.02)))
    rule = {"model": "haiku", "confidence": 0.9, "reason": "", "metrics": {}}
    document = {"learned_recommendations": {"6": rule}, "last_updated": "", "window_days": 30}
    (folder / heuristics.NAME).write_text(json.dumps(document))
    if shutil.which("jq") is None:
        assert all(map(json.loads, (folder / "task_ledger.jsonl").read_text().splitlines()))
        return
    (script,) = [text for text in fenced("bash") if "jq" in text]
    done = subprocess.run(
        ["bash", "-euc", script],
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert '"haiku"' in done.stdout
    assert done.stdout.count(IDS["haiku"]) + done.stdout.count(IDS["sonnet"]) == 5
    assert '"n": 4' in done.stdout


def test_the_keys_that_the_page_names_are_those_of_a_line():
    keys = line().model_dump()
    for name in ("v", "run_id", "task_id", "attempt", "route", "tokens", "verified", "origin"):
        assert f"`{name}`" in PAGE or f"`{name}/" in PAGE or f"/{name}" in PAGE
        assert name in keys


@pytest.mark.parametrize(
    "name",
    ["min_samples", "cost_confidence", "margin", "min_confidence", "adoption_confidence"],
)
def test_the_settings_that_the_page_names_are_there(name: str):
    assert f"`{name}`" in PAGE
    shipped = (REPOSITORY / "config" / "orchestrator.toml").read_text()
    assert re.search(rf"^{name} = ", shipped.split("[learning]")[1].split("\n[")[0], re.M)


def test_s0_33_recording_adds_nothing_to_a_prompt():
    prompts = sorted((REPOSITORY / "tests" / "prompts").glob("*.txt"))
    assert prompts
    for prompt in prompts:
        assert not re.search(r"ledger|\blog(?:ging)?\b", prompt.read_text(), re.I), prompt.name


def test_s0_35_the_page_promises_no_savings():
    assert not re.search(r"\b(35|66|67\.5|90) ?%\s+(?:less|cheaper|saved|reduction)", PAGE)
    assert "573" not in PAGE
