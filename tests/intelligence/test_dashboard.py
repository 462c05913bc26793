"""The dashboard (S4-22, S4-23) as a program: the seed's four invocations and headings, on nothing and on records."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import ledger
from orchestrator.intelligence import PerformanceAnalytics, PerformanceTracker, TaskOutcome
from orchestrator.intelligence.dashboard import main, show, summary
from tests.conftest import REPOSITORY
from tests.intelligence.samples import history, line, record
from tests.ledger.outcomes import line as tried

CLAUDE, GEMINI, OPUS = "claude-sonnet-4-5-20250929", "gemini-2.0-pro", "claude-opus-4-20250514"
FOUR = (
    (("summary",), "📊 ORCHESTRATOR PERFORMANCE SUMMARY"),
    (("optimize",), "💡 OPTIMIZATION OPPORTUNITIES"),
    (("rankings", "core", "high"), "📈 MODEL RANKINGS: CORE / HIGH"),
    (("model", CLAUDE), f"🤖 MODEL PERFORMANCE: {CLAUDE}"),
)


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    variables = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "ORCHESTRATOR_INTELLIGENCE_DIR": str(folder),
        "PYTHONIOENCODING": "utf-8",
        **more,
    }
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.intelligence.dashboard", *words],
        env=variables,
        cwd=folder.parent,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 tasks as in the seed's example, where 5 were missing: 135 successful, 10 failed, 3 partial, 2 blocked."""
    folder = tmp_path_factory.mktemp("known") / "records"
    tracker = PerformanceTracker(storage_dir=folder)
    core = {"task_area": "core", "task_risk": "high", "planner_model": CLAUDE}
    history(tracker, CLAUDE, good=38, of=40, total_cost_usd=0.1, **core)
    history(tracker, OPUS, good=23, of=25, total_cost_usd=0.2, **core)
    history(tracker, GEMINI, good=17, of=20, total_cost_usd=0.01, **core)
    history(tracker, CLAUDE, good=33, of=35, total_cost_usd=0.015)
    history(tracker, GEMINI, good=24, of=25, total_cost_usd=0.0003)
    for outcome in ("partial", "partial", "partial", "blocked", "blocked"):
        record(tracker, GEMINI, task_area="docs", outcome=outcome, total_cost_usd=0.0)
    return folder


@pytest.mark.parametrize(("words", "heading"), FOUR, ids=lambda each: str(each[0]))
def test_s4_22_the_four_invocations_work_on_nothing(
    tmp_path: Path, words: tuple[str, ...], heading: str
):
    ended = run(tmp_path / "none", *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == heading
    assert "insufficient evidence" in ended.stdout
    assert "nan" not in ended.stdout


@pytest.mark.parametrize(("words", "heading"), FOUR, ids=lambda each: str(each[0]))
def test_s4_22_the_four_invocations_work_on_records(
    known: Path, words: tuple[str, ...], heading: str
):
    ended = run(known, *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == heading
    assert len(ended.stdout.splitlines()) > 4


def pages(known: Path, *words: str) -> list[str]:
    return list(show(words, PerformanceAnalytics(PerformanceTracker(storage_dir=known))))


def test_s4_22_opportunities_are_as_in_the_seed_with_their_evidence(known: Path):
    found = pages(known, "optimize")
    place = found.index("#1 API / MEDIUM (implementer)")
    assert found[place + 1].startswith(f"  Current: {CLAUDE} ($0.0150, 94.3% of 35, 95%: 81.4%")
    assert found[place + 2].startswith(f"  Recommended: {GEMINI} ($0.0003, 96.0% of 25, 95%: ")
    assert found[place + 3] == "  💰 Savings: $0.0147 per task"
    assert re.fullmatch(r"  No worse by more than 5%: \d\d% sure", found[place + 4])


def test_s4_22_rankings_have_medals_numbers_and_intervals(known: Path):
    found = pages(known, "rankings", "core", "high")
    place = found.index("IMPLEMENTER MODELS (by success rate):")
    assert found[place + 1].startswith(f"  🥇 {CLAUDE}: 95.0% of 40 (95%: 83.5% to 98.6%)")
    assert found[place + 2].startswith(f"  🥈 {OPUS}: 92.0% of 25 (95%: ")
    assert found[place + 3].startswith(f"  🥉 {GEMINI}: 85.0% of 20 (95%: ")
    assert "PLANNER MODELS (by success rate):" in found


def test_s4_22_few_tasks_have_no_medal(tmp_path: Path):
    tracker = PerformanceTracker(storage_dir=tmp_path / "r")
    record(tracker, task_area="core", task_risk="high")
    found = pages(tracker.storage_dir, "rankings", "core", "high")
    (only,) = [one for one in found if "middle-1" in one]
    assert "🥇" not in only
    assert "insufficient evidence" in only


def test_s4_22_a_model_is_told_in_each_role(known: Path):
    found = pages(known, "model", CLAUDE)
    assert "AS IMPLEMENTER:" in found
    assert "AS PLANNER:" in found
    assert "  Tasks: 75 (71 successful, 0 partial, 4 failed)" in found
    assert "  Average cost: $0.0603 per task (of 75)" in found


# --- S4-23 ---------------------------------------------------------------------------------------


def test_s4_23_the_counts_add_up(known: Path):
    """C-26: the seed's example has 150 tasks, 135 successful, 10 failed, and nothing of the other 5."""
    found = pages(known, "summary")
    assert found[:8] == [
        "📊 ORCHESTRATOR PERFORMANCE SUMMARY",
        "Total Tasks: 150",
        "  ✅ Successful: 135 (90.0%)",
        "  ❌ Failed: 10 (6.7%)",
        "  🟡 Partial: 3 (2.0%)",
        "  ⛔ Blocked: 2 (1.3%)",
        "Success rate: 91.2% of 148 (95%: 85.6% to 94.8%), blocked ones not counted",
        "💰 Cost Metrics:",
    ]
    assert found[8:10] == ["  Total Cost: $9.73", "  Average Cost: $0.0649 per task"]


@given(st.lists(st.sampled_from(list(TaskOutcome)), max_size=20))
def test_s4_23_whatever_happened_the_counts_add_up(
    tmp_path_factory: pytest.TempPathFactory, outcomes: list[TaskOutcome]
):
    folder = tmp_path_factory.mktemp("any")
    ledger.append(folder, [line(outcome=outcome) for outcome in outcomes])
    found = summary(PerformanceAnalytics(PerformanceTracker(storage_dir=folder)))
    numbers = [int(m[1]) for one in list(found)[1:6] if (m := re.search(r": (\d+)", one))]
    assert numbers[0] == len(outcomes) == sum(numbers[1:5])


# --- the edges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [(), ("sumary",), ("rankings", "core"), ("rankings", "core", "extreme"), ("model",)]
)
def test_s4_22_other_words_are_wrong_usage(tmp_path: Path, words: tuple[str, ...]):
    ended = run(tmp_path / "none", *words)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert "usage: python -m orchestrator.intelligence.dashboard" in ended.stderr


def test_s4_22_a_wrong_settings_file_is_told(tmp_path: Path):
    (tmp_path / ".orchestrator").mkdir()
    (tmp_path / ".orchestrator" / "intelligence.yaml").write_text("learnin: 5\n")
    ended = run(tmp_path / "none", "summary")
    assert ended.returncode == 3
    assert "did you mean learning?" in ended.stderr


def test_s4_22_a_terminal_without_signs_ends_nothing(known: Path):
    ended = run(known, "summary", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "? ORCHESTRATOR PERFORMANCE SUMMARY" in ended.stdout


def test_s4_22_a_reader_that_has_gone_ends_nothing(known: Path):
    reading, writing = os.pipe()
    os.close(reading)
    variables = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "ORCHESTRATOR_INTELLIGENCE_DIR": str(known),
    }
    with open(writing, "wb") as gone:
        ended = subprocess.run(
            [sys.executable, "-m", "orchestrator.intelligence.dashboard", "summary"],
            env=variables,
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_s4_22_names_of_others_cannot_steer_the_terminal(tmp_path: Path):
    tracker = PerformanceTracker(storage_dir=tmp_path / "r")
    history(tracker, "evil\x1b[2J\n✅", good=5, of=5, task_area="core", task_risk="high")
    for words, _ in FOUR:
        assert "\x1b" not in "".join(pages(tracker.storage_dir, *words))


def test_s4_28_a_model_that_got_worse_is_said(tmp_path: Path):
    outcomes = ["success"] * 40 + ["failed"] * 20
    ledger.append(tmp_path, [line("fallen-1", outcome=outcome) for outcome in outcomes])
    found = pages(tmp_path, "summary")
    assert any(one.startswith("⚠️ fallen-1 got worse: 100.0% of 40") for one in found)


def test_s4_22_main_says_help(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m orchestrator.intelligence")


def test_s4_28_the_summary_tells_what_is_out_of_line_and_the_rankings_compare_the_first_two(
    tmp_path: Path,
):
    folder = tmp_path / "ledger"
    now = datetime.now(UTC)
    more: dict[str, Any] = {"at": now, "area": "core", "risk": "high"}
    usual = [tried(number=n, cost=0.02 + n / 1000, **more) for n in range(1, 26)]
    dear = [tried("sonnet", "failed", number=30 + n, cost=None, **more) for n in range(25)]
    ledger.append(folder, [*usual, tried(number=99, cost=2.0, **more), *dear])
    told = run(folder, "summary").stdout
    assert "⚠️ Far out of line: 1, the newest of them:" in told
    assert "  r1/06-02-task-99/1: cost $2.0000, of claude-haiku-4-5-20251001 mostly $0.0335" in told
    ranked = run(folder, "rankings", "core", "high").stdout
    assert "  The first two: claude-haiku-4-5-20251001 is better, 100.0% sure" in ranked


def test_what_a_review_took_is_not_of_the_implementer(tmp_path: Path):
    tokens = dict.fromkeys(("input", "output", "cache_read", "cache_write", "reasoning"))
    review = {
        "model": "opus-9",
        "approved": True,
        "tokens_total": 9,
        "cost_usd": 0.07,
        "tokens": tokens,
    }
    ledger.append(tmp_path / "ledger", [tried(cost=0.08, at=datetime.now(UTC), review=review)])
    told = run(tmp_path / "ledger", "model", "claude-haiku-4-5-20251001").stdout
    assert "Average cost: $0.0100 per task (of 1)" in told
