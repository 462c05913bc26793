"""One project's runs in SQLite: append, replay, query. Refuses a second writer, damage, and files of a newer version.

What the rest of the program relies on:

* An event is on the disk (WAL, `synchronous=FULL`) when `append` returns, and it is appended before the
  effect that it announces. So after any crash the journal says at most one thing more than what happened,
  never one less.
* Events are only ever appended. What a run is now is what its events say, folded (history.py) or applied
  (tracker.py); no column repeats it.
* Events are numbered without a gap, and how far they had come stands in a file of its own, too (`journal.mark`, written
  after each event). So what damage or a power failure took is counted and said, each time, never hidden.
* Each row has a checksum: damage stops whoever reads it, by name. `rescue` keeps what stands before it.
* There is one writer: an exclusive `flock` on `journal.lock`, held for life and not inherited by children.
  The kernel frees it when the engine dies, however it dies; no stale pid can block or admit anybody.
  Readers need no lock.
* A run keeps the exact bytes of its plans, so that a resumed run cannot meet an edited plan.

`append` is a plain function and blocks for the time of one fsync: an await between "recorded" and "known"
would let another task see a state that is not on the disk yet.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator import redact
from orchestrator.errors import JournalLocked, RecordError, UnknownRun
from orchestrator.journal import file
from orchestrator.journal.file import VERSION, StoredPlan, sql
from orchestrator.journal.marks import CRASH_AT, CrashPoint, Mark, Reached
from orchestrator.model import Event, EventKind, Noun, PlanId, RunId, TaskId

__all__ = [
    "CRASH_AT",
    "HOME",
    "VERSION",
    "Journal",
    "RunRow",
    "StoredPlan",
    "holder",
    "is_live",
    "live_runs",
    "locked",
    "make_home",
    "reading",
    "refuse_emptied",
    "refuse_second",
    "store",
    "writing",
]

HOME = ".orchestrator"
GLANCE_S = 0.2  # who only asks whether somebody holds the lock holds it for less
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # no look-alikes: people type run names


class RunRow(Noun):
    """One line of `orchestrator runs`. `exit_code` None: running, or the engine died."""

    id: RunId
    started_at: str
    asked: Mapping[str, Any]
    exit_code: int | None
    paths: tuple[str, ...]


class Journal:
    """Open with `writing` or `reading`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        reached: Reached,
        lock: int | None = None,
    ) -> None:
        """`reached` was read before the events were: a live engine adds some meanwhile."""
        self._connection = connection
        self._lock = lock
        self._crash = CrashPoint(os.environ.get(CRASH_AT, ""))
        self.path = path
        self._mark, self._reached = _mark(path), reached
        with self._readable():
            last, count, strangers = connection.execute(sql("extent")).fetchone()
        if strangers:
            raise file.damaged(f"{path} is damaged: {strangers} of its rows belong to no run")
        self._last = max(self._reached.seq, last)
        self.lost = self._last - count  # events that were there once, and are not any more
        self.unwritten: str | None = None  # why the last row could not be written
        self.ends_short = self._reached.seq > last  # some of them are the newest

    def announce(self, runs: Iterable[RunId]) -> None:
        """Which runs the holder of the lock works on; only the lock says that it still does."""
        assert self._lock is not None
        _sign(self._lock, runs)

    def begin(self, asked: Mapping[str, Any], plans: Sequence[StoredPlan]) -> RunId:
        """A new run with its own copy of the plans; the name is unique and short enough to type."""
        now = _now()
        token = "".join(secrets.choice(LETTERS) for _ in range(5))
        run = RunId(f"{now[2:4]}{now[5:7]}{now[8:10]}-{token}")
        rows = [(run, n, p.id, p.path, p.sha256, p.content) for n, p in enumerate(plans)]
        with self._written():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                sql("add_run"), _sealed(run, now, json.dumps(dict(asked)), len(plans))
            )
            self._connection.executemany(sql("add_plan"), [_sealed(*row) for row in rows])
            self._connection.execute("COMMIT")
        return run

    def append(
        self,
        run: RunId,
        kind: EventKind,
        data: Mapping[str, Any],
        *,
        task: TaskId | None = None,
        attempt: int | None = None,
    ) -> Event:
        """The event is durable when this returns, and holds no secret that this process knows."""
        data = redact.words(data)
        at, seq = _now(), self._last + 1
        row = _sealed(
            seq, run, at, kind.value, task, attempt, json.dumps(dict(data), ensure_ascii=False)
        )
        self._crash.pass_by("before", kind)
        with self._written():
            self._connection.execute(sql("append_event"), row)
        self._last = seq
        self._mark.write(self._reached._replace(seq=seq))
        self._crash.pass_by("after", kind)
        return Event(seq=seq, run=run, at=at, kind=kind, task=task, attempt=attempt, data=data)

    def events(self, run: RunId) -> list[Event]:
        with self._readable():
            rows = self._connection.execute(sql("events"), (run,)).fetchall()
        return file.events(self.path, rows)

    def plans(self, run: RunId) -> list[StoredPlan]:
        with self._readable():
            rows = self._connection.execute(sql("plans"), (run,)).fetchall()
        return file.plans(self.path, rows)

    def runs(self) -> list[RunRow]:
        """Newest first."""
        with self._readable():
            rows = self._connection.execute(sql("runs")).fetchall()
            ends = self._connection.execute(sql("ends")).fetchall()
        events = (file.event(self.path, row) for row in ends)
        codes = {event.run: event.data.get("exit_code") for event in events}
        return [self._run(row, codes) for row in rows]

    def _run(self, row: Sequence[Any], codes: Mapping[RunId, int | None]) -> RunRow:
        *own, paths = row
        run, at, asked, _ = file.whole(own, f"run {row[1]}", self.path)
        code, plans = codes.get(run), tuple(paths.split("\0")) if paths else ()
        return RunRow(id=run, started_at=at, asked=json.loads(asked), exit_code=code, paths=plans)

    @property
    def trouble(self) -> str | None:
        """What to say of what is missing, until a person says that it is known."""
        if self.lost <= self._reached.acknowledged:
            return None
        which = "the last " if self.ends_short else ""
        events = f"{self.lost} event is" if self.lost == 1 else f"{self.lost} events are"
        return (
            f"{which}{events} missing in {self.path} (damage, or a power failure): what they recorded "
            "is not known. What had landed is in git (git branch --list 'orchestrator/*'); a task whose end is missing "
            "is done again. Next: orchestrator recover, which also says this no more"
        )

    def look_through(self) -> None:
        """Every page, as a writer does at its start."""
        with self._readable():
            file.look_through(self._connection)

    def acknowledge(self) -> None:
        """A person knows what is missing."""
        self._reached = Reached(self._last, self.lost)
        self._mark.write(self._reached)

    def find(self, name: str | None) -> RunRow:
        """The run of that name, or of that beginning or else ending where it is of one alone; None: the newest, where it is known which that is."""
        runs = self.runs()
        if name is None and self.ends_short and self.trouble:
            raise RecordError(
                f"which run is the newest is not known: {self.trouble}; or name the run"
            )
        named = _named(runs, name)
        if not runs:
            raise UnknownRun(f"no run yet in {self.path}; start one with: orchestrator run PLAN.md")
        if not named or (name and len(named) > 1):
            newest = ", ".join(row.id for row in (named or runs)[:5])
            what = "several runs begin or end with" if named else "no run begins or ends with"
            raise UnknownRun(f"{what} {name!r}; the newest are {newest}")
        return named[0]

    def try_again(self) -> None:
        """Whether there is room for a page by now: what could not be written is `unwritten` no longer."""
        if self.unwritten:
            with suppress(RecordError), self._written():
                self._connection.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            with self._readable():
                yield
        except RecordError as refused:
            self.unwritten = str(refused)
            raise
        self.unwritten = None

    def _readable(self) -> AbstractContextManager[None]:
        return file.readable(self._connection, self.path)


@contextmanager
def writing(root: Path) -> Iterator[Journal]:
    """The project's journal with the sole right to write, for as long as this is entered."""
    path = root / HOME / "journal.db"
    with locked(root) as lock:
        refuse_emptied(path)
        with file.to_write(path) as connection:
            yield Journal(connection, path, _mark(path).read(), lock)


@contextmanager
def locked(root: Path) -> Iterator[int]:
    """The sole right to write, without the journal."""
    home = make_home(root)
    try:
        lock = os.open(home / "journal.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as refused:
        raise _unwritable(home, refused) from refused
    try:
        limit = time.monotonic() + GLANCE_S
        while not _is_ours(lock):
            if time.monotonic() >= limit:
                raise JournalLocked(_held(root, *_signed(lock)))
            time.sleep(GLANCE_S / 20)
        _sign(lock)
        yield lock
    finally:
        os.close(lock)


def _is_ours(lock: int, how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def refuse_second(root: Path) -> None:
    """JournalLocked, with who it is, while another engine holds the project."""
    with locked(root):
        pass


@contextmanager
def reading(root: Path) -> Iterator[Journal]:
    """The journal to look at; also while an engine writes."""
    path = root / HOME / "journal.db"
    refuse_emptied(path)
    if not path.exists():
        raise _no_run_in(root)
    reached = _mark(path).read()
    with file.to_read(path) as connection:
        if connection is None:
            raise _no_run_in(root)
        yield Journal(connection, path, reached)


def refuse_emptied(path: Path) -> None:
    """Before it is opened: SQLite takes an empty file for a new one, and throws away the WAL beside it."""
    if file.size(path):
        return
    if _mark(path).read().seq or file.size(file.wal_of(path)):
        raise file.damaged(f"{path} is {'empty' if path.exists() else 'gone'}, and had events")


def _mark(path: Path) -> Mark:
    return Mark(path.with_name("journal.mark"))


def _no_run_in(root: Path) -> UnknownRun:
    return UnknownRun(f"no run yet in {root}; start one with: orchestrator run PLAN.md")


def _sign(lock: int, runs: Iterable[RunId] = ()) -> None:
    """Who holds it and for which runs, for people; only the lock itself says that it is held."""
    words = " ".join([str(os.getpid()), *runs]).encode()
    with suppress(OSError):  # a full disk
        os.pwrite(lock, words, 0)
        os.ftruncate(lock, len(words))


def _signed(lock: int) -> tuple[str, frozenset[RunId]]:
    pid, *runs = os.pread(lock, os.fstat(lock).st_size, 0).decode().split() or [""]
    return pid, frozenset(map(RunId, runs))


def _held(root: Path, pid: str, runs: Collection[RunId]) -> str:
    who = f", run{'s' if len(runs) > 1 else ''} {', '.join(sorted(runs))}" if runs else ""
    return (
        f"another orchestrator works in {root} (pid {pid or 'unknown'}{who}); wait for it, or answer it with "
        "approve, reject or retry"
    )


def live_runs(root: Path) -> frozenset[RunId] | None:
    """Those of the engine that holds the project's lock now; empty while it has begun none. None: nobody holds it."""
    held = holder(root)
    return None if held is None else held[1]


def holder(root: Path) -> tuple[str, frozenset[RunId]] | None:
    """Its pid, as it has signed, and its runs. None: nobody holds the lock."""
    path = root / HOME / "journal.lock"
    if not path.exists():
        return None
    writable = os.access(path, os.W_OK)  # on a read-only disk one can look, too
    try:
        lock = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
    except OSError as refused:
        raise _unwritable(path, refused) from refused
    try:
        return None if _is_ours(lock, fcntl.LOCK_SH) else _signed(lock)
    finally:
        os.close(lock)


def is_live(root: Path) -> bool:
    return live_runs(root) is not None


def make_home(root: Path) -> Path:
    """`.orchestrator/` of a project, which ignores itself for git, but for the settings."""
    home = root / HOME
    try:
        home.mkdir(exist_ok=True)
        ignore = home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n!config.toml\n")
    except OSError as refused:
        raise _unwritable(home, refused) from refused
    return home


def _unwritable(home: Path, refused: OSError) -> RecordError:
    return RecordError(f"cannot write {home}: {refused.strerror}; make room or make it writable")


def store(plan_id: PlanId, path: str, content: bytes) -> StoredPlan:
    digest = hashlib.sha256(content).hexdigest()
    return StoredPlan(id=plan_id, path=path, sha256=digest, content=content)


def _sealed(*values: Any) -> tuple[Any, ...]:
    return (*values, file.checksum(values))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _named(runs: list[RunRow], name: str | None) -> list[RunRow]:
    """The whole name before a beginning, and that before an ending: the day at the front is of many runs."""
    if name is None:
        return runs
    for fits in (str.__eq__, str.startswith, str.endswith):
        if found := [row for row in runs if fits(row.id, name)]:
            return found
    return []
