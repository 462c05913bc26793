"""Transcripts of clients, as Claude Code 2.1.329 and Codex 0.169.0 write them: what was done, what it used, once. Real files, the real command."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import prices, redact, spoken
from orchestrator.errors import UsageError
from orchestrator.model import Attempt, Outcome, Price, StepKind, Usage
from orchestrator.outloop import analysis, imported, store, sync, transcripts
from orchestrator.outloop.imported import READERS
from orchestrator.outloop.transcripts import Lines, Session
from orchestrator.settings import load
from orchestrator.workers import Report
from tests.cli.projects import Project
from tests.engine import runs
from tests.outloop.test_sync import Stepper, play

AT = "2026-11-28T16:56:0{}.000Z"


def read(client: str, text: bytes) -> Session:
    found = Session()
    READERS[client](Lines(io.BytesIO(text)), found)
    return found


def lines(*events: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def asked(number: int, *uses: tuple[str, Mapping[str, Any]], tokens: int = 100, model: str = "claude-sonnet-5-5") -> list[dict[str, Any]]:  # fmt: skip
    """One answer of Claude's: a line for each block, with one id and the same usage."""
    usage = {"input_tokens": tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 9000, "output_tokens": 0}  # fmt: skip
    blocks: list[dict[str, Any]] = [{"type": "text", "text": "WORDS"}]
    blocks += [
        {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": tool, "input": dict(given)}
        for place, (tool, given) in enumerate(uses)
    ]
    return [
        {
            "type": "assistant", "sessionId": "s1", "cwd": "/p", "timestamp": AT.format(number % 10),
            "message": {"id": f"msg_{number}", "model": model, "content": [block], "usage": usage},
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
    found = read("claude", lines(*CLAUDE))
    assert (found.id, found.folder, found.at) == ("s1", "/p", AT.format(3))
    assert [(one.kind, one.target, one.ok) for one in found.steps.values()] == [
        (StepKind.RUN, "pytest -q", False),
        (StepKind.READ, "a.py", True),
        (StepKind.RUN, "cat > a.py <<E\nE\npytest -q", True),
    ]
    assert found.tokens == 500
    assert found.weights == [0.6, 0.1, 0.1]  # the last answer asked for nothing


def test_a_line_that_stands_twice_counts_once():
    assert read("claude", lines(*CLAUDE, *CLAUDE)) == read("claude", lines(*CLAUDE))


def test_codex_what_came_since_the_last_total_is_of_the_calls_before_it():
    found = read("codex", lines(*CODEX))
    assert (found.id, found.folder) == ("c1", "/p")
    assert [(one.kind, one.target, one.ok, one.exit_code) for one in found.steps.values()] == [
        (StepKind.RUN, "pytest -q", False, 1),
        (StepKind.RUN, "cd src && ruff check .", True, 0),
        (StepKind.WRITE, "a.py", None, None),
        (StepKind.WRITE, "b.py", None, None),
    ]
    assert found.tokens == 1160
    assert [round(one * 1160, 3) for one in found.weights] == [1050, 36.667, 36.667, 36.667]


@pytest.mark.parametrize(("client", "rows", "used"), [("claude", CLAUDE, 500), ("codex", CODEX, 1160)])  # fmt: skip
def test_a_second_file_with_the_same_adds_nothing(client: str, rows: Any, used: int):
    found = Session()
    for _ in range(2):
        READERS[client](Lines(io.BytesIO(lines(*rows))), found)
    assert (found.tokens, found.weights) == (used, read(client, lines(*rows)).weights)


@pytest.mark.parametrize("client", ["claude", "codex"])
def test_no_content_no_output_and_no_prompt_is_kept(client: str):
    text = str(read(client, lines(*CLAUDE, *CODEX)))
    assert not [word for word in ("CONTENT", "OUTPUT", "PROMPT", "WORDS") if word in text]


def test_a_broken_line_is_named_and_one_that_is_still_written_is_not():
    text = lines(*CLAUDE[:2]) + b'{"type": \n\n\xff\xfe\n' + lines(*CLAUDE[2:]) + b'{"type": "assis'
    found, rows = Session(), Lines(io.BytesIO(text))
    transcripts.claude(rows, found)
    assert (rows.damaged, rows.broken) == ([3, 5], 2)
    assert len(found.steps) == 3


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (json.dumps({"output": "x" * 3000, "metadata": {"exit_code": 1}}), 1),
        (json.dumps({"output": "Process exited with code 7", "metadata": {"exit_code": 0}}), 0),
        ("Wall time: 0.1 seconds\nProcess running with session ID 5\nOutput:\nExit code: 3", None),
        ("Wall time: 0.1 seconds\nProcess exited with code 1\nOutput:\nProcess exited with code 0", 1),
        ("Exit code: 2\nWall time: 0.1 seconds\nOutput:\n", 2),
        ("what a program prints\nExit code: 3\n", None),
        ('{"exit_code": 3}', None),
        ([{"type": "input_text", "text": "Process exited with code 4\nOutput:\n"}], 4),
        (5, None),
    ],
)  # fmt: skip
def test_codex_what_a_command_prints_says_nothing_of_its_end(output: Any, code: int | None):
    told = item("function_call_output", call_id="a", output=output)
    [found] = read("codex", lines(call("a", "exec_command", cmd="pytest"), told)).steps.values()
    assert (found.exit_code, found.ok) == (code, None if code is None else code == 0)


def test_codex_totals_that_fall_begin_anew():
    rows = [call("a", "shell", cmd="ls"), totals(1000, 0, 10), call("b", "shell", cmd="ls"), totals(300, 0, 5)]  # fmt: skip
    assert read("codex", lines(*rows)).tokens == 1010 + 305


def test_codex_a_second_session_in_one_file_begins_anew_also_with_more():
    another = {"type": "session_meta", "payload": {"id": "c2", "cwd": "/p"}}
    rows = (CODEX[0], call("a", "shell", cmd="ls"), totals(1000, 0, 10))
    more = (call("b", "shell", cmd="ls"), totals(2900, 0, 100))
    assert read("codex", lines(*rows, another, *more)).tokens == 1010 + 3000
    assert read("codex", lines(*rows, CODEX[0], *more)).tokens == 3000  # it goes on
    alone = totals(2900, 0, 100)
    alone["payload"]["info"]["last_token_usage"] = alone["payload"]["info"]["total_token_usage"]
    assert read("codex", lines(*rows, more[0], alone, alone)).tokens == 1010 + 3000


KEY = "sk-ant-api03-4Zk9QmT2vX8bLw7RnYc5HdJfGs3PuAe6"


@pytest.mark.parametrize("length", range(262, 305, 7))
def test_no_half_of_a_secret_comes_through_where_a_command_is_cut(length: int):
    redact.learn({"TRANSCRIPT_TEST_TOKEN": KEY})
    begin = "ls" + " /a/folder/of/its/own/x" * 20
    script = f"{begin[:length]} {KEY} more"
    uses = asked(1, ("Bash", {"command": script}), ("Bash", {"command": f"{begin[:length]}\n{KEY[:9]}"}))  # fmt: skip
    rows = [{**one, "cwd": "/a/folder/of/its/own"} for one in uses]
    found = read("claude", lines(*rows))
    assert KEY[:4] not in next(iter(found.steps.values())).target
    told = item("function_call", call_id="a", name="shell", arguments=json.dumps({"command": ["bash", "-lc", script]}))  # fmt: skip
    [found_too] = read("codex", lines({**CODEX[0], "payload": {"id": "c", "cwd": "/a/folder/of/its/own"}}, told)).steps.values()  # fmt: skip
    assert KEY[:4] not in found_too.target


@pytest.mark.parametrize("length", range(270, 305, 5))
def test_no_half_of_a_secret_of_several_words_comes_through(length: int):
    redact.learn({"TRANSCRIPT_TEST_PASSPHRASE": "crimson walrus nineteen teapot"})
    script = f"{'x' * length} crimson walrus nineteen teapot"
    [found] = read("claude", lines(*asked(1, ("Bash", {"command": script})))).steps.values()
    assert "crimson" not in found.target


def test_no_half_of_a_secret_comes_through_where_an_inner_shell_has_a_here_document():
    redact.learn({"TRANSCRIPT_TEST_LONG_TOKEN": "crimson walrus <<nineteen\nteapot"})
    script = "x 'crimson walrus <<nineteen\nteapot' && sh -c 'cat > .env <<E\nCONTENT\nE' && ls"
    [found] = read("claude", lines(*asked(1, ("Bash", {"command": script})))).steps.values()
    assert "crimson" not in found.target
    assert found.target.endswith("sh -c 'cat > .env ' && ls")


def test_a_long_text_is_cut_between_words():
    assert spoken.cut("one two", 7) == "one two"
    assert spoken.cut("one two three", 7) == "one two"
    assert spoken.cut("one two three", 8) == "one two"
    assert spoken.cut("one", 2) == "on"


def test_what_is_known_of_a_long_session_is_small():
    """Of ten thousand answers their sums."""
    text = lines(*(one for number in range(10_000) for one in asked(number)))
    tracemalloc.start()
    try:
        found = read("claude", text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.tokens == 1_000_000
    assert most < 3_000_000


def test_an_answer_whose_lines_stand_apart_counts_once():
    rows = [
        asked(0, ("Bash", {"command": "ls"}), ("Bash", {"command": "pwd"})),
        *(asked(n) for n in range(1, 150)),
    ]
    apart = [*rows[0][:2], *(one for row in rows[1:] for one in row), rows[0][2]]
    found = read("claude", lines(*apart))
    assert (found.tokens, len(found.steps)) == (15_000, 2)
    assert found.weights == [50 / 15_000] * 2


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([lines(one).strip() for one in (*CLAUDE, *CODEX)])))  # fmt: skip
def test_any_lines_are_read_without_failing(rows: Sequence[bytes]):
    for client in READERS:
        found = read(client, b"\n".join(rows))
        assert sum(found.weights) <= 1.0001
        assert len(found.weights) == len(found.steps)


def of(events: Sequence[Mapping[str, Any]], session: str, **more: str) -> list[Mapping[str, Any]]:
    """Another session that did the same: nothing of it has the name of anything there."""
    text = (
        json.dumps(list(events))
        .replace("msg_", f"msg_{session}_")
        .replace("toolu_", f"toolu_{session}_")
    )
    return [{**one, **more, "sessionId": session} for one in json.loads(text)]


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
    mine = of(CLAUDE, "mine", cwd=str(project.root / "sub"))
    called = "".join(c if c.isalnum() else "-" for c in str(project.root))
    keep(project, "s1", lines(*mine), f"home/.claude/projects/{called}")
    keep(project, "s2", lines(*of(CLAUDE, "other")), f"home/.claude/projects/{called}-of-another")
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
    (folder / "s2.jsonl").write_bytes(lines(*of(CLAUDE, "s2")))
    begins = {"type": "mode", "timestamp": AT.format(6), "sessionId": "s3"}
    forked = [
        {**one, "sessionId": "s3"} for one in (begins, *CLAUDE)
    ]  # by a person, from the engine's
    (folder / "s3.jsonl").write_bytes(lines(*forked))
    told = imported.count(root, imported.find(root, folder, None), load(root))
    assert (told.recorded, told.sessions) == (1, 1)
    sync.count(root)
    with store.reading(root) as book:
        assert book is not None
        assert book.find("test:pytest:all").occurrences == 2


# --- whose they are ---------------------------------------------------------------------------------


def taken(root: Path, folder: Path | None, codex: Path | None = None) -> imported.Counted:
    told = imported.count(root, imported.find(root, folder, codex), load(root))
    sync.count(root)
    return told


def workflows(root: Path, signature: str = "test:pytest:all") -> dict[str, tuple[int, int | None]]:
    with store.reading(root) as book:
        assert book is not None
        if signature not in {one.signature for one in book.patterns()}:
            return {}
        found = book.occurrences(book.find(signature).id)
    return {one.workflow: (one.times, one.tokens) for one in found}


def test_a_pipe_among_them_is_waited_for_by_nobody(project: Project):
    folder = keep(project, "s1", lines(*CLAUDE)).parent
    os.mkfifo(folder / "a.jsonl")
    (folder / "b.jsonl").mkdir()
    (folder / "c.jsonl").symlink_to(folder / "gone")
    told = project.json("patterns", "backfill", "--claude", str(folder))["transcripts"]
    assert (told["sessions"], told["broken"]) == (1, 0)


def test_what_sub_agents_did_is_of_their_session(project: Project):
    """They have files of their own, below one that has the session's name."""
    mine = of(CLAUDE, "s1", cwd=str(project.root))
    agents = [{**one, "isSidechain": True, "agentId": "ab1"} for one in of(CLAUDE, "agent", cwd=str(project.root))]  # fmt: skip
    agents = [{**one, "sessionId": "s1"} for one in agents]
    called = "".join(c if c.isalnum() else "-" for c in str(project.root))
    own = f"home/.claude/projects/{called}"
    keep(project, "s1", lines(*mine), own)
    path = keep(project, "agent-ab1", lines(*agents), f"{own}/s1/subagents")
    assert project.json("patterns", "backfill")["transcripts"]["sessions"] == 1
    assert workflows(project.root) == {"claude s1": (4, 650)}
    path.write_bytes(path.read_bytes() + lines(*of(asked(4, ("Bash", {"command": "pytest -q"})), "s1")))  # fmt: skip
    project.json("patterns", "backfill", "--claude", str(project.root.parent / own))
    assert workflows(project.root) == {"claude s1": (5, 750)}


@pytest.mark.parametrize("at_once", [True, False])
def test_what_a_client_copied_is_of_the_session_in_which_it_was_done(tmp_path: Path, at_once: bool):
    """As Claude Code 2.1.329 does with --fork-session: new names of the session, all else as it was, behind a line of its own time."""
    root, folder = tmp_path / "project", tmp_path / "transcripts"
    (root / ".orchestrator").mkdir(parents=True)
    folder.mkdir()
    (folder / "z.jsonl").write_bytes(lines(*CLAUDE))
    if not at_once:
        taken(root, folder)
    begins = {"type": "queue-operation", "timestamp": AT.format(6), "sessionId": "s2"}
    more = asked(7, ("Bash", {"command": "pytest -q"}))
    copied = [{**one, "sessionId": "s2"} for one in (*CLAUDE, *more)]
    (folder / "b.jsonl").write_bytes(lines(begins, *copied))
    for _ in range(2):
        taken(root, folder)
        assert workflows(root) == {"claude s1": (2, 325), "claude s2": (1, 100)}
        with (folder / "z.jsonl").open("ab") as file:
            file.write(b"\n")  # it is read again


@pytest.mark.parametrize("at_once", [True, False])
def test_what_a_client_copied_into_a_second_session_counts_once(tmp_path: Path, at_once: bool):
    root, folder = tmp_path / "project", tmp_path / "transcripts"
    (root / ".orchestrator").mkdir(parents=True)
    folder.mkdir()
    (folder / "z.jsonl").write_bytes(lines(*CLAUDE))
    if not at_once:
        taken(root, folder)
    copied = [{**one, "sessionId": "s2"} for one in CLAUDE]
    more = [{**one, "sessionId": "s2"} for one in asked(7, ("Bash", {"command": "pytest -q"}))]
    (folder / "b.jsonl").write_bytes(lines(*copied, *more))
    for _ in range(3):
        taken(root, folder)
        found = workflows(root)
        assert sum(times for times, _ in found.values()) == 3
        assert sum(tokens or 0 for _, tokens in found.values()) == 300 + 25 + 100 + 0
        with (folder / "z.jsonl").open("ab") as file:
            file.write(b"\n")  # it is read again


def test_a_copy_under_its_own_name_counts_once(tmp_path: Path):
    root, folder, codex = tmp_path / "project", tmp_path / "transcripts", tmp_path / "codex"
    (root / ".orchestrator").mkdir(parents=True)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "s1.jsonl").write_bytes(lines(*CLAUDE))
        (codex / name).mkdir(parents=True)
        (codex / name / "c1.jsonl").write_bytes(lines(*CODEX))
    assert taken(root, folder, codex).sessions == 2
    assert workflows(root) == {"claude s1": (2, 350 - 25), "codex c1": (1, 1050)}


def test_two_sessions_in_files_of_one_name_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = tmp_path / "project"
    (root / ".orchestrator").mkdir(parents=True)
    for name in ("a", "b"):
        folder = tmp_path / name / "t"
        folder.mkdir(parents=True)
        (folder / "s.jsonl").write_bytes(lines(*of(CLAUDE, f"of-{name}")))
        monkeypatch.chdir(folder.parent)
        assert taken(root, Path("t")).sessions == 1
        assert taken(root, folder).sessions == 0
    assert set(workflows(root)) == {"claude of-a", "claude of-b"}


async def test_what_was_counted_while_an_engine_was_at_work_is_taken_back(tmp_path: Path):
    root, folder = tmp_path / "project", tmp_path / "transcripts"
    (root / ".orchestrator").mkdir(parents=True)
    folder.mkdir()
    more = asked(5, ("Bash", {"command": "npm test"}), ("Read", {"file_path": "/p/b.py"}))
    (folder / "s1.jsonl").write_bytes(lines(*CLAUDE, *more))
    (folder / "s2.jsonl").write_bytes(lines(*of(CLAUDE, "s2")))
    taken(root, folder)
    assert set(workflows(root)) == {"claude s1", "claude s2"}
    await play(root, "Task 1: Write the parser", agent=InSession("pytest -q"))
    sync.sync(root, 70.0)
    taken(root, folder)
    assert "claude s1" not in workflows(root)
    with store.reading(root) as book:
        assert book is not None
        assert book.find("test:pytest:all").occurrences == 2
        assert "test:npm" not in {one.signature for one in book.patterns()}
        assert book.file_accesses(["claude s1"]) == []


def test_sessions_of_a_folder_with_an_emoji_or_a_long_name_are_found(tmp_path: Path):
    """As Claude Code calls them: each half of an emoji is a dash, and a long name is cut and something added."""
    assert imported.called(Path("/p/\U0001f680 ä")) == "-p-----"
    long = tmp_path / "\U0001f680" / ("x" * 120) / ("y" * 120)
    long.mkdir(parents=True)
    project = Project(long)
    called = imported.called(project.root)
    assert len(called) == 200
    mine = of(CLAUDE, "s1", cwd=str(project.root))
    path = Path(project.environment["HOME"]) / ".claude" / "projects" / f"{called}-1a2b3c" / "s1.jsonl"  # fmt: skip
    path.parent.mkdir(parents=True)
    path.write_bytes(lines(*mine))
    assert project.json("patterns", "backfill")["transcripts"]["sessions"] == 1


# --- what it says -----------------------------------------------------------------------------------


def test_the_bar_moves_within_one_long_file(tmp_path: Path):
    root, folder = tmp_path / "project", tmp_path / "transcripts"
    (root / ".orchestrator").mkdir(parents=True)
    folder.mkdir()
    text = json.dumps({"type": "user", "message": {"content": "x" * 100_000}}).encode() + b"\n"
    (folder / "s1.jsonl").write_bytes(text * 50 + lines(*CLAUDE))
    (folder / "s2.jsonl").write_bytes(lines(*of(CLAUDE, "s2")))
    files, said = imported.find(root, folder, None), list[int]()
    imported.count(root, files, load(root), said.append)
    assert len(said) >= 5
    assert said == sorted(said)
    assert said[-1] == imported.size(files) == sum(one.stat().st_size for one in folder.iterdir())


def test_a_session_with_a_model_that_has_no_price_has_no_cost(tmp_path: Path):
    root, folder = tmp_path / "project", tmp_path / "transcripts"
    (root / ".orchestrator").mkdir(parents=True)
    folder.mkdir()
    more = asked(5, ("Bash", {"command": "npm test"}), model="nobody-knows-1")
    (folder / "s1.jsonl").write_bytes(lines(*CLAUDE, *more))
    (folder / "s2.jsonl").write_bytes(lines(*of(CLAUDE, "s2")))
    taken(root, folder)
    with store.reading(root) as book:
        assert book is not None
        found = {one.workflow: one for one in book.occurrences(book.find("test:pytest:all").id)}
    assert (found["claude s1"].tokens, found["claude s1"].cost_usd) == (325, None)
    assert found["claude s2"].cost_usd


USED = st.builds(
    Usage, input_tokens=st.integers(0, 300_000), output_tokens=st.integers(0, 9_000),
    cache_read_tokens=st.none() | st.integers(0, 300_000), cache_write_tokens=st.none() | st.integers(0, 300_000),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(USED, st.sampled_from(["claude-sonnet-4-5", "claude-haiku-4-5", "mine"])), max_size=30))  # fmt: skip
def test_the_cost_of_sums_is_that_of_each_answer(used: Sequence[tuple[Usage, str]]):
    """Also where a large request is priced otherwise than two small ones."""
    own = {"mine": Price(input=3, output=7)}
    bill = imported.Bill("anthropic", own)
    for usage, model in used:
        bill.add(usage, model)
    each = [prices.price(one, provider="anthropic", model=model, own=own).cost_usd or 0.0 for one, model in used]  # fmt: skip
    assert bill.cost_usd() == pytest.approx(sum(each))


def test_what_is_unknown_of_one_answer_is_unknown_of_all():
    bill = imported.Bill("anthropic", {})
    bill.add(Usage(input_tokens=1, output_tokens=1), "claude-sonnet-4-5")
    assert bill.cost_usd() == pytest.approx(0.000018)
    bill.add(Usage(input_tokens=1), "claude-sonnet-4-5")
    assert bill.cost_usd() is None


def test_earlier_sessions_stay_counted_however_old_they_are(tmp_path: Path):
    root, folder = tmp_path / "project", tmp_path / "transcripts"
    (root / ".orchestrator").mkdir(parents=True)
    folder.mkdir()
    for number in range(5):
        text = lines(*of(CLAUDE, f"s{number}")).replace(b"2026-11-28", b"2025-05-0%d" % (number + 1))  # fmt: skip
        (folder / f"s{number}.jsonl").write_bytes(text)
    taken(root, folder)
    for _ in range(2):
        analysis.analyze(root, load(root))
        assert taken(root, folder).sessions == 0
        assert len(workflows(root)) == 5
    (folder / "new.jsonl").write_bytes(lines(*of(CLAUDE, "new")))
    taken(root, folder)
    analysis.analyze(root, load(root))
    assert seen_at(root) == 6


def seen_at(root: Path) -> int:
    with store.reading(root) as book:
        assert book is not None
        return book.find("test:pytest:all").occurrences


def test_backfill_says_what_comes_next(project: Project):
    path = keep(project, "s1", lines(*CLAUDE))
    assert "next: orchestrator patterns analyze" in project.told("patterns", "backfill", "--claude", str(path.parent))  # fmt: skip
