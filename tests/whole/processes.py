"""Processes that carry the mark of a project, as a test finds and ends them."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from orchestrator.process import warden
from orchestrator.process.leftover import MARK


def marked(root: Path, mark: str = MARK) -> dict[int, str]:
    """Every living process that is ours, by its environment. Empty where there is no /proc."""
    found = {}
    names = os.listdir("/proc") if warden.LINUX else []
    for name in filter(str.isdigit, names):
        try:
            pairs = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"{mark}={root}".encode() in pairs:
            found[int(name)] = warden.read_command_line(int(name))
    return found


def end_wardens(engine: subprocess.Popen[str]) -> None:
    """As the kernel does it when memory is short: nobody is left to end their trees. It holds the engine, which would do that."""
    engine.send_signal(signal.SIGSTOP)
    for pid in warden.read_tree(engine.pid):
        if "warden.py" in warden.read_command_line(pid):
            end(pid)


def end_marked(root: Path) -> None:
    for pid in marked(root):
        end(pid)


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
