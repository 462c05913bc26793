"""What clients' hooks told -> what their sessions did, as what attempts did is counted. Takes each line once, whatever ends it; refuses to guess what a session used."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import context, hook, spoken
from orchestrator.journal import HOME
from orchestrator.model import Step, StepKind
from orchestrator.model.outloop import HookEvent, HookKind
from orchestrator.outloop import sessions, store
from orchestrator.outloop.detect import Worked
from orchestrator.outloop.matching import Words
from orchestrator.outloop.sessions import Seen

TAKEN = "hooks"  # the number of the last spool that is in the store
PART = re.compile(r"hooks-(\d{1,12})\.jsonl")
CLIENT = "claude"
WRITER_S = 0.5  # a hook holds its line for less than that
MOST_STEPS = 5000  # of one session; more are only counted
AT_ONCE = 10_000  # events


class Waiting(NamedTuple):
    """Sessions that have events which are not counted, up to the `last`."""

    last: int
    seen: list[Seen]


def sync(root: Path, floor: float, per_file: int = context.PER_FILE) -> int:
    """How many occurrences are new."""
    take(root)
    new = 0
    while waiting := _waiting(root, floor, per_file):
        with store.writing(root) as book:
            book.drain_hook_events(AT_ONCE, waiting.last)
            new += sum(sessions.keep(book, one) for one in waiting.seen)
    return new


def _waiting(root: Path, floor: float, per_file: int) -> Waiting | None:
    """Also what somebody took who was ended then. All of each session: it may have gone on since it was counted."""
    with store.reading(root) as book:
        events = book.waiting_hook_events(AT_ONCE) if book else []
        names = dict.fromkeys(one.session for one in events)
        every = [book.hook_events(name, events[-1].id) for name in names] if book else []
    worked = [one for one in (_worked(root, told) for told in every) if one.steps]
    seen = [sessions.see(one, floor, per_file) for one in worked]
    return Waiting(events[-1].id, seen) if events else None


# --- from the spool into the store ------------------------------------------------------------------


def take(root: Path) -> None:
    """The spool gets a number, its lines and that number are in the store together, then it goes. Cut off anywhere, the next one goes on."""
    spool = root / HOME / hook.SPOOL
    if not (spool.exists() or _parts(root)):
        return
    with store.writing(root) as book:
        upto = book.upto(TAKEN)
        _set_apart(spool, max([upto, *_parts(root)]) + 1)
        for number, path in sorted(_parts(root).items()):
            if number > upto:
                book.add_hook_events(_events(path))
                book.read(TAKEN, upto := number)
    for number, path in _parts(root).items():
        if number <= upto:
            with suppress(OSError):
                path.unlink()


def _parts(root: Path) -> dict[int, Path]:
    found = ((PART.fullmatch(path.name), path) for path in (root / HOME).glob("hooks-*.jsonl"))
    return {int(named[1]): path for named, path in found if named}


def _set_apart(spool: Path, number: int) -> None:
    with suppress(OSError):  # another one was quicker, or there is no spool
        part = spool.with_name(f"hooks-{number}.jsonl")
        spool.rename(part)
        _wait_for_writers(part)


def _wait_for_writers(part: Path) -> None:
    """Of hooks that had it open already. Who opens it from now on sees that it is another."""
    limit = time.monotonic() + WRITER_S
    with part.open("rb") as file:
        while time.monotonic() < limit:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(0.01)


def _events(path: Path) -> Iterator[HookEvent]:
    """Of a link or anything else that is no file of ours nothing; neither of a line that no hook wrote."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    with open(descriptor, "rb") as file, suppress(OSError):
        for row in file.read(hook.MOST_SPOOL + hook.MOST_LINE).split(b"\n"):
            if (event := _event(row)) is not None:
                yield event


def _event(row: bytes) -> HookEvent | None:
    told = spoken.decode(row.decode("utf-8", "replace"))
    try:
        at = datetime.fromtimestamp(float(told["at"]), UTC).isoformat(timespec="milliseconds")
        names = ("id", "tool", "target", "ok", "size", "words")
        payload = {name: told[name] for name in names if name in told}
        return HookEvent(
            kind=HookKind(told["event"]), session=f"{CLIENT} {told['session']}",
            at=at.replace("+00:00", "Z"), payload=payload,
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, OverflowError, OSError):
        return None


# --- from the store into occurrences ----------------------------------------------------------------


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
            uses.setdefault(one.payload.get("id") or number, {}).update(one.payload)
    return _steps(uses.values(), root)


def _steps(uses: Iterable[dict[str, Any]], root: Path) -> Iterator[Step]:
    for use in uses:
        tool, target = spoken.text_at(use, "tool"), spoken.text_at(use, "target")
        known = spoken.step(tool, {"command": target})
        target = target.replace(f"{root}/", "")
        size = spoken.count_at(use, "size") if known.kind is StepKind.READ else None
        ok = spoken.find(use, "ok", bool)
        yield known.model_copy(update={"target": target, "ok": ok, "size": size})
