"""What the daemon tells of itself, and how it takes orders from its pages and its API. Refuses to trust what a person has not seen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import anyio
from anyio import to_thread

from orchestrator import clock, disk, project
from orchestrator.daemon import records, trust
from orchestrator.daemon.queue import Standing
from orchestrator.daemon.shown import LEFT_OUT, Shown, Wanted, show
from orchestrator.daemon.supervisor import Supervisor
from orchestrator.errors import UsageError
from orchestrator.inbox import Letter
from orchestrator.model import RunId, TaskId
from orchestrator.reader import bounded, discover
from orchestrator.views.house import Act, Cancel, Enqueue, Health, Resume, Trust, Waiting
from orchestrator.views.text import cost, counted

MOST_TOGETHER = 1_000_000  # letters of all texts that are shown; the first plans go first


class Door:
    """Of a supervisor that is kept."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._shown: dict[Wanted, Shown] = {}  # of what waits now
        self._reading = anyio.Lock()  # two who ask at once read it once

    @property
    def root(self) -> Path:
        return self._supervisor.root

    async def rung(self, seen: int) -> int:
        return await self._supervisor.bell.wait(seen)

    def doing(self, run: RunId) -> Mapping[TaskId, str]:
        witness = self._supervisor.runs.going.get(run)
        return dict(witness.doing_now) if witness else {}

    # --- what waits -------------------------------------------------------------------------------

    async def waiting(self) -> tuple[Waiting, ...]:
        """What is shown of each was read with the hash that is told."""
        standing = self._supervisor.decision.waiting
        async with self._reading:
            wanted = dict.fromkeys(filter(None, map(_wanted, standing)))
            new = [one for one in wanted if one not in self._shown]
            if new:
                self._shown |= await to_thread.run_sync(self._read, new)
            self._shown = {one: self._shown[one] for one in wanted if one in self._shown}
            shown = self._shown
        return tuple(self._told(standing, shown))

    def _read(self, new: Sequence[Wanted]) -> dict[Wanted, Shown]:
        most = self._supervisor.settings.reader.max_bytes
        found = ((one, show(self.root, one, most)) for one in new)
        return {one: text for one, text in found if text is not None}

    def _told(
        self, standing: Sequence[Standing], shown: Mapping[Wanted, Shown]
    ) -> Iterator[Waiting]:
        room = MOST_TOGETHER
        for one in standing:
            wanted = _wanted(one)
            if wanted is None:
                yield _waiting(one, Shown("", is_whole=True))
            elif wanted in shown:
                text = shown[wanted] if len(shown[wanted].text) <= room else LEFT_OUT
                room -= len(text.text)
                yield _waiting(one, text)
            else:  # other bytes by now: nobody has seen them
                yield _waiting(_arriving(one), Shown("", is_whole=True))

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
            runs=tuple(supervisor.runs.going),
            busy=round(slots.limit - slots.free),
            slots=round(slots.limit),
            schedules=supervisor.schedule.due,
            done=dict(supervisor.schedule.done),
        )

    def _reasons(self) -> Iterator[str]:
        supervisor = self._supervisor
        if supervisor.stopping.began:
            yield "it ends: what runs may end, and nothing new begins"
        if not supervisor.words.top.is_dir():
            yield f"the watched folder is not there: {supervisor.words.top}"
        if supervisor.trouble:
            yield supervisor.trouble
        yield from records.troubles(supervisor.engine)
        if short := disk.shortage((self.root,), supervisor.settings.run.min_free_mb):
            yield short
        yield from self._troubles()
        for gate, until in self._closed().items():
            yield f"{gate} is closed until {clock.at(until)}"

    def _troubles(self) -> Iterator[str]:
        """With what was tried, and did not come to its end."""
        supervisor = self._supervisor
        for run, why in supervisor.runs.crashed.items():
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
                await to_thread.run_sync(self._trust, asked, by)
                self._supervisor.rouse()
                allowed = f", and cost up to {cost(asked.usd)}" if asked.usd is not None else ""
                return f"{asked.path} may run as it is now{allowed}"
            case Enqueue():
                return self._enqueue(asked)
            case Cancel():
                letter = Letter(do="cancel", run=asked.run, by=by, via=asked.via)
                went_on = await self._supervisor.cancel(letter)
                what = "is being stopped" if went_on else "is not taken up again"
                return f"run {asked.run} {what}; it can be resumed"
            case Resume():
                words = asked.model_dump(exclude={"run"}, exclude_none=True)
                await self._supervisor.go_on(asked.run, words)
                return f"run {asked.run} goes on"

    def _trust(self, asked: Trust, by: str) -> None:
        """What lies there now must be what was seen: else nobody has read it."""
        path = self._below(asked.path)
        try:
            content = bounded.whole(path, self._supervisor.settings.reader.max_bytes)
        except OSError as refused:
            raise UsageError(f"{asked.path} cannot be read: {refused.strerror}") from refused
        if hashlib.sha256(content).hexdigest() != asked.sha256:
            raise UsageError(f"{asked.path} has changed since it was looked at; look at it again")
        trust.trust(self.root, asked.sha256, asked.path, by, _iso(clock.wall()), asked.usd)

    def _enqueue(self, asked: Enqueue) -> str:
        places = [self._below(path) for path in asked.paths]
        project.find(places)  # what is not there, or no plan, is told
        found = [plan for place in places for plan in discover.plan_files(place)]
        project.refuse_outside(self.root, found)
        names = [one.relative_to(os.path.realpath(self.root)).as_posix() for one in found]
        if strangers := [name for name in names if not self._is_watched(name)]:
            raise UsageError(
                f"{strangers[0]} is not in the watched folder {self._supervisor.words.top}; put it there"
            )
        if asked.again:
            self._supervisor.asked.add(names)
        self._supervisor.rouse()
        told = f"{counted(len(names), 'plan')} looked at now"
        return f"{told}, to run once more" if asked.again else told

    def _is_watched(self, name: str) -> bool:
        """Also one that has come since the folder was looked at."""
        if any(name == one.path for one in self._supervisor.found):
            return True
        top = os.path.realpath(self._supervisor.words.top)
        return (self.root / name).is_relative_to(top) and not discover.is_archived(Path(name))

    def _below(self, path: str) -> Path:
        """A plan keeps its own name, under which the folder has it, also where it is a link."""
        place = self.root / path
        project.refuse_outside(self.root, [place])
        if place.is_dir():
            return Path(os.path.realpath(place))
        return Path(os.path.realpath(place.parent), place.name)


def _wanted(one: Standing) -> Wanted | None:
    """Which text a person is to read; None: none that matters."""
    path, digest = one.found.path, one.found.sha256
    is_new = one.run is None and one.state != "untrusted"
    if is_new or not digest or one.state == "running":
        return None
    return Wanted(path, digest, one.run)


def _arriving(one: Standing) -> Standing:
    found = replace(one.found, sha256=None, errors=())
    return one._replace(found=found, state="arriving", why="it is being written")


def _waiting(one: Standing, shown: Shown) -> Waiting:
    found = one.found
    return Waiting(
        path=found.path,
        sha256=found.sha256,
        state=one.state,
        why=one.why,
        since=_iso(found.since),
        priority=found.priority,
        run=one.run,
        asks_usd=one.asks_usd or None,
        diagnostics=found.errors,
        diff=shown.text,
        is_whole=shown.is_whole,
    )


def _iso(wall: float) -> str:
    told = datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
    return told.replace("+00:00", "Z")
