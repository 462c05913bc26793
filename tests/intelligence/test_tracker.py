"""PerformanceTracker (S4-01 to S4-06): one ledger behind it, whatever wrote the line."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import orchestrator.intelligence as room
from orchestrator import ledger
from orchestrator.errors import RecordError, SettingsError
from orchestrator.intelligence import (
    PerformanceTracker,
    TaskComplexity,
    TaskOutcome,
    TaskRisk,
)
from orchestrator.intelligence.records import read, tasks
from orchestrator.ledger import Entry
from orchestrator.model import (
    Failure,
    Outcome,
    Plan,
    PlanId,
    Position,
    Route,
    RunId,
    Score,
    Task,
    TaskId,
    Tier,
    Usage,
    Verdict,
    Verified,
)
from orchestrator.settings import ledger_folder
from tests.conftest import REPOSITORY
from tests.intelligence.samples import CHEAP, MIDDLE, STRONG, history, line, record


def attempt(number: int = 1, run: str = "r1", **more: object) -> Entry:
    """As the engine writes it."""
    outcome = Outcome.model_validate(
        {"duration_s": 30.0, "usage": Usage(cost_usd=0.5), "model": STRONG, **more}
    )
    return ledger.entry(
        run=RunId(run),
        project="shop",
        task=Task(
            id=TaskId("08-02/4"),
            ordinal=4,
            position=Position(line=1, column=1),
            name="Do it",
            files=("src/a.py",),
            risk="high",
        ),
        plan=Plan(id=PlanId("08-02"), path="08-02-PLAN.md", tasks=()),
        attempt=number,
        route=Route(
            worker="claude", provider="anthropic", tier=Tier.OPUS, confidence=0.6, reason="r"
        ),
        score=Score(value=9, reasons=()),
        outcome=outcome,
        timestamp=f"2026-01-01T12:00:{number:02}Z",
    )


# --- S4-01, S4-02: where -------------------------------------------------------------------------


def test_s4_01_every_name_is_where_the_seed_imports_it():
    for name in room.__all__:
        assert getattr(room, name).__name__ == name
    program = "import orchestrator.intelligence as room; print(*dir(room))"
    shown = subprocess.run(  # in a program that has loaded none of it yet
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert set(room.__all__) <= set(shown.stdout.split())
    with pytest.raises(AttributeError, match="nonsense"):
        _ = room.nonsense


def test_s4_02_the_folder_is_made_and_is_the_users_by_default(tmp_path: Path):
    given_one = PerformanceTracker(storage_dir=str(tmp_path / "a" / "b"))
    assert given_one.storage_dir.is_dir()
    assert PerformanceTracker().storage_dir == ledger_folder() == tmp_path / "data" / "orchestrator"


def test_s4_02_a_folder_that_cannot_be_made_is_told_by_name(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"file/below: cannot be made .*choose another"):
        PerformanceTracker(storage_dir=tmp_path / "file" / "below")


# --- S4-03: in -----------------------------------------------------------------------------------


def test_s4_03_record_execution(tmp_path: Path):
    """The seed's own test; `temp_dir` is a folder of this test."""
    temp_dir = tmp_path
    tracker = PerformanceTracker(storage_dir=temp_dir)

    record = tracker.record_execution(
        task_id="TEST-001",
        task_area="test",
        task_risk="low",
        task_complexity="small",
        planner_model="test-model",
        planner_provider="test",
        implementer_model="test-model",
        implementer_provider="test",
        outcome=TaskOutcome.SUCCESS,
        duration_seconds=10.0,
        total_cost_usd=0.01,
        num_steps=1,
    )

    assert len(tracker.get_all_records()) == 1
    assert record.outcome == TaskOutcome.SUCCESS


def test_s4_03_every_field_comes_back_as_it_was_given(tracker: PerformanceTracker):
    given_one = {
        "task_id": "RAE-001",
        "task_area": "core",
        "task_risk": "high",
        "task_complexity": "large",
        "planner_model": "claude-sonnet-4-5-20250929",
        "planner_provider": "claude",
        "implementer_model": "gemini-2.0-flash",
        "implementer_provider": "gemini",
        "outcome": TaskOutcome.FAILED,
        "duration_seconds": 450.5,
        "total_cost_usd": 0.38,
        "num_steps": 10,
        "num_retries": 2,
        "quality_gate_passed": True,
        "code_review_passed": False,
        "plan_review_passed": True,
        "error_type": "TimeoutError",
        "error_message": "it took too long",
        "failed_step": "7",
    }
    told = tracker.record_execution(**given_one)
    assert {name: getattr(told, name) for name in given_one} == given_one
    assert PerformanceTracker(storage_dir=tracker.storage_dir).get_all_records() == [told]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task_complexity": "huge"}, "huge"),
        ({"task_risk": "extreme"}, "'extreme' is no TaskRisk: write one of low, medium, high$"),
        ({"task_risk": "hihg"}, "write one of low, medium, high; did you mean high?"),
        ({"outcome": "perhaps"}, "perhaps"),
        ({"duration_seconds": -1.0}, "duration_seconds = -1.0: it must be greater than or equal"),
        ({"duration_seconds": "long"}, "duration_seconds = 'long': it must be a valid number"),
        ({"total_cost_usd": math.nan}, "total_cost_usd = nan: it must be a finite number"),
        ({"num_retries": -1}, "num_retries = -1: it must be greater than or equal to 0"),
        ({"task_complexity": 11}, "task_complexity = 11: it must be less than or equal to 10"),
        ({"task_id": ""}, "task_id = '': it must have at least 1 character"),
    ],
)
def test_s4_03_what_cannot_be_is_refused_and_nothing_is_written(
    tracker: PerformanceTracker, wrong: dict[str, object], words: str
):
    with pytest.raises(ValueError, match=words) as told:
        record(tracker, **wrong)
    assert "http" not in str(told.value), "it is for who calls, not for who wrote the library"
    assert tracker.get_all_records() == []


# --- S4-04: out ----------------------------------------------------------------------------------


def test_s4_04_queries_find_what_they_name(tracker: PerformanceTracker):
    first = record(tracker, MIDDLE, task_area="core")
    second = record(tracker, CHEAP, outcome="partial")
    third = record(tracker, CHEAP, outcome=TaskOutcome.FAILED)
    assert tracker.get_all_records() == [first, second, third]
    assert tracker.get_records_by_outcome(TaskOutcome.SUCCESS) == [first]
    assert tracker.get_records_by_outcome("partial") == [second]
    assert tracker.get_records_by_area("core") == [first]
    assert tracker.get_records_by_model(CHEAP) == [second, third]
    assert tracker.get_records_by_model(STRONG) == [first, second, third], "it planned them"
    assert tracker.get_records_by_model("none") == []


def test_s4_04_statistics_count_and_show_their_interval(tracker: PerformanceTracker):
    history(tracker, MIDDLE, good=9, of=10)
    record(tracker, outcome="partial", total_cost_usd=0.13)
    record(tracker, outcome="blocked", total_cost_usd=None)
    stats = tracker.get_statistics()
    counts = [stats[name] for name in ("successful", "failed", "partial", "blocked")]
    assert counts == [9, 1, 1, 1]
    assert sum(counts) == stats["total_tasks"] == 12
    assert stats["success_rate"] == 9 / 11, "partial is none; what was blocked does not count"
    low, high = stats["success_interval"]
    assert (round(low, 3), round(high, 3)) == (0.523, 0.949)
    assert stats["avg_cost"] == pytest.approx(0.33 / 11), "over those whose cost is known"
    assert stats["attempts_of_unknown_cost"] == 1


def test_s4_04_of_nothing_nothing_is_said(tracker: PerformanceTracker):
    stats = tracker.get_statistics()
    assert stats["total_tasks"] == 0
    assert math.isnan(stats["success_rate"])
    assert math.isnan(stats["avg_cost"])
    assert f"{stats['success_rate']:.1%}" == "nan%", "the seed's format strings can print it"


# --- S4-05: one store ----------------------------------------------------------------------------


def test_s4_05_a_record_is_a_whole_line_of_the_ledger(tracker: PerformanceTracker):
    told = record(tracker)
    window = ledger.read(tracker.storage_dir)
    assert window.damaged == ()
    assert [one.task_id for one in window.entries] == ["T-1"]
    with open(tracker.storage_dir / ledger.NAME, "ab") as file:
        file.write(b'{"torn')  # a crash in the middle of the next line
    assert tracker.get_all_records() == [told]
    second = record(tracker)
    assert tracker.get_all_records() == [told, second]


def test_s4_05_what_the_engine_wrote_is_a_record(tracker: PerformanceTracker):
    green = Verdict(verified=Verified.COMMAND, strength=0.9)
    lines = [attempt(1, failure=Failure.VERIFY), attempt(2, verdict=green)]
    ledger.append(tracker.storage_dir, lines)
    failed, done = tracker.get_all_records()
    assert (failed.outcome, failed.error_type) == (TaskOutcome.FAILED, "verify")
    assert (done.outcome, done.num_retries, done.quality_gate_passed) == ("success", 1, True)
    assert (done.implementer_model, done.implementer_provider) == (STRONG, "anthropic")
    assert (done.task_area, done.task_risk, done.task_complexity) == ("src", "high", "large")
    assert done.planner_model is None
    stats = tracker.get_statistics()
    assert (stats["total_tasks"], stats["attempts"], stats["successful"]) == (1, 2, 1)
    assert stats["avg_cost"] == 1.0, "both tries of the one task were paid"


def test_s4_05_an_amended_pass_is_no_success(tracker: PerformanceTracker):
    told = attempt()
    ledger.append(tracker.storage_dir, [told])
    assert tracker.get_all_records()[0].ok
    amendment = ledger.Amendment(
        run_id=told.run_id,
        task_id=told.task_id,
        attempt=1,
        outcome="failed",
        by="CI",
        timestamp="2026-01-02T00:00:00Z",
    )
    ledger.append(tracker.storage_dir, [amendment])
    assert tracker.get_all_records()[0].outcome is TaskOutcome.FAILED


@pytest.mark.parametrize("failure", [Failure.RATE_LIMIT, Failure.INTERRUPTED, Failure.NETWORK])
def test_s4_05_what_others_did_counts_against_no_model(
    tracker: PerformanceTracker, failure: Failure
):
    ledger.append(tracker.storage_dir, [attempt(failure=failure)])
    assert tracker.get_all_records()[0].outcome is TaskOutcome.BLOCKED
    assert tracker.get_statistics()["counted"] == 0


def test_s4_05_a_cost_that_is_only_a_lower_bound_is_spent_but_no_average(
    tracker: PerformanceTracker,
):
    ledger.append(tracker.storage_dir, [attempt(usage=Usage(cost_usd=0.5, lower_bound=True))])
    stats = tracker.get_statistics()
    assert stats["total_cost"] == 0.5
    assert math.isnan(stats["avg_cost"])
    assert stats["attempts_of_unknown_cost"] == 1


def test_s4_05_what_was_imported_is_shown_and_not_counted(tracker: PerformanceTracker):
    told = attempt().model_copy(update={"origin": "retroactive"})
    ledger.append(tracker.storage_dir, [told])
    assert tracker.get_all_records()[0].imported
    assert tracker.get_statistics()["total_tasks"] == 0
    assert tracker.get_statistics()["imported"] == 1


def test_s4_05_the_seeds_file_is_a_view_that_can_be_written_again(tracker: PerformanceTracker):
    record(tracker)
    record(tracker, outcome="failed")
    path = tracker.export_records()
    assert path == tracker.storage_dir / "execution_records.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["outcome"] for row in rows] == ["success", "failed"]
    path.write_text("nonsense")
    assert len(tracker.get_all_records()) == 2, "it is never read"
    tracker.export_records()
    assert len(path.read_text().splitlines()) == 2
    assert [one.name for one in tracker.storage_dir.glob(".*")] == []


def test_s4_05_lines_of_another_process_are_seen(tracker: PerformanceTracker):
    record(tracker)
    program = (
        "import sys; from orchestrator.intelligence import PerformanceTracker;"
        "PerformanceTracker(storage_dir=sys.argv[1]).record_execution('T-2', 'a', 'low', 'small',"
        "'p', 'p', 'm', 'm', 'success', 1.0, 0.1, 1)"
    )
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(
        [sys.executable, "-c", program, str(tracker.storage_dir)], check=True, env=variables
    )
    assert [one.task_id for one in tracker.get_all_records()] == ["T-1", "T-2"]


@given(st.lists(st.tuples(st.sampled_from(list(TaskOutcome)), st.integers(0, 5))))
def test_s4_05_tries_are_folded_into_tasks_and_none_is_lost(
    given_ones: list[tuple[TaskOutcome, int]],
):
    made = [
        read(line(outcome=outcome)).model_copy(update={"run_id": f"r{run}", "attempt": number})
        for number, (outcome, run) in enumerate(given_ones)
    ]
    folded = tasks(made)
    assert {one.run_id for one in folded} == {one.run_id for one in made}
    assert len(folded) == len({one.run_id for one in made})
    assert sum(one.duration_seconds or 0 for one in folded) == 10.0 * len(made)
    last = {one.run_id: one.outcome for one in made}
    assert {one.run_id: one.outcome for one in folded} == last


# --- S4-06 and S4-26: words ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "written", "failure"),
    [
        (TaskOutcome.SUCCESS, "success", None),
        (TaskOutcome.PARTIAL, "partial", None),
        (TaskOutcome.FAILED, "failed", "exit"),
        (TaskOutcome.BLOCKED, "failed", "blocked"),
    ],
)
def test_s4_06_each_outcome_has_its_word_in_the_ledger(
    tracker: PerformanceTracker, outcome: TaskOutcome, written: str, failure: str | None
):
    told = record(tracker, outcome=outcome, error_type="of the caller")
    written_one = ledger.read(tracker.storage_dir).entries[0]
    assert (written_one.outcome, written_one.failure) == (written, failure)
    assert (told.outcome, told.error_type) == (outcome, "of the caller")


def test_s4_26_three_words_cover_the_scale():
    words = [TaskComplexity.of(score) for score in range(1, 11)]
    assert words == ["small"] * 3 + ["medium"] * 4 + ["large"] * 3
    assert [one.bounds for one in TaskComplexity] == [(1, 3), (4, 7), (8, 10)]
    assert all(TaskComplexity.of(one.score) is one for one in TaskComplexity)
    assert list(TaskRisk) == ["low", "medium", "high"]


# --- S4-24: the environment ----------------------------------------------------------------------


def test_s4_24_the_folder_of_the_environment_is_used(tmp_path: Path):
    os.environ["ORCHESTRATOR_INTELLIGENCE_DIR"] = str(tmp_path / "here")
    assert PerformanceTracker().storage_dir == tmp_path / "here"
    assert PerformanceTracker(storage_dir=tmp_path / "own").storage_dir == tmp_path / "own"


def test_s4_24_the_endpoint_of_the_environment_is_used(tmp_path: Path):
    assert not PerformanceTracker().rae.enabled
    os.environ["RAE_ENDPOINT"] = "http://localhost:9"
    assert PerformanceTracker().rae.enabled
    assert not PerformanceTracker(rae_integration=False).rae.enabled
    os.environ["RAE_ENDPOINT"] = "localhost"
    with pytest.raises(SettingsError, match="RAE_ENDPOINT"):
        PerformanceTracker()
