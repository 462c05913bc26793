"""Later knowledge about an outcome: a line of its own, which readers apply."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.ledger import NAME, Amendment, Samples, append, read
from orchestrator.ledger.line import sealed
from tests.ledger.outcomes import NOW, line, stamp


def amendment(outcome: str = "failed", number: int = 1, **more: object) -> Amendment:
    values = {"run_id": "r1", "task_id": f"06-02-task-{number}", "attempt": 1, "by": "CI"}
    told = values | {"outcome": outcome, "timestamp": stamp(NOW)} | more
    return Amendment.model_validate(told)


def test_an_amendment_counts_and_the_line_stays(tmp_path: Path):
    append(tmp_path, [line(number=1), line(number=2)])
    before = (tmp_path / NAME).read_bytes()
    append(tmp_path, [amendment()])
    assert (tmp_path / NAME).read_bytes().startswith(before)
    window = read(tmp_path)
    assert [(one.outcome, one.failure) for one in window.entries] == [
        ("failed", "amended"),
        ("success", None),
    ]
    assert window.false_accepts == {("r1", "06-02-task-1", 1)}
    assert (window.damaged, window.missing) == ((), 0)
    assert [one.outcome for one in Samples(tmp_path, "2026-01-01T00:00:00Z")] == [
        "failed",
        "success",
    ]


def test_a_failure_that_was_right_is_a_false_reject(tmp_path: Path):
    append(tmp_path, [line(outcome="failed"), amendment("success")])
    window = read(tmp_path)
    assert [(one.outcome, one.failure) for one in window.entries] == [("success", None)]
    assert window.false_rejects == {("r1", "06-02-task-1", 1)}
    assert window.false_accepts == frozenset()


def test_the_last_amendment_counts(tmp_path: Path):
    append(tmp_path, [line(), amendment("failed"), amendment("success")])
    window = read(tmp_path)
    assert window.entries[0].outcome == "success"
    assert window.false_accepts | window.false_rejects == frozenset()
    assert len(window.amendments) == 2


def test_partial_stays_partial_where_it_was_right(tmp_path: Path):
    append(tmp_path, [line(outcome="partial"), amendment("success")])
    assert read(tmp_path).entries[0].outcome == "partial"


def test_an_amendment_of_an_attempt_that_is_not_there_is_no_damage(tmp_path: Path):
    append(tmp_path, [line(), amendment(number=9)])
    window = read(tmp_path)
    assert [one.outcome for one in window.entries] == ["success"]
    assert window.damaged == ()


def test_kinds_of_a_newer_version_are_passed_over_and_said(tmp_path: Path):
    append(tmp_path, [line()])
    with (tmp_path / NAME).open("ab") as file:
        file.write(sealed({"kind": "mood", "v": 9, "text": 'with {"kind":"amendment" in it'}))
        file.write(sealed(line(number=2).model_dump(mode="json") | {"v": 9}))
    window = read(tmp_path)
    assert len(window.entries) == 2
    assert window.damaged == ()
    assert [number for number, _ in window.strange] == [2, 3]
    assert "newer version (9)" in window.strange[1][1]


def test_a_damaged_amendment_is_damage_and_changes_nothing(tmp_path: Path):
    append(tmp_path, [line(), amendment()])
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b'"by":"CI"', b'"by":"me"'))
    window = read(tmp_path)
    assert window.damaged == ((2, "has a wrong checksum"),)
    assert window.entries[0].outcome == "success"
    assert [one.outcome for one in Samples(tmp_path, "2026-01-01T00:00:00Z")] == ["success"]


def test_what_looks_like_an_amendment_within_a_line_is_none(tmp_path: Path):
    trap = json.dumps({"kind": "amendment", "run_id": "r1"})
    append(tmp_path, [line(area=f"\n{trap}")])
    assert [one.outcome for one in Samples(tmp_path, "2026-01-01T00:00:00Z")] == ["success"]
