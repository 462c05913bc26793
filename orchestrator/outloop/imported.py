"""Transcripts of clients -> the store of patterns: counted as seen, never as a baseline of savings. Refuses to count what an engine has counted already, and reads no file again that has not grown."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from orchestrator import prices
from orchestrator.errors import UsageError
from orchestrator.journal import tail
from orchestrator.outloop import sessions, store, transcripts
from orchestrator.outloop.detect import Worked
from orchestrator.outloop.matching import Words
from orchestrator.outloop.sessions import Seen
from orchestrator.outloop.transcripts import Session
from orchestrator.settings import Settings

READERS = {"claude": transcripts.claude, "codex": transcripts.codex}
PROVIDERS = {"claude": "anthropic", "codex": "openai"}
AT_ONCE = 20  # sessions in one transaction
NAMED = 10  # damaged lines


class File(NamedTuple):
    client: str
    path: Path
    chosen: bool  # by a person: of whatever project it is


class Counted(NamedTuple):
    """`new`: occurrences. `recorded`: sessions that an engine ran here. `damaged`: `file:line`, the first of so many `broken` ones."""

    new: int = 0
    sessions: int = 0
    recorded: int = 0
    elsewhere: int = 0
    broken: int = 0
    damaged: tuple[str, ...] = ()


class Found(NamedTuple):
    file: File
    size: int
    session: Session
    seen: (
        Seen | None
    )  # None: it is of no project that is asked for, was counted by an engine, or did nothing


def find(root: Path, claude: Path | None, codex: Path | None) -> list[File]:
    """In the folders that were named; without any, what the clients of this person have of this project."""
    named = [
        (client, folder) for client, folder in (("claude", claude), ("codex", codex)) if folder
    ]
    if named:
        return [File(client, one, True) for client, folder in named for one in _below(folder)]
    home = Path.home()
    own = Path(os.environ.get("CLAUDE_CONFIG_DIR") or home / ".claude") / "projects"
    # Its folder has the name of the project's; worktrees and folders below begin with it.
    called = re.sub(r"[^A-Za-z0-9]", "-", str(root))
    sessions = Path(os.environ.get("CODEX_HOME") or home / ".codex") / "sessions"
    found = [File("claude", one, False) for one in sorted(own.glob(f"{called}*/*.jsonl"))]
    return found + [File("codex", one, False) for one in sorted(sessions.rglob("*.jsonl"))]


def count(
    root: Path,
    files: Sequence[File],
    chosen: Settings,
    reached: Callable[[int], None] = lambda _: None,
) -> Counted:
    """`reached` is told how many files are done."""
    told, known = Counted(), tail.sessions(root)
    for begin in range(0, len(files), AT_ONCE):
        some = files[begin : begin + AT_ONCE]
        found = list(_read(root, some, known, chosen))
        if found:
            told = _keep(root, found, known, told)
        reached(begin + len(some))
    return told


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of transcripts")
    return sorted(folder.rglob("*.jsonl"))


def _read(root: Path, files: Sequence[File], known: set[str], chosen: Settings) -> Iterator[Found]:
    """Those that are other than when they were read: a session goes on, and its figures are those of all of it."""
    with store.reading(root) as book:
        upto = {one: {book.upto(name) for name in _names(one)} if book else {0} for one in files}
    for one in files:
        with suppress(OSError), one.path.open("rb") as file:  # it may go at any time
            size = os.fstat(file.fileno()).st_size
            if size not in upto[one]:
                session = READERS[one.client](file)
                wanted = _is_wanted(root, one, session) and session.id not in known
                seen = _seen(one, session, chosen) if wanted and session.steps else None
                yield Found(one, size, session, seen)


def _is_wanted(root: Path, file: File, session: Session) -> bool:
    return file.chosen or Path(session.folder).is_relative_to(root)


def _names(one: File) -> tuple[str, ...]:
    """Under which it is noted how far it was read: as counted, and as one of another project, for as long as nobody names it."""
    counted = f"{one.client} {one.path}"
    return (counted,) if one.chosen else (counted, f"elsewhere {counted}")


def _keep(root: Path, found: Sequence[Found], known: set[str], told: Counted) -> Counted:
    with store.writing(root) as book:
        for file, size, session, seen in found:
            told = _with_damage(told, file, session)
            is_here = _is_wanted(root, file, session)
            book.read(_names(file)[0 if is_here else -1], size)
            if not is_here:
                told = told._replace(elsewhere=told.elsewhere + 1)
            elif session.id in known:
                told = told._replace(recorded=told.recorded + 1)
            elif seen:
                new = told.new + sessions.keep(book, seen)
                told = told._replace(new=new, sessions=told.sessions + 1)
    return told


def _with_damage(told: Counted, file: File, session: Session) -> Counted:
    named = (f"{file.path}:{number}" for number in session.damaged)
    return told._replace(
        broken=told.broken + len(session.damaged), damaged=(*told.damaged, *named)[:NAMED]
    )


def _seen(file: File, session: Session, chosen: Settings) -> Seen:
    worked = Worked(
        workflow=f"{file.client} {file.path.stem}", at=session.at or _written(file.path),
        words=Words(""), steps=list(session.steps.values()), left_out=session.left_out,
        weights=session.weights, tokens=session.tokens, cost_usd=_cost(file, session, chosen),
        root=session.folder, whole=False, live=False,
    )  # fmt: skip
    return sessions.see(worked, chosen.patterns.match, chosen.context.tokens_per_file)


def _cost(file: File, session: Session, chosen: Settings) -> float | None:
    """None where one of its models has no price: a part of it would be too little."""
    total = 0.0
    for call in session.calls.values():
        provider = PROVIDERS[file.client]
        priced = prices.price(
            call.usage, provider=provider, model=call.model or None, own=chosen.prices
        )
        if priced.cost_usd is None:
            return None
        total += priced.cost_usd
    return total


def _written(path: Path) -> str:
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")
