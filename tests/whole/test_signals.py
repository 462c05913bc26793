"""A signal at any moment: the run can go on, no process is left, and the person's checkout has all of it or nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.errors import UnknownRun
from orchestrator.model import EventKind
from tests.engine.runs import bash
from tests.whole.test_fork_bomb import marked
from tests.workspace.repos import LIMIT_S, PLAN, Person, git, in_tree, on_disk, plan_of

INT, TERM, HUP, QUIT = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT
WAYS = {"INT": (INT,), "INT twice": (INT, INT), "TERM": (TERM,), "HUP": (HUP,), "QUIT": (QUIT,)}
PHASES = (
    EventKind.ATTEMPT_STARTED,
    EventKind.CHECK_FINISHED,
    EventKind.VERIFIED,
    EventKind.LANDING,
    EventKind.RESULT_CHECKED,
    EventKind.SUMMARISING,
    EventKind.DELIVERING,
)
EVERY = [(way, phase) for way in WAYS for phase in PHASES]
FEW = [*EVERY[::8], ("HUP", EventKind.LANDING)]
# Of the first second, in which Python starts, the plan is read, the journal is made and the first task begins.
MOMENTS = [n / 10 for n in range(1, 13)] if os.environ.get("CI") else [0.5]

# Says that Python itself has begun: before that, Ctrl-C is an error of its own (exit 1) and nothing of ours.
BEGIN = "import os, runpy; os.write(1, b'.'); runpy.run_module('orchestrator', run_name='__main__', alter_sys=True)"
# Ctrl-C while a class of that module is made, and at the very end.
IN_A_CLASS = """import functools, os, signal
def name(self, owner, word):
    self.attrname = word
    owner.__module__ == "{}" and os.kill(os.getpid(), signal.SIGINT)
functools.cached_property.__set_name__ = name
"""
AT_THE_END = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]


def set_out(root: Path, out: Path) -> None:
    """Two tasks, one after the other; each says outside what it does. A child of theirs hears nothing."""
    out.mkdir()
    away = "(trap '' TERM INT HUP; setsid sleep 300 > /dev/null 2>&1 &)"
    plan_of(
        root,
        bash(
            "Task 1: a",
            f"{away}; echo 1 >> {out}/ran; sleep 0.2; echo hi > f1",
            "sleep 0.1; test -s f1",
            files="f1",
        ),
        bash(
            "Task 2: b",
            f"{away}; echo 2 >> {out}/ran; sleep 0.2; echo hi > f2",
            "sleep 0.1; test -s f2",
            files="f2",
            depends_on="1",
        ),
    )


@pytest.fixture
def free(person: Person) -> Person:
    """Whose tasks tell outside of the project what they did."""
    person.environment["ORCHESTRATOR_SANDBOX__MODE"] = "none"
    return person


# In a callback of its own Python throws a Ctrl-C away, and says so: a person has to press it again.
SWALLOWED = re.compile(r"Exception ignored in: .*\nTraceback .*\n(?:  .*\n)*KeyboardInterrupt: ?\n")


@contextmanager
def started(root: Path, person: Person, first: str = "") -> Iterator[subprocess.Popen[bytes]]:
    engine = subprocess.Popen(
        [sys.executable, "-c", f"{first}{BEGIN}", "run", PLAN],
        cwd=root,
        env=person.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,  # or what is read beyond the first byte would be lost to who reads the rest
    )
    try:
        assert engine.stdout is not None
        assert engine.stdout.read(1) == b"."
        yield engine
    finally:
        engine.kill()
        engine.communicate()


def kinds(root: Path) -> list[tuple[EventKind, str | None]]:
    try:
        with journal.reading(root) as book:
            return [(event.kind, event.task) for event in book.events(book.find(None).id)]
    except UnknownRun:
        return []


def until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not claim():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.01)


def is_settled(root: Path, before: object) -> bool:
    """The person's checkout has nothing of the run, or all of it."""
    is_whole = b"f2" in in_tree(root, "HEAD") or on_disk(root) == before
    return is_whole and git(root, "status", "--porcelain") == ""


def check_and_go_on(
    root: Path, person: Person, out: Path, before: object, code: int, told: str
) -> None:
    """`before` is what the person had: it is that, or all of it has been handed over."""
    seen = kinds(root)
    if seen:
        with journal.reading(root) as book:
            run = book.find(None).id
        until(lambda: marked(run) == [])  # those of an engine that was killed end a moment later
    until(lambda: is_settled(root, before))  # git comes to its end when its engine is killed
    done = [task for kind, task in seen if kind is EventKind.VERIFIED]
    ran = (out / "ran").read_text().split() if (out / "ran").exists() else []
    if code != 0:
        again = person.call(root, "resume") if seen else person.call(root, "run", PLAN)
        assert again.code == 0, f"{told}\n---\n{again}"
    assert {b"f1", b"f2"} <= set(in_tree(root, "HEAD"))
    after = (out / "ran").read_text().split()
    for number in ("1", "2"):
        if f"demo/{number}" in done:
            assert after.count(number) == ran.count(number), f"{number} was done twice"
    subjects = git(root, "log", "--format=%s").splitlines()
    assert sorted(one for one in subjects if one.startswith("feat")) == [
        "feat(demo): a",
        "feat(demo): b",
    ]


@pytest.mark.parametrize(("way", "phase"), EVERY if os.environ.get("CI") else FEW)
def test_a_signal_in_any_phase_leaves_a_run_that_can_go_on(
    way: str, phase: EventKind, root: Path, free: Person, tmp_path: Path
):
    set_out(root, tmp_path / "out")
    before = on_disk(root)
    with started(root, free) as engine:
        until(lambda: engine.poll() is not None or phase in {kind for kind, _ in kinds(root)})
        for number in WAYS[way]:
            engine.send_signal(number)
        said, _ = engine.communicate(timeout=LIMIT_S)
    told = said.decode("utf-8", "replace")
    late = WAYS[way] if EventKind.RUN_FINISHED in {kind for kind, _ in kinds(root)} else ()
    assert engine.returncode in (0, 130, -QUIT, *(-number for number in late)), told
    assert "Traceback" not in told
    check_and_go_on(root, free, tmp_path / "out", before, engine.returncode, told)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_a_signal_during_the_start_leaves_a_run_that_can_go_on(
    number: signal.Signals, moment: float, root: Path, free: Person, tmp_path: Path
):
    set_out(root, tmp_path / "out")
    before = on_disk(root)
    with started(root, free) as engine:
        due = time.monotonic() + moment
        while time.monotonic() < due:
            time.sleep(0.001)
        engine.send_signal(number)
        said, _ = engine.communicate(timeout=LIMIT_S)
    told = said.decode("utf-8", "replace")
    assert engine.returncode in (0, 130, -number), told
    assert "Traceback" not in SWALLOWED.sub("", told)
    check_and_go_on(root, free, tmp_path / "out", before, engine.returncode, told)


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (IN_A_CLASS.format("platform"), -INT),
        (IN_A_CLASS.format("networkx.classes.graph"), 130),
        (AT_THE_END, -INT),
    ],
    ids=["while it loads", "while the run loads", "at the end"],
)
def test_ctrl_c_while_python_loads_or_ends_is_no_bug_of_ours(
    first: str, code: int, root: Path, free: Person, tmp_path: Path
):
    set_out(root, tmp_path / "out")
    with started(root, free, first) as engine:
        said, _ = engine.communicate(timeout=LIMIT_S)
    assert (engine.returncode, b"Traceback" in said) == (code, False), said
