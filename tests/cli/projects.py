"""Scratch projects and the command in them: plans in few words, a subprocess, and a terminal of our own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import OPEN

COMMAND = (sys.executable, "-m", "orchestrator")
CODES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
PARTS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\r\n]|[^\x1b\r\n]+")
DEADLINE_S = 40.0


def task(
    name: str,
    script: str = "",
    check: str = "true",
    *,
    files: str = "",
    attributes: str = 'type="auto" subagent="bash"',
    more: str = "",
) -> str:
    body = f"<action>\n```bash\n{script}\n```\n</action>" if script else ""
    verify = f"<verify><automated>{check}</automated></verify><done>{name}</done>" if body else ""
    listed = f"<files>{files}</files>" if files else ""
    return f"<task {attributes}><name>{name}</name>{listed}{body}{verify}{more}</task>\n"


def checkpoint(kind: str, name: str, more: str, attributes: str = "") -> str:
    return task(name, attributes=f'type="checkpoint:{kind}" {attributes}', more=more)


def waits_for(flag: Path, name: str = "Task 1: slow", number: int = 1, more: str = "") -> str:
    """A task that runs until the flag is there."""
    script = f"echo here I am\nwhile ! test -e {flag}; do sleep 0.02; done"
    return task(
        name,
        f"{script}\necho > {number}.txt",
        f"test -e {number}.txt",
        files=f"{number}.txt",
        attributes=f'type="auto" subagent="bash" {more}',
    )


def makes(name: str, file: str, attributes: str = "") -> str:
    """A task that writes a file, with a check that is red before."""
    return task(
        name,
        f"echo hi > {file}",
        f"test -s {file}",
        files=file,
        attributes=f'type="auto" subagent="bash" {attributes}',
    )


class Project:
    """A folder with plans, and a home of its own, so that nothing of this machine is seen."""

    def __init__(self, folder: Path) -> None:
        self.root, self.deadline_s = folder / "project", DEADLINE_S
        (self.root / ".orchestrator").mkdir(parents=True)  # its root, wherever pytest works
        home = folder / "home"
        home.mkdir()
        self.environment = {
            **OPEN,
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
        }

    def write(self, *tasks: str, name: str = "demo-PLAN.md", front: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"---\nphase: demo\nplan: 01\nworkspace: directory\n{front}---\n"
        path.write_text(f"{head}<objective>x</objective>\n<tasks>\n{''.join(tasks)}</tasks>\n")
        return path

    def call(
        self, *words: str, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=cwd or self.root,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.deadline_s,
            check=False,
        )

    @contextmanager
    def started(self, *words: str, **pipes: Any) -> Iterator[subprocess.Popen[str]]:
        """The command while it runs; ended if the test is over before it."""
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.root,
            env=self.environment,
            text=True,
            **({"stdin": subprocess.DEVNULL} | pipes),
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def told(self, *words: str, code: int = 0) -> str:
        """What stdout says, after the expected end."""
        done = self.call(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.told(*words, "--json", code=code))

    def newest(self) -> str:
        name: str = self.json("runs")["runs"][0]["run"]
        return name

    @contextmanager
    def terminal(
        self, *words: str, size: tuple[int, int] = (24, 120), **more: str
    ) -> Iterator[Terminal]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.root,
            env=self.environment | more,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


class Terminal:
    """What a person sees and types."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process, self._fd = process, fd
        self.raw = b""

    @property
    def text(self) -> str:
        return CODES.sub(b"", self.raw).decode("utf-8", "replace")

    @property
    def rows(self) -> list[str]:
        """What stands on the screen: the last word on each line, after all that was erased."""
        rows, row, column = [""], 0, 0
        for part in PARTS.findall(self.raw.decode("utf-8", "replace")):
            if part == "\n":
                row += 1
                rows += [""] * (row == len(rows))
            elif part == "\r":
                column = 0
            elif up := re.fullmatch(r"\x1b\[(\d*)A", part):
                row = max(0, row - int(up[1] or 1))
            elif part == "\x1b[2K":
                rows[row] = ""
            elif not part.startswith("\x1b"):
                line = rows[row].ljust(column)
                rows[row] = line[:column] + part + line[column + len(part) :]
                column += len(part)
        return [one.rstrip() for one in rows]

    def until(self, words: str, *, after: int = 0) -> int:
        """Read until these words appear; how much was seen by then."""
        end = time.monotonic() + DEADLINE_S
        while words not in self.text[after:]:
            assert time.monotonic() < end, f"{words!r} did not come: {self.text}"
            assert self._read(), f"{words!r} did not come before the end: {self.text}"
        return len(self.text)

    def type(self, words: str) -> None:
        os.write(self._fd, words.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """The exit code, after all that was said."""
        while self._read():
            pass
        return self.process.wait(DEADLINE_S)

    def _read(self) -> bool:
        """False once the other side is closed."""
        if select.select([self._fd], [], [], 0.5)[0]:
            try:
                chunk = os.read(self._fd, 65536)
            except OSError:  # Linux says EIO where others say end of file
                return False
            self.raw += chunk
            return bool(chunk)
        return True
