"""Whether viewers slow the engine: `python -m bench.viewers [PAIRS] [TASKS] [VIEWERS]`, three pairs, 200 tasks, 50 viewers by default.

A real `orchestrator serve` runs one plan of quick shell tasks, five at a time, once with nobody looking and once with viewers
at `/api/stream`; which of a pair is first alternates. Wall is from the first event to the last as the journal has them, CPU
is what the kernel says of the daemon (and of those that it has started). Each viewer must get each event of the journal once.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.idle import cpu_s
from orchestrator import journal
from orchestrator.errors import UnknownRun
from orchestrator.model import Event

COMMAND = (sys.executable, "-m", "orchestrator", "serve", "plans", "--trust-all")
LIMIT_S = 300.0
SETTINGS = "[daemon]\nsettle_s = 0.1\nrescan_s = 1\nlearn = ''\nclean = ''\n"
HEAD = "---\nphase: demo\nplan: 01\nworkspace: directory\n---\n<objective>x</objective>\n"
TASK = """<task type="auto" subagent="bash" depends-on=""><name>Task {n}: quick</name><files>{n}.txt</files><action>
```bash
echo hi > {n}.txt
```
</action><verify><automated>test -s {n}.txt</automated></verify><done>it is there</done></task>
"""


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    events: int
    lost: int
    repeated: int


def main() -> None:
    pairs, tasks, viewers = map(int, [*sys.argv[1:4], *("3", "200", "50")[len(sys.argv) - 1 :]])
    print(f"{tasks} tasks, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    found: dict[int, list[Cost]] = {0: [], viewers: []}
    for pair in range(pairs):
        for count in (0, viewers) if pair % 2 == 0 else (viewers, 0):
            found[count].append(cost := measured(tasks, count))
            print(told(count, cost), flush=True)
    for name in ("wall_s", "cpu_s"):
        both = zip(found[0], found[viewers], strict=True)
        ratios = [getattr(b, name) / getattr(a, name) for a, b in both]
        every = ", ".join(f"{one:.2f}" for one in ratios)
        print(f"{name}: {statistics.median(ratios):.2f} x with {viewers} viewers (each pair: {every})")  # fmt: skip


def told(count: int, cost: Cost) -> str:
    seen = f", {cost.lost} lost and {cost.repeated} repeated" if count else ""
    return f"{count:>3} viewers: {cost.wall_s:5.2f} s, {cost.cpu_s:5.2f} CPU s, {cost.events} events{seen}"


def measured(tasks: int, count: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root = Path(folder)
        for one in ("plans", ".orchestrator"):
            (root / one).mkdir()
        (root / ".orchestrator" / "config.toml").write_text(SETTINGS)
        environment = {**os.environ, "XDG_DATA_HOME": str(root / ".home")}
        daemon = stack.enter_context(
            subprocess.Popen(COMMAND, cwd=root, env=environment, stdout=subprocess.DEVNULL)
        )
        stack.callback(daemon.terminate)
        where = root / ".orchestrator" / "private" / "http.json"
        wait_for(where.exists)
        viewers = Viewers(json.loads(where.read_text()), count)
        stack.callback(viewers.close)
        wait_for(lambda: viewers.greeted == count)
        before = cpu_s(daemon.pid)
        plan = "".join(TASK.format(n=n) for n in range(1, tasks + 1))
        (root / "plans" / "quick-PLAN.md").write_text(f"{HEAD}<tasks>\n{plan}</tasks>\n")
        wait_for(lambda: has_ended(root))
        used = cpu_s(daemon.pid) - before
        return compared(events(root), viewers, used)


def compared(every: list[Event], viewers: Viewers, used: float) -> Cost:
    """Viewers may be a moment behind the journal, and no longer."""
    wanted = [one.seq for one in every]
    wait_for(lambda: all(one[-1:] == wanted[-1:] for one in viewers.ids()), 10.0, fails=False)
    got = viewers.ids()
    lost = sum(len(set(wanted) - set(one)) for one in got)
    repeated = sum(len(one) - len(set(one)) for one in got)
    first, last = (datetime.fromisoformat(every[n].at) for n in (0, -1))
    return Cost((last - first).total_seconds(), used, len(every), lost, repeated)


class Viewers(threading.Thread):
    """All of them in one thread that only takes what comes: what it was is looked at when all is over."""

    def __init__(self, place: dict[str, str], count: int) -> None:
        super().__init__(daemon=True)
        url = urlsplit(place["url"])
        asked = f"GET /api/stream HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {place['token']}\r\n\r\n"
        self._ready = selectors.DefaultSelector()
        self._texts: dict[socket.socket, bytearray] = {}
        for _ in range(count):
            one = socket.create_connection((url.hostname or "", url.port or 0))
            one.sendall(asked.encode())
            self._texts[one] = bytearray()
            self._ready.register(one, selectors.EVENT_READ)
        self._is_over = False
        self.start()

    def run(self) -> None:
        while not self._is_over:
            for key, _ in self._ready.select(0.1):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                if piece := one.recv(1 << 16):
                    self._texts[one] += piece
                else:
                    self._ready.unregister(one)

    @property
    def greeted(self) -> int:
        return sum(b"retry: " in text for text in self._texts.values())

    def ids(self) -> list[list[int]]:
        """Each frame is a chunk of its own."""
        lines = [bytes(text).splitlines() for text in self._texts.values()]
        return [[int(row[4:]) for row in rows if row.startswith(b"id: ")] for rows in lines]

    def close(self) -> None:
        self._is_over = True
        self.join()
        for one in self._texts:
            one.close()


def has_ended(root: Path) -> bool:
    try:
        with journal.reading(root) as book:
            return any(row.exit_code == 0 for row in book.runs())
    except UnknownRun:
        return False


def events(root: Path) -> list[Event]:
    with journal.reading(root) as book:
        (row,) = book.runs()
        return book.events(row.id)


def wait_for(claim: Callable[[], bool], limit_s: float = LIMIT_S, *, fails: bool = True) -> None:
    end = time.monotonic() + limit_s
    while not claim():
        if time.monotonic() > end:
            if fails:
                raise SystemExit(f"nothing came in {limit_s:g} s")
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
