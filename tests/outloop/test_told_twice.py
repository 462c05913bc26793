"""A session of which hooks and a transcript tell: it is one, with the most that is known of it, for as long as it counts. The real command, real files."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator import clock
from orchestrator.model.outloop import Occurrence
from orchestrator.outloop import store
from tests.cli.projects import Project
from tests.outloop.hooks import after
from tests.outloop.test_hooked import occurrences, session, tell

OLD_DAYS = 200


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def told_at(days_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(clock.wall() - days_ago * 86_400))


def transcript(project: Project, name: str, times: int, at: str, file: str = "a.py") -> Path:
    """Of a session that ran the tests so often, with 100 tokens and 0.0011 dollars each, and then read a file."""
    usage = {"input_tokens": 100, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}  # fmt: skip
    uses: list[tuple[str, dict[str, Any]]] = [("Bash", {"command": "pytest -q"})] * times
    events = [
        {
            "type": "assistant", "sessionId": name, "cwd": str(project.root), "timestamp": at,
            "message": {"id": f"msg-{name}-{n}", "model": "claude-sonnet-5-5", "usage": usage, "content": [
                {"type": "tool_use", "id": f"{name}-{n}", "name": tool, "input": given}]},
        }
        for n, (tool, given) in enumerate([*uses, ("Read", {"file_path": str(project.root / file)})])
    ]  # fmt: skip
    path = project.root.parent / "transcripts" / "-p" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(one)}\n" for one in events))
    return path


def backfill(project: Project) -> Any:
    folder = str(project.root.parent / "transcripts")
    return project.json("patterns", "backfill", "--claude", folder)


def ran(project: Project) -> list[Occurrence]:
    return occurrences(project.root, "test:pytest:all")


def seen(project: Project) -> int:
    with store.reading(project.root) as book:
        assert book is not None
        return book.find("test:pytest").occurrences


def accesses(project: Project) -> Any:
    with store.reading(project.root) as book:
        assert book is not None
        (found,) = book.file_accesses({"claude s"})
    return found.payload


def test_what_was_imported_counts_however_old_it_is(project: Project):
    for number in range(10):
        transcript(project, f"old{number}", 1, told_at(OLD_DAYS + number))
    backfill(project)
    assert seen(project) == 10
    project.told("patterns", "analyze")
    tell(project.root, *session("new", "pytest"))
    project.told("patterns", "analyze")
    assert seen(project) == 11
    project.told("patterns", "analyze")
    assert backfill(project)["transcripts"]["sessions"] == 0
    assert seen(project) == 11


def test_hooks_of_a_session_take_no_figures_from_its_transcript(project: Project):
    transcript(project, "s", 3, told_at(0.01))
    backfill(project)
    (before,) = ran(project)
    assert (before.times, before.tokens, before.live) == (3, 300, False)
    assert before.cost_usd is not None
    tell(project.root, *session("s", "pytest"))
    for _ in range(2):
        project.told("patterns", "analyze")
        (found,) = ran(project)
        assert (found.workflow, found.times, found.tokens, found.live) == ("claude s", 3, 300, False)  # fmt: skip
        assert found.cost_usd == before.cost_usd
        assert found.at > before.at
        backfill(project)
    assert seen(project) == 1


def test_a_transcript_adds_figures_to_what_hooks_told_and_takes_no_uses_away(project: Project):
    tell(project.root, *session("s", *["pytest"] * 4))
    project.told("patterns", "analyze")
    assert [(one.times, one.tokens, one.live) for one in ran(project)] == [(4, None, True)]
    transcript(project, "s", 3, told_at(0.01))
    backfill(project)
    assert [(one.times, one.tokens, one.live) for one in ran(project)] == [(4, 300, False)]
    tell(project.root, {**after("s-9", "Bash", command="pytest"), "session_id": "s"})
    project.told("patterns", "analyze")
    assert [(one.times, one.tokens, one.live) for one in ran(project)] == [(5, 300, False)]


def test_what_it_read_is_what_both_told(project: Project):
    transcript(project, "s", 1, told_at(0.01))
    backfill(project)
    assert set(accesses(project)["loaded"]) == {"a.py"}
    read = after("r", "Read", file_path=str(project.root / "b.py"))
    tell(project.root, {**read, "session_id": "s"}, *session("s", "pytest"))
    project.told("patterns", "analyze")
    assert set(accesses(project)["loaded"]) == {"a.py", "b.py"}


def test_sessions_without_figures_are_said_and_what_adds_them(project: Project):
    for name in "st":
        tell(project.root, *session(name, "pytest"))
    told = project.told("patterns")
    assert told == (
        "no operation was seen yet; 4 events of hooks wait in the spool\n"
        "  next: orchestrator patterns analyze counts them\n"
    )
    said = "0 of 2 sessions measured; orchestrator patterns backfill adds their tokens\n"
    assert f"note: {said}" in project.told("patterns", "analyze")
    transcript(project, "s", 1, told_at(0.01))
    backfill(project)
    assert "note: 1 of 2 sessions measured; " in project.told("patterns", "analyze")
    transcript(project, "t", 1, told_at(0.01))
    backfill(project)
    assert "sessions measured" not in project.told("patterns", "analyze")
