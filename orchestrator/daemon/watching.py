"""What the system tells of the watched folder. Refuses to be relied on: what it does not tell, the next look finds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio

from orchestrator.journal import HOME


async def watch(top: Path, rouse: Callable[[], None], pause_s: float) -> None:
    """For ever. `pause_s` after it could not be watched, or was not there any more, it is tried again."""
    from watchfiles import DefaultFilter, awatch  # it takes long to load, and `--version` must not

    ours = DefaultFilter(ignore_dirs=[*DefaultFilter.ignore_dirs, HOME])
    while True:
        with suppress(Exception):  # no such folder, no watches left, a name it cannot read
            async for _ in awatch(top, watch_filter=ours, debounce=200, step=50):
                rouse()
                if not await anyio.Path(top).is_dir():
                    break
        await anyio.sleep(pause_s)
