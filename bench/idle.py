"""What a daemon costs while nothing happens: `python -m bench.idle [SECONDS] [PLANS]`, a minute and no plans by default.

A real `orchestrator watch` over a folder of plans that are done; CPU and memory are what the kernel says of its process
(and of those that it has started), between the tenth second of its life and the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

COMMAND = (sys.executable, "-m", "orchestrator", "watch", "plans", "--trust-all")
WARM_S = 10.0
PLAN = "---\nphase: demo\nplan: 01\n---\n<objective>x</objective>\n<tasks>\n</tasks>\n"


class Cost(NamedTuple):
    cpu_s: float
    memory_mb: float


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    for plans in map(int, sys.argv[2:] or ("0",)):
        with tempfile.TemporaryDirectory() as folder:
            cost = measured(project(Path(folder), plans), seconds)
            share = cost.cpu_s / seconds
            print(
                f"{plans:>6,} plans: {cost.cpu_s * 60 / seconds:.2f} CPU seconds a minute ({share:.2%} of a core), "
                f"{cost.memory_mb:.0f} MB"
            )


def project(root: Path, plans: int) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    (root / "plans").mkdir()
    for number in range(plans):
        (root / "plans" / f"{number:04}-PLAN.md").write_text(PLAN)
        (root / "plans" / f"{number:04}-SUMMARY.md").write_text("---\nstatus: complete\n---\n")
    return root


def measured(root: Path, seconds: float) -> Cost:
    environment = {**os.environ, "XDG_DATA_HOME": str(root / ".home")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(COMMAND, cwd=root, env=environment, **quiet) as daemon:
        try:
            time.sleep(WARM_S)
            before = cpu_s(daemon.pid)
            time.sleep(seconds)
            return Cost(cpu_s(daemon.pid) - before, memory_mb(daemon.pid))
        finally:
            daemon.terminate()


def cpu_s(pid: int) -> float:
    """Of the process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
