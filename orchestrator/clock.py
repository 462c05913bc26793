"""What time it is by two clocks: the one on the wall, which can be set, and one that only goes on. Refuses to set either."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

AHEAD = "ORCHESTRATOR_CLOCK_AHEAD"


class Moment(NamedTuple):
    """The same moment twice, seconds."""

    wall: float  # Unix time: what is recorded, and what other machines mean; it jumps when somebody sets it
    steady: float  # of this boot: it never goes back, and on Linux stands still while the machine sleeps


def now() -> Moment:
    return Moment(wall(), time.monotonic())


def wall() -> float:
    """For tests: the file that ORCHESTRATOR_CLOCK_AHEAD names says by how many seconds somebody has set it ahead."""
    ahead = 0.0
    if path := os.environ.get(AHEAD):
        with suppress(OSError, ValueError):
            ahead = float(Path(path).read_text())
    return time.time() + ahead


def at(unix_s: float) -> str:
    """In the person's own time zone, with the day where it is not today's."""
    moment, now = datetime.fromtimestamp(unix_s).astimezone(), datetime.now().astimezone()
    return moment.strftime("%H:%M" if moment.date() == now.date() else "%Y-%m-%d %H:%M")
