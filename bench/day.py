"""A day of a daemon in minutes: `python -m bench.day [PLANS PER HOUR]`, eight by default.

The clock on the wall is set ahead by an hour twenty-four times (its duties come due and quiet hours pass); in each hour plans
come into the folder, run in a real `orchestrator watch`, and are put away. After each hour: memory, threads and open files.
What must not happen is that they grow with the hours; the first two warm it up.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.idle import COMMAND, memory_mb
from orchestrator import clock, journal
from orchestrator.errors import UnknownRun

HOURS, LIMIT_S = 24, 120.0
SETTINGS = "[daemon]\nsettle_s = 0.1\nrescan_s = 1\n"
PLAN = """---
phase: demo
plan: 01
workspace: directory
---
<objective>x</objective>
<tasks>
<task type="auto" subagent="bash"><name>Task 1: {name}</name><files>{name}.txt</files><action>
```bash
echo hi > {name}.txt
```
</action><verify><automated>test -s {name}.txt</automated></verify><done>it is there</done></task>
</tasks>
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "plans").mkdir()
        (root / ".orchestrator").mkdir()
        (root / ".orchestrator" / "config.toml").write_text(SETTINGS)
        ahead = root / "ahead"
        environment = {**os.environ, "XDG_DATA_HOME": str(root / ".home"), clock.AHEAD: str(ahead)}
        with subprocess.Popen(
            COMMAND, cwd=root, env=environment, stdout=subprocess.DEVNULL
        ) as daemon:
            try:
                for hour in range(1, HOURS + 1):
                    ahead.write_text(str(hour * 3600))
                    one_hour(root, hour, count)
                    print(f"hour {hour:>2}: {told(daemon.pid)}, {hour * count} runs", flush=True)
            finally:
                daemon.terminate()


def one_hour(root: Path, hour: int, count: int) -> None:
    place = root / "plans" / f"{hour:02}"
    place.mkdir()
    for number in range(count):  # one after the other: each is a run
        name = f"h{hour}n{number}"
        (place / f"{name}-PLAN.md").write_text(PLAN.format(name=name))
        wait_for(root, (hour - 1) * count + number + 1)
    shutil.rmtree(place)


def wait_for(root: Path, runs: int) -> None:
    end = time.monotonic() + LIMIT_S
    while ended(root) < runs:
        if time.monotonic() > end:
            raise SystemExit(f"run {runs} did not end")
        time.sleep(0.1)


def ended(root: Path) -> int:
    try:
        with journal.reading(root) as book:
            return sum(row.exit_code == 0 for row in book.runs())
    except UnknownRun:
        return 0


def told(pid: int) -> str:
    files = len(os.listdir(f"/proc/{pid}/fd"))
    threads = len(os.listdir(f"/proc/{pid}/task"))
    return f"{memory_mb(pid):6.1f} MB, {threads} threads, {files} open files"


if __name__ == "__main__":
    main()
