"""The spool of the hooks -> the store, each line once, whatever ends it in between. Refuses lines that no hook wrote, and to wait for anybody for long."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from orchestrator import hook, spoken
from orchestrator.journal import HOME
from orchestrator.model.outloop import HookEvent, HookKind
from orchestrator.outloop import store
from orchestrator.outloop.store import Store

TAKEN = "hooks"  # the number of the last part that is in the store
PART = re.compile(r"hooks-([1-9]\d{0,17})\.jsonl")
ASIDE = ".aside"  # the end of the name of what is no file
FAR = 10_000  # so far ahead no number is one of ours
CLIENT = "claude"
WRITER_S = 0.5  # a hook holds its line for less than that
PAYLOAD = {"id": str, "tool": str, "target": str, "ok": bool, "size": int, "words": int}


class Part(NamedTuple):
    """`which`: device and inode. `events`: None where it is no file, or `waits`: a hook holds it, or it cannot be read now."""

    number: int
    path: Path
    which: tuple[int, int]
    events: list[HookEvent] | None
    waits: bool = False


def take(root: Path) -> None:
    """The spool gets a number; its lines and that number are in the store together, then it goes. Cut off anywhere, the next one goes on.

    No file is opened while the store is: an engine's next event waits for that.
    """
    home = root / HOME
    if not (os.path.lexists(home / hook.SPOOL) or _parts(home)):
        return
    with store.writing(root) as book:
        _set_apart(home, upto := book.upto(TAKEN))
    limit = time.monotonic() + WRITER_S
    for number, path in sorted(_parts(home).items()):
        if number > upto and (part := _look(number, path, limit)):
            with store.writing(root) as book:
                _keep(book, home, part)
    with store.reading(root) as kept:
        upto = kept.upto(TAKEN) if kept else 0
    for number, path in _parts(home).items():
        if number <= upto:
            with suppress(OSError):
                path.unlink()


def waiting(root: Path) -> int:
    """How many events are told and not counted yet."""
    home = root / HOME
    with store.reading(root) as book:
        upto = book.upto(TAKEN) if book else 0
        taken = book.count_waiting_hook_events() if book else 0
    parts = [path for number, path in _parts(home).items() if number > upto]
    found = (_opened(path) for path in (home / hook.SPOOL, *parts))
    return taken + sum(_count(one) for one in found if one is not None)


def _count(descriptor: int) -> int:
    """0 where it cannot be read: `notes` names it."""
    with suppress(OSError):
        return sum(1 for _ in _events(descriptor))
    return 0


def notes(root: Path) -> Iterator[str]:
    """What was put aside and is still there, and what cannot be read."""
    for path in sorted((root / HOME).glob(f"hooks-*{ASIDE}")):
        yield (
            f"{HOME}/{path.name} stood where hooks write and is no file of theirs: nothing of it was read. "
            "Next: look at it, then remove it"
        )
    home = root / HOME
    for path in (home / hook.SPOOL, *(path for _, path in sorted(_parts(home).items()))):
        if why := _refusal(path):
            yield (
                f"{HOME}/{path.name} cannot be read ({why}): what hooks told there is not counted yet. "
                f'Next: if somebody else wrote it (sudo), sudo chown "$USER" {HOME}/hooks*.jsonl; then it counts the next time'
            )


def _parts(home: Path) -> dict[int, Path]:
    found = ((PART.fullmatch(path.name), path) for path in home.glob("hooks-*.jsonl"))
    return {int(named[1]): path for named, path in found if named}


def _set_apart(home: Path, upto: int) -> None:
    """While nobody else can write to the store: no two give one number. A number that somebody else gave becomes the next one."""
    far = [path for number, path in _parts(home).items() if number > upto + FAR]
    for path in (*far, home / hook.SPOOL):
        with suppress(OSError):  # another one was quicker, or there is no spool
            path.rename(_next(home, upto))


def _next(home: Path, upto: int) -> Path:
    near = (number for number in _parts(home) if number <= upto + FAR)
    return home / f"hooks-{max(upto, *near, 0) + 1}.jsonl"


def _look(number: int, path: Path, limit: float) -> Part | None:
    """None: it is gone."""
    try:
        told = path.lstat()
    except OSError:
        return None
    part = Part(number, path, (told.st_dev, told.st_ino), None)
    if not stat.S_ISREG(told.st_mode):
        return part
    descriptor = _opened(path)
    if descriptor is None:
        return part._replace(waits=True)
    if not _is_written(descriptor, limit):
        os.close(descriptor)
        return part._replace(waits=True)
    try:
        return part._replace(events=list(_events(descriptor)))
    except OSError:
        return part._replace(waits=True)


def _refusal(path: Path) -> str:
    """Why this file cannot be read now; empty: it can, or it is none."""
    if not path.is_file() or path.is_symlink():
        return ""
    try:
        with path.open("rb", buffering=0) as file:
            file.read(1)
    except FileNotFoundError:
        return ""
    except OSError as refused:
        return str(refused.strerror)
    return ""


def _opened(path: Path) -> int | None:
    """None of a link or anything else that is no file: a pipe would wait for somebody who writes."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _is_written(descriptor: int, limit: float) -> bool:
    """By all hooks that had it open already. Who opens it from now on sees that it is another."""
    while True:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return True
        if time.monotonic() >= limit:
            return False
        time.sleep(0.01)


def _keep(book: Store, home: Path, part: Part) -> None:
    """If nobody else did meanwhile. One that waits gets a later number, so the others need not wait for it."""
    upto = book.upto(TAKEN)
    if part.number <= upto or not _is_still(part):
        return
    if part.waits:
        part.path.rename(_next(home, upto))
        return
    if part.events is None:
        part.path.rename(_aside(home, part.number))
    book.add_hook_events(part.events or ())
    book.read(TAKEN, part.number)


def _is_still(part: Part) -> bool:
    try:
        told = part.path.lstat()
    except OSError:
        return False
    return (told.st_dev, told.st_ino) == part.which


def _aside(home: Path, number: int) -> Path:
    while os.path.lexists(path := home / f"hooks-{number}{ASIDE}"):
        number += 1
    return path


# --- its lines --------------------------------------------------------------------------------------


def _events(descriptor: int) -> Iterator[HookEvent]:
    with open(descriptor, "rb") as file:
        for row in file.read(2 * hook.MOST_SPOOL).split(b"\n"):
            if (event := _event(row)) is not None:
                yield event


def _event(row: bytes) -> HookEvent | None:
    """None of a line that no hook wrote: each of its words must be of the kind and the length that a hook gives it."""
    told = spoken.decode(row.decode("utf-8", "replace"))
    session, at = spoken.find(told, "session", str), spoken.find(told, "at", float)
    payload = {name: told[name] for name in PAYLOAD if name in told}
    is_ours = all(_is_of(name, value) for name, value in payload.items())
    if session is None or len(session) > hook.LONGEST_NAME or at is None or not is_ours:
        return None
    try:
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        kind = HookKind(spoken.text_at(told, "event"))
    except (ValueError, OverflowError, OSError):
        return None
    return HookEvent(
        kind=kind, session=f"{CLIENT} {session}", at=moment.replace("+00:00", "Z"), payload=payload
    )


def _is_of(name: str, value: object) -> bool:
    if PAYLOAD[name] is int:
        return value is None or spoken.count_at({name: value}, name) is not None
    found = spoken.find({name: value}, name, PAYLOAD[name])
    return found is not None and len(str(found)) <= hook.LONGEST
