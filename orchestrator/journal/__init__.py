"""One project's runs in SQLite: append, replay, query. Refuses a second writer, damage, and files of a newer version.

What the rest of the program relies on:

* An event is on the disk (WAL, `synchronous=FULL`) when `append` returns, and it is appended before the
  effect that it announces. So after any crash the journal says at most one thing more than what happened,
  never one less.
* Events are only ever appended. What a run is now is what its events say, folded (history.py) or applied
  (tracker.py); no column repeats it.
* How far it had come stands in a file of its own, too (`journal.mark`, written after each event): what damage or a power
  failure took from the end is counted and said, never hidden.
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
import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from orchestrator.errors import JournalCorrupt, JournalLocked, RecordError, UnknownRun
from orchestrator.model import Event, EventKind, Noun, PlanId, RunId, TaskId

VERSION = 1
HOME = ".orchestrator"
CRASH_AT = "ORCHESTRATOR_CRASH_AT"
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # no look-alikes: people type run names


class StoredPlan(Noun):
    """A plan as it was when its run began."""

    id: PlanId
    path: str
    sha256: str
    content: bytes


class RunRow(Noun):
    """One line of `orchestrator runs`. `exit_code` None: running, or the engine died."""

    id: RunId
    started_at: str
    asked: Mapping[str, Any]
    exit_code: int | None
    paths: str


class CrashPoint:
    """For tests: `after:landing` or `before:landing:2` is where this process ends as by kill -9. Empty: nowhere."""

    def __init__(self, words: str) -> None:
        side, _, rest = words.partition(":")
        kind, _, number = rest.partition(":")
        self._at, self._left = (side, kind), int(number or 1)

    def pass_by(self, side: str, kind: EventKind) -> None:
        if self._at == (side, kind):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Mark:
    """The number of the latest event, beside the journal. It is not flushed: it can be behind, never before."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """0 where it is missing or none."""
        with suppress(OSError, ValueError):
            return int(self._path.read_text())
        return 0

    def reach(self, seq: int) -> None:
        with suppress(OSError):  # a full disk costs the mark, not the run
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(file, b"%020d\n" % seq, 0)
            finally:
                os.close(file)


class Journal:
    """Open with `writing` or `reading`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, lock: int | None = None) -> None:
        self._connection = connection
        self._lock = lock
        self._crash = CrashPoint(os.environ.get(CRASH_AT, ""))
        self.path = path
        self._mark = Mark(path.with_name("journal.mark"))
        self.lost = 0  # events that were there once, and are not any more

    def announce(self, run: RunId) -> None:
        """Which run the holder of the lock works on; only the lock says that it still does."""
        assert self._lock is not None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, run.encode(), 0)

    def begin(self, asked: Mapping[str, Any], plans: Sequence[StoredPlan]) -> RunId:
        """A new run with its own copy of the plans; the name is unique and short enough to type."""
        now = _now()
        token = "".join(secrets.choice(LETTERS) for _ in range(5))
        run = RunId(f"{now[2:4]}{now[5:7]}{now[8:10]}-{token}")
        with self._readable():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(_sql("add_run"), (run, now, json.dumps(dict(asked))))
            rows = [(run, n, p.id, p.path, p.sha256, p.content) for n, p in enumerate(plans)]
            self._connection.executemany(_sql("add_plan"), rows)
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
        """The event is durable when this returns."""
        at = _now()
        row = (run, at, kind, task, attempt, json.dumps(dict(data), ensure_ascii=False))
        self._crash.pass_by("before", kind)
        with self._readable():
            (seq,) = self._connection.execute(_sql("append_event"), row).fetchone()
        self._mark.reach(seq)
        self._crash.pass_by("after", kind)
        return Event(seq=seq, run=run, at=at, kind=kind, task=task, attempt=attempt, data=data)

    def events(self, run: RunId) -> list[Event]:
        with self._readable():
            rows = self._connection.execute(_sql("events"), (run,)).fetchall()
        return [_event(*row) for row in rows]

    def plans(self, run: RunId) -> list[StoredPlan]:
        with self._readable():
            rows = self._connection.execute(_sql("plans"), (run,)).fetchall()
        return [StoredPlan(id=i, path=p, sha256=s, content=c) for i, p, s, c in rows]

    def runs(self) -> list[RunRow]:
        """Newest first."""
        with self._readable():
            rows = self._connection.execute(_sql("runs")).fetchall()
        return [
            RunRow(id=i, started_at=at, asked=json.loads(asked), exit_code=code, paths=paths or "")
            for i, at, asked, code, paths in rows
        ]

    @property
    def trouble(self) -> str | None:
        """What to say of what is missing."""
        if not self.lost:
            return None
        events = "event is" if self.lost == 1 else "events are"
        return (
            f"the last {self.lost} {events} missing in {self.path} (damage, or a power failure): what they recorded "
            "is not known. What had landed is in git; a task whose end is missing is done again"
        )

    def compare(self) -> None:
        """With the mark: what is missing at the end."""
        reached = self._mark.read()  # before the events: a live engine adds some meanwhile
        with self._readable():
            (last,) = self._connection.execute(_sql("last_event")).fetchone()
        self.lost = max(0, reached - last)

    def find(self, name: str | None) -> RunRow:
        """The run of that name or unambiguous beginning; None: the newest."""
        runs = self.runs()
        named = [row for row in runs if name is None or row.id.startswith(name)]
        if not runs:
            raise UnknownRun(f"no run yet in {self.path}; start one with: orchestrator run PLAN.md")
        if not named or (name and len(named) > 1 and named[0].id != name):
            newest = ", ".join(row.id for row in (named or runs)[:5])
            what = "several runs begin with" if named else "no run begins with"
            raise UnknownRun(f"{what} {name!r}; the newest are {newest}")
        return named[0]

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as broken:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise _corrupt(self.path, broken) from broken


@contextmanager
def writing(root: Path) -> Iterator[Journal]:
    """The project's journal with the sole right to write, for as long as this is entered."""
    home = make_home(root)
    lock = os.open(home / "journal.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalLocked(
                f"another orchestrator works in {root}; wait for it, or answer it with "
                "approve, reject or retry"
            ) from None
        with _connected(home / "journal.db", "rwc") as connection:
            os.ftruncate(lock, 0)
            journal = Journal(connection, home / "journal.db", lock)
            with journal._readable():
                _migrate(connection, journal.path)
            journal.compare()
            yield journal
    finally:
        os.close(lock)


@contextmanager
def reading(root: Path) -> Iterator[Journal]:
    """The journal to look at; also while an engine writes."""
    path = root / HOME / "journal.db"
    if not path.exists():
        raise UnknownRun(f"no run yet in {root}; start one with: orchestrator run PLAN.md")
    with _connected(path, "ro") as connection:
        journal = Journal(connection, path)
        journal.compare()
        yield journal


def live_run(root: Path) -> RunId | None:
    """The run of the engine that holds the project's lock now; empty while it has not begun one."""
    path = root / HOME / "journal.lock"
    if not path.exists():
        return None
    lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return RunId(os.pread(lock, 100, 0).decode())
    finally:
        os.close(lock)
    return None


def is_live(root: Path) -> bool:
    return live_run(root) is not None


def make_home(root: Path) -> Path:
    """`.orchestrator/` of a project, which ignores itself for git, but for the settings."""
    home = root / HOME
    try:
        home.mkdir(exist_ok=True)
        ignore = home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n!config.toml\n")
    except OSError as refused:
        raise RecordError(f"cannot write {home}: {refused.strerror}; make it writable") from refused
    return home


def store(plan_id: PlanId, path: str, content: bytes) -> StoredPlan:
    digest = hashlib.sha256(content).hexdigest()
    return StoredPlan(id=plan_id, path=path, sha256=digest, content=content)


@contextmanager
def _connected(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0)
    except sqlite3.Error as broken:
        raise _corrupt(path, broken) from broken
    try:
        yield connection
    finally:
        connection.close()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise JournalCorrupt(
            f"{path} was written by a newer orchestrator (version {version}, this one knows "
            f"{VERSION}); upgrade, or move the file away to start anew"
        )
    (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        raise sqlite3.DatabaseError(state)
    for step in range(version + 1, VERSION + 1):
        script = _sql(f"schema_{step}")
        connection.executescript(f"BEGIN;\n{script}\nPRAGMA user_version = {step};\nCOMMIT;")


def _sql(name: str) -> str:
    return files("orchestrator.journal").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")


def _event(
    seq: int, run: str, at: str, kind: str, task: str | None, attempt: int | None, data: str
) -> Event:
    return Event(
        seq=seq,
        run=RunId(run),
        at=at,
        kind=EventKind(kind),
        task=TaskId(task) if task else None,
        attempt=attempt,
        data=json.loads(data),
    )


def _corrupt(path: Path, broken: sqlite3.Error) -> RecordError:
    damaged = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, None}
    if getattr(broken, "sqlite_errorcode", None) not in damaged:
        return RecordError(
            f"cannot use {path}: {broken}; nothing is lost. Put that right (space, permissions), "
            "then: orchestrator resume"
        )
    return JournalCorrupt(
        f"{path} cannot be used: {broken}; nothing was changed. "
        "Move it away to start anew, or keep it and report this"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
