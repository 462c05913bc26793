"""A project whose run must wait: for people, and for an agent whose quota is used up. The clock on its wall can be set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from orchestrator import clock, journal
from orchestrator.errors import UnknownRun
from orchestrator.model import Event, EventKind
from tests.conftest import OPEN

LIMIT_S = 60.0
HOUR = 3600

# A client as Claude Code speaks: its quota is used up at its first call, for an hour by the clock on the wall.
CLIENT = """#!/usr/bin/env bash
test "$1" = --version && echo "2.1.400 (Claude Code)" && exit
cat > /dev/null
now=$(( $(date +%s) + $(cat {out}/ahead) ))
echo "$ORCHESTRATOR_TASK $now" >> {out}/calls
test -e {out}/reset || echo $(( now + {hour} )) > {out}/reset
echo '{{"type":"system","subtype":"init","session_id":"s","model":"m"}}'
if test $now -lt $(cat {out}/reset); then
    echo '{{"type":"rate_limit_event","rate_limit_info":{{"status":"rejected","resetsAt":'$(cat {out}/reset)',"rateLimitType":"five_hour"}}}}'
    echo '{{"type":"result","subtype":"success","is_error":true,"result":"You have hit your limit","session_id":"s"}}'
    exit 1
fi
echo done > limited.txt
echo '{{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s","num_turns":1}}'
"""
# One that is limited for two seconds at its first calls.
MULE = """#!/usr/bin/env bash
cat > /dev/null
echo call >> {out}/calls
if test $(wc -l < {out}/calls) -le $(cat {out}/limits); then echo "error: 429 rate limit, try again in 2s"; exit 1; fi
echo done > limited.txt; echo finished
"""
SETTINGS = """{more}
[workspace]
look_s = 0
[workers.claude]
program = "{out}/claude"
[workers.mule]
argv = ["{out}/mule"]
provider = "mules"
format = "text"
patterns = ['(?P<success>^finished$)', '(?P<error>^error: .*)']
"""


def bash(name: str, file: str, out: Path, before: str, *, until: str = "") -> str:
    """Writes its file, and a line in `ran`; `until`: not before that flag is there."""
    flag = f"until test -e {out}/{until}; do sleep 0.02; done; " if until else ""
    return (
        f'<task type="auto" subagent="bash" depends-on="{before}"><name>{name}</name><files>{file}</files><action>\n'
        f"```bash\n{flag}echo {file} > {file}; echo {file} >> {out}/ran\n```\n"
        f"</action><verify><automated>test -s {file}</automated></verify></task>\n"
    )


def limited(before: str, worker: str = "claude") -> str:
    return (
        f'<task type="auto" worker="{worker}" depends-on="{before}"><name>Limited</name><files>limited.txt</files>'
        "<action>Write it.</action><verify><automated>test -s limited.txt</automated></verify></task>\n"
    )


def question(name: str, before: str) -> str:
    return (
        f'<task type="checkpoint:human-verify" depends-on="{before}"><name>{name}</name>'
        "<what-built>It.</what-built></task>\n"
    )


class Place:
    """The project, in a git repository or not, and whoever works in it."""

    def __init__(self, folder: Path, *, git: bool) -> None:
        self.root, self.out, home = folder / "project", folder / "out", folder / "home"
        for one in (self.root / ".orchestrator", self.out, home):
            one.mkdir(parents=True)
        self.git = git
        self.environment = {
            **OPEN,
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "data"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "ORCHESTRATOR_SANDBOX__MODE": "none",  # its programs tell what they saw outside of the project
            clock.AHEAD: str(self.out / "ahead"),
        }
        self.set_ahead(0)
        (self.out / "limits").write_text("1")
        for name, script in (("claude", CLIENT), ("mule", MULE)):
            (self.out / name).write_text(script.format(out=self.out, hour=HOUR))
            (self.out / name).chmod(0o755)
        self.settle("")

    def settle(self, more: str) -> None:
        text = SETTINGS.format(more=more, out=self.out)
        (self.root / ".orchestrator" / "config.toml").write_text(text)

    def set_ahead(self, seconds: int) -> None:
        """Whole or not at all: a half-written file is no time."""
        (self.out / "new").write_text(str(seconds))
        (self.out / "new").rename(self.out / "ahead")

    def plan(self, *tasks: str) -> None:
        where = "" if self.git else "workspace: directory\n"
        head = f"---\nphase: demo\nplan: 01\n{where}---\n<objective>x</objective>\n"
        (self.root / "demo-PLAN.md").write_text(f"{head}<tasks>\n{''.join(tasks)}</tasks>\n")
        if self.git:
            (self.root / ".gitignore").write_text(".orchestrator/\n")
            me = ("-c", "user.name=me", "-c", "user.email=me@localhost")
            for words in (["init", "-qb", "main"], ["add", "-A"], [*me, "commit", "-qm", "base"]):
                subprocess.run(
                    ["git", *words], cwd=self.root, env=self.environment, check=True, text=True
                )

    # --- the command ------------------------------------------------------------------------------

    def call(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.root,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def told(self, *words: str, code: int = 0) -> str:
        done = self.call(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def engine(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """While it runs; it does not outlive the test."""
        started = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with started:
            try:
                yield started
            finally:
                started.kill()

    @property
    def run(self) -> str:
        with journal.reading(self.root) as book:
            return book.find(None).id

    def events(self) -> list[Event]:
        """None, as long as nothing has begun."""
        with suppress(UnknownRun), journal.reading(self.root) as book:
            return book.events(book.find(None).id)
        return []

    def count(self, kind: EventKind, task: str | None = None) -> int:
        return sum(one.kind is kind and task in (None, one.task) for one in self.events())

    def states(self) -> dict[str, str]:
        """By number; `interrupted` where an engine died in it."""
        shown: dict[str, Any] = json.loads(self.told("show", "--json"))
        return {one["id"].partition("/")[2]: one["state"] for one in shown["tasks"]}

    def calls(self) -> int:
        path = self.out / "calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def ran(self) -> list[str]:
        path = self.out / "ran"
        return sorted(path.read_text().split()) if path.exists() else []


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not claim():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)
