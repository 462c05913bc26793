"""Transcripts of clients, as Claude Code 2.1.329 and Codex 0.169.0 write them: what was done, what it used, once. Real files, the real command."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.model import Attempt, Outcome, StepKind
from orchestrator.outloop import imported, store, sync, transcripts
from orchestrator.settings import load
from orchestrator.workers import Report
from tests.cli.projects import Project
from tests.engine import runs
from tests.outloop.test_sync import Stepper, play

AT = "2026-11-28T16:56:0{}.000Z"


def lines(*events: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def asked(number: int, *uses: tuple[str, Mapping[str, Any]], tokens: int = 100) -> list[dict[str, Any]]:  # fmt: skip
    """One answer of Claude's: a line for each block, with one id and the same usage."""
    usage = {"input_tokens": tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 9000, "output_tokens": 0}  # fmt: skip
    blocks: list[dict[str, Any]] = [{"type": "text", "text": "WORDS"}]
    blocks += [
        {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": tool, "input": dict(given)}
        for place, (tool, given) in enumerate(uses)
    ]
    return [
        {
            "type": "assistant", "sessionId": "s1", "cwd": "/p", "timestamp": AT.format(number),
            "message": {"id": f"msg_{number}", "model": "claude-sonnet-5-5", "content": [block], "usage": usage},
        }
        for block in blocks
    ]  # fmt: skip


def answered(key: str, *, is_error: bool = False) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": f"toolu_{key}", "content": "OUTPUT"}
    result |= {"is_error": True} if is_error else {}
    return {"type": "user", "sessionId": "s1", "message": {"role": "user", "content": [result]}}


CLAUDE: tuple[Mapping[str, Any], ...] = (
    {"type": "last-prompt", "lastPrompt": "PROMPT", "sessionId": "s1"},
    {"type": "user", "sessionId": "s1", "message": {"role": "user", "content": "PROMPT"}},
    *asked(1, ("Bash", {"command": "pytest -q"}), tokens=300),
    answered("1_0", is_error=True),
    *asked(2, ("Read", {"file_path": "/p/a.py"}), ("Bash", {"command": "cat > a.py <<E\nCONTENT\nE\npytest -q"})),
    answered("2_0"),
    answered("2_1"),
    *asked(3),
)  # fmt: skip


def item(kind: str, **more: Any) -> dict[str, Any]:
    return {"timestamp": AT.format(1), "type": "response_item", "payload": {"type": kind, **more}}


def call(key: str, name: str, **arguments: Any) -> dict[str, Any]:
    return item("function_call", call_id=key, name=name, arguments=json.dumps(arguments))


def done(key: str, output: str) -> dict[str, Any]:
    return item("function_call_output", call_id=key, output=output)


def totals(whole: int, cached: int, output: int) -> dict[str, Any]:
    usage = {"input_tokens": whole, "cached_input_tokens": cached, "output_tokens": output}
    info = {"total_token_usage": usage}
    return {"type": "event_msg", "payload": {"type": "token_count", "info": info}}


CODEX: tuple[Mapping[str, Any], ...] = (
    {"type": "session_meta", "payload": {"id": "c1", "cwd": "/p", "base_instructions": {"text": "PROMPT"}}},
    {"type": "turn_context", "payload": {"model": "gpt-5-codex", "cwd": "/p"}},
    {"type": "event_msg", "payload": {"type": "token_count", "info": None}},
    call("a", "exec_command", cmd="pytest -q"),
    done("a", "Wall time: 0.1 seconds\nProcess exited with code 1\nOutput:\nOUTPUT"),
    totals(1200, 200, 50),
    call("b", "shell", command=["bash", "-lc", "cd src && ruff check ."]),
    done("b", '{"output":"OUTPUT","metadata":{"exit_code":0}}'),
    item("custom_tool_call", call_id="c", name="apply_patch", input="*** Begin Patch\n*** Update File: /p/a.py\n+CONTENT\n*** Add File: b.py\n+CONTENT"),
    totals(2200, 1100, 60),
    totals(2200, 1100, 60),
)  # fmt: skip


def test_claude_code_one_answer_in_several_lines_counts_once():
    found = transcripts.claude(io.BytesIO(lines(*CLAUDE)))
    assert (found.id, found.folder, found.at) == ("s1", "/p", AT.format(3))
    assert [(one.kind, one.target, one.ok) for one in found.steps.values()] == [
        (StepKind.RUN, "pytest -q", False),
        (StepKind.READ, "a.py", True),
        (StepKind.RUN, "cat > a.py <<E\nE\npytest -q", True),
    ]
    assert found.tokens == 500
    assert found.weights == [0.6, 0.1, 0.1]  # the last answer asked for nothing


def test_a_line_that_stands_twice_counts_once():
    once = transcripts.claude(io.BytesIO(lines(*CLAUDE)))
    assert transcripts.claude(io.BytesIO(lines(*CLAUDE, *CLAUDE))) == once


def test_codex_what_came_since_the_last_total_is_of_the_calls_before_it():
    found = transcripts.codex(io.BytesIO(lines(*CODEX)))
    assert (found.id, found.folder) == ("c1", "/p")
    assert [(one.kind, one.target, one.ok, one.exit_code) for one in found.steps.values()] == [
        (StepKind.RUN, "pytest -q", False, 1),
        (StepKind.RUN, "cd src && ruff check .", True, 0),
        (StepKind.WRITE, "a.py", None, None),
        (StepKind.WRITE, "b.py", None, None),
    ]
    assert [one.usage.fresh_tokens for one in found.calls.values()] == [1050, 110]
    assert found.tokens == 1160
    assert [round(one * 1160, 3) for one in found.weights] == [1050, 36.667, 36.667, 36.667]


@pytest.mark.parametrize("read", [transcripts.claude, transcripts.codex])
def test_no_content_no_output_and_no_prompt_is_kept(read: Any):
    text = str(read(io.BytesIO(lines(*CLAUDE, *CODEX))))
    assert not [word for word in ("CONTENT", "OUTPUT", "PROMPT", "WORDS") if word in text]


def test_a_broken_line_is_named_and_one_that_is_still_written_is_not():
    text = lines(*CLAUDE[:2]) + b'{"type": \n\n\xff\xfe\n' + lines(*CLAUDE[2:]) + b'{"type": "assis'
    found = transcripts.claude(io.BytesIO(text))
    assert found.damaged == [3, 5]
    assert len(found.steps) == 3


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([lines(one).strip() for one in (*CLAUDE, *CODEX)])))  # fmt: skip
def test_any_lines_are_read_without_failing(rows: Sequence[bytes]):
    for read in (transcripts.claude, transcripts.codex):
        found = read(io.BytesIO(b"\n".join(rows)))
        assert sum(found.weights) <= 1.0001
        assert len(found.weights) == len(found.steps)


# --- into the store ---------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def keep(project: Project, name: str, text: bytes, folder: str = "transcripts/-p") -> Path:
    path = project.root.parent / folder / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def seen(project: Project) -> dict[str, tuple[int, int | None, bool]]:
    with store.reading(project.root) as book:
        assert book is not None
        return {
            one.signature: (one.occurrences, one.mean_tokens and round(one.mean_tokens), all(o.live for o in book.occurrences(one.id)))
            for one in book.patterns()
        }  # fmt: skip


def test_backfill_counts_each_file_once_and_one_that_grows_anew(project: Project):
    folders = ("--claude", str(project.root.parent / "transcripts"), "--codex", str(project.root.parent / "codex"))  # fmt: skip
    keep(project, "rollout-c1", lines(*CODEX), "codex/2026/11/28")
    path = keep(project, "s1", lines(*CLAUDE[:-1]))
    told = project.json("patterns", "backfill", *folders)
    assert told["transcripts"] == {"new": 4, "sessions": 2, "recorded": 0, "elsewhere": 0, "broken": 0, "damaged": []}  # fmt: skip
    assert told["new"] == 4
    assert told["top"][0]["signature"] == "test:pytest"
    assert len(told["top"]) <= 10
    found = seen(project)
    assert found["test:pytest:all"] == (2, round((325 + 1050) / 2), False)
    assert found["lint:ruff:src"] == (1, 37, False)
    again = project.json("patterns", "backfill", *folders)
    assert (again["new"], again["transcripts"]["sessions"]) == (0, 0)
    assert seen(project) == found
    grown = [*asked(4, ("Bash", {"command": "pytest -q"})), answered("4_0")]
    path.write_bytes(path.read_bytes() + lines(*grown))
    project.json("patterns", "backfill", *folders)
    assert seen(project)["test:pytest:all"] == (2, round((425 + 1050) / 2), False)


def test_without_a_folder_only_sessions_of_this_project_are_counted(project: Project):
    mine = [{**one, "cwd": str(project.root / "sub")} for one in CLAUDE]
    called = "".join(c if c.isalnum() else "-" for c in str(project.root))
    keep(project, "s1", lines(*mine), f"home/.claude/projects/{called}")
    keep(project, "s2", lines(*CLAUDE), f"home/.claude/projects/{called}-of-another")
    keep(project, "s3", lines(*mine), "home/.claude/projects/-elsewhere")
    keep(project, "c1", lines(*CODEX), "home/.codex/sessions/2026")
    told = project.json("patterns", "backfill")
    assert (told["transcripts"]["sessions"], told["transcripts"]["elsewhere"]) == (1, 2)
    assert "test:pytest:all" in seen(project)
    named = ("--codex", str(project.root.parent / "home" / ".codex"))
    assert project.json("patterns", "backfill", *named)["transcripts"]["sessions"] == 1


def test_broken_lines_are_counted_and_named(project: Project):
    path = keep(project, "s1", b"nonsense\n" + lines(*CLAUDE) + b"{\n" * 20)
    done = project.call("patterns", "backfill", "--claude", str(path.parent))
    assert done.returncode == 0
    assert "2 operations of 1 session" in done.stdout
    assert "21 lines of transcripts cannot be read" in done.stderr
    assert "s1.jsonl:1, " in done.stderr.replace("\n", "")
    assert "11 more" in done.stderr
    assert "no such folder" in project.call("patterns", "backfill", "--codex", "gone").stderr


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="no such folder"):
        imported.find(tmp_path, tmp_path / "gone", None)


def test_what_was_imported_is_no_baseline(project: Project):
    path = keep(project, "s1", lines(*CLAUDE))
    project.json("patterns", "backfill", "--claude", str(path.parent))
    with store.reading(project.root) as book:
        assert book is not None
        pattern = book.find("test:pytest:all")
        assert [one.live for one in book.occurrences(pattern.id)] == [False]
        assert [one.similarity for one in book.occurrences(pattern.id)] == [0.0]
        assert pattern.mean_cost_usd is not None


class InSession(Stepper):
    """An agent whose client tells its session."""

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        outcome = await super().run(attempt, report)
        return outcome.model_copy(update={"session": "s1"})


async def test_a_session_that_an_engine_ran_is_not_counted_twice(tmp_path: Path):
    root = tmp_path / "project"
    root.mkdir()
    ran: runs.Ran = await play(root, "Task 1: Write the parser", agent=InSession("pytest -q"))
    assert ran is not None
    assert sync.sync(root, 70.0) == 1
    folder = tmp_path / "transcripts"
    folder.mkdir()
    (folder / "s1.jsonl").write_bytes(lines(*CLAUDE))
    (folder / "s2.jsonl").write_bytes(lines(*CLAUDE).replace(b'"s1"', b'"s2"'))
    told = imported.count(root, imported.find(root, folder, None), load(root))
    assert (told.recorded, told.sessions) == (1, 1)
    sync.count(root)
    with store.reading(root) as book:
        assert book is not None
        assert book.find("test:pytest:all").occurrences == 2
