"""How long a daemon is deaf while one of its runs begins: `python -m bench.starting [LINES]`, by the lines of the ledger.

The loop is asked every 5 ms whether it lives; what is printed is the longest silence, and how long the start took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio

from bench.learn import write
from orchestrator import project, settings
from orchestrator.daemon import launch
from orchestrator.ledger import NAME

PLAN = """---
phase: demo
plan: 01
---
<objective>Demo.</objective>
<tasks>
<task type="auto"><name>Task 1: Make it</name><files>a.txt</files><action>
```bash
echo hi > a.txt
```
</action><verify><automated>test -s a.txt</automated></verify><done>it is there</done></task>
</tasks>
"""


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for count in (0, most):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_DATA_HOME"] = folder
            home = Path(folder, "orchestrator")
            home.mkdir()
            write(home / NAME, count, 29.0)
            root = Path(folder, "project")
            (root / "plans").mkdir(parents=True)
            (root / "plans" / "demo-PLAN.md").write_text(
                PLAN.replace('"auto"', '"auto" subagent="bash"')
            )
            subprocess.run(["git", "init", "-q", root], check=True)
            silence, took = anyio.run(measured, root)
            print(
                f"{count:>9,} lines: begun in {took:6.2f} s, the loop was deaf for {silence:6.3f} s at most"
            )


async def measured(root: Path) -> tuple[float, float]:
    longest = 0.0

    async def listen() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await anyio.sleep(0.005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    sources = project.sources(root, [root / "plans" / "demo-PLAN.md"])
    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await anyio.sleep(0.05)
        began = time.perf_counter()
        await launch.prepare(root, sources, settings.load(root), 0, {})
        took = time.perf_counter() - began
        await anyio.sleep(0.05)
        group.cancel_scope.cancel()
    return longest, took


if __name__ == "__main__":
    main()
