"""Events as they come, to all who watch: one reader of the journal for all of them. Refuses to wait for a viewer that does not read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from orchestrator.journal import tail
from orchestrator.model import RunId, TaskId
from orchestrator.views.house import Daemon
from orchestrator.web import replies

HEART_S = 15.0
LOOK_S = 1.0  # so often the journal is looked at while somebody watches: a run of another process rings no bell
REST_S = (
    0.2  # between two looks, however much happens: what comes meanwhile costs each viewer one write
)
BEHIND = (
    4096  # frames that wait for one viewer; who is further behind comes again with Last-Event-ID
)
PAGE = 500
HELLO = b"retry: 1000\n\n"
HEART = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """`seq` None: it is no event of the journal, and is not sent again. `run` None: it is for those who watch all."""

    run: RunId | None
    seq: int | None
    text: bytes


class Read(NamedTuple):
    """A page of the journal. `last` None: there is no more."""

    frames: list[Frame]
    last: int | None


@dataclass(eq=False, slots=True)
class Viewer:
    run: RunId | None  # None: all runs
    post: MemoryObjectSendStream[Frame]


@dataclass(eq=False)
class Streams:
    """`pump` runs beside the server for as long as that lives."""

    daemon: Daemon
    say: Callable[[str], None] = print
    heart_s: float = HEART_S
    behind: int = BEHIND
    _viewers: set[Viewer] = field(default_factory=set)
    _arrived: anyio.Event = field(default_factory=anyio.Event)
    _seq: int | None = None  # the last event that was handed out; None: nobody watches
    _doing: dict[RunId, Mapping[TaskId, str]] = field(default_factory=dict)
    _stands: list[tuple[str | None, ...]] = field(default_factory=list)  # plans that wait
    _reading: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    async def pump(self) -> None:
        """Until it is cancelled; then all viewers are sent away. What cannot be read now is handed out once it can."""
        rung, before = 0, ""
        try:
            while True:
                if not self._viewers:
                    self._seq, self._doing = None, {}
                    self._arrived = anyio.Event()
                    await self._arrived.wait()
                try:
                    await self._hand_out()
                except Exception as trouble:  # nobody who only looks may end the runs
                    now = f"{type(trouble).__name__}: {trouble}"
                    if now != before:
                        self.say(f"warning: events cannot be told to viewers now: {now}")
                    before = now
                else:
                    before = ""
                await anyio.sleep(REST_S)
                with anyio.move_on_after(LOOK_S):
                    rung = await self.daemon.rung(rung)
        finally:
            for viewer in list(self._viewers):
                viewer.post.close()

    async def watch(self, run: RunId | None, after: int | None) -> AsyncGenerator[bytes]:
        """What has come behind `after`, then what comes, without a gap and without anything twice. None: from now on."""
        post, box = anyio.create_memory_object_stream[Frame](self.behind)
        viewer = Viewer(run, post)
        with post, box:
            latest = await self._latest()
            if self._seq is None:  # from here on the pump has all of it
                self._seq = latest
            self._viewers.add(viewer)
            self._arrived.set()
            joined = self._seq  # what comes behind it is in the box
            try:
                yield HELLO
                for frame in self._now(run):
                    yield frame.text
                start = latest if after is None else min(after, latest)
                async with aclosing(self._follow(run, start, joined, box)) as frames:
                    async for frame_or_rest in frames:
                        yield frame_or_rest
            finally:
                self._viewers.discard(viewer)

    async def _follow(
        self, run: RunId | None, sent: int, joined: int, box: MemoryObjectReceiveStream[Frame]
    ) -> AsyncGenerator[bytes]:
        """Behind the number `sent`: up to `joined` from the journal, then from the box."""
        while sent < joined and (page := await self._read(sent, run)).last is not None:
            for frame in page.frames:
                yield frame.text
            sent = page.last
        while True:
            with anyio.move_on_after(self.heart_s) as wait:
                try:
                    frames = [await box.receive(), *_waiting(box)]
                except anyio.EndOfStream:
                    return
            if wait.cancelled_caught:
                yield HEART
                continue
            # an event up to `sent` came while the past was read
            new = [one for one in frames if one.seq is None or one.seq > sent]
            sent = max((one.seq for one in new if one.seq is not None), default=sent)
            if new:
                yield b"".join(one.text for one in new)

    # --- the one reader

    async def _hand_out(self) -> None:
        assert self._seq is not None
        while (page := await self._read(self._seq, None)).last is not None:
            for frame in page.frames:
                self._send(frame)
            self._seq = page.last
        self._tell_doing()
        await self._tell_of_plans()

    def _tell_doing(self) -> None:
        live = self.daemon.health().runs
        for run in live:
            told = dict(self.daemon.doing(run))
            if told != self._doing.get(run, {}):
                self._doing[run] = told
                self._send(_doing(run, told))
        for run in self._doing.keys() - set(live):  # whoever works in it works no more
            if self._doing.pop(run):
                self._send(_doing(run, {}))

    async def _tell_of_plans(self) -> None:
        """One that is dropped, edited or trusted is no event of the journal."""
        waiting = await self.daemon.waiting()
        stands: list[tuple[str | None, ...]] = [
            (one.path, one.sha256, one.state, one.why) for one in waiting
        ]
        if stands != self._stands:
            self._stands = stands
            count = replies.encoded({"plans": len(stands)})
            self._send(Frame(None, None, _frame(count, event="plans")))

    def _send(self, frame: Frame) -> None:
        for viewer in list(self._viewers):
            if viewer.run in (None, frame.run):
                try:
                    viewer.post.send_nowait(frame)
                except anyio.WouldBlock:
                    self._viewers.discard(viewer)
                    viewer.post.close()
                except anyio.BrokenResourceError:
                    self._viewers.discard(viewer)

    def _now(self, run: RunId | None) -> list[Frame]:
        """What workers do now, which nobody keeps."""
        told = self._doing.items()
        return [_doing(one, lines) for one, lines in told if run in (None, one)]

    async def _read(self, seq: int, run: RunId | None) -> Read:
        return await to_thread.run_sync(self._frames, seq, run, limiter=self._reading)

    def _frames(self, seq: int, run: RunId | None) -> Read:
        events = tail.after(self.daemon.root, seq, PAGE)
        frames = [
            Frame(one.run, one.seq, _frame(replies.encoded(replies.bounded(one)), id=one.seq))
            for one in events
            if run in (None, one.run)
        ]
        return Read(frames, events[-1].seq if events else None)

    async def _latest(self) -> int:
        return await to_thread.run_sync(tail.latest, self.daemon.root, limiter=self._reading)


def _waiting(box: MemoryObjectReceiveStream[Frame]) -> Iterator[Frame]:
    """What is there already."""
    while box.statistics().current_buffer_used:
        yield box.receive_nowait()


def _doing(run: RunId, told: Mapping[TaskId, str]) -> Frame:
    data = replies.encoded({"run": run, "tasks": dict(told)})
    return Frame(run, None, _frame(data, event="doing"))


def _frame(data: bytes, **head: object) -> bytes:
    """JSON is one line."""
    lines = "".join(f"{key}: {value}\n" for key, value in head.items())
    return lines.encode() + b"data: " + data + b"\n\n"
