"""What tools saved: against measured tasks alone, with their number and an interval, by pattern and by month. Real rows."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.outloop import Occurrence, Optimization, Saving, ToolCall
from orchestrator.outloop import store, toolbox
from orchestrator.outloop.rows import operation
from orchestrator.reports import offloaded
from orchestrator.reports.rates import foreseen, student
from orchestrator.views import saved
from tests.cli.projects import Project

SIGNATURE = "test:pytest:backend"
USED = (1000, 1200, 900, 1100, 1300)


def seen(tokens: tuple[int, ...] = USED, name: str = SIGNATURE, **more: Any) -> list[Occurrence]:
    return [
        Occurrence(
            **{
                "workflow": f"{name} {n}", "operation": operation(name), "at": f"2026-09-0{n + 1}T00:00:00.000Z",
                "similarity": 100, "tokens": count, "cost_usd": count / 1e5, "command": "pytest", "ok": True, **more,
            }
        )
        for n, count in enumerate(tokens)
    ]  # fmt: skip


def offload_(root: Path, name: str, *days: str, ok: bool = True) -> None:
    """As a run books it."""
    with store.writing(root) as book:
        toolbox.register(book)
        before = book.baseline(name, 70) if ok else None
        for day in days:
            workflow, at = f"run {name} {day}", f"{day}T00:00:00.000Z"
            call = ToolCall(
                tool="run_test_workflow", pattern=name, workflow=workflow, at=at, duration_s=1, ok=ok,
                tokens_saved=before.tokens if before else 0,
            )  # fmt: skip
            book.book_call(call)
            if before:
                book.book_saving(
                    Saving(
                        at=at, kind=Optimization.PATTERN_OFFLOAD, workflow=workflow, pattern=name,
                        tokens=before.tokens, cost_usd=before.cost_usd, baseline=before.n,
                    )
                )  # fmt: skip


def record(root: Path, *rows: list[Occurrence]) -> None:
    with store.writing(root) as book:
        for some in rows:
            book.record(some)


def told(root: Path, since: str = "") -> dict[str, Any]:
    with store.reading(root) as book:
        assert book is not None
        return saved.report(book, 70, since=since)


def test_two_tasks_saved_twice_the_mean_of_the_five_with_its_interval(tmp_path: Path):
    record(tmp_path, seen())
    offload_(tmp_path, SIGNATURE, "2026-10-01", "2026-11-02")
    found = told(tmp_path)
    half = 2.776 * stdev(USED) * (2 + 4 / 5) ** 0.5
    mean = fmean(USED)
    expected = {"tasks": 2, "saved": 2 * mean, "low": round(2 * mean - half), "high": round(2 * mean + half)}  # fmt: skip
    assert found["tokens"] == expected
    assert found["cost_usd"]["saved"] == pytest.approx(0.022)
    assert found["cost_usd"]["low"] == pytest.approx((2 * mean - half) / 1e5)
    (pattern,) = found["by_pattern"]
    assert (pattern["pattern"], pattern["baseline"], pattern["tokens"]) == (SIGNATURE, 5, expected)
    assert [(one["month"], one["tokens"]["saved"]) for one in found["by_month"]] == [
        ("2026-10", mean),
        ("2026-11", mean),
    ]
    assert [one["kind"] for one in found["by_kind"]] == ["pattern_offload"]
    assert found["tool_calls"] == {"calls": 2, "succeeded": 2, "unmeasured": 0}
    assert told(tmp_path, "2026-11")["tasks"] == 1


def test_what_was_imported_or_never_measured_is_no_baseline_and_nothing_is_said_to_be_saved(
    tmp_path: Path,
):
    record(tmp_path, seen(live=False))
    offload_(tmp_path, SIGNATURE, "2026-10-01")
    offload_(tmp_path, SIGNATURE, "2026-10-02", ok=False)
    found = told(tmp_path)
    assert found["missing"] == offloaded.MISSING
    assert (found["tasks"], found["tokens"], found["cost_usd"]) == (0, None, None)
    assert found["tool_calls"] == {"calls": 2, "succeeded": 1, "unmeasured": 1}


def test_one_measured_task_has_no_interval_and_unknown_dollars_are_not_0(tmp_path: Path):
    record(tmp_path, seen((700,), cost_usd=None))
    offload_(tmp_path, SIGNATURE, "2026-10-01")
    found = told(tmp_path)
    assert found["tokens"] == {"tasks": 1, "saved": 700, "low": None, "high": None}
    assert found["cost_usd"] is None


def test_a_baseline_that_is_no_longer_what_it_was_keeps_its_figure_and_loses_its_interval(
    tmp_path: Path,
):
    record(tmp_path, seen())
    offload_(tmp_path, SIGNATURE, "2026-10-01")
    record(tmp_path, seen((5,), workflow="found later", at="2026-01-01T00:00:00.000Z"))
    assert told(tmp_path)["tokens"] == {"tasks": 1, "saved": 1100, "low": None, "high": None}


def test_patterns_are_independent_and_the_whole_is_surer_than_its_parts_together(tmp_path: Path):
    other = "build:tsc:frontend"
    record(tmp_path, seen(), seen((100, 500, 900), other))
    offload_(tmp_path, SIGNATURE, "2026-10-01")
    offload_(tmp_path, other, "2026-10-01")
    found = told(tmp_path)
    widths = [one["tokens"]["high"] - one["tokens"]["saved"] for one in found["by_pattern"]]
    whole = found["tokens"]["high"] - found["tokens"]["saved"]
    assert whole == pytest.approx((widths[0] ** 2 + widths[1] ** 2) ** 0.5, abs=1)
    assert found["tokens"]["saved"] == 1600


def test_tables_of_student():
    for freedom, known in {
        1: 12.706,
        10: 2.228,
        11: 2.201,
        20: 2.086,
        30: 2.042,
        120: 1.980,
    }.items():
        assert student(freedom) == pytest.approx(known, abs=5e-4)


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=40), st.integers(1, 50))
def test_an_interval_is_around_its_figure_and_never_below_nothing(values: list[float], count: int):
    ends = foreseen(values, count)
    assert ends is not None
    below, above = ends
    assert 0 <= below <= count * fmean(values) * (1 + 1e-9) + 1e-9
    assert above >= below
    assert foreseen(values[:1], count) is None


def test_report_savings_on_the_command_line(tmp_path: Path):
    project = Project(tmp_path)
    assert "insufficient evidence" in project.told("report", "savings")
    assert not (project.root / ".orchestrator" / "journal.db").exists()
    record(project.root, seen())
    offload_(project.root, SIGNATURE, "2026-10-01", "2026-11-02")
    text = project.told("report", "savings")
    assert "saved in 2 tasks: 2200 tokens (95%: " in text
    assert "$0.022 (95%: " in text
    by_pattern = text.partition("BY PATTERN")[2].splitlines()
    assert by_pattern[0].split() == ["TASKS", "TOKENS", "95%", "COST", "95%", "N"]
    assert (by_pattern[1].split()[1], by_pattern[1].split()[-1]) == ("2", "5")
    for width in (60, 80):
        with project.terminal("report", "savings", size=(24, width)) as screen:
            assert screen.end() == 0
        table = screen.text.partition("BY PATTERN")[2].partition("\r\n\r\nN:")[0]
        assert all(len(row) <= width for row in table.split("\r\n"))
        assert all(
            row.strip() and not row.startswith(" ") for row in table.split("\r\n")[1:] if row
        )
    assert "after Student" in text
    found = project.json("report", "savings")
    assert (found["version"], found["report"], found["window_days"]) == (1, "savings", None)
    assert found["tokens"]["saved"] == 2200
    assert "30-60" not in text + json.dumps(found)
    assert project.json("report", "savings", "--days", "1")["missing"]
