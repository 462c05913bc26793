"""A session of a client -> what the store keeps of it. Works it out before the store is opened to write: an engine's next event waits for that."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator import context, spoken
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


def keep(book: Store, seen: Seen, *, adds: bool = False) -> int:
    """How many occurrences are new. The figures of their patterns are left to `sync.count`.

    `adds`: it may be a part of its session, so what is known to have been read stays.
    """
    if seen.access:
        there = book.file_access(seen.access.session) if adds else None
        book.keep_access(_together(there, seen.access) if there else seen.access)
    return book.record(seen.occurrences, later=True)


def _together(there: HookEvent, newer: HookEvent) -> HookEvent:
    loaded = dict(spoken.find(there.payload, "loaded", dict) or {})
    for name, size in newer.payload["loaded"].items():
        loaded[name] = loaded.get(name) if size is None else size
    used = {*(spoken.find(there.payload, "used", list) or ()), *newer.payload["used"]}
    return newer.model_copy(update={"payload": {"loaded": loaded, "used": sorted(used)}})
