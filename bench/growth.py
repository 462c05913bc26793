"""Where a daemon's memory goes: `python -m bench.growth [RUNS] [--trace]`, 240 by default, in this process and on Linux.

After each eighth of the runs: what the process has, what C has in use and keeps free, how much of it is SQLite's, and how many blocks are
Python's. `--trace` says how much those are (tracemalloc), which makes all else larger. At the end the same history is taken up by a daemon in a
new process: what it has, too, goes with the history and not with the time that the first was up.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import anyio
from anyio import from_thread, to_thread

from bench.day import PLAN
from bench.idle import memory_mb
from orchestrator import settings
from orchestrator.daemon.supervisor import Supervisor, Words
from orchestrator.settings import Settings

PARTS = 8
FLAGS = {"daemon": {"settle_s": 0.05, "rescan_s": 0.3, "learn": "", "clean": "", "patterns": ""}}
FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
KB = 1024


class Mallinfo(ctypes.Structure):
    """Of glibc, in bytes."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS.split())


def main() -> None:
    count = int(next((word for word in sys.argv[1:] if word.isdigit()), "240"))
    again = next((word for word in sys.argv[1:] if word.startswith("/")), "")
    if again:
        anyio.run(growth, Path(again), "again", 1, PARTS)
        return
    if "--trace" in sys.argv:
        tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "plans").mkdir()
        (root / ".orchestrator").mkdir()
        os.environ["XDG_DATA_HOME"] = str(root / ".home")
        anyio.run(growth, root, "first", PARTS, max(1, count // PARTS))
        print("a new process with the same history:", flush=True)
        subprocess.run([sys.executable, "-m", "bench.growth", folder], check=True)


async def growth(root: Path, name: str, parts: int, count: int) -> None:
    def load() -> Settings:
        return settings.load(root, FLAGS)

    supervisor = Supervisor(Words(root, root / "plans", load, lambda _: None, trusts_all=True))
    is_held = anyio.Event()

    async def beside() -> None:
        is_held.set()

    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.keep, beside)
        await is_held.wait()
        for part in range(1, parts + 1):
            await to_thread.run_sync(some_runs, supervisor, root / "plans" / f"{name}{part}", count)
            gc.collect()
            print(f"{part * count:>4} runs: {told()}", flush=True)
        group.cancel_scope.cancel()


def some_runs(supervisor: Supervisor, place: Path, count: int) -> None:
    """One after the other; then their folder goes."""
    place.mkdir()
    for number in range(count):
        plan = place / f"n{number}-PLAN.md"
        plan.write_text(PLAN.format(name=f"{place.name}n{number}"))
        from_thread.run_sync(supervisor.rouse)
        while supervisor.runs.going or not plan.with_name(f"n{number}-SUMMARY.md").exists():
            time.sleep(0.02)
    shutil.rmtree(place)
    while supervisor.found:
        time.sleep(0.05)


def told() -> str:
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Mallinfo
    found = libc.mallinfo2()
    words = [
        f"{memory_mb(os.getpid()):5.1f} MB",
        f"C has {found.uordblks // KB} kB in use and {found.fordblks // KB} kB free",
        f"SQLite {sqlite_kb()} kB",
        f"{sys.getallocatedblocks()} blocks of Python",
    ]
    if tracemalloc.is_tracing():
        words.append(f"{tracemalloc.get_traced_memory()[0] // KB} kB of Python since the start")
    return ", ".join(words)


def sqlite_kb() -> int | str:
    """Of the library that Python's own module has loaded, where it is a shared one."""
    name = ctypes.util.find_library("sqlite3")
    if name is None:
        return "?"
    library = ctypes.CDLL(name)
    library.sqlite3_memory_used.restype = ctypes.c_int64
    return int(library.sqlite3_memory_used()) // KB


if __name__ == "__main__":
    main()
