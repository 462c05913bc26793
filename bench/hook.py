"""What a hook costs beside `python -c pass`: `python -m bench.hook [TIMES]`. The median of so many starts of each, in turns, as a client makes them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from orchestrator import hook
from orchestrator.outloop import installing

EVENT = {
    "session_id": "f5210b69-2b40-471f-8185-504c7d7ad1c6",
    "cwd": "/project",
    "hook_event_name": "PostToolUse",
    "tool_name": "Bash",
    "tool_input": {"command": "cd backend && python -m pytest -q tests/unit"},
    "tool_response": {"stdout": "x" * 4000, "stderr": "", "interrupted": False},
    "tool_use_id": "toolu_1dcf7c9c413843beaebe",
}


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ways: dict[str, tuple[Path, Sequence[str]]] = {
            "python -c pass": (root, (sys.executable, "-c", "pass")),
            "the installed hook": (root, ("sh", "-c", installing.command())),
            "the same, no project": (root.parent, ("sh", "-c", installing.command())),
            "orchestrator hook": (root, (sys.executable, "-m", "orchestrator", "hook")),
        }
        (root / hook.HOME).mkdir()
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(times):
            for name, (place, words) in ways.items():
                took[name].append(started(place, words))
    least = median(took["python -c pass"])
    for name, found in took.items():
        more = median(found) - least
        print(f"{name:<22}{1000 * median(found):7.1f} ms  {1000 * more:+7.1f} ms  x{median(found) / least:.2f}")  # fmt: skip


def started(place: Path, words: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, input=json.dumps(EVENT).encode(), cwd=place, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
