"""Starts the real agents against the scripted model server, one and five at once: prompt, time, memory; it prints and asserts nothing.

REAL_CLIENTS=$(.ci/clients) python -m bench.agents [NAME...]
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio

from orchestrator import process
from orchestrator.model import Attempt, Route, RunId, TaskId, Tier
from orchestrator.workers.agent import AgentWorker
from tests.agents import clients
from tests.agents.server import ModelServer
from tests.agents.steps import say
from tests.workers.columns import Column, columns

MARK = f"ORCHESTRATOR_RUN=bench-{os.getpid()}".encode()
FIVE = 5


class Memory:
    """The most that the processes of one attempt held at once, looked at fifty times a second."""

    def __init__(self) -> None:
        self.most_mb: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for task, held in self._look().items():
                self.most_mb[task] = max(held, self.most_mb.get(task, 0.0))

    def _look(self) -> dict[str, float]:
        held: dict[str, float] = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                pages = int((folder / "statm").read_bytes().split()[1])
            except (OSError, IndexError):
                continue
            if MARK in environment:
                task = next((e for e in environment if e.startswith(b"ORCHESTRATOR_TASK=")), b"")
                name = task.decode()
                held[name] = held.get(name, 0.0) + pages * os.sysconf("SC_PAGESIZE") / 1e6
        return held


def attempt(root: Path, model: str, number: int, environment: Mapping[str, str]) -> Attempt:
    workspace = root / f"work-{number}"
    workspace.mkdir(parents=True)
    (workspace / "AGENTS.md").write_text("Use four spaces.\n")
    return Attempt(
        run=RunId("bench"),
        task=TaskId(f"bench/{number}"),
        name="bench",
        number=1,
        action="Say that you are done.",
        system="You work on one task.\n",
        prompt="Say that you are done.\n",
        route=Route(worker="x", tier=Tier.HAIKU, model=model, confidence=1, reason="bench"),
        workspace=str(workspace),
        timeout_s=120,
        stall_s=60,
        transcript=str(root / f"{number}.log"),
        environment={
            **environment,
            "ORCHESTRATOR_RUN": f"bench-{os.getpid()}",
            "ORCHESTRATOR_TASK": str(number),
        },
    )


async def work(worker: AgentWorker, attempts: list[Attempt]) -> float:
    """Seconds until all are over."""
    began = time.monotonic()

    async def one(each: Attempt) -> None:
        outcome = await worker.run(each, lambda _: None)
        if not outcome.ok:
            print(f"  {worker.name}: {outcome.failure}: {outcome.detail}", file=sys.stderr)

    async with anyio.create_task_group() as group:
        for each in attempts:
            group.start_soon(one, each)
    return time.monotonic() - began


def measure(column: Column, lean: bool, count: int) -> tuple[float, float, int]:
    """Seconds, the most megabytes of one attempt, bytes of the first request."""
    with (
        tempfile.TemporaryDirectory() as place,
        ModelServer({"default": [say("done")] * 99}) as server,
    ):
        root = Path(place)
        home = clients.prepare_home(root / "home", server)
        environment = clients.environment(home, server, clients.bin_folder(root))
        own = column.env(server.url).items()
        environment |= {key: value for key, value in own if value is not None}
        os.environ.update(environment)
        case = column.cases[0]
        made: Callable[[], AgentWorker] = lambda: AgentWorker(  # noqa: E731
            type(column.client())(lean=lean),
            column.worker(server.url, case)._settings,
            dict.fromkeys(Tier, column.model),
        )
        worker = made()
        attempts = [attempt(root, column.model, n, environment) for n in range(count)]
        with Memory() as memory:
            took_s = anyio.run(work, worker, attempts)
        first = max((r.bytes for r in server.requests if not r.side), default=0)
        return took_s, max(memory.most_mb.values(), default=0.0), first


def main(names: list[str]) -> None:
    head = ("agent", "prompt", "default", "lean/default", "one", "five", "five/one", "memory")
    print("".join(f"{word:>14}" for word in head))
    for name, column in columns().items():
        if (names and name not in names) or clients.find(name) is None:
            continue
        _, _, default = measure(column, lean=False, count=1)
        one_s, held, lean = measure(column, lean=True, count=1)
        five_s, held_of_five, _ = measure(column, lean=True, count=FIVE)
        row = (
            name,
            f"{lean / 1000:.1f} KB",
            f"{default / 1000:.1f} KB",
            f"{lean / default:.2f}" if default else "-",
            f"{one_s:.1f} s",
            f"{five_s:.1f} s",
            f"{five_s / one_s:.1f}",
            f"{max(held, held_of_five):.0f} MB",
        )
        print("".join(f"{word:>14}" for word in row))
    print(
        f"{process.__name__}: memory is the sum of an attempt's processes, the warden's 11 MB with it"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
