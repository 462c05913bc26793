"""A scratch repository with a plan, a home of its own, and the command in it: what whole runs are tried in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from orchestrator import journal, ledger
from orchestrator.ledger import Entry
from orchestrator.model import Event
from tests.conftest import OPEN

LIMIT_S = 100.0
PLAN = "plans/demo-PLAN.md"


class Place:
    """`out` is outside of the project: there scripts tell what they did."""

    def __init__(self, folder: Path, plan: str, settings: str = "") -> None:
        self.root, self.out, home = folder / "project", folder / "out", folder / "home"
        for one in (self.root / "plans", self.root / ".orchestrator", self.out, home):
            one.mkdir(parents=True)
        self.environment = {
            **OPEN,
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "data"),
        }
        (self.root / PLAN).write_text(plan)
        (self.root / ".orchestrator" / ".gitignore").write_text("*\n")
        (self.root / ".orchestrator" / "config.toml").write_text(settings)
        self.git("init", "-q", "-b", "main")
        for key, value in (("user.name", "me"), ("user.email", "me@localhost")):
            self.git("config", key, value)
        self.git("add", "-A")
        self.git("commit", "-qm", "base")

    def program(self, name: str, script: str) -> None:
        (self.out / name).write_text(script)
        (self.out / name).chmod(0o755)

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.root, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def started(self, *words: str, crash: str = "", **pipes: Any) -> subprocess.Popen[str]:
        """The command while it runs; who calls it ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.root,
            env=self.environment | ({journal.CRASH_AT: crash} if crash else {}),
            text=True,
            **({"stdin": subprocess.DEVNULL} | pipes),
        )

    def call(self, *words: str, crash: str = "") -> subprocess.CompletedProcess[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.started(*words, crash=crash, **pipes) as command:
            try:
                out, err = command.communicate(timeout=LIMIT_S)
            finally:
                command.kill()
        return subprocess.CompletedProcess(words, command.returncode, out, err)

    def document(self) -> dict[str, Any]:
        """What `show` says of the newest run."""
        found: dict[str, Any] = json.loads(self.call("show", "--json").stdout)
        return found

    @property
    def run(self) -> str:
        name: str = json.loads(self.call("runs", "--json").stdout)["runs"][0]["run"]
        return name

    def events(self) -> list[Event]:
        """Of the newest run."""
        with journal.reading(self.root) as book:
            return book.events(book.find(None).id)

    def outcomes(self) -> tuple[Entry, ...]:
        return ledger.read(Path(self.environment["XDG_DATA_HOME"]) / "orchestrator").entries
