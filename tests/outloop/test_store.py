"""The tables of patterns, tools and savings: figures that no order of records changes, legal moves only, nothing counted twice. Real SQLite."""

from __future__ import annotations

import itertools
import math
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import redact
from orchestrator.errors import JournalCorrupt, UsageError
from orchestrator.journal import HOME
from orchestrator.model.outloop import (
    HookEvent,
    HookKind,
    Occurrence,
    Operation,
    Optimization,
    PatternStatus,
    Saving,
    Tool,
    ToolCall,
)
from orchestrator.outloop import patterns, store

AT = "2026-11-28T12:00:00.000Z"
PYTEST = Operation(verb="test", tool="pytest", scope="backend")
TOOL = Tool(name="mine", script="/t", does=("test:pytest",), phrases=("run tests",), timeout_s=9.0)


def seen(workflow: str, operation: Operation = PYTEST, **more: Any) -> Occurrence:
    return Occurrence(**{"workflow": workflow, "operation": operation, "at": AT, "ok": True} | more)


def record(root: Path, occurrences: Iterable[Occurrence]) -> int:
    with store.writing(root) as book:
        return book.record(occurrences)


def rows(root: Path) -> list[tuple[object, ...]]:
    """All of it but the numbers that were given to patterns."""
    with store.reading(root) as book:
        assert book is not None
        found = []
        for one in book.patterns():
            found.append((one.model_copy(update={"id": 0}), *book.occurrences(one.id)))
        return sorted(found, key=lambda row: row[0].signature)


# --- patterns -----------------------------------------------------------------------------------------


def test_what_is_recorded_again_changes_nothing(tmp_path: Path):
    many = [seen(f"w{n}", tokens=n, cost_usd=n / 8) for n in range(6)]
    assert record(tmp_path, many) == 6
    before = rows(tmp_path)
    assert record(tmp_path, many) == 0
    assert record(tmp_path, many[2:4]) == 0
    assert rows(tmp_path) == before
    assert [row[0].signature for row in before] == ["test:pytest", "test:pytest:backend"]


def test_a_session_that_goes_on_has_its_newer_figures(tmp_path: Path):
    record(tmp_path, [seen("w", times=1, tokens=10)])
    record(tmp_path, [seen("w", times=3, tokens=50, ok=False)])
    (parent, *own), _ = rows(tmp_path)
    assert [(one.times, one.tokens, one.ok) for one in own] == [(3, 50, False)]
    assert (parent.occurrences, parent.mean_tokens) == (1, 50.0)


def test_a_workflow_with_two_children_is_one_occurrence_of_their_parent(tmp_path: Path):
    other = PYTEST.model_copy(update={"scope": "docs"})
    record(
        tmp_path,
        [
            seen("w", tokens=10, cost_usd=1.0),
            seen("w", other, tokens=30, cost_usd=2.0),
            seen("x", tokens=20),
        ],
    )
    parent = rows(tmp_path)[0][0]
    assert parent.signature == "test:pytest"
    assert (parent.occurrences, parent.measured, parent.mean_tokens, parent.mean_cost_usd) == (2, 2, 30.0, 3.0)  # fmt: skip


OPERATIONS = st.builds(
    Operation,
    verb=st.sampled_from(["test", "lint"]),
    tool=st.sampled_from(["a", "b"]),
    scope=st.sampled_from([None, "x", "y"]),
)
OCCURRENCES = st.lists(
    st.builds(
        Occurrence,
        workflow=st.sampled_from([f"w{n}" for n in range(6)]),
        operation=OPERATIONS,
        at=st.sampled_from([AT, "2026-11-01T00:00:00.000Z"]),
        times=st.integers(1, 4),
        ok=st.sampled_from([True, False, None]),
        tokens=st.none() | st.integers(0, 10**9),
        cost_usd=st.none() | st.floats(0, 100),
        command=st.sampled_from(["pytest", "pytest -q"]),
    ),
    max_size=12,
    unique_by=lambda one: (one.workflow, one.operation.signature),
)


@settings(max_examples=40, deadline=None)
@given(occurrences=OCCURRENCES, data=st.data())
def test_any_portions_in_any_order_give_the_same_rows_and_running_means_are_those_of_all(
    occurrences: list[Occurrence], data: st.DataObject
):
    """S3-12. Some portions come twice."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        record(Path(one), occurrences)
        mixed = data.draw(st.permutations(occurrences))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(mixed)), max_size=4)))
        for begin, end in itertools.pairwise([0, *cuts, len(mixed)]):
            record(Path(other), mixed[begin:end])
            if data.draw(st.booleans()):
                record(Path(other), mixed[begin:end])
        assert rows(Path(other)) == rows(Path(one))
        check_means(rows(Path(one)), occurrences)


def check_means(found: list[tuple[Any, ...]], occurrences: list[Occurrence]) -> None:
    for pattern, *own in found:
        of = [one for one in occurrences if pattern.signature in one.operation.levels]
        assert len(own) == len(of)
        tokens, costs = defaultdict(list), defaultdict(list)
        for one in of:
            if one.tokens is not None:
                tokens[one.workflow].append(one.tokens)
            if one.cost_usd is not None:
                costs[one.workflow].append(one.cost_usd)
        assert pattern.occurrences == len({one.workflow for one in of})
        assert pattern.measured == len(tokens)
        assert equal(pattern.mean_tokens, [sum(each) for each in tokens.values()])
        assert equal(pattern.mean_cost_usd, [sum(each) for each in costs.values()])
        assert (pattern.first_seen, pattern.last_seen) == (
            min(one.at for one in of),
            max(one.at for one in of),
        )


def equal(mean: float | None, values: list[float]) -> bool:
    if not values or mean is None:
        return not values and mean is None
    return math.isclose(mean, fmean(values), rel_tol=1e-9)


ALL = list(PatternStatus)
LEGAL = {
    ("detected", "candidate"),
    ("detected", "deprecated"),
    ("candidate", "approved"),
    ("candidate", "deprecated"),
    ("candidate", "detected"),
    ("approved", "implemented"),
    ("approved", "deprecated"),
    ("implemented", "active"),
    ("implemented", "deprecated"),
    ("active", "implemented"),
    ("active", "deprecated"),
    ("deprecated", "detected"),
}
WAYS = {
    "detected": [],
    "candidate": ["candidate"],
    "approved": ["candidate", "approved"],
    "implemented": ["candidate", "approved", "implemented"],
    "active": ["candidate", "approved", "implemented", "active"],
    "deprecated": ["deprecated"],
}


@pytest.mark.parametrize(("now", "then"), [(a, b) for a in ALL for b in ALL])
def test_only_the_moves_of_the_table_are_made(
    now: PatternStatus, then: PatternStatus, tmp_path: Path
):
    record(tmp_path, [seen("w")])
    with store.writing(tmp_path) as book:
        for step in WAYS[now]:
            book.move("test:pytest", PatternStatus(step), "anna")
    if (now, then) in LEGAL:
        with store.writing(tmp_path) as book:
            moved = book.move("test:pytest", then, "anna", "because")
        assert (moved.status, moved.decided_by, moved.why) == (then, "anna", "because")
        return
    with (
        pytest.raises(UsageError, match=f"test:pytest is {now} and cannot become {then}; it can"),
        store.writing(tmp_path) as book,
    ):
        book.move("test:pytest", then, "anna", "because")
    assert rows(tmp_path)[0][0].status is now


def test_a_pattern_is_found_by_number_and_by_signature_and_a_typo_is_answered_with_the_nearest(
    tmp_path: Path,
):
    record(tmp_path, [seen("w")])
    with store.writing(tmp_path) as book:
        one = book.find("test:pytest:backend")
        assert book.find(str(one.id)) == one
        with pytest.raises(UsageError, match=r"no pattern 'test:pytset'.*test:pytest"):
            book.find("test:pytset")
        with pytest.raises(UsageError, match="no pattern '99'"):
            book.find("99")


@pytest.mark.parametrize(
    ("agreeing", "of", "said"), [(5, 5, 75), (4, 5, 51), (9, 10, 72), (10, 10, 86), (0, 0, 0)]
)
def test_how_sure_it_is_after_so_many(agreeing: int, of: int, said: int, tmp_path: Path):
    assert round(patterns.confidence(agreeing, of)) == said
    if of:
        record(tmp_path, [seen(f"w{n}", ok=n < agreeing) for n in range(of)])
        assert round(rows(tmp_path)[0][0].confidence) == said


def test_what_a_month_would_have_saved_is_what_it_cost_since_then_less_the_tools_part(
    tmp_path: Path,
):
    record(
        tmp_path,
        [
            seen("old", at="2026-10-01T00:00:00.000Z", cost_usd=9.0),
            seen("a", cost_usd=0.5),
            seen("b", cost_usd=0.25),
            seen("unknown"),
        ],
    )
    with store.writing(tmp_path) as book:
        book.foresee("2026-10-29T12:00:00.000Z")
        assert [one.monthly_usd for one in book.patterns()] == [0.75, 0.75]
        book.foresee("2026-12-29T12:00:00.000Z")
        assert [one.monthly_usd for one in book.patterns()] == [0.0, 0.0]


def test_the_command_that_is_seen_most_is_kept_without_secrets_and_bounded(tmp_path: Path):
    key = "pattern-store-secret-3141"
    redact.learn({"PATTERN_STORE_API_KEY": key})
    record(tmp_path, [seen("a", command=f"TOKEN={key} pytest {'x' * 500}"), seen("b", command="z")])
    record(tmp_path, [seen("c", command=f"TOKEN={key} pytest {'x' * 500}")])
    command = rows(tmp_path)[0][0].command
    assert "pytest" in command
    assert key not in command
    assert len(command) <= store.COMMAND


# --- tools and savings --------------------------------------------------------------------------------


def call(workflow: str, ok: bool = True) -> ToolCall:
    return ToolCall(
        tool="mine", pattern="test:pytest", workflow=workflow, at=AT, duration_s=1.5, ok=ok,
        tokens_saved=100, cost_saved_usd=0.5,
    )  # fmt: skip


def test_a_call_and_a_saving_count_once(tmp_path: Path):
    record(tmp_path, [seen("w")])
    saving = Saving(
        at=AT, kind=Optimization.PATTERN_OFFLOAD, workflow="r t 1", pattern="test:pytest",
        tokens=100, cost_usd=0.5, baseline=5,
    )  # fmt: skip
    for _ in range(2):
        with store.writing(tmp_path) as book:
            if not book.tools():
                book.keep_tool(TOOL)
            booked = book.book_call(call("r t 1"))
            assert (booked.calls, booked.successes, booked.success_rate) == (1, 1, 1.0)
            book.book_saving(saving)
    with store.writing(tmp_path) as book:
        assert book.calls() == [call("r t 1")]
        assert book.savings() == [saving]
        assert book.find("test:pytest").tool_tokens == 0
        assert book.find("test:pytest:backend").tool_tokens is None
        for number in range(2, 5):
            booked = book.book_call(call(f"r t {number}", ok=False))
        assert (booked.calls, booked.successes, booked.failed_in_a_row) == (4, 1, 3)
        assert book.book_call(call("r t 5")).failed_in_a_row == 0


def test_a_manifest_that_changes_keeps_the_record_of_its_tool(tmp_path: Path):
    with store.writing(tmp_path) as book:
        book.keep_tool(TOOL)
        book.book_call(call("w"))
        book.keep_tool(TOOL.model_copy(update={"phrases": ("other",), "writes": ("*.lock",)}))
        found = book.tool("mine")
    assert (found.phrases, found.writes, found.calls) == (("other",), ("*.lock",), 1)


def test_a_tool_that_is_not_there_is_named(tmp_path: Path):
    record(tmp_path, [seen("w")])
    with store.writing(tmp_path) as book:
        book.keep_tool(TOOL)
        book.move("test:pytest", PatternStatus.CANDIDATE, "anna")
        book.move("test:pytest", PatternStatus.APPROVED, "anna")
        with pytest.raises(UsageError, match=r"no tool 'mime'.*mine"):
            book.move("test:pytest", PatternStatus.IMPLEMENTED, "anna", tool="mime")
        with pytest.raises(UsageError, match="no tool 'other'"):
            book.book_call(call("w").model_copy(update={"tool": "other"}))


# --- hook events --------------------------------------------------------------------------------------

DRAIN = """
import pathlib, sys
from orchestrator.outloop import store
got = []
while True:
    with store.writing(pathlib.Path(sys.argv[1])) as book:
        some = book.drain_hook_events(7)
    if not some:
        break
    got += [str(one.id) for one in some]
print(" ".join(got))
"""


def test_hook_events_are_drained_once_also_by_two_at_once(tmp_path: Path):
    events = [
        HookEvent(kind=HookKind.POST_TOOL_USE, session="s", at=AT, payload={"n": n})
        for n in range(200)
    ]
    with store.writing(tmp_path) as book:
        book.add_hook_events(events)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", DRAIN, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    got = [[int(word) for word in one.communicate()[0].split()] for one in both]
    assert sorted(got[0] + got[1]) == list(range(1, 201))
    assert all(one == sorted(one) for one in got)
    with store.writing(tmp_path) as book:
        assert book.drain_hook_events() == []


def test_how_far_was_read_is_kept_by_name(tmp_path: Path):
    with store.writing(tmp_path) as book:
        assert book.upto("events") == 0
        book.read("events", 7)
        book.read("other", 9)
        book.read("events", 8)
        assert (book.upto("events"), book.upto("other")) == (8, 9)


# --- damage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("operation_patterns", "automation_status", "aqtive"),
        ("pattern_occurrences", "signature", "test"),
        ("adw_tools", "does", "5"),
        ("cost_savings_log", "optimization_type", "tool_kall"),
    ],
)
def test_a_row_that_makes_no_sense_is_damage_by_the_name_of_its_table(
    table: str, column: str, value: object, tmp_path: Path
):
    record(tmp_path, [seen("w")])
    with store.writing(tmp_path) as book:
        book.keep_tool(TOOL)
        book.book_call(call("w"))
        book.book_saving(
            Saving(at=AT, kind=Optimization.TOOL_CALL, workflow="w", pattern=None, tokens=1, cost_usd=1.0, baseline=1)
        )  # fmt: skip
    with closing(sqlite3.connect(tmp_path / HOME / "journal.db")) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(f"UPDATE {table} SET {column} = ?", (value,))
        db.commit()
    with pytest.raises(JournalCorrupt, match=rf"{table} in .*journal.db is damaged.*recover"):
        read_all(tmp_path)


def read_all(root: Path) -> None:
    with store.reading(root) as book:
        assert book is not None
        for read in (book.tools, book.calls, book.savings, book.patterns):
            assert read()
        assert book.occurrences(1)


def test_payloads_and_commands_keep_no_key_however_deep(tmp_path: Path):
    key = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5"
    payload = {"tool_input": {"list": [{"anything": f"x {key}"}]}}
    event = HookEvent(kind=HookKind.POST_TOOL_USE, session="s", at=AT, payload=payload)
    with store.writing(tmp_path) as book:
        book.add_hook_events([event])
        book.record([seen("w", command=f"curl {key} https://u:pw12345@h.example/x")])
        (found,) = book.drain_hook_events()
        told = str(found.payload) + book.patterns()[0].command
        assert book.drain_hook_events() == []
    assert key not in told
    assert "pw12345" not in told


def test_figures_that_are_left_for_later_are_those_of_at_once(tmp_path: Path):
    for folder, later in (("a", False), ("b", True)):
        (tmp_path / folder).mkdir()
        with store.writing(tmp_path / folder) as book:
            book.record([seen("v", tokens=4), seen("w", tokens=8)], later=later)
            while book.count_one():
                pass
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_what_is_old_goes_and_patterns_and_decisions_stay(tmp_path: Path):
    with store.writing(tmp_path) as book:
        book.record([seen("old", at="2026-01-01T00:00:00.000Z"), seen("new")])
        book.prune("2026-02-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z")
        (found,) = [one for one in book.patterns() if one.signature == PYTEST.signature]
        assert found.occurrences == 2
        assert [one.workflow for one in book.occurrences(found.id)] == ["new"]
