"""The spool of the hooks, whatever stands in its place, whoever holds it, and whatever is in it. Real files, pipes, locks and processes."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator import hook
from orchestrator.journal import HOME
from orchestrator.outloop import hooked, spool
from tests.cli.projects import Project, makes
from tests.daemon.test_folder import somebody_else
from tests.outloop import hooks
from tests.outloop.test_hooked import FLOOR, events, files, session, tell

COUNT = "import sys; from pathlib import Path; from orchestrator.outloop import hooked; hooked.sync(Path(sys.argv[1]), 70.0)"
# A hook that was halted after it had seen that the spool is still there.
HALTED = """
import fcntl, os, sys
spool = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
fcntl.flock(spool, fcntl.LOCK_SH)
print("holds it", flush=True)
sys.stdin.readline()
os.write(spool, b"\\n" + sys.argv[2].encode() + b"\\n")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / HOME).mkdir()
    return tmp_path


def count(root: Path) -> None:
    """In a process of its own: what hangs is ended."""
    subprocess.run([sys.executable, "-c", COUNT, str(root)], check=True, timeout=20)


def sessions(root: Path) -> set[str]:
    return {name for name in "abcdefg" if events(root, f"claude {name}")}


def line(name: str) -> bytes:
    return hook.line(session(name, "pytest")[0], {})


# --- what stands in its place -----------------------------------------------------------------------


def put_pipe(path: Path) -> None:
    os.mkfifo(path)


def put_link(path: Path) -> None:
    outside = path.parents[1] / "outside.jsonl"
    outside.write_bytes(line("g") + b"\n")
    path.symlink_to(outside)


def put_link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.parents[1] / "pipe")
    path.symlink_to(path.parents[1] / "pipe")


def put_folder(path: Path) -> None:
    path.mkdir()
    (path / "some").write_text("text")


def put_socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as one:
        one.bind(str(path))


ODD = (put_pipe, put_link, put_link_to_a_pipe, put_folder, put_socket)


@pytest.mark.parametrize("name", [hook.SPOOL, "hooks-7.jsonl"])
@pytest.mark.parametrize("put", ODD)
def test_what_is_no_file_is_put_aside_and_counting_goes_on(
    root: Path, put: Callable[[Path], None], name: str
):
    put(root / HOME / name)
    if name != hook.SPOOL:
        tell(root, *session("a", "pytest"))
    count(root)
    (aside,) = (root / HOME).glob("*.aside")
    assert not stat.S_ISREG(aside.lstat().st_mode)
    tell(root, *session("b", "pytest"))
    count(root)
    assert sessions(root) == ({"b"} if name == hook.SPOOL else {"a", "b"})
    assert files(root) == {aside.name}
    (told,) = spool.notes(root)
    assert told == (
        f"{HOME}/{aside.name} stood where hooks write and is no file of theirs: nothing of it was read. "
        f"Next: look at it, then remove it"
    )


def test_a_second_odd_thing_is_put_beside_the_first(root: Path):
    for put in (put_folder, put_pipe, put_folder):
        put(hooks.spool(root))
        count(root)
    assert len(list((root / HOME).glob("*.aside"))) == 3


@pytest.mark.parametrize(
    ("put", "name"),
    [(put_pipe, hook.SPOOL), (put_pipe, "hooks-7.jsonl"), (put_link_to_a_pipe, hook.SPOOL)],
)
def test_a_run_ends_with_a_pipe_in_place_of_the_spool(
    tmp_path: Path, put: Callable[[Path], None], name: str
):
    project = Project(tmp_path)
    plan = project.write(makes("Task 1: make", "a.txt"))
    put(project.root / HOME / name)
    done = project.call("run", plan.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not counted" not in done.stderr
    assert (project.root / "a.txt").exists()
    assert "is no file of theirs" in project.told("patterns", "analyze")


# --- its numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["999999999999", "999999999999999999", "20000"])
def test_a_number_that_nobody_gave_ends_nothing(root: Path, number: str):
    (root / HOME / f"hooks-{number}.jsonl").write_bytes(line("a") + b"\n")
    for name in "bcd":
        tell(root, *session(name, "pytest"))
        count(root)
        assert files(root) == set()
    assert sessions(root) == set("abcd")


# --- who holds it -----------------------------------------------------------------------------------


def test_the_line_of_a_hook_that_was_halted_is_counted_when_it_is_written(root: Path):
    tell(root, *session("a", "pytest"))
    words = [sys.executable, "-c", HALTED, str(hooks.spool(root)), line("b").decode()]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as halted:
        assert halted.stdout is not None
        halted.stdout.readline()
        for name in "cd":
            count(root)
            tell(root, *session(name, "pytest"))
        count(root)
        assert sessions(root) == set("cd")  # the others of these are not held up
        halted.communicate(b"\n", timeout=20)
    count(root)
    assert sessions(root) == set("abcd")
    assert files(root) == set()


def test_a_run_ends_while_somebody_holds_the_spool(tmp_path: Path):
    project = Project(tmp_path)
    plan = project.write(makes("Task 1: make", "a.txt"))
    tell(project.root, *session("a", "pytest"))
    words = [sys.executable, "-c", HALTED, str(hooks.spool(project.root)), line("b").decode()]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as halted:
        assert halted.stdout is not None
        halted.stdout.readline()
        assert project.call("run", plan.name).returncode == 0
        assert sessions(project.root) == set()
        halted.communicate(b"\n", timeout=20)
    project.told("patterns", "analyze")
    assert sessions(project.root) == set("ab")


# --- what cannot be read ----------------------------------------------------------------------------


@pytest.fixture
def open_root() -> Iterator[Path]:
    """Where also nobody may write."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / HOME).mkdir()
        for path in (root, root / HOME):
            path.chmod(0o777)
        yield root


def test_what_somebody_else_wrote_waits_until_it_may_be_read_and_is_named(open_root: Path):
    root = open_root
    tell(root, *session("a", "pytest"))
    hooks.spool(root).chmod(0)  # one `sudo claude`
    with somebody_else():
        for name in "bcd":
            spool.take(root)
            tell(root, *session(name, "pytest"))
            hooked.sync(root, FLOOR)
            (told,) = spool.notes(root)
            (kept,) = files(root)
            assert f"{HOME}/{kept} cannot be read (Permission denied)" in told
            assert f'sudo chown "$USER" {HOME}/hooks*.jsonl' in told
        assert spool.waiting(root) == 0
        assert sessions(root) == set("bcd"), "the others are not held up"
    (root / HOME / kept).chmod(0o644)
    with somebody_else():
        assert spool.waiting(root) == 2
        hooked.sync(root, FLOOR)
        assert sessions(root) == set("abcd")
        assert (files(root), list(spool.notes(root))) == (set(), [])


# --- what is in it ----------------------------------------------------------------------------------

WRONG = (
    b'"id":["x"]', b'"id":{"a":1}', b'"id":7', b'"tool":["Bash"]', b'"target":null', b'"target":{}', b'"ok":"yes"',
    b'"ok":1', b'"size":1e999', b'"size":-1e999', b'"size":NaN', b'"size":"7"', b'"size":true', b'"size":-1',
    b'"size":1' + b"0" * 40, b'"words":[]', b'"words":1.5', b'"at":true', b'"at":"1"', b'"at":NaN', b'"at":null',
    b'"session":["s"]', b'"session":null', b'"event":["PreToolUse"]', b'"target":"' + b"x" * 400 + b'"',
    b'"session":"' + b"x" * 400 + b'"',
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_line_with_what_no_hook_writes_is_passed_over(root: Path, wrong: bytes):
    good = b'{"event":"PostToolUse","session":"g","at":1795893845,"id":"x","tool":"Bash","target":"pytest","ok":true,"size":null'
    hooks.spool(root).write_bytes(good + b"," + wrong + b"}\n")
    for name in "ab":
        tell(root, *session(name, "pytest"))
        assert hooked.sync(root, FLOOR) == 1
    with closing(sqlite3.connect(root / HOME / "journal.db")) as db:
        assert db.execute("SELECT count(DISTINCT session) FROM hook_events").fetchone() == (2,)
    assert files(root) == set()


def test_what_was_taken_by_an_earlier_version_ends_nothing(root: Path):
    tell(root, *session("a", "pytest"))
    hooked.sync(root, FLOOR)
    with closing(sqlite3.connect(root / HOME / "journal.db")) as db:
        row = ("PreToolUse", "claude a", "2026-11-28T00:00:00.000Z", '{"id":["x"],"tool":"Bash","target":"pytest"}')  # fmt: skip
        db.execute("INSERT INTO hook_events (event_type, session, at, payload) VALUES (?, ?, ?, ?)", row)  # fmt: skip
        db.commit()
    tell(root, *session("b", "pytest"))
    assert hooked.sync(root, FLOOR) == 1
