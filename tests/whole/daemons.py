"""A project with a daemon in it, as a process: plans in few words, and what the journal and the scripts say of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator import journal
from orchestrator.errors import UnknownRun
from orchestrator.history import History, fold
from orchestrator.journal import RunRow
from orchestrator.model import EventKind, RunId
from tests.conftest import OPEN

LIMIT_S = 60.0
QUICK = (
    "[daemon]\nsettle_s = 0.3\nrescan_s = 1\nretry_s = 2\ndrain_s = 20\nlearn = ''\nclean = ''\n"
)


def wait_until(claim: Callable[[], object], limit_s: float = LIMIT_S, why: str = "") -> None:
    deadline = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline, why or "it never became true"
        time.sleep(0.05)


class House:
    """`out` is outside of the project: there scripts tell what they did."""

    def __init__(self, folder: Path, settings: str = "", *, isolated: bool = True) -> None:
        self.root, self.out, home = folder / "project", folder / "out", folder / "home"
        self.top, self._settings = self.root / "plans", QUICK + settings
        self.isolated = isolated
        for one in (self.top, self.root / ".orchestrator", self.out, home):
            one.mkdir(parents=True)
        self.environment = {
            **OPEN,
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "COLUMNS": "200",
        }
        (self.root / ".orchestrator" / "config.toml").write_text(self._settings)
        (self.root / ".orchestrator" / ".gitignore").write_text("*\n")
        if isolated:
            (self.root / ".gitignore").write_text("plans/\n")
            self.git("init", "-q", "-b", "main")
            for key, value in (("user.name", "me"), ("user.email", "me@localhost")):
                self.git("config", key, value)
            self.git("add", "-A")
            self.git("commit", "-qm", "base")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.root, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    # --- plans ------------------------------------------------------------------------------------

    def task(self, name: str, script: str = "", *, more: str = "") -> str:
        """It tells that it began, does the script, and makes a file of its name."""
        return (
            f'<task type="auto" subagent="bash" {more}>\n<name>Task {name}</name>\n<files>{name}.txt</files>\n'
            f"<action>\n```bash\necho {name} >> {self.out}/log; {script or 'true'}; echo {name} > {name}.txt\n```\n"
            f"</action>\n<verify><automated>test -s {name}.txt</automated></verify>\n<done>{name}</done>\n</task>\n"
        )

    def waits_for(self, name: str, flag: str = "go", *, more: str = "") -> str:
        return self.task(name, f"until test -e {self.out}/{flag}; do sleep 0.05; done", more=more)

    def text(self, *tasks: str, front: str = "") -> str:
        mode = "" if self.isolated else "workspace: directory\n"
        head = f"---\nphase: demo\nplan: 01\n{mode}{front}---\n<objective>x</objective>\n"
        return f"{head}<tasks>\n{''.join(tasks)}</tasks>\n"

    def plan(self, name: str, *tasks: str, front: str = "") -> Path:
        """Renamed in, whole."""
        path = self.top / f"{name}-PLAN.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp")
        draft.write_text(self.text(*tasks or (self.task(Path(name).name),), front=front))
        draft.rename(path)
        return path

    def go(self, flag: str = "go") -> None:
        (self.out / flag).touch()

    # --- the daemon -------------------------------------------------------------------------------

    @contextmanager
    def daemon(self, *words: str, how: str = "watch", **more: str) -> Iterator[Daemon]:
        with (self.out / "said").open("a") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", how, "plans", *words],
                cwd=self.root,
                env=self.environment | more,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Daemon(self, process)
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def serving(self, *words: str, **more: str) -> Iterator[Daemon]:
        """One with pages, once they can be asked for."""
        with self.daemon(*words, how="serve", **more) as daemon:
            daemon.wait_until(
                lambda: self.record.exists() and self.place["pid"] == daemon.process.pid
            )
            yield daemon

    @property
    def record(self) -> Path:
        return self.root / ".orchestrator/private/http.json"

    @property
    def place(self) -> Any:
        """Where it serves, as it has written it."""
        return json.loads(self.record.read_text())

    def call(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def said(self) -> str:
        return (self.out / "said").read_text()

    # --- what came of it --------------------------------------------------------------------------

    @property
    def began(self) -> Counter[str]:
        """How often each task began."""
        log = self.out / "log"
        return Counter(log.read_text().split() if log.exists() else ())

    def runs(self) -> list[RunRow]:
        """Oldest first."""
        try:
            with journal.reading(self.root) as book:
                return list(reversed(book.runs()))
        except UnknownRun:
            return []

    def plans_of(self, run: str) -> dict[str, bytes]:
        with journal.reading(self.root) as book:
            return {one.path: one.content for one in book.plans(book.find(run).id)}

    def history(self, run: str) -> History:
        with journal.reading(self.root) as book:
            return fold(book.events(book.find(run).id))

    def has_asked(self, run: str) -> bool:
        with journal.reading(self.root) as book:
            return any(one.kind is EventKind.CHECKPOINT_ASKED for one in book.events(RunId(run)))

    def codes(self) -> list[int | None]:
        return [row.exit_code for row in self.runs()]

    def ended(self, count: int, code: int = 0) -> bool:
        """So many runs, and all of them with that."""
        codes = self.codes()
        return len(codes) >= count and all(one == code for one in codes)

    def json(self, *words: str) -> Any:
        return json.loads(self.call(*words, "--json"))


class Daemon:
    def __init__(self, house: House, process: subprocess.Popen[bytes]) -> None:
        self.house, self.process = house, process

    def wait_until(self, claim: Callable[[], object], limit_s: float = LIMIT_S) -> None:
        def holds() -> object:
            assert self.process.poll() is None, f"it ended: {self.house.said}"
            return claim()

        deadline = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < deadline, f"it never became true: {self.house.said}"
            time.sleep(0.05)

    def says(self, words: str) -> None:
        self.wait_until(lambda: words in self.house.said)

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def end(self, limit_s: float = LIMIT_S) -> int:
        self.tell()
        return self.process.wait(limit_s)
