"""Which patterns are worth a script, at each threshold, by level; and what a person makes of them. Real rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.model.outloop import Occurrence, Operation, Pattern, PatternStatus, Tool
from orchestrator.outloop import discovery, store, toolbox
from orchestrator.outloop.discovery import Thresholds
from orchestrator.outloop.store import Store

AT, SINCE = "2026-11-28T12:00:00.000Z", "2026-10-29T12:00:00.000Z"
LEAST = Thresholds(5, 70.0, 0.5)
BACKEND = Operation(verb="test", tool="pytest", scope="backend")
WEB = Operation(verb="test", tool="pytest", scope="web")


def seen(count: int, operation: Operation = BACKEND, *, of: str = "w", **more: Any) -> list[Occurrence]:  # fmt: skip
    given = {"operation": operation, "at": AT, "ok": True, "cost_usd": 0.5, "command": "run it"}
    return [Occurrence(**({"workflow": f"{of}{n}"} | given | more)) for n in range(count)]


def found(root: Path, *many: Iterable[Occurrence], least: Thresholds = LEAST) -> list[str]:
    with store.writing(root) as book:
        for some in many:
            book.record(some)
        candidates = discovery.nominate(book, discovery.choose(book, least, SINCE), SINCE)
        return [one.signature for one in candidates]


def status(root: Path) -> dict[str, str]:
    with store.reading(root) as book:
        assert book is not None
        return {one.signature: one.status for one in book.patterns()}


# --- thresholds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "is_one"), [(4, False), (5, True)])
def test_five_occurrences_are_enough_and_four_are_not(count: int, is_one: bool, tmp_path: Path):
    least = Thresholds(5, 0.0, 0.0)
    assert found(tmp_path, seen(count), least=least) == (["test:pytest:backend"] if is_one else [])


@pytest.mark.parametrize(("confidence", "is_one"), [(69, False), (70, True)])
def test_a_confidence_of_70_is_enough_and_69_is_not(confidence: int, is_one: bool, tmp_path: Path):
    """The rows as they are; the threshold is moved to either side of what they give."""
    found(tmp_path, seen(9), seen(1, of="x", ok=False))
    with store.reading(tmp_path) as book:
        assert book is not None
        sure = book.find("test:pytest:backend").confidence
    assert 70 < sure < 73
    least = Thresholds(5, 70.0 + (sure - confidence), 0.0)
    assert found(tmp_path, least=least) == (["test:pytest:backend"] if is_one else [])


@pytest.mark.parametrize(
    ("agreeing", "of", "is_one"), [(5, 5, True), (4, 5, False), (9, 10, True), (8, 10, False)]
)
def test_it_is_the_share_of_equal_ends_that_makes_sure(
    agreeing: int, of: int, is_one: bool, tmp_path: Path
):
    same, other = seen(agreeing), seen(of - agreeing, of="x", ok=False)
    assert bool(found(tmp_path, same, other)) == is_one


@pytest.mark.parametrize(
    ("well", "failed", "is_one"), [(0, 12, False), (20, 1, True), (1, 20, False)]
)
def test_what_mostly_fails_is_nothing_for_a_script(
    well: int, failed: int, is_one: bool, tmp_path: Path
):
    """However sure it is that it fails the next time."""
    assert bool(found(tmp_path, seen(well), seen(failed, of="x", ok=False))) == is_one


@pytest.mark.parametrize(("cents", "is_one"), [(49, False), (50, True)])
def test_half_a_dollar_a_month_is_enough_and_a_cent_less_is_not(
    cents: int, is_one: bool, tmp_path: Path
):
    tenths, rest = seen(9, cost_usd=0.05), seen(1, of="x", cost_usd=cents / 100 - 0.45)
    assert bool(found(tmp_path, tenths, rest)) == is_one


def test_what_was_spent_before_the_last_30_days_saves_nothing_in_a_month(tmp_path: Path):
    assert found(tmp_path, seen(9, at="2026-10-29T11:59:59.999Z")) == []
    assert found(tmp_path, seen(9, of="x", at=SINCE)) == ["test:pytest:backend"]


def test_unknown_costs_save_nothing(tmp_path: Path):
    assert found(tmp_path, seen(9, cost_usd=None)) == []


# --- levels -------------------------------------------------------------------------------------------


def test_the_most_specific_is_one_and_its_parent_only_with_what_that_leaves(tmp_path: Path):
    assert found(tmp_path, seen(5), seen(4, WEB, of="x")) == ["test:pytest:backend"]
    assert status(tmp_path)["test:pytest"] == "detected"


def test_where_no_child_has_enough_their_parent_has(tmp_path: Path):
    assert found(tmp_path, seen(3), seen(3, WEB, of="x")) == ["test:pytest"]


def test_a_parent_is_one_for_what_its_children_do_not_cover(tmp_path: Path):
    docs = Operation(verb="test", tool="pytest", scope="docs")
    several = [seen(5), seen(3, WEB, of="x"), seen(3, docs, of="y")]
    assert set(found(tmp_path, *several)) == {"test:pytest:backend", "test:pytest"}


def test_scripts_of_different_names_are_no_one_operation(tmp_path: Path):
    """Where tests run is a word of one script; which script runs is not."""
    several = [
        seen(3, Operation(verb="run", tool="python", scope="all", variant=f"{name}.py"), of=name)
        for name in "ab"
    ]
    assert found(tmp_path, *several) == []


@pytest.mark.parametrize("verb", ["read", "search", "edit", "fail"])
def test_what_a_model_does_itself_is_never_one(verb: str, tmp_path: Path):
    assert found(tmp_path, seen(50, Operation(verb=verb, tool="x", scope="all"))) == []


def test_those_that_save_most_are_first_and_a_second_look_changes_nothing(tmp_path: Path):
    lint = seen(9, Operation(verb="lint", tool="ruff", scope="all"), cost_usd=2.0)
    expected = ["lint:ruff:all", "test:pytest:backend"]
    assert found(tmp_path, seen(9), lint) == expected
    before = status(tmp_path)
    assert found(tmp_path) == expected
    assert status(tmp_path) == before


def test_what_a_person_decided_is_settled_with_all_below_it(tmp_path: Path):
    assert found(tmp_path, seen(5)) == ["test:pytest:backend"]
    with store.writing(tmp_path) as book:
        discovery.reject(book, "test:pytest:backend", "anna", "no")
    assert found(tmp_path) == [], "not its parent either"
    assert found(tmp_path, seen(5, WEB, of="x")) == ["test:pytest:web"]
    with store.writing(tmp_path) as book:
        discovery.reject(book, "test:pytest", "anna")
    assert found(tmp_path) == []


def test_what_a_person_decides_meanwhile_stays(tmp_path: Path):
    with store.writing(tmp_path) as book:
        book.record(seen(9))
        chosen = discovery.choose(book, LEAST, SINCE)
        discovery.reject(book, "test:pytest:backend", "anna")
        assert discovery.nominate(book, chosen, SINCE) == []
        assert book.find("test:pytest:backend").status == "deprecated"


# --- a person's word ----------------------------------------------------------------------------------

OWN = Tool(name="own", script="/own.sh", does=("lint:ruff",), phrases=(), timeout_s=1.0)
RUFF = Operation(verb="lint", tool="ruff", scope="all")


def approve(book: Store, name: str) -> Pattern:
    return discovery.approve(book, name, "anna")


@pytest.mark.parametrize("before", ["detected", "candidate", "deprecated"])
def test_an_approved_pattern_with_a_tool_is_active_at_once(before: str, tmp_path: Path):
    found(tmp_path, seen(1))
    with store.writing(tmp_path) as book:
        if before != "detected":
            book.move("test:pytest:backend", PatternStatus(before), "bob")
        moved = approve(book, "test:pytest:backend")
    assert (moved.status, moved.tool, moved.decided_by) == ("active", "run_test_workflow", "anna")


def test_one_without_a_tool_waits_for_it(tmp_path: Path):
    found(tmp_path, seen(1, RUFF))
    with store.writing(tmp_path) as book:
        assert (approve(book, "lint:ruff").status, book.find("lint:ruff").tool) == (
            "approved",
            None,
        )
        assert discovery.serve_waiting(book) == []
        book.keep_tool(OWN)
        (moved,) = discovery.serve_waiting(book)
    assert (moved.status, moved.tool, moved.decided_by) == ("active", "own", "anna")


def test_a_disabled_tool_does_nothing(tmp_path: Path):
    found(tmp_path, seen(1))
    with store.writing(tmp_path) as book:
        toolbox.disable(book, "run_test_workflow", "broken", "anna")
        assert approve(book, "test:pytest").status == "approved"


def test_what_may_not_be_decided_is_refused_with_a_next_step(tmp_path: Path):
    found(tmp_path, seen(1), seen(1, Operation(verb="fail", tool="pytest", scope="KeyError")))
    with store.writing(tmp_path) as book:
        approve(book, "test:pytest")
        with pytest.raises(UsageError, match="active already"):
            approve(book, "test:pytest")
        toolbox.disable(book, "run_test_workflow", "broken", "anna")
        step = "run_test_workflow is disabled: broken. Next: orchestrator tools enable run_test_workflow"
        with pytest.raises(UsageError, match=step):
            approve(book, "test:pytest")
        toolbox.enable(book, "run_test_workflow", "anna")
        with pytest.raises(UsageError, match=r"patterns deprecate test:pytest"):
            discovery.reject(book, "test:pytest", "anna")
        with pytest.raises(UsageError, match="is a failure"):
            approve(book, "fail:pytest:KeyError")


@pytest.mark.parametrize(
    ("verb", "what"), [("read", "looks at"), ("search", "looks at"), ("edit", "writes")]
)
def test_what_a_model_does_itself_cannot_be_approved(verb: str, what: str, tmp_path: Path):
    found(tmp_path, seen(9, Operation(verb=verb, tool="cat", scope="all")))
    with store.writing(tmp_path) as book:
        book.keep_tool(OWN.model_copy(update={"does": (f"{verb}:cat",)}))
        with pytest.raises(UsageError, match=rf"^{verb}:cat is no work for a tool.* {what} is its"):
            approve(book, f"{verb}:cat")
        assert book.find(f"{verb}:cat").status == "detected"


@pytest.mark.parametrize("word", [discovery.approve, discovery.reject])
def test_candidates_below_what_is_decided_wait_for_nobody(word: Any, tmp_path: Path):
    assert found(tmp_path, seen(5)) == ["test:pytest:backend"]
    with store.writing(tmp_path) as book:
        word(book, "test:pytest", "anna")
        child = book.find("test:pytest:backend")
        assert (child.status, child.why) == ("detected", "decided with test:pytest")
        assert child.decided_by == ""
    assert found(tmp_path) == []
    with store.writing(tmp_path) as book:
        assert approve(book, "test:pytest:backend").status == "active", "by its name it can be"


def test_a_candidate_that_was_left_below_a_decision_is_settled_at_the_next_look(tmp_path: Path):
    found(tmp_path, seen(5), seen(9, RUFF, of="x"))
    with store.writing(tmp_path) as book:
        book.move("lint:ruff", PatternStatus.DEPRECATED, "anna", "of an older version")
    assert found(tmp_path) == ["test:pytest:backend"]
    assert status(tmp_path)["lint:ruff:all"] == "detected"


@pytest.mark.parametrize("word", [discovery.reject, discovery.deprecate])
def test_who_ends_it_twice_is_told_how_to_take_it_back(word: Any, tmp_path: Path):
    found(tmp_path, seen(5))
    with store.writing(tmp_path) as book:
        discovery.reject(book, "test:pytest", "anna", "flaky")
        back = "test:pytest is rejected already: flaky. Next: orchestrator patterns approve test:pytest"
        with pytest.raises(UsageError, match=back):
            word(book, "test:pytest", "anna")
        approve(book, "test:pytest")
        discovery.deprecate(book, "test:pytest", "anna")
        with pytest.raises(UsageError, match=r"is deprecated already\. Next: .* approve"):
            word(book, "test:pytest", "anna")


def test_what_an_end_means_depends_on_what_it_was(tmp_path: Path):
    found(tmp_path, seen(5))
    with store.reading(tmp_path) as book:
        assert book is not None
        one = book.find("test:pytest")
    assert discovery.ended(one, PatternStatus.ACTIVE).endswith(": a model does it again")
    assert discovery.ended(one, PatternStatus.CANDIDATE).endswith(": it is suggested no more")


# --- without a person ---------------------------------------------------------------------------------


def activated(root: Path, *many: Iterable[Occurrence]) -> list[str]:
    with store.writing(root) as book:
        for some in many:
            book.record(some)
        candidates = discovery.nominate(book, discovery.choose(book, LEAST, SINCE), SINCE)
        return [one.signature for one in discovery.activate_themselves(book, candidates)]


def test_only_those_of_90_that_read_test_or_build_and_have_a_tool(tmp_path: Path):
    assert activated(tmp_path, seen(14)) == [], "89.5"
    assert activated(tmp_path, seen(15)) == ["test:pytest:backend"]
    with store.reading(tmp_path) as book:
        assert book is not None
        one = book.find("test:pytest:backend")
    assert one.confidence >= 90
    assert (one.status, one.decided_by) == ("active", "patterns.auto_activate")


def test_no_other_verb_and_none_without_a_tool_that_is_enabled(tmp_path: Path):
    formatted = Operation(verb="format", tool="black", scope="all")
    with store.writing(tmp_path) as book:
        book.keep_tool(OWN.model_copy(update={"does": ("format", "lint")}))
        toolbox.disable(book, "run_test_workflow", "broken", "anna")
    assert activated(tmp_path, seen(40), seen(40, formatted, of="x")) == []
    assert activated(tmp_path, seen(40, RUFF, of="y")) == ["lint:ruff:all"]
