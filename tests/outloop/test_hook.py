"""The hook: one line for an event, free of contents and secrets; exit 0 and silence, whatever is wrong. Real processes, real files."""

from __future__ import annotations

import base64
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import hook
from orchestrator.journal import make_home
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
    assert spool(root).read_bytes().count(b"\n") == 5


def test_after_half_of_a_line_and_in_a_file_that_others_read_it_is_the_same(root: Path):
    spool(root).write_bytes(b'{"event":"PreToo')
    spool(root).chmod(0o644)
    for number in range(2):
        run(root, after(f"t{number}", "Bash", command="a"))
    rows = spool(root).read_bytes().split(b"\n")
    assert [row[:9] for row in rows] == [b'{"event":', b'{"event":', b'{"event":', b""]
    assert stat.S_IMODE(spool(root).stat().st_mode) == 0o600


def test_git_ignores_what_is_kept_also_in_a_clone(root: Path):
    ignored = root / hook.HOME / ".gitignore"
    (root / hook.HOME / "config.toml").write_text("")
    assert silent(run(root, b"nonsense"))
    assert not ignored.exists()
    assert silent(run(root, after("t", "Bash", command="a")))
    assert ignored.read_text() == (make_home(root.parent) / ".gitignore").read_text()
    ignored.write_text("mine\n")
    assert silent(run(root, after("t", "Bash", command="a")))
    assert ignored.read_text() == "mine\n"
    assert len(lines(root)) == 2
    names = {one.name for one in (root / hook.HOME).iterdir()}
    assert names == {".gitignore", "config.toml", hook.SPOOL}


def test_a_link_in_place_of_our_folder_leads_nowhere(root: Path):
    (root / "elsewhere").mkdir()
    (root / hook.HOME).rmdir()
    (root / hook.HOME).symlink_to("elsewhere")
    assert silent(run(root, after("t", "Bash", command="a")))
    assert list((root / "elsewhere").iterdir()) == []


def test_no_content_no_output_and_no_word_of_a_prompt_is_in_the_spool(root: Path):
    script = "cat > a.py <<'EOF'\nCONTENT\nEOF\npython a.py"
    for event in (
        told("UserPromptSubmit", prompt="PROMPT and more"),
        after("t1", "Write", file_path="/p/a", content="CONTENT"),
        before("t2", "Edit", file_path="/p/a", old_string="CONTENT", new_string="CONTENT"),
        after("t3", "Bash", command=script, description="PROMPT"),
        failed("t4", "Bash", command="cat <<E\nCONTENT"),
        before("t5", "Bash", command="cat <<'END-OF' - <<$x\nCONTENT\nEND-OF\nCONTENT\n"),
        before("t6", "Bash", command="docker exec web sh -c 'cat > .env <<E\nCONTENT\nE' && ls"),
    ):
        run(root, event)
    text = spool(root).read_text()
    assert not [word for word in ("CONTENT", "OUTPUT", "PROMPT") if word in text]
    assert [one.get("target") for one in lines(root)][3] == "cat > a.py <<'EOF'\nEOF\npython a.py"
    assert lines(root)[-1]["target"] == "docker exec web sh -c 'cat > .env ' && ls"


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


def test_no_half_of_a_secret_is_left_where_a_long_script_loses_its_texts(root: Path):
    """It would be cut in two wherever a part of the script ends."""
    for most in (20_000, hook.LONGEST_SCRIPT):
        for shift in (4, 12, 20):
            begin, end = "cat >a <<'E'\n", "\nE\ncurl "
            text = "x" * (most - len(begin) - len(end) - shift)
            event = before("t", "Bash", command=begin + text + end + CANARY)
            run(root, event, {"MY_API_KEY": CANARY})
    assert len(lines(root)) == 6
    text = spool(root).read_text()
    assert "redacted: MY_API_KEY" in text
    assert not [CANARY[n : n + 4] for n in range(len(CANARY) - 4) if CANARY[n : n + 4] in text]


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
        ({}, "patterns = { detect = false, discover = false }\n", "", 0),
        ({}, '[patterns]\n"detect" = false\n', "", 0),
        ({}, "['patterns']\n'detect' = false\n", "", 0),
        ({}, '[patterns]\n"det\\u0065ct" = false\n', "", 0),
        ({}, "\ufeff[patterns]\r\ndetect = 'off'\r\n", "", 0),
        ({}, "[other]\ndetect = false\n[patterns]\ndetect = true\n", "", 1),
        ({}, 'a = """\n[patterns]\ndetect = false\n"""\n', "", 1),
        ({}, "[patterns\ndetect = false\n", "", 0),  # nobody knows what it says
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


def test_who_holds_the_spool_holds_up_nobody(root: Path):
    """The event is lost: it is worth less than the time of who waits."""
    spool(root).write_bytes(b"")
    with spool(root).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        times = list[float]()
        for _ in range(5):
            began = time.monotonic()
            hook.append(str(spool(root)), b"lost")
            times.append(time.monotonic() - began)
        assert min(times) < hook.PATIENCE_S / 2  # a busy machine does not hold up each of them
    hook.append(str(spool(root)), b"kept")
    assert spool(root).read_bytes() == b"kept\n"


def opened(path: Path) -> int:
    """How many descriptors of this process are of that file."""
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(one.readlink()) == str(path)
    return found


def test_a_spool_that_is_taken_while_it_is_held_is_not_waited_for(root: Path):
    """Who had it open already writes into the next one."""
    late = b""
    for _ in range(50):  # it may have given up before we take the file away
        spool(root).write_bytes(b"first\n")
        with spool(root).open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            writer = threading.Thread(target=hook.append, args=(str(spool(root)), b"late"))
            writer.start()
            while writer.is_alive() and opened(spool(root)) < 2:
                time.sleep(0)
            spool(root).rename(root / "taken")
            writer.join(timeout=20)
        assert (root / "taken").read_bytes() == b"first\n"
        if late := spool(root).read_bytes() if spool(root).exists() else b"":
            break
    assert late == b"late\n"


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


@pytest.mark.parametrize("words", [("--bogus",), ("more",), ("--", "-x")])
def test_words_that_it_does_not_know_are_passed_over_in_silence(root: Path, words: tuple[str, ...]):
    command = (sys.executable, "-m", "orchestrator", "hook", *words)
    assert silent(run(root, after("t", "Bash", command="a"), command=command))


def test_it_imports_nothing_that_takes_long(root: Path):
    command = (sys.executable, "-X", "importtime", "-I", "-S", hook.__file__)
    done = run(root, after("t", "Bash", command="a"), command=command)
    names = {row.rpartition("|")[2].strip() for row in done.stderr.decode().splitlines()}
    assert "json" in names
    assert not names & {"orchestrator.redact.heredocs", "tomllib"}  # here nothing needs them
    assert not names & {"typer", "pydantic", "rich", "sqlite3", "site", "anyio", "dataclasses"}


def test_many_at_once_lose_no_line_and_break_none(root: Path):
    """Twelve that start at once may take longer than the patience of one."""
    script = "from orchestrator import hook; hook.PATIENCE_S = 50.0; hook.main()"
    command, env = (sys.executable, "-c", script), {"HOME": "/nowhere"}
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, cwd=root, env=env) for _ in range(12)
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
