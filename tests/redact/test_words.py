"""What of our records is free text, and what is a name that somebody acts on."""

from __future__ import annotations

import io
import secrets
import typing
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given

from orchestrator import redact
from orchestrator.inbox import Letter
from orchestrator.ledger import Entry
from orchestrator.model import Noun, Outcome, Progress, Route, RunId, Score, Session
from orchestrator.redact import WORDS, Known, Secrets
from orchestrator.summary.text import cell, code, fence, one_line, prose, quoted
from orchestrator.views import text as words
from orchestrator.workspace import message
from tests.build import plan, task
from tests.redact.test_redact import texts

# Texts that the engine, or who reads our records, goes by. A new field of a record must be in one of the two lists.
NAMES = {
    "area", "base", "begin", "by", "checksum", "commit", "conflicts", "control", "cost_basis", "created", "deleted",
    "id", "landed", "model", "model_version", "modified", "option", "project", "provider", "ref", "risk", "run",
    "run_id", "session", "steering", "task", "task_id", "task_type", "timestamp", "tree", "undeclared", "via",
    "window", "worker", "failure", "doing", "origin", "planner_model", "planner_provider", "strategy", "touched",
    "left_out", "name", "pattern",
}  # fmt: skip


@pytest.fixture
def value() -> str:
    made = f"tok-{secrets.token_hex(8)}"
    redact.learn({"WORDED_TOKEN": made})
    return made


def fields(kind: Any) -> Iterator[str]:
    """The names of all fields with text in them, of a record and of those in it."""
    if isinstance(kind, type) and hasattr(kind, "model_fields"):
        for name, field in kind.model_fields.items():
            if _is_text(field.annotation):
                yield name
            yield from fields(field.annotation)
    for inner in typing.get_args(kind):
        yield from fields(inner)


def _is_text(kind: Any) -> bool:
    if isinstance(kind, type):
        return issubclass(kind, str) and not issubclass(kind, Enum)
    if typing.get_origin(kind) is typing.Literal:
        return False
    supertype = getattr(kind, "__supertype__", None)
    return supertype is str or any(map(_is_text, typing.get_args(kind)))


def test_of_each_text_in_our_records_it_is_decided_what_it_is():
    kinds: tuple[type[Noun], ...] = (Outcome, Progress, Route, Score, Session, Letter)
    found = {name for kind in (*kinds, Entry) for name in fields(kind)}
    assert {"detail", "output", "reasons", "commit", "note", "target", "run_id"} <= found
    assert sorted(found - WORDS - NAMES) == []
    assert not WORDS & NAMES


def test_only_words_are_cleaned(value: str):
    data = {
        value: {"detail": f"see {value}", "ref": value, "notes": [value, 1], "model": value},
        "ladders": {value: [{"reason": value, "worker": value}]},
        "workspace": value,
    }
    said = "[redacted: WORDED_TOKEN]"
    assert redact.words(data) == {
        value: {"detail": f"see {said}", "ref": value, "notes": [said, 1], "model": value},
        "ladders": {value: [{"reason": said, "worker": value}]},
        "workspace": value,
    }


def test_a_long_beginning_ends_before_what_may_be_half_of_a_secret(value: str):
    assert redact.head(f"{'x' * 190} {value[:12]}", 200) == "x" * 190 + " "
    assert redact.head(f"{'x' * 190} {value} and more", 200) == f"{'x' * 190} [redacted"
    assert redact.head(f"echo {value[:12]}", 200) == f"echo {value[:12]}"  # all of it: no half


# --- names of the project -------------------------------------------------------------------------


def test_what_stands_in_a_name_of_the_project_is_no_secret():
    known = Known()
    known.learn({"DB_PASSWORD": "acme-portal", "API_KEY": "real-key-1", "MY_TOKEN": "pub-token-1"})
    known.pardon(["MY_*"])
    assert known.spare(["/home/me/acme-portal-2", "pub-token-1.md"]) == ["DB_PASSWORD"]
    assert known.secrets.text("acme-portal real-key-1") == "acme-portal [redacted: API_KEY]"
    known.learn({"OTHER_PASSWORD": "portal-2"})  # also one that comes later
    assert known.secrets.text("portal-2") == "portal-2"


def test_runs_side_by_side_keep_their_names_whichever_began_or_is_looked_at_last():
    known = Known()
    known.learn({"DB_PASSWORD": "acme-portal", "API_KEY": "real-key-1", "MY_TOKEN": "pub-token-1"})
    assert known.spare(["plans/acme-portal-PLAN.md"]) == ["DB_PASSWORD"]
    assert known.spare(["plans/pub-token-1/x-PLAN.md"]) == ["MY_TOKEN"]
    assert known.spare([]) == []
    told = "plans/acme-portal-PLAN.md plans/pub-token-1/x-PLAN.md"
    assert known.secrets.text(f"{told} real-key-1") == f"{told} [redacted: API_KEY]"
    known.learn({"OTHER_SECRET": "portal-PLAN"})
    assert known.secrets.text(told) == told


# --- files ----------------------------------------------------------------------------------------


class Pieces(io.BytesIO):
    """A file that is read in pieces of its own choice."""

    def __init__(self, data: bytes, cuts: list[int]) -> None:
        super().__init__(data)
        self._sizes = [b - a for a, b in pairwise([0, *cuts, len(data)]) if b > a]

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._sizes.pop(0)) if self._sizes else b""


@given(texts())
def test_a_file_is_counted_and_cleaned_as_the_whole(given_: tuple[list[str], bytes, list[int]]):
    values, whole, cuts = given_
    known = Secrets((f"N{n}", value) for n, value in enumerate(values))
    assert known.tally(Pieces(whole, cuts)) == known.count(whole)
    clean = io.BytesIO()
    known.copy(Pieces(whole, cuts), clean)
    assert clean.getvalue() == known.raw(whole)


# --- what is cut ----------------------------------------------------------------------------------


def test_what_is_shortened_is_cleaned_before():
    long = f"tok-{secrets.token_hex(150)}"
    redact.learn({"LONG_TOKEN": long})
    said = f"say {long} or leave it " + "x" * 300
    made = plan(task(1, name=f"Task 1: {said}"))
    shown = [
        words.plain(said, 60),
        *words.lines(said),
        *(form(said) for form in (one_line, prose, cell, code)),
        *fence(said, ""),
        *quoted(said, "")[1],
        message.of_task(made, made.tasks[0], run=RunId("r"), attempt=1, worker="w", model=None),
        message.of_revert(said, "c0ffee", "r"),
    ]
    assert [one for one in shown if long[:8] in one] == []
    assert sum("LONG" in one for one in shown) >= 9
