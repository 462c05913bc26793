"""Times `orchestrator lint` and the reader over a folder of plans against a plain regex scan; it prints and asserts nothing.

python bench/lint_corpus.py FOLDER
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from orchestrator.model import PlanId
from orchestrator.reader import read
from orchestrator.reader.discover import plan_files


def main(folder: Path) -> None:
    plans = [(str(path.relative_to(folder)), path.read_bytes()) for path in plan_files(folder)]
    begin = time.process_time()
    readings = [
        read(data, path, id=PlanId(path), max_bytes=2_000_000, max_tasks=500)
        for path, data in plans
    ]
    read_s = time.process_time() - begin
    pattern = re.compile(r"<task[\s>]")
    begin = time.process_time()
    tags = sum(len(pattern.findall(data.decode("utf-8", "replace"))) for _, data in plans)
    scan_s = time.process_time() - begin
    tasks = sum(reading.tasks for reading in readings)
    size = sum(len(data) for _, data in plans) / 1e6
    print(f"{len(plans)} plans, {size:.1f} MB, {tasks} tasks of {tags} task tags")
    print(f"reader     {read_s:8.3f} s  {size / read_s:8.1f} MB/s")
    print(f"plain scan {scan_s:8.3f} s  {size / scan_s:8.1f} MB/s")
    begin = time.perf_counter()
    lint = [sys.executable, "-m", "orchestrator", "lint", str(folder), "--json"]
    subprocess.run(lint, stdout=subprocess.DEVNULL, check=False)
    lint_s = time.perf_counter() - begin
    print(f"lint       {lint_s:8.3f} s  {size / lint_s:8.1f} MB/s  (wall, the whole command)")
    print(
        f"reader is {read_s / scan_s:.0f} times the plain scan, lint {lint_s / read_s:.1f} times the reader"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/lint_corpus.py FOLDER")
    main(Path(sys.argv[1]))
