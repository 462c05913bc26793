"""What tests in sandboxes share: who has bubblewrap, a sandbox around a folder, and who lives in one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model import Access, Sandbox
from orchestrator.process import sandbox

LIMIT_S = 20.0


async def need_bubblewrap() -> None:
    """Skips without it; in CI a skip is a failure."""
    if trouble := await sandbox.trouble():
        pytest.skip(trouble)


def around(place: Path, temporary: Path) -> Sandbox:
    """One in which `place` can be written and every temporary folder is another one."""
    temporary.mkdir(exist_ok=True)
    places = {"/tmp": Access.PRIVATE, "/var/tmp": Access.PRIVATE, str(place): Access.WRITE}
    return Sandbox(places=places, temporary=str(temporary))


def wait_until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.02)


def living(mark: str) -> dict[int, int]:
    """All processes in whose environment these words are: the number that they have here -> the one that they know."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            is_marked = mark.encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        state, numbers = (
            next(line for line in status.splitlines() if line.startswith(word))
            for word in ("State:", "NSpid:")
        )
        if is_marked and state.split()[1] != "Z":
            found[int(folder.name)] = int(numbers.split()[-1])
    return found
