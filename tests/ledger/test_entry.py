"""One line of the ledger: what it says of an attempt, and that any such line survives the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator import redact
from orchestrator.ledger import NAME, Entry, append, entry, normalise_id, read
from orchestrator.ledger.line import checksum
from orchestrator.model import (
    Failure,
    Outcome,
    Plan,
    PlanId,
    Position,
    Route,
    RunId,
    Score,
    Strategy,
    Task,
    TaskId,
    Tier,
    Usage,
    Verdict,
    Verified,
)

NINE = (
    *("task_id", "complexity_estimated", "model_routed", "outcome", "duration_seconds"),
    *("tokens_total", "cost_usd", "model_version", "timestamp"),
)
FURTHER = (
    *("v", "attempt", "run_id", "project", "worker", "provider", "route", "tokens"),
    *(
        "lower_bound",
        "cost_basis",
        "verified",
        "verify_strength",
        "failure",
        "escalated_from",
        "area",
        "risk",
        "task_type",
        "origin",
        "checksum",
    ),
)
SHELL = Route(worker="shell", confidence=1.0, reason="the plan says bash")
CLAUDE = Route(
    worker="claude", tier=Tier.HAIKU, model="claude-haiku-4-5", confidence=0.5, reason="score 3"
)
GREEN = Verdict(verified=Verified.COMMAND, strength=0.9)


def make_task(name: str = "Do it", **more: object) -> Task:
    fixed = {"id": TaskId("08-02/4"), "ordinal": 4, "position": Position(line=1, column=1)}
    return Task.model_validate({**fixed, "name": name, **more})


def make(
    attempt: int = 1,
    task: Task | None = None,
    route: Route = CLAUDE,
    outcome: Outcome | None = None,
    at: str = "2026-01-01T12:00:00Z",
    run: str = "r1",
    plan: str = "08-02",
) -> Entry:
    return entry(
        run=RunId(run),
        project="shop",
        task=task or make_task(),
        plan=Plan(id=PlanId(plan), path=f"{plan}-PLAN.md", tasks=()),
        attempt=attempt,
        route=route,
        score=Score(value=3, reasons=()),
        outcome=outcome or Outcome(verdict=GREEN, duration_s=1.5),
        timestamp=at,
        escalated_from=None,
    )


def lines(folder: Path) -> list[bytes]:
    return (folder / NAME).read_bytes().splitlines(keepends=True)


# --- what a line says -----------------------------------------------------------------------------


def test_a_line_has_the_nine_keys_of_the_seed_and_ours(tmp_path: Path):
    """S0-11."""
    append(tmp_path, [make()])
    assert tuple(json.loads(lines(tmp_path)[0])) == NINE + FURTHER


def test_a_model_attempt_is_told_as_it_was():
    """S0-14 (tier and full id), S0-17 (each class of tokens, and all of them), S0-19."""
    usage = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=85, cost_usd=0.01)
    outcome = Outcome(usage=usage, model="claude-haiku-4-5-20251001", duration_s=2.5, verdict=GREEN)
    said = make(outcome=outcome)
    assert (said.model_routed, said.model_version) == (Tier.HAIKU, "claude-haiku-4-5-20251001")
    assert (said.tokens_total, said.cost_usd, said.duration_seconds) == (100, 0.01, 2.5)
    assert said.tokens.model_dump() == {
        "input": 10,
        "output": 5,
        "cache_read": 85,
        "cache_write": None,
        "reasoning": None,
    }
    assert (said.verified, said.verify_strength, said.failure) == (Verified.COMMAND, 0.9, None)
    assert (said.route.tier, said.route.confidence, said.route.reason) == (
        Tier.HAIKU,
        0.5,
        "score 3",
    )


def test_s1_05_a_line_carries_what_decided_and_what_was_estimated():
    decided = CLAUDE.model_copy(
        update={
            "strategy": Strategy.PATTERN,
            "propensity": 0.1,
            "estimated_tokens": 900,
            "estimated_cost_usd": 0.02,
            "estimated_duration_s": 60.0,
        }
    )
    kept = make(route=decided).route
    assert (kept.strategy, kept.propensity) == ("pattern", 0.1)
    assert (kept.estimated_tokens, kept.estimated_cost_usd) == (900, 0.02)
    assert kept.estimated_duration_s == 60.0
    assert make().route.propensity == 1.0


def test_a_line_of_before_strategies_is_read(tmp_path: Path):
    append(tmp_path, [make()])
    values = json.loads(lines(tmp_path)[0])
    for key in [key for key in values["route"] if key not in ("tier", "confidence", "reason", "propensity")]:  # fmt: skip
        del values["route"][key]
    values["route"]["propensity"] = None
    values["v"] = 1
    values["checksum"] = checksum(values)
    (tmp_path / NAME).write_text(json.dumps(values) + "\n")
    [kept] = read(tmp_path).entries
    assert (kept.route.strategy, kept.route.propensity, kept.route.estimated_cost_usd) == (
        None,
        None,
        None,
    )


def test_the_shell_writes_no_model_and_zero_tokens():
    said = make(route=SHELL)
    assert (said.model_routed, said.model_version) == (None, None)
    assert (said.tokens_total, said.cost_usd) == (0, 0.0)
    assert set(said.tokens.model_dump().values()) == {0}


def test_what_a_model_did_not_report_stays_unknown():
    said = make(outcome=Outcome(failure=Failure.TIMEOUT))
    assert (said.tokens_total, said.cost_usd, said.verified) == (None, None, None)
    assert set(said.tokens.model_dump().values()) == {None}
    assert said.model_version == "claude-haiku-4-5"


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Outcome(verdict=GREEN), "success"),
        (Outcome(), "success"),
        (Outcome(verdict=Verdict(verified=Verified.HUMAN, strength=0)), "partial"),
        (Outcome(failure=Failure.VERIFY, verdict=GREEN), "failed"),
    ],
)
def test_the_outcome_has_three_words(outcome: Outcome, word: str):
    """S0-15: of the verdict, never of what the worker says."""
    said = make(outcome=outcome)
    assert said.outcome == word
    assert said.failure == (outcome.failure.value if outcome.failure else None)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("phase-06-plan-02-task-1", "06-02-task-1"),
        ("Phase-6-Plan-2-Task-01", "06-02-task-1"),
        ("06-02-task-1", "06-02-task-1"),
        ("06-02/1", "06-02-task-1"),
        ("02.1-03/12", "02.1-03-task-12"),
        ("2.1.3-3/12", "02.1.3-03-task-12"),
        ("quickstart/3", "quickstart-task-3"),
        (".planning/phases/08-x/08-02/3", ".planning/phases/08-x/08-02-task-3"),
        ("something else", "something else"),
    ],
)
def test_every_spelling_of_a_task_is_one_id(written: str, normal: str):
    """S0-12."""
    assert normalise_id(written) == normal
    assert normalise_id(normal) == normal


def test_the_id_is_that_of_plan_and_ordinal():
    assert make(plan="08-02").task_id == "08-02-task-4"
    assert make(plan="quickstart").task_id == "quickstart-task-4"


@pytest.mark.parametrize(
    ("files", "area"),
    [
        (None, None),
        ((), None),
        (("src/api/a.py", "docs/b.md"), "src"),
        (("./src/a.py",), "src"),
        (("README.md",), "."),
    ],
)
def test_the_area_is_the_first_folder_of_the_files(files: tuple[str, ...] | None, area: str | None):
    assert make(task=make_task(files=files)).area == area
    assert make(task=make_task(files=files, area="billing")).area == "billing"


def test_the_risk_is_medium_unless_the_task_says():
    assert make().risk == "medium"
    assert make(task=make_task(risk="high")).risk == "high"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Task 7: Create integration test for all three endpoints", "test-write"),
        ("Refactor the store", "complex-refactor"),
        ("Task 1: Create API routes structure", "api-impl"),
        ("Decide the architecture", "architecture"),
        ("Read the old code", "file-read"),
        ("Extend database schema", "simple-impl"),
        ("Spread the latest address", "other"),
    ],
)
def test_the_task_type_comes_from_whole_words_of_the_title(name: str, word: str):
    assert make(task=make_task(name)).task_type == word
    assert make(task=make_task(name, attributes={"kind": "other"})).task_type == "other"
    assert make(task=make_task(name, attributes={"kind": "command"})).task_type == word
    assert make(task=make_task(name, tdd=True)).task_type == "test-write"


@pytest.mark.parametrize(
    ("given_time", "written"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z"),
        ("2026-01-01T12:00:00.250+02:00", "2026-01-01T10:00:00.250000Z"),
        ("2024-02-29T23:30:00-01:00", "2024-03-01T00:30:00Z"),
    ],
)
def test_times_are_written_in_utc(given_time: str, written: str):
    """S0-20."""
    assert make(at=given_time).timestamp == written
    assert make(at=written).timestamp == written


@pytest.mark.parametrize("bad", ["2026-01-01T12:00:00", "soon", "0001-01-01T00:00:00+10:00"])
def test_times_without_a_zone_are_refused(bad: str):
    with pytest.raises(ValidationError):
        make(at=bad)


@pytest.mark.parametrize("bad", [0, 11, "6", 2.5, None])
def test_complexity_is_a_whole_number_from_1_to_10(bad: object):
    """S0-13."""
    values = make().model_dump()
    assert Entry.model_validate(values | {"complexity_estimated": 10})
    with pytest.raises(ValidationError):
        Entry.model_validate(values | {"complexity_estimated": bad})


# --- any line -------------------------------------------------------------------------------------

WORDS = st.text(max_size=20)
TIMES = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
COUNTS = st.none() | st.integers(min_value=0, max_value=10**12)
USAGES = st.builds(
    Usage,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cost_usd=st.none() | st.floats(min_value=0, allow_infinity=False),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=WORDS, reason=st.text(st.characters()), usage=st.none() | USAGES, time=TIMES, run=WORDS)
def test_any_entry_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    reason: str,
    usage: Usage | None,
    time: str,
    run: str,
):
    folder = tmp_path_factory.mktemp("ledger")
    route = CLAUDE.model_copy(update={"reason": reason})
    task = make_task(name, area=name, risk=reason)
    try:
        said = make(task=task, route=route, outcome=Outcome(usage=usage), at=time, run=run)
    except ValidationError:
        assert time.startswith(("0001-01-01", "9999-12-31"))  # no such moment in UTC
        return
    append(folder, [said])
    assert read(folder) == read(folder).model_copy(update={"entries": (said,), "damaged": ()})


def test_a_name_that_utf8_cannot_hold_does_not_stop_the_ledger(tmp_path: Path):
    append(tmp_path, [make(task=make_task(area="caf\udce9"))])
    assert read(tmp_path).entries[0].area == "caf?"


def test_a_secret_of_the_environment_is_in_no_line(tmp_path: Path):
    redact.learn({"NAMED_TOKEN": "tok-51c2-90af"})
    made = make()
    route = made.route.model_copy(update={"reason": "for tok-51c2-90af"})
    append(tmp_path, [made.model_copy(update={"route": route})])
    (line,) = lines(tmp_path)
    assert b"tok-51c2-90af" not in line
    (found,) = read(tmp_path).entries
    assert found.route.reason == "for [redacted: NAMED_TOKEN]"


def test_what_a_line_is_known_by_stays_as_it_is(tmp_path: Path):
    """Else the same outcome would be written again after each crash."""
    made = make()
    redact.learn({"NAMED_TOKEN": made.task_id, "OTHER_TOKEN": f"{made.run_id}-{made.project}"})
    append(tmp_path, [made])
    assert [one.identity for one in read(tmp_path).entries] == [made.identity]
