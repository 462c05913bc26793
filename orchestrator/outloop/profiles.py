"""Patterns -> what their tasks read and needed, as it was kept with each attempt. Refuses to guess for those that told nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from orchestrator import context
from orchestrator.model import TaskId
from orchestrator.model.outloop import Context, HookEvent, HookKind, Pattern, Profile
from orchestrator.outloop import store
from orchestrator.outloop.operation import main_operation
from orchestrator.outloop.store import Store
from orchestrator.settings import Settings


def track(workflow: str, at: str, read: Context) -> HookEvent:
    """What an attempt read, for the store."""
    payload = {"loaded": dict(read.loaded), "used": list(read.used)}
    return HookEvent(
        kind=HookKind.FILE_ACCESS, session=workflow, at=at, payload=payload, processed=True
    )


def build(root: Path, name: str, per_file: int) -> Profile | None:
    """Of the pattern with that number or signature; None where none of its attempts read anything."""
    with store.reading(root) as kept:
        if kept is None:
            raise store.unknown(name)
        return of(kept, kept.find(name), per_file)


def of(kept: Store, pattern: Pattern, per_file: int) -> Profile | None:
    sessions = {one.workflow for one in kept.occurrences(pattern.id)}
    return context.profile(
        pattern.signature, list(_contexts(kept.file_accesses(sessions), per_file))
    )


def _contexts(accesses: Iterable[HookEvent], per_file: int) -> Iterator[Context]:
    for one in accesses:
        try:
            loaded = {str(file): size and int(size) for file, size in one.payload["loaded"].items()}
            used = {str(file) for file in one.payload["used"]}
        except (LookupError, TypeError, ValueError, AttributeError):
            continue  # another's word, or a damaged one: it tells nothing of what was read
        yield context.calculate(loaded, used, per_file)


def needed(
    root: Path, checks: Mapping[TaskId, Sequence[str]], settings: Settings
) -> dict[TaskId, Sequence[str]]:
    """The typical files of the most specific pattern of each task's checks that enough attempts are known of."""
    with store.reading(root) as kept:
        if kept is None:
            return {}
        every = {one.signature: one for one in kept.patterns()}
        least = settings.patterns.min_occurrences
        built = cache(lambda name: of(kept, every[name], settings.context.tokens_per_file))
        found = dict[TaskId, Sequence[str]]()
        for task, commands in checks.items():
            operation = main_operation("\n".join(commands))
            levels = () if isinstance(operation, str) else operation.levels
            known = (one for level in levels if level in every and (one := built(level)))
            best = next((one for one in known if one.attempts >= least), None)
            if best and (files := (*best.files, *best.docs)):
                found[task] = files
        return found
