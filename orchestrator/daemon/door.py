"""What the daemon tells of itself, and how it takes orders from its pages and its API. Refuses to trust what a person has not seen."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from orchestrator import clock, disk, project
from orchestrator.daemon import trust
from orchestrator.daemon.queue import Standing
from orchestrator.daemon.supervisor import Supervisor
from orchestrator.errors import UsageError
from orchestrator.inbox import Letter
from orchestrator.model import RunId, TaskId
from orchestrator.settings import ledger_folder
from orchestrator.views.house import Act, Cancel, Enqueue, Health, Resume, Trust, Waiting

CONTEXT = 3  # lines around a change
MOST_LINES = 2000  # of a difference


class Door:
    """Of a supervisor that is kept."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._diffs: dict[tuple[str, str], str] = {}

    @property
    def root(self) -> Path:
        return self._supervisor.root

    async def rung(self, seen: int) -> int:
        return await self._supervisor.bell.wait(seen)

    def doing(self, run: RunId) -> Mapping[TaskId, str]:
        witness = self._supervisor.witnesses.get(run)
        return dict(witness.doing_now) if witness else {}

    # --- what waits -------------------------------------------------------------------------------

    def waiting(self) -> tuple[Waiting, ...]:
        return tuple(map(self._waiting, self._supervisor.decision.waiting))

    def _waiting(self, one: Standing) -> Waiting:
        found = one.found
        return Waiting(
            path=found.path,
            sha256=found.sha256,
            state=one.state,
            why=one.why,
            since=_iso(found.changed_at),
            priority=found.priority,
            run=one.run,
            diagnostics=found.errors,
            diff=self._diff(one),
        )

    def _diff(self, one: Standing) -> str:
        """What a person reads before the new text may run."""
        path, digest = one.found.path, one.found.sha256
        if one.run is None or digest is None or one.state == "running":
            return ""
        if (path, digest) not in self._diffs:
            self._diffs = {key: text for key, text in self._diffs.items() if key[0] != path}
            self._diffs[path, digest] = self._compared(path, one.run)
        return self._diffs[path, digest]

    def _compared(self, path: str, run: RunId) -> str:
        stored = {one.path: one.content for one in self._supervisor.engine.book.plans(run)}
        try:
            new = (self.root / path).read_bytes()
        except OSError:
            return ""
        old = stored.get(path, new)
        rows = difflib.unified_diff(
            old.decode("utf-8", "replace").splitlines(),
            new.decode("utf-8", "replace").splitlines(),
            f"{path} in run {run}",
            path,
            n=CONTEXT,
            lineterm="",
        )
        return "\n".join(row for _, row in zip(range(MOST_LINES), rows, strict=False))

    # --- how it is --------------------------------------------------------------------------------

    def health(self) -> Health:
        supervisor = self._supervisor
        reasons = tuple(self._reasons())
        top = supervisor.words.top
        below = top.relative_to(self.root).as_posix() if top.is_relative_to(self.root) else str(top)
        slots = supervisor.slots
        return Health(
            status="degraded" if reasons else "ok",
            reasons=reasons,
            version=version("plan-orchestrator"),
            pid=os.getpid(),
            started_at=_iso(supervisor.began),
            watching=below,
            runs=tuple(supervisor.witnesses),
            busy=round(slots.limit - slots.free),
            slots=round(slots.limit),
            schedules=supervisor.schedule.due,
        )

    def _reasons(self) -> Iterator[str]:
        supervisor = self._supervisor
        if supervisor.stopping.began:
            yield "it ends: what runs may end, and nothing new begins"
        if not supervisor.words.top.is_dir():
            yield f"the watched folder is not there: {supervisor.words.top}"
        yield from filter(None, (supervisor.trouble, supervisor.engine.book.trouble))
        if short := disk.shortage((self.root,), supervisor.settings.run.min_free_mb):
            yield short
        folder = ledger_folder()
        if folder.exists() and not os.access(folder, os.W_OK):
            yield f"the ledger cannot be written: {folder}"
        yield from self._troubles()
        for gate, until in self._closed().items():
            yield f"{gate} is closed until {clock.at(until)}"

    def _troubles(self) -> Iterator[str]:
        """With what was tried, and did not come to its end."""
        supervisor = self._supervisor
        for run, why in supervisor.crashed.items():
            yield f"run {run} broke off: {why}"
        for name, why in supervisor.schedule.troubles.items():
            yield f"{name} failed: {why}"
        if supervisor.notices.trouble:
            yield supervisor.notices.trouble

    def _closed(self) -> dict[str, float]:
        """Over all runs, when the last of them may ask again."""
        closed: dict[str, float] = {}
        for hub in self._supervisor.engine.live.values():
            for gate, until in hub.tracker.closed.items():
                closed[gate] = max(until, closed.get(gate, until))
        return closed

    # --- orders -----------------------------------------------------------------------------------

    async def act(self, asked: Act, by: str) -> str:
        match asked:
            case Trust():
                return self._trust(asked, by)
            case Enqueue():
                return self._enqueue(asked)
            case Cancel():
                self._supervisor.cancel(Letter(do="cancel", run=asked.run, by=by))
                return f"run {asked.run} is stopped; it can be resumed"
            case Resume():
                words = asked.model_dump(exclude={"run"}, exclude_none=True)
                await self._supervisor.go_on(asked.run, words)
                return f"run {asked.run} goes on"

    def _trust(self, asked: Trust, by: str) -> str:
        """What lies there now must be what was seen: else nobody has read it."""
        path = self._below(asked.path)
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != asked.sha256:
            raise UsageError(f"{asked.path} has changed since it was looked at; look at it again")
        trust.trust(self.root, asked.sha256, asked.path, by, _iso(clock.wall()))
        self._supervisor.rouse()
        return f"{asked.path} may run as it is now"

    def _enqueue(self, asked: Enqueue) -> str:
        found = project.find([self._below(path) for path in asked.paths])
        names = [one.relative_to(self.root).as_posix() for one in found]
        known = {one.path for one in self._supervisor.found}
        if strangers := [name for name in names if name not in known]:
            raise UsageError(
                f"{strangers[0]} is not in the watched folder {self._supervisor.words.top}; put it there"
            )
        if asked.again:
            self._supervisor.asked.update(names)
        self._supervisor.rouse()
        return f"{len(names)} plan{'s' if len(names) != 1 else ''} looked at now"

    def _below(self, path: str) -> Path:
        place = Path(os.path.realpath(self.root / path))
        if not place.is_relative_to(os.path.realpath(self.root)):
            raise UsageError(f"{path} is outside of the project")
        return place


def _iso(wall: float) -> str:
    told = datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
    return told.replace("+00:00", "Z")
