"""Answers that a client copied into a second session count once, also after it has deleted the file of the first. Real files, the real store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.outloop import Occurrence, Operation
from orchestrator.outloop import store, sync
from orchestrator.outloop.copies import ALL, BEGINS, Copies, note
from tests.outloop.test_transcripts import AT, CODEX, asked, call, lines, taken, totals, workflows

Event = Mapping[str, Any]
TEST = ("Bash", {"command": "pytest -q"})
LINT = ("Bash", {"command": "ruff check ."})
FIRST = (*asked(1, TEST), *asked(2, LINT))
BEGINS_ANEW: Event = {"type": "mode", "timestamp": AT.format(6), "sessionId": "s2"}


def of(session: str, *events: Event) -> bytes:
    """As Claude Code copies it: the answers keep their names."""
    return lines(*({**one, "sessionId": session} for one in events))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project" / ".orchestrator").mkdir(parents=True)
    (tmp_path / "transcripts").mkdir()
    return tmp_path / "transcripts"


def ran(folder: Path) -> dict[str, int]:
    """How often each session ran the tests, after what is there was read."""
    taken(folder.parent / "project", folder)
    found = workflows(folder.parent / "project")
    return {workflow.removeprefix("claude "): times for workflow, (times, _) in found.items()}


def add(path: Path, *events: Event) -> None:
    with path.open("ab") as file:
        file.write(of(path.stem, *events))


@pytest.mark.parametrize("begins", [(BEGINS_ANEW,), ()])
def test_a_fork_that_goes_on_after_its_original_is_gone_has_its_own_answers_only(
    folder: Path, begins: tuple[Event, ...]
):
    (folder / "s1.jsonl").write_bytes(of("s1", *FIRST))
    (folder / "s2.jsonl").write_bytes(of("s2", *begins, *FIRST, *asked(3, TEST)))
    assert ran(folder) == {"s1": 1, "s2": 1}
    (folder / "s1.jsonl").unlink()
    for number in (4, 5):
        add(folder / "s2.jsonl", *asked(number, TEST))
        assert ran(folder) == {"s1": 1, "s2": number - 2}
    assert set(workflows(folder.parent / "project", "lint:ruff:all")) == {"claude s1"}


def test_the_original_has_what_it_had_where_the_fork_was_read_first_and_is_gone(folder: Path):
    """Without a line of its own either may have it."""
    (folder / "a.jsonl").write_bytes(of("s2", *FIRST, *asked(3, TEST)))
    (folder / "s1.jsonl").write_bytes(of("s1", *FIRST))
    assert ran(folder) == {"s2": 2}
    (folder / "a.jsonl").unlink()
    add(folder / "s1.jsonl", *asked(4, TEST))
    assert ran(folder) == {"s1": 1, "s2": 2}


def test_a_fork_of_a_fork_has_its_own_answers_only_after_that_is_gone(folder: Path):
    (folder / "s1.jsonl").write_bytes(of("s1", *FIRST))
    assert ran(folder) == {"s1": 1}
    (folder / "s2.jsonl").write_bytes(of("s2", BEGINS_ANEW, *FIRST, *asked(3, TEST)))
    (folder / "s3.jsonl").write_bytes(
        of(
            "s3",
            {**BEGINS_ANEW, "timestamp": AT.format(7)},
            *FIRST,
            *asked(3, TEST),
            *asked(4, TEST),
        )
    )
    assert ran(folder) == {"s1": 1, "s2": 1, "s3": 1}
    (folder / "s2.jsonl").unlink()
    add(folder / "s3.jsonl", *asked(5, TEST))
    assert ran(folder) == {"s1": 1, "s2": 1, "s3": 2}


def test_of_a_fork_that_was_not_read_before_its_original_was_gone_only_what_comes_later_counts(
    folder: Path,
):
    (folder / "s1.jsonl").write_bytes(of("s1", *FIRST))
    assert ran(folder) == {"s1": 1}
    (folder / "s1.jsonl").unlink()
    (folder / "s2.jsonl").write_bytes(of("s2", BEGINS_ANEW, *FIRST, *asked(3, TEST)))
    assert ran(folder) == {"s1": 1}
    add(folder / "s2.jsonl", *asked(4, TEST))
    assert ran(folder) == {"s1": 1, "s2": 1}


def test_a_session_that_goes_on_alone_has_all_that_it_did(folder: Path):
    (folder / "s1.jsonl").write_bytes(of("s1", *FIRST))
    agent = folder / "s1" / "subagents" / "agent-1.jsonl"
    agent.parent.mkdir(parents=True)
    agent.write_bytes(of("s1", *asked(8, TEST)))
    assert ran(folder) == {"s1": 2}
    add(folder / "s1.jsonl", *asked(4, TEST))
    assert ran(folder) == {"s1": 3}
    agent.unlink()
    add(folder / "s1.jsonl", *asked(5, TEST))
    (folder / "other.jsonl").write_bytes(of("s9", *asked(9, TEST)))
    assert ran(folder) == {"s1": 3, "s9": 1}


def test_what_hooks_told_of_such_a_fork_stays(folder: Path):
    root = folder.parent / "project"
    (folder / "s1.jsonl").write_bytes(of("s1", *FIRST))
    assert ran(folder) == {"s1": 1}
    (folder / "s1.jsonl").unlink()
    operation = Operation(verb="test", tool="pytest", scope="all")
    with store.writing(root) as book:
        book.record(
            [
                Occurrence(
                    workflow="claude s2",
                    operation=operation,
                    at=AT.format(3),
                    times=1,
                    command="pytest",
                    live=False,
                )
            ]
        )
    sync.count(root)
    (folder / "s2.jsonl").write_bytes(of("s2", BEGINS_ANEW, *FIRST, *asked(3, TEST)))
    assert ran(folder) == {"s1": 1, "s2": 1}


def test_a_copy_of_a_session_of_codex_has_its_own_calls_only(tmp_path: Path):
    root, folder = tmp_path / "project", tmp_path / "codex"
    (root / ".orchestrator").mkdir(parents=True)
    folder.mkdir()
    begins = {
        "type": "session_meta",
        "timestamp": AT.format(6),
        "payload": {"id": "c2", "cwd": "/p"},
    }
    (folder / "c1.jsonl").write_bytes(lines(*CODEX))
    copy = (begins, *CODEX[1:], call("x", "exec_command", cmd="pytest -q"), totals(2300, 1100, 60))
    (folder / "c2.jsonl").write_bytes(lines(*copy))
    taken(root, None, folder)
    assert workflows(root) == {"codex c1": (1, 1050), "codex c2": (1, 100)}
    (folder / "c1.jsonl").unlink()
    more = (call("y", "exec_command", cmd="pytest -q"), totals(2350, 1100, 60))
    (folder / "c2.jsonl").write_bytes(lines(*copy, *more))
    taken(root, None, folder)
    assert workflows(root) == {"codex c1": (1, 1050), "codex c2": (2, 150)}


NAME = st.text(max_size=5)


@given(
    st.dictionaries(st.tuples(NAME, NAME, NAME), st.integers(0, 9)), NAME, NAME, NAME, st.sets(NAME)
)
def test_each_note_is_of_one_session_however_it_is_called(
    noted: dict[tuple[str, str, str], int], client: str, first: str, session: str, there: set[str]
):
    notes = {note(*key): many for key, many in noted.items()}
    assert len(notes) == len(noted)
    assert all(name.startswith(BEGINS) and json.loads(name.removeprefix(BEGINS)) for name in notes)
    gone = {who for (where, begin, who) in noted if (where, begin) == (client, first)} - there
    expected = noted.get((client, first, session), ALL if gone else 0)
    assert Copies(notes).many(client, first, session, there) == expected
