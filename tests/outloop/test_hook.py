"""The hook: one line for an event, free of contents and secrets; exit 0 and silence, whatever is wrong. Real processes, real files."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import hook
from tests.outloop import hooks
from tests.outloop.hooks import after, before, failed, lines, run, spool, told

CANARY = 'tok/"0123456789abcdef+Zz'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "p" / hook.HOME).mkdir(parents=True)
    return tmp_path / "p"


def silent(done: subprocess.CompletedProcess[bytes]) -> bool:
    return (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_of_each_event_one_line_is_kept_that_only_the_owner_reads(root: Path):
    (root / "a.txt").write_text("hello")
    events = [
        told("UserPromptSubmit", prompt="Please run the tests"),
        before("t1", "Bash", command="pytest -q"),
        after("t1", "Bash", command="pytest -q"),
        failed("t2", "Bash", command="make"),
        after("t3", "Read", file_path=str(root / "a.txt")),
    ]
    assert all(silent(run(root, one)) for one in events)
    found = lines(root)
    assert {abs(one.pop("at") - time.time()) < 60 for one in found} == {True}
    same = {"session": "f5210b69"}
    assert found == [
        {"event": "UserPromptSubmit", **same, "words": 4},
        {"event": "PreToolUse", **same, "id": "t1", "tool": "Bash", "target": "pytest -q"},
        {"event": "PostToolUse", **same, "id": "t1", "tool": "Bash", "target": "pytest -q", "ok": True, "size": None},
        {"event": "PostToolUse", **same, "id": "t2", "tool": "Bash", "target": "make", "ok": False, "size": None},
        {"event": "PostToolUse", **same, "id": "t3", "tool": "Read", "target": str(root / "a.txt"), "ok": True, "size": 5},
    ]  # fmt: skip
    assert stat.S_IMODE(spool(root).stat().st_mode) == 0o600


def test_no_content_no_output_and_no_word_of_a_prompt_is_in_the_spool(root: Path):
    script = "cat > a.py <<'EOF'\nCONTENT\nEOF\npython a.py"
    for event in (
        told("UserPromptSubmit", prompt="PROMPT and more"),
        after("t1", "Write", file_path="/p/a", content="CONTENT"),
        before("t2", "Edit", file_path="/p/a", old_string="CONTENT", new_string="CONTENT"),
        after("t3", "Bash", command=script, description="PROMPT"),
        failed("t4", "Bash", command="cat <<E\nCONTENT"),
    ):
        run(root, event)
    text = spool(root).read_text()
    assert not [word for word in ("CONTENT", "OUTPUT", "PROMPT") if word in text]
    assert [one.get("target") for one in lines(root)][3] == "cat > a.py <<'EOF'\nEOF\npython a.py"


@pytest.mark.parametrize(
    "form", [CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode()]
)
def test_a_secret_of_the_environment_does_not_reach_the_spool(root: Path, form: str):
    command = f"{'x' * (hook.LONGEST - 10)} {form}"  # it would be cut in two
    for event in (
        after("t", "Bash", command=f"curl -H {form}"),
        before("t", "Bash", command=command),
    ):
        assert silent(run(root, event, {"MY_API_KEY": CANARY}))
    text = spool(root).read_text()
    assert len(lines(root)) == 2
    assert "redacted: MY_API_KEY" in text
    assert not [form[n : n + 8] for n in range(len(form) - 8) if form[n : n + 8] in text]


def test_what_looks_like_a_key_is_hidden_whoever_has_it(root: Path):
    run(root, after("t", "Bash", command="login ghp_R4nd0mR4nd0mR4nd0mR4nd0mR4nd0mR4nd0m"))
    assert "R4nd0m" not in spool(root).read_text()


def test_the_project_is_the_one_that_the_client_names_else_the_one_around(root: Path):
    (root / "deep" / "er").mkdir(parents=True)
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    run(root / "deep" / "er", after("t", "Bash", command="a"))
    run(elsewhere, after("t", "Bash", command="b"), {"CLAUDE_PROJECT_DIR": str(root / "deep")})
    assert [one["target"] for one in lines(root)] == ["a", "b"]
    assert silent(run(elsewhere, after("t", "Bash", command="c")))
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "project", "person", "kept"),
    [
        ({}, "", "", 1),
        ({}, "[patterns]\n# detect = false\ndetect = true\n", "", 1),
        ({}, "[patterns]\ndetect = false  # no\n", "", 0),
        ({}, "patterns = {detect=false}\n", "", 0),
        ({}, "", "patterns.detect = false\n", 0),
        ({}, "[patterns]\ndetect = true\n", "[patterns]\ndetect = false\n", 1),
        ({hook.DETECT: "false"}, "[patterns]\ndetect = true\n", "", 0),
        ({hook.DETECT: "true"}, "[patterns]\ndetect = false\n", "", 1),
        ({hook.OF_ENGINE: "1"}, "", "", 0),  # the engine keeps the steps of its own workers
    ],
)
def test_nothing_is_kept_where_nothing_is_to_be_counted(
    root: Path, environment: dict[str, str], project: str, person: str, kept: int
):
    (root / hook.HOME / "config.toml").write_text(project)
    (root.parent / "orchestrator").mkdir()
    (root.parent / "orchestrator" / "config.toml").write_text(person)
    environment = {"XDG_CONFIG_HOME": str(root.parent), **environment}
    assert silent(run(root, after("t", "Bash", command="a"), environment))
    assert len(lines(root)) == kept


@pytest.mark.parametrize(
    "text",
    [b"", b"nonsense", b"[1]", b"{}", b'{"hook_event_name": 1}', b"\xff" * 100, b"[" * 100_000,
     b'{"hook_event_name":"Stop","session_id":"s"}', b'{"hook_event_name":"PreToolUse","session_id":7}',
     b"9" * (hook.MOST_INPUT + 2)],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_event_is_passed_over_in_silence(root: Path, text: bytes):
    assert silent(run(root, text))
    assert lines(root) == []


def block_with_folder(path: Path) -> None:
    path.mkdir()


def block_with_pipe(path: Path) -> None:
    os.mkfifo(path)


def block_with_link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


def block_with_full_disk(path: Path) -> None:
    path.symlink_to("/dev/full")


def block_with_a_full_spool(path: Path) -> None:
    path.write_bytes(b"\n" * (hook.MOST_SPOOL + 1))


@pytest.mark.parametrize(
    "block",
    [block_with_folder, block_with_pipe, block_with_link, block_with_full_disk, block_with_a_full_spool],
)  # fmt: skip
def test_a_spool_that_takes_nothing_holds_up_nobody(root: Path, block: Any):
    block(spool(root))
    size = spool(root).lstat().st_size
    began = time.monotonic()
    assert silent(run(root, after("t", "Bash", command="a")))
    assert time.monotonic() - began < 10
    assert spool(root).lstat().st_size == size
    assert not (root / hook.HOME / "elsewhere").exists()


def test_a_stdin_that_nobody_closes_ends_it_soon(root: Path):
    began = time.monotonic()
    with subprocess.Popen(
        hooks.ALONE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=root,
    ) as held:
        assert held.stdin is not None
        assert held.stdout is not None
        held.stdin.write(b'{"hook_event_name":')
        held.stdin.flush()
        assert held.wait(timeout=20) == 0
        assert held.stdout.read() == b""
    assert time.monotonic() - began < 10
    assert lines(root) == []


def test_without_stdin_and_stdout_it_ends_well(root: Path):
    script = f"{' '.join(hooks.ALONE)} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", script], cwd=root).returncode == 0


def test_alone_without_the_program_around_it_keeps_nothing_and_ends_well(root: Path):
    """An install of which only a part is left: nothing could be cleaned of secrets."""
    copy = root / "hook.py"
    shutil.copy(hook.__file__, copy)
    command = (sys.executable, "-I", "-S", str(copy))
    assert silent(run(root, after("t", "Bash", command="a"), command=command))
    assert lines(root) == []


def test_the_command_of_the_program_does_the_same(root: Path):
    command = (sys.executable, "-m", "orchestrator", "hook")
    assert silent(run(root, after("t", "Bash", command="a"), command=command))
    assert [one["target"] for one in lines(root)] == ["a"]


def test_it_imports_nothing_that_takes_long(root: Path):
    command = (sys.executable, "-X", "importtime", "-I", "-S", hook.__file__)
    done = run(root, after("t", "Bash", command="a"), command=command)
    names = {row.rpartition("|")[2].strip() for row in done.stderr.decode().splitlines()}
    assert "json" in names
    assert not names & {"typer", "pydantic", "rich", "sqlite3", "site", "anyio", "dataclasses"}


def test_many_at_once_lose_no_line_and_break_none(root: Path):
    running = [
        subprocess.Popen(hooks.ALONE, stdin=subprocess.PIPE, cwd=root, env={"HOME": "/nowhere"})
        for _ in range(12)
    ]
    for number, one in enumerate(running):
        event = f'{{"hook_event_name":"PreToolUse","session_id":"s","tool_input":{{"command":"c{number}"}}}}'
        assert one.stdin is not None
        one.stdin.write(event.encode())
        one.stdin.close()
    assert [one.wait(timeout=60) for one in running] == [0] * 12
    assert sorted(one["target"] for one in lines(root)) == sorted(f"c{n}" for n in range(12))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9).map(lambda some: some * 60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = ("tool_name", "tool_use_id", "tool_input", "prompt", "session_id", "cwd")


@settings(deadline=None)
@given(st.sampled_from([*hook.KINDS, "Stop"]), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_any_event_is_one_bounded_line_or_none(event: str, more: dict[str, Any]):
    found = hook.line({"session_id": "s", **more, "hook_event_name": event}, {})
    assert len(found) <= hook.MOST_LINE
    assert b"\n" not in found
    assert bool(found) or event == "Stop" or not isinstance(more.get("session_id", ""), str)


@given(st.text(alphabet="<-'\"E \n\tx", max_size=80))
def test_a_here_document_loses_its_text_and_nothing_else(text: str):
    found = hook.without_texts(text)
    assert hook.without_texts(found) == found or "<<" in found
    if "<<" not in text:
        assert found == text


def test_a_here_document_that_never_ends_has_only_its_first_line():
    assert hook.without_texts("cat <<E\nCONTENT\ncat <<F\nCONTENT") == "cat <<E\n"
    assert (
        hook.without_texts("cat <<-'E'\nCONTENT\n\tE\ncat <<F\nx\nF\nls")
        == "cat <<-'E'\n\tE\ncat <<F\nF\nls"
    )
