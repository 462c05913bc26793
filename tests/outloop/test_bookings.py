"""Tools, calls and savings in the store: taken back where they were wrong, bounded, and begun anew without forgetting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from orchestrator.outloop import offload, store, sync
from orchestrator.outloop.store import Store

TOOL = Tool(name="mine", script="/t", does=("test:x",), phrases=(), timeout_s=9.0)
X = Operation(verb="test", tool="x")


def called(book: Store, workflow: str, ok: bool) -> Tool:
    saved = {"tokens_saved": 7, "cost_saved_usd": 0.5} if ok else {}
    common: dict[str, Any] = {"pattern": "test:x", "workflow": workflow, "at": "2026"}
    if ok:
        kind = Optimization.PATTERN_OFFLOAD
        book.book_saving(Saving(kind=kind, tokens=7, cost_usd=0.5, baseline=1, **common))
    return book.book_call(ToolCall(tool="mine", duration_s=1, ok=ok, **common, **saved))


def test_what_is_taken_back_counts_as_a_failure_once(tmp_path: Path):
    with store.writing(tmp_path) as book:
        book.keep_tool(TOOL)
        for name, ok in (("a", True), ("b", False), ("c", True), ("d", False)):
            called(book, name, ok)
        for _ in range(2):
            book.take_back("c")
            found = book.tool("mine")
            assert (found.calls, found.successes, found.failed_in_a_row) == (4, 1, 3)
        assert [one.workflow for one in book.savings()] == ["a"]
        assert [(one.ok, one.tokens_saved) for one in book.calls()][2] == (False, 0)
        assert book.take_back("d") is None
        assert book.take_back("unknown") is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["good", "bad", "anew", "back"]), max_size=12))
def test_the_record_is_that_of_the_calls_since_it_began_anew(
    tmp_path_factory: Any, what: list[str]
):
    with store.writing(tmp_path_factory.mktemp("p")) as book:
        book.keep_tool(TOOL)
        every, since = list[bool](), 0
        for number, one in enumerate(what):
            if one == "anew":
                book.begin_anew("mine")
                since = len(every)
            elif one == "back" and True in every:
                last = len(every) - 1 - every[::-1].index(True)
                book.take_back(f"w{last}")
                every[last] = False
            elif one in ("good", "bad"):
                called(book, f"w{len(every)}", one == "good")
                every.append(one == "good")
            found, judged = book.tool("mine"), every[since:]
            assert (found.calls, found.successes) == (len(every), sum(every)), number
            assert (found.calls_since, found.successes_since) == (len(judged), sum(judged))
            row = next((n for n, ok in enumerate(judged[::-1]) if ok), len(judged))
            assert found.failed_in_a_row == row


def test_an_attempt_is_found_as_the_ledger_names_it(tmp_path: Path):
    with store.writing(tmp_path) as book:
        book.keep_tool(TOOL)
        called(book, "r1 06-02/1 2", ok=True)
        called(book, "r1 demo/1 1", ok=True)
        called(book, "r11 demo/1 1", ok=True)
    assert offload.amended(tmp_path, "r1", "06-02-task-1", 1)[0] is None
    assert offload.amended(tmp_path, "r1", "06-02-task-1", 2)[0] is not None
    assert offload.amended(tmp_path, "r1", "demo-task-1", 1)[0] is not None
    with store.reading(tmp_path) as kept:
        assert kept is not None
        assert [one.workflow for one in kept.savings()] == ["r11 demo/1 1"]


def test_the_oldest_calls_and_savings_go_and_the_totals_stay(tmp_path: Path):
    with store.writing(tmp_path) as book:
        book.keep_tool(TOOL)
        for number in range(7):
            called(book, f"w{number}", ok=number != 2)
        assert (book.is_full(7), book.is_full(6)) == (False, True)
        book.forget(3)
        assert not book.is_full(3)
        assert [one.workflow for one in book.calls()] == ["w4", "w5", "w6"]
        assert [one.workflow for one in book.savings()] == ["w4", "w5", "w6"]
        found = book.tool("mine")
        assert (found.calls, found.successes, found.failed_in_a_row) == (7, 6, 0)


def seen(days: int, **more: Any) -> Occurrence:
    given = {"workflow": f"{days} days ago", "operation": X, "at": sync.ago(days), "tokens": 5}
    return Occurrence(**{**given, "similarity": 100.0, **more})


def use(book: Store) -> None:
    book.keep_tool(TOOL)
    for step in (PatternStatus.CANDIDATE, PatternStatus.APPROVED, PatternStatus.IMPLEMENTED):
        book.move("test:x", step, "me", tool="mine" if step is PatternStatus.IMPLEMENTED else None)


def test_what_was_seen_goes_after_its_days_and_a_tools_baseline_after_a_year(tmp_path: Path):
    """Else nothing that the tool does could be measured once it has done all for a month."""
    other = Operation(verb="test", tool="y")
    events = [
        HookEvent(kind=HookKind.PRE_TOOL_USE, session="s", at=sync.ago(days), payload={"n": days})
        for days in (61, 59)
    ]
    with store.writing(tmp_path) as book:
        book.add_hook_events(events)
        book.drain_hook_events()
        waits = events[0].model_copy(update={"session": "not drained"})
        book.add_hook_events([waits])
        book.record([seen(days) for days in (366, 364, 61, 59)])
        book.record([seen(days, operation=other) for days in (61, 59)])
        book.record([seen(62, similarity=0.0), seen(63, tokens=None), seen(64, live=False)])
        use(book)
    sync.prune(tmp_path, 60)
    with store.writing(tmp_path) as book:
        kept = {one.workflow for one in book.occurrences(book.find("test:x").id)}
        imported = "64 days ago"  # by a person, of earlier days: nobody would read it again
        assert kept == {"364 days ago", "61 days ago", "59 days ago", imported}
        assert [o.workflow for o in book.occurrences(book.find("test:y").id)] == ["59 days ago"]
        assert [one.payload["n"] for one in book.hook_events("s")] == [59]
        assert len(book.hook_events("not drained")) == 1
        assert book.find("test:x").occurrences == 7


@pytest.mark.parametrize("decided", ["implemented", "approved", "deprecated", "detected"])
def test_a_baseline_outlives_its_tool_where_another_is_waited_for(tmp_path: Path, decided: str):
    with store.writing(tmp_path) as book:
        book.record([seen(days) for days in (80, 70, 50, 40)])
        book.keep_tool(TOOL)
        if decided == "detected":
            book.count_one()
        elif decided == "approved":
            book.move("test:x", PatternStatus.CANDIDATE, "me")
            book.move("test:x", PatternStatus.APPROVED, "me")
        else:
            use(book)
        if decided == "deprecated":
            book.move("test:x", PatternStatus.DEPRECATED, "me")
        book.remove_tool("mine", "it is removed")
    sync.prune(tmp_path, 30)
    with store.writing(tmp_path) as book:
        found = book.baseline("test:x", 70)
        assert (found.n if found else 0) == (0 if decided == "detected" else 4)


def test_a_month_stays_in_any_case_and_many_go_in_portions(tmp_path: Path):
    with store.writing(tmp_path) as book:
        book.record([seen(29), *(seen(n) for n in range(31, 60))], later=True)
        book.prune(sync.ago(30), sync.ago(365), most=10)
        assert len(book.occurrences(book.find("test:x").id)) == 20
    sync.prune(tmp_path, 0)
    with store.reading(tmp_path) as kept:
        assert kept is not None
        assert [one.workflow for one in kept.occurrences(kept.find("test:x").id)] == ["29 days ago"]
