"""The real Claude Code with our hooks against the scripted model server: its events are stored, and it does and says what it does without them, also when they are broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator import hook
from orchestrator.model.outloop import HookEvent
from orchestrator.outloop import installing, store
from tests.agents import clients
from tests.agents.canary import Canary
from tests.agents.server import ModelServer
from tests.agents.steps import call, say, shell, write
from tests.cli.projects import Project, task
from tests.whole.disks import KB, disk

PROMPT = "UNHEARD words of a person"
SECRET = "hook-canary-0123456789abcdef"
ALLOWED = "Bash,Read,Write"
MODEL = ("--model", "claude-sonnet-5-5")
OF_THE_MOMENT = ("session_id", "uuid", "timestamp", "id", "tool_use_id", "messaging_socket_path")


@dataclass
class Talk:
    """What came of a person's talk with it."""

    code: int
    said: list[Any]
    errors: str
    asked: list[tuple[str, tuple[str, ...], int]]
    made: dict[str, str]


class Place:
    """A project in which a person talks to Claude Code."""

    def __init__(self, folder: Path, server: ModelServer, canary: Canary) -> None:
        folder.mkdir(exist_ok=True)
        self.project, self.server = Project(folder), server
        self.root = self.project.root
        (self.root / "a.txt").write_text("hello\n")
        (self.root / ".orchestrator" / "config.toml").write_text("")
        home = clients.prepare_home(Path(self.project.environment["HOME"]), server)
        self.environment = clients.environment(
            home, server, clients.bin_folder(folder), canary=canary
        )
        self.environment |= {"DEPLOY_TOKEN": SECRET}

    def talk(self) -> Talk:
        steps = [
            shell(f"cat a.txt; echo OUTPUT {SECRET}"),
            shell("exit 3"),
            call("Read", {"file_path": str(self.root / "a.txt")}),
            write(str(self.root / "b.txt"), "CONTENT\n"),
            say("done"),
        ]
        self.server.load("", steps)
        (self.root / "b.txt").unlink(missing_ok=True)
        before = len(self.server.requests)
        done = subprocess.run(
            ["claude", "-p", "--verbose", "--output-format", "stream-json", "--permission-mode", "acceptEdits",
             "--allowedTools", ALLOWED, *MODEL],
            input=PROMPT, text=True, capture_output=True, cwd=self.root, env=self.environment, timeout=100,
        )  # fmt: skip
        asked = [(one.prompt, one.tools, one.messages) for one in self.server.requests[before:]]
        said = [plain(json.loads(row), self.root) for row in done.stdout.splitlines()]
        made = {one.name: one.read_text() for one in self.root.glob("*.txt")}
        return Talk(done.returncode, said, done.stderr, asked, made)

    def stored(self) -> list[HookEvent]:
        with store.reading(self.root) as book:
            assert book is not None
            (session,) = {one.workflow for p in book.patterns() for one in book.occurrences(p.id)}
            return book.hook_events(session)


def plain(value: Any, root: Path) -> Any:
    """Without names and times of the single run."""
    if isinstance(value, dict):
        return {
            name: plain(one, root)
            for name, one in value.items()
            if name not in OF_THE_MOMENT and not name.endswith("_ms")
        }
    if isinstance(value, list):
        return [plain(one, root) for one in value]
    return value.replace(str(root), "ROOT") if isinstance(value, str) else value


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    clients.needs("claude")
    with ModelServer({}) as server, Canary() as canary:
        yield Place(tmp_path / "with", server, canary)
        assert canary.attempts == []


def without(place: Place) -> Talk:
    """The same talk in the same place before any hook is there."""
    assert not (place.root / installing.FILE).exists()
    return place.talk()


@pytest.mark.timeout(120)
def test_what_a_person_does_with_it_is_stored_and_changes_nothing_for_them(place: Place):
    before = without(place)
    assert before.code == 0
    place.project.told("init", "--hooks")
    spool = place.root / hook.HOME / hook.SPOOL
    assert place.talk() == before
    text = spool.read_text()
    assert not [one for one in (SECRET, 'OUTPUT"', "CONTENT", "UNHEARD", "hello") if one in text]
    assert "redacted: DEPLOY_TOKEN" in text
    assert spool.stat().st_mode & 0o777 == 0o600
    assert place.project.json("patterns", "analyze")["new"] >= 1
    stored = place.stored()
    told = [(one.kind.value, one.payload.get("tool"), one.payload.get("ok")) for one in stored]
    assert told == [
        ("UserPromptSubmit", None, None),
        ("PreToolUse", "Bash", None),
        ("PostToolUse", "Bash", True),
        ("PreToolUse", "Bash", None),
        ("PostToolUse", "Bash", False),
        ("PreToolUse", "Read", None),
        ("PostToolUse", "Read", True),
        ("PreToolUse", "Write", None),
        ("PostToolUse", "Write", True),
    ]
    assert stored[0].payload == {"words": 5}
    assert "read:cat:all:a.txt" in {
        one["signature"] for one in place.project.json("patterns")["patterns"]
    }
    place.project.told("init", "--no-hooks")
    assert not spool.exists()
    assert place.talk() == before
    assert not spool.exists()
    assert len(stored) == len(place.stored())


@pytest.mark.timeout(120)
def test_the_same_session_in_its_transcript_is_no_second_one(place: Place):
    place.project.told("init", "--hooks")
    place.talk()
    place.project.json("patterns", "analyze")
    told = place.project.json("patterns", "backfill")
    assert (told["new"], told["transcripts"]["sessions"], told["transcripts"]["broken"]) == (
        0,
        1,
        0,
    )
    pattern = next(one for one in told["top"] if one["signature"] == "read:cat")
    assert (pattern["occurrences"], pattern["measured"]) == (1, 1)
    assert pattern["mean_tokens"] == 1245  # 1200 read and 45 written for the one call, of five


def broken_interpreter(root: Path) -> None:
    installing.install(root, installing.command("/gone/python"))


def broken_script(root: Path) -> None:
    installing.install(root, installing.command(script="/gone/hook.py"))


def raising_script(root: Path) -> None:
    bad = root.parent / "raises.py"
    bad.write_text('import sys\nprint(\'{"decision":"block"}\')\nraise SystemExit(2)\n')
    installing.install(root, installing.command(script=str(bad)))


def a_pipe_for_the_spool(root: Path) -> None:
    installing.install(root)
    os.mkfifo(root / hook.HOME / hook.SPOOL)


def a_stdin_that_stays_open(root: Path) -> None:
    """Something between the client and us that never ends."""
    slow = root.parent / "slow.sh"
    slow.write_text(f'#!/bin/sh\nsleep 4 | {sys.executable} "$@"\n')
    slow.chmod(0o755)
    installing.install(root, installing.command(str(slow)))


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "break_it",
    [broken_interpreter, broken_script, raising_script, a_pipe_for_the_spool, a_stdin_that_stays_open],
)  # fmt: skip
def test_broken_hooks_change_nothing_for_who_talks_to_it(place: Place, break_it: Any):
    before = without(place)
    break_it(place.root)
    assert place.talk() == before


@pytest.mark.timeout(180)
def test_what_a_stdin_that_stays_open_costs_has_an_end(place: Place):
    """Of ours: the client would wait a minute for each of the nine events."""
    before, took = timed(place)
    stream, slow = place.root.parent / "stdin", place.root.parent / "slow.sh"
    os.mkfifo(stream)
    slow.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" <{stream}\n')
    slow.chmod(0o755)
    installing.install(place.root, installing.command(str(slow)))
    file = place.root / installing.FILE
    patient = file.read_text().replace(f'"timeout": {installing.TIMEOUT_S}', '"timeout": 60')
    file.write_text(patient)
    held = os.open(stream, os.O_RDWR)  # as long as we have it open, nobody sees its end
    try:
        after, took_then = timed(place)
    finally:
        os.close(held)
    assert after == before
    assert hook.PATIENCE_S < took_then - took < 60


def timed(place: Place) -> tuple[Talk, float]:
    began = time.monotonic()
    return place.talk(), time.monotonic() - began


@pytest.mark.timeout(120)
def test_a_full_disk_under_the_spool_changes_nothing(place: Place):
    before = without(place)
    place.project.told("init", "--hooks")
    with disk(place.root / hook.HOME, 64 * KB) as full:
        (full / "filler").write_bytes(b"")
        with (full / "filler").open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(b"x" * 4096)
                except OSError:
                    break
        assert place.talk() == before


@pytest.mark.timeout(120)
def test_what_an_engine_runs_is_kept_by_the_engine_alone(place: Place):
    """Also where its workers read the project's settings."""
    settings = place.root / ".orchestrator" / "config.toml"
    settings.write_text("[workers.claude]\nlean = false\n")
    place.project.told("init", "--hooks")
    place.project.environment |= place.environment | {
        "PATH": f"{place.environment['PATH']}:{place.project.environment['PATH']}"
    }
    place.server.load("", [shell("cat a.txt"), write("b.txt", "CONTENT\n"), say("done")])
    more = "<action>Copy a.txt.</action><verify><automated>test -s b.txt</automated></verify><done>x</done>"
    plan = place.project.write(
        task("Task 1: Copy", files="b.txt", attributes='type="auto" worker="claude"', more=more)
    )
    done = place.project.call("run", str(plan))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (place.root / hook.HOME / hook.SPOOL).exists()
    with store.reading(place.root) as book:
        assert book is not None
        found = book.occurrences(book.find("read:cat:all:a.txt").id)
    assert [one.workflow.endswith(" 1") and one.live for one in found] == [True]
    told = place.project.json("patterns", "backfill")["transcripts"]
    assert (told["recorded"], told["sessions"]) == (1, 0)
