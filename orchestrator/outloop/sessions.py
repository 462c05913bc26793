"""A session of a client -> what the store keeps of it. Works it out before the store is opened to write: an engine's next event waits for that."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator import context
from orchestrator.model.outloop import HookEvent, Occurrence
from orchestrator.outloop import detect, profiles
from orchestrator.outloop.detect import Worked
from orchestrator.outloop.store import Store


class Seen(NamedTuple):
    access: HookEvent | None  # None: it read nothing
    occurrences: list[Occurrence]


def see(worked: Worked, floor: float, per_file: int) -> Seen:
    """`floor` as [patterns] match has it; `per_file`: tokens of a file of unknown size."""
    read = context.of_steps(worked.steps, per_file)
    access = profiles.track(worked.workflow, worked.at, read) if read.loaded else None
    return Seen(access, detect.occurrences(worked, floor))


def keep(book: Store, seen: Seen) -> int:
    """How many occurrences are new. The figures of their patterns are left to `sync.count`."""
    if seen.access:
        book.keep_access(seen.access)
    return book.record(seen.occurrences, later=True)
