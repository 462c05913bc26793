"""Transcripts of clients -> the store of patterns: counted as seen, never as a baseline of savings. Refuses to count what an engine has counted already, and reads no session again of which no file has grown."""

from __future__ import annotations

import os
import re
import stat
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from orchestrator import prices
from orchestrator.errors import UsageError
from orchestrator.journal import tail
from orchestrator.model import Price, Usage
from orchestrator.outloop import copies, sessions, store, transcripts
from orchestrator.outloop.detect import Worked
from orchestrator.outloop.matching import Words
from orchestrator.outloop.sessions import Seen
from orchestrator.outloop.transcripts import Begin, Lines, Session
from orchestrator.settings import Settings

READERS = {"claude": transcripts.claude, "codex": transcripts.codex}
PROVIDERS = {"claude": "anthropic", "codex": "openai"}
AT_ONCE = 20  # sessions in one transaction
NAMED = 10  # damaged lines
SAID = 1_000_000  # bytes after which somebody who looks is told
LONGEST_NAME = 200  # of a folder of Claude Code; there it is cut, and something is added


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


class Part(NamedTuple):
    """A file of a session: how long it is, when it was written, how it begins, how far it was counted before, and how much in it is another session's in any case."""

    file: File
    size: int
    written: float
    begin: Begin
    before: int
    others: int = 0


class Found(NamedTuple):
    """A session. `told`: what it adds to the count. `seen`: None where it counts for nothing. `stays`: what is known of it, as its files do not tell what it did."""

    workflow: str
    read: Mapping[str, int]
    told: Counted
    seen: Seen | None = None
    stays: bool = False


class Bill:
    """What answers cost, by sums of those that are priced alike: half a million one by one would take minutes."""

    def __init__(self, provider: str, own: Mapping[str, Price]) -> None:
        self._provider, self._own = provider, own
        self._is_known = True
        self._limits: dict[str, tuple[int, ...]] = {}
        self._sums: dict[tuple[str, int], Usage] = {}

    def add(self, usage: Usage, model: str) -> None:
        if usage.input_tokens is None or usage.output_tokens is None or not model:
            self._is_known = False
            return
        if model not in self._limits:
            self._limits[model] = prices.thresholds(
                provider=self._provider, model=model, own=self._own
            )
        read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
        size = bisect_right(self._limits[model], usage.input_tokens + read + written)
        before = self._sums.get((model, size), Usage())
        self._sums[model, size] = Usage(
            input_tokens=(before.input_tokens or 0) + usage.input_tokens,
            output_tokens=(before.output_tokens or 0) + usage.output_tokens,
            cache_read_tokens=(before.cache_read_tokens or 0) + read,
            cache_write_tokens=(before.cache_write_tokens or 0) + written,
            requests=(before.requests or 0) + 1,
        )

    def cost_usd(self) -> float | None:
        """None where one of them has no price: a part of it would be too little."""
        costs = [
            prices.price(usage, provider=self._provider, model=model, own=self._own).cost_usd
            for (model, _), usage in self._sums.items()
        ]
        known = [one for one in costs if one is not None]
        return sum(known) if self._is_known and len(known) == len(costs) else None


class Bar:
    """How far it is, in bytes, said now and then."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told, self._done, self._said = told, 0, 0

    def add(self, size: int) -> None:
        self._done += size
        if self._done - self._said >= SAID:
            self._told(self._done)
            self._said = self._done


def find(root: Path, claude: Path | None, codex: Path | None) -> list[File]:
    """In the folders that were named; without any, what the clients of this person have of this project."""
    named = [
        (client, folder) for client, folder in (("claude", claude), ("codex", codex)) if folder
    ]
    if named:
        return _files(File(client, one, True) for client, folder in named for one in _below(folder))
    home = Path.home()
    own = Path(os.environ.get("CLAUDE_CONFIG_DIR") or home / ".claude") / "projects"
    sessions = Path(os.environ.get("CODEX_HOME") or home / ".codex") / "sessions"
    # Worktrees and folders below begin with the name of the project's.
    found = [File("claude", one, False) for one in own.glob(f"{called(root)}*/**/*.jsonl")]
    return _files([*found, *(File("codex", one, False) for one in sessions.rglob("*.jsonl"))])


def called(root: Path) -> str:
    """How the folder of its sessions begins. Claude Code counts a letter beyond the first 65536 as two."""
    letters = (one * (2 if one > "\uffff" else 1) for one in str(root))
    return re.sub(r"[^A-Za-z0-9]", "-", "".join(letters))[:LONGEST_NAME]


def size(files: Sequence[File]) -> int:
    """Bytes, of all of them together."""
    return sum(found.st_size for one in files if (found := _stat(one.path)))


def count(
    root: Path,
    files: Sequence[File],
    chosen: Settings,
    reached: Callable[[int], None] = lambda _: None,
) -> Counted:
    """`reached` is told how many bytes are done, of `size`."""
    known, bar = tail.sessions(root), Bar(reached)
    _take_back(root, known)
    told, waiting = Counted(), list[Found]()
    for one in _read(root, files, known, chosen, bar):
        waiting.append(one)
        if len(waiting) == AT_ONCE:
            told = _keep(root, waiting, told)
            waiting = []
    told = _keep(root, waiting, told) if waiting else told
    reached(size(files))
    return told


# --- which files ------------------------------------------------------------------------------------


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of transcripts")
    return list(folder.rglob("*.jsonl"))


def _files(found: Iterable[File]) -> list[File]:
    """Each once, however it is called. What a session's agents wrote follows the session itself."""
    every = {one._replace(path=one.path.resolve()) for one in found}
    return sorted(every, key=lambda one: (one.client, str(one.path)))


def _stat(path: Path) -> os.stat_result | None:
    """None: it is gone, or is no file; a pipe would wait for its other end."""
    with suppress(OSError):
        found = path.stat()
        return found if stat.S_ISREG(found.st_mode) else None
    return None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """OSError where it is no file any more; nobody is waited for to find that out."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no file")
        yield file


def _names(one: File) -> tuple[str, ...]:
    """Under which it is noted how far it was read: as counted, and as one of another project, for as long as nobody names it."""
    counted = f"{one.client} {one.path}"
    return (counted,) if one.chosen else (counted, f"elsewhere {counted}")


# --- which of them are one session, and which are copies --------------------------------------------


def _parts(root: Path, files: Sequence[File]) -> list[Part]:
    """Nothing where none of them is other than when it was read."""
    there = {one: found for one in files if (found := _stat(one.path))}
    with store.reading(root) as book:
        upto = {one: [book.upto(n) if book else 0 for n in _names(one)] for one in there}
    mine = [one for one in there if there[one].st_size not in upto[one][1:]]
    if all(there[one].st_size == upto[one][0] for one in mine):
        return []
    return [
        Part(one, there[one].st_size, there[one].st_mtime, _begin(one), upto[one][0])
        for one in mine
    ]


def _begin(one: File) -> Begin:
    """The name of the file is that of its session where nothing in it says another."""
    found = Begin()
    with suppress(OSError), _opened(one.path) as file:
        found = transcripts.begin(one.client, Lines(file))
    return found._replace(id=found.id or one.path.stem)


def _families(parts: Sequence[Part]) -> list[list[Part]]:
    """Those of one session, and those that begin with the same answer: who goes on with a session may get a copy of it under another name."""
    leaders: dict[tuple[str, ...], tuple[str, ...]] = {}

    def leader(name: tuple[str, ...]) -> tuple[str, ...]:
        while name != leaders.setdefault(name, name):
            name = leaders[name]
        return name

    for one in parts:
        if one.begin.first:
            leaders[leader((one.file.client, "", one.begin.first))] = leader(_session(one))
    found: dict[tuple[str, ...], list[Part]] = {}
    for one in parts:
        found.setdefault(leader(_session(one)), []).append(one)
    return list(found.values())


def _session(one: Part) -> tuple[str, ...]:
    return one.file.client, one.begin.id


def _age(one: Part) -> tuple[object, ...]:
    """What they share is the oldest one's: its hooks told of it."""
    return one.begin.at, not one.before, str(one.file.path)


# --- reading ----------------------------------------------------------------------------------------


def _read(
    root: Path, files: Sequence[File], known: Collection[str], chosen: Settings, bar: Bar
) -> Iterator[Found]:
    """A session goes on: its figures are those of all of it. What it shares with another counts where it was first."""
    with store.reading(root) as book:
        noted = copies.Copies(book.notes(copies.BEGINS) if book else {})
    for family in _families(_parts(root, files)):
        if all(one.size == one.before for one in family):
            continue
        there = {one.begin.id for one in family}
        by_session: dict[tuple[str, ...], list[Part]] = {}
        for one in sorted(family, key=_age):
            many = noted.many(one.file.client, one.begin.first, one.begin.id, there)
            by_session.setdefault(_session(one), []).append(one._replace(others=many))
        copied: set[int] | None = set() if len(by_session) > 1 else None
        for parts in by_session.values():
            parts.sort(key=lambda one: str(one.file.path))
            yield _found(root, parts, known, chosen, copied, bar)


def _found(
    root: Path, parts: Sequence[Part], known: Collection[str], chosen: Settings,
    copied: set[int] | None, bar: Bar,
) -> Found:  # fmt: skip
    """`copied`: what older sessions have of which this one, or a younger one, may be a copy; None where none is."""
    file, begin = parts[0].file, parts[0].begin
    workflow = f"{file.client} {begin.id}"
    folder = next((one.begin.folder for one in parts if one.begin.folder), "")
    is_here = file.chosen or Path(folder).is_relative_to(root)
    read = {_names(one.file)[0 if is_here else -1]: one.size for one in parts}
    if not is_here:
        return Found(workflow, read, Counted(elsewhere=1))
    read |= {_note(one): one.others for one in parts if one.begin.first and one.others < copies.ALL}
    recorded = Found(workflow, read, Counted(recorded=1))
    if begin.id in known and copied is None:
        return recorded
    bill = Bill(PROVIDERS[file.client], chosen.prices)
    session = Session(book=bill.add, copied=copied or (), id=begin.id, folder=folder)
    told = Counted()
    for one in parts:
        before = len(session.others)
        session.others_first = before + one.others
        told = _with(told, one.file, session, bar)
        if one.begin.first and (more := len(session.others) - before):
            read[_note(one)] = max(read.get(_note(one), 0), more)
    if copied is not None:
        copied |= session.known
    if begin.id in known:
        return recorded
    if not session.steps:
        stays = any(one.others == copies.ALL for one in parts)
        return Found(workflow, read, told, stays=stays)
    seen = _seen(workflow, session, bill, chosen, _written(parts))
    return Found(workflow, read, told._replace(sessions=1), seen)


def _note(one: Part) -> str:
    return copies.note(one.file.client, one.begin.first, one.begin.id)


def _with(told: Counted, file: File, session: Session, bar: Bar) -> Counted:
    with suppress(OSError), _opened(file.path) as opened:  # it may go at any time
        lines = Lines(opened, bar.add)
        READERS[file.client](lines, session)
        named = tuple(f"{file.path}:{number}" for number in lines.damaged)
        told = _sum(told, Counted(broken=lines.broken, damaged=named))
    return told


def _sum(one: Counted, other: Counted) -> Counted:
    return Counted(
        new=one.new + other.new,
        sessions=one.sessions + other.sessions,
        recorded=one.recorded + other.recorded,
        elsewhere=one.elsewhere + other.elsewhere,
        broken=one.broken + other.broken,
        damaged=(*one.damaged, *other.damaged)[:NAMED],
    )


def _seen(workflow: str, session: Session, bill: Bill, chosen: Settings, written: str) -> Seen:
    worked = Worked(
        workflow=workflow, at=session.at or written,
        words=Words(""), steps=list(session.steps.values()), left_out=session.left_out,
        weights=session.weights, tokens=session.tokens, cost_usd=bill.cost_usd(),
        root=session.folder, whole=False, live=False,
    )  # fmt: skip
    return sessions.see(worked, chosen.patterns.match, chosen.context.tokens_per_file)


def _written(parts: Sequence[Part]) -> str:
    last = max(one.written for one in parts)
    at = datetime.fromtimestamp(last, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")


# --- into the store ---------------------------------------------------------------------------------


def _take_back(root: Path, known: Collection[str]) -> None:
    """What was counted while its engine was still at work is the engine's."""
    theirs = {f"{client} {one}": () for client in READERS for one in known}
    if theirs:
        with store.writing(root) as book:
            book.drop(theirs)


def _keep(root: Path, found: Sequence[Found], told: Counted) -> Counted:
    """Its newer figures in place of the older, also where some of it is another's by now."""
    with store.writing(root) as book:
        for one in found:
            for name, size in one.read.items():
                book.read(name, size)
            new = sessions.keep(book, one.seen) if one.seen else 0
            told = _sum(told, one.told._replace(new=new))
        mine = (one for one in found if not one.told.elsewhere and not one.stays)
        book.drop({one.workflow: _signatures(one) for one in mine})
    return told


def _signatures(one: Found) -> set[str]:
    return {each.operation.signature for each in one.seen.occurrences} if one.seen else set()
