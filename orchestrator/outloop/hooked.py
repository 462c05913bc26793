"""What clients' hooks told -> what their sessions did, as what attempts did is counted. Refuses to guess what a session used, and to put an older look at one over a newer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import context, spoken
from orchestrator.model import Step, StepKind
from orchestrator.model.outloop import HookEvent, HookKind
from orchestrator.outloop import sessions, spool, store
from orchestrator.outloop.detect import Worked
from orchestrator.outloop.matching import Words
from orchestrator.outloop.sessions import Seen

MOST_STEPS = 5000  # of one session; more are only counted
AT_ONCE = 10_000  # events


class Waiting(NamedTuple):
    """Sessions that have events which are not counted, up to the `last`. `counted`: of each, the last event that was counted then."""

    last: int
    counted: Mapping[str, int]
    seen: list[Seen]


def sync(root: Path, floor: float, per_file: int = context.PER_FILE) -> int:
    """How many occurrences are new."""
    spool.take(root)
    new = 0
    while waiting := look(root, floor, per_file):
        new += keep(root, waiting)
    return new


def notes(root: Path) -> Iterator[str]:
    """What a person should know of what hooks told."""
    yield from spool.notes(root)
    with store.reading(root) as book:
        measured, seen = book.measured(spool.CLIENT) if book else (0, 0)
    if measured < seen:
        what = "session" if seen == 1 else "sessions"
        step = "orchestrator patterns backfill adds their tokens"
        yield f"{measured} of {seen} {what} measured; {step}"


def look(root: Path, floor: float, per_file: int = context.PER_FILE) -> Waiting | None:
    """Also what somebody took who was ended then. All of each session: it may have gone on since it was counted."""
    with store.reading(root) as book:
        events = book.waiting_hook_events(AT_ONCE) if book else []
        if book is None or not events:
            return None
        names = dict.fromkeys(one.session for one in events)
        counted = {name: book.counted_upto(name) for name in names}
        every = [book.hook_events(name, events[-1].id) for name in names]
    worked = [one for one in (_worked(root, told) for told in every if told) if one.steps]
    seen = [sessions.see(one, floor, per_file) for one in worked]
    return Waiting(events[-1].id, counted, seen)


def keep(root: Path, waiting: Waiting) -> int:
    """How many are new. Where another one has counted such a session meanwhile nothing is kept: it is to be looked at anew."""
    with store.writing(root) as book:
        if any(book.counted_upto(name) != upto for name, upto in waiting.counted.items()):
            return 0
        book.drain_hook_events(AT_ONCE, waiting.last)
        return sum(sessions.keep(book, one, adds=True) for one in waiting.seen)


def _worked(root: Path, events: Sequence[HookEvent]) -> Worked:
    steps = list(steps_of(events, root))
    return Worked(
        workflow=events[-1].session, at=max(one.at for one in events), words=Words(""),
        steps=steps[:MOST_STEPS], left_out=len(steps[MOST_STEPS:]), root=str(root), whole=False,
    )  # fmt: skip


def steps_of(events: Sequence[HookEvent], root: Path) -> Iterator[Step]:
    """Each use of a tool once, in the order in which they began. One whose end was not told may not have been allowed."""
    uses: dict[object, dict[str, Any]] = {}
    for number, one in enumerate(events):
        if one.kind in (HookKind.PRE_TOOL_USE, HookKind.POST_TOOL_USE):
            uses.setdefault(spoken.text_at(one.payload, "id") or number, {}).update(one.payload)
    return _steps(uses.values(), root)


def _steps(uses: Iterable[dict[str, Any]], root: Path) -> Iterator[Step]:
    for use in uses:
        tool, target = spoken.text_at(use, "tool"), spoken.text_at(use, "target")
        known = spoken.step(tool, {"command": target})
        target = target.replace(f"{root}/", "")
        size = spoken.count_at(use, "size") if known.kind is StepKind.READ else None
        ok = spoken.find(use, "ok", bool)
        yield known.model_copy(update={"target": target, "ok": ok, "size": size})
