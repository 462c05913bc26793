"""A project with runs that really ran, a daemon that only tells of them, and its server on a port: for tests of the API. Nothing is replaced."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import anyio.from_thread

from orchestrator import journal, settings
from orchestrator.errors import UsageError
from orchestrator.journal import Journal
from orchestrator.model import EventKind, RunId, TaskId
from orchestrator.views.house import Act, Cancel, Enqueue, Health, Resume, Trust, Waiting
from orchestrator.web import server

DIGEST = "a" * 64
STARTED = "2026-11-28T09:00:00Z"


@dataclass
class House:
    """What a daemon tells. It does what it is asked by writing it down."""

    root: Path
    live: tuple[RunId, ...] = ()
    plans: tuple[Waiting, ...] = ()
    lines: dict[RunId, dict[TaskId, str]] = field(default_factory=dict)
    asked: list[tuple[Act, str]] = field(default_factory=list)
    reasons: tuple[str, ...] = ()
    done: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, str] = field(default_factory=dict)
    _count: int = 0
    _bell: anyio.Event = field(default_factory=anyio.Event)

    def ring(self) -> None:
        """Called in the server's own loop."""
        self._count += 1
        self._bell.set()
        self._bell = anyio.Event()

    async def rung(self, seen: int) -> int:
        if self._count <= seen:
            await self._bell.wait()
        return self._count

    async def waiting(self) -> tuple[Waiting, ...]:
        return self.plans

    def health(self) -> Health:
        return Health(
            status="degraded" if self.reasons else "ok",
            reasons=self.reasons,
            version="0",
            pid=1,
            started_at=STARTED,
            watching="plans",
            runs=self.live,
            busy=len(self.live),
            slots=5,
            done=self.done,
            schedules=self.schedules,
        )

    def doing(self, run: RunId) -> Mapping[TaskId, str]:
        return self.lines.get(run, {})

    async def act(self, asked: Act, by: str) -> str:
        self.asked.append((asked, by))
        match asked:
            case Trust(sha256=digest) if digest != DIGEST:
                raise UsageError("it has changed since it was looked at; look at it again")
            case Enqueue(paths=paths) if "strange.md" in paths:
                raise UsageError("strange.md is not in the watched folder; put it there")
            case Cancel() | Resume() | Trust() | Enqueue():
                return f"{type(asked).__name__.lower()}: done"


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A server that goes on in a thread, and a client for it."""

    house: House
    host: str
    port: int
    token: str
    call: Callable[..., Any]  # in the server's own loop
    said: list[str]

    @property
    def own(self) -> str:
        return f"{self.host}:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        raw: bytes | None = None,
        **headers: str | None,
    ) -> Reply:
        """With all that a well-behaved program sends; a header that is None is left out."""
        sent = {"host": self.own, "authorization": f"Bearer {token or self.token}"}
        if token is None:
            del sent["authorization"]
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if data is not None:
            sent["content-type"] = "application/json"
        for name, value in headers.items():
            sent.pop(name.replace("_", "-"), None)
            if value is not None:
                sent[name.replace("_", "-")] = value
        return self._send(method, path, sent, data)

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], data: bytes | None
    ) -> Reply:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if data is not None and not {"content-length", "transfer-encoding"} & headers.keys():
                connection.putheader("content-length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            is_stream = told.get("content-type", "").startswith("text/event-stream")
            return Reply(answer.status, told, b"" if is_stream else answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        reply = self.ask("GET", path)
        assert reply.status == 200, reply.body
        return reply.json


@contextmanager
def served(
    house: House, foresee: Any = None, *, new_token: bool = False, **http_words: object
) -> Iterator[Served]:
    """On a free port of 127.0.0.1."""
    chosen = settings.load(house.root, {"http": http_words})
    said: list[str] = []
    with anyio.from_thread.start_blocking_portal() as portal:
        serve = anyio_serve(house, chosen, said, foresee, new_token)
        future, _ = portal.start_task(serve)
        try:
            told = json.loads((house.root / ".orchestrator/private/http.json").read_text())
            place = urlsplit(told["url"])
            host, port = place.hostname or "", place.port or 0
            yield Served(house, host, port, told["token"], portal.call, said)
        finally:
            future.cancel()


def anyio_serve(
    house: House, chosen: settings.Settings, said: list[str], foresee: Any, new_token: bool
) -> Any:
    async def serve(*, task_status: Any) -> None:
        words = {"new_token": new_token, "task_status": task_status}
        await server.serve(house, chosen, said.append, foresee, **words)

    return serve


def task(name: str) -> str:
    """In an address."""
    return quote(name, safe="")


@contextmanager
def writer(root: Path) -> Iterator[Journal]:
    """Another process's engine, as far as the journal can tell."""
    with journal.writing(root) as book:
        yield book


def some_events(book: Journal, run: RunId, count: int) -> list[int]:
    return [
        book.append(run, EventKind.PLAN_CHECKING, {"plan": secrets.token_hex(4)}).seq
        for _ in range(count)
    ]


class Lines(threading.Thread):
    """One viewer of a stream: every line that it was sent, and what the numbers of events were."""

    def __init__(self, served_: Served, path: str, last: int | None = None) -> None:
        super().__init__(daemon=True)
        self._place, self._path, self._last = served_, path, last
        self.lines: list[str] = []
        self.was_finished = False
        self.opened = threading.Event()
        self.ended = threading.Event()
        self._connection = http.client.HTTPConnection(served_.host, served_.port, timeout=30)
        self.start()

    def run(self) -> None:
        headers = {"host": self._place.own, "authorization": f"Bearer {self._place.token}"}
        if self._last is not None:
            headers["last-event-id"] = str(self._last)
        try:
            self._connection.request("GET", self._path, headers=headers)
            with self._connection.getresponse() as answer:
                for raw in answer:
                    self.lines.append(raw.decode().rstrip("\n"))
                    self.opened.set()
                self.was_finished = True
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        finally:
            self._connection.close()
            self.ended.set()

    @property
    def ids(self) -> list[int]:
        return [int(line.removeprefix("id: ")) for line in self.lines if line.startswith("id: ")]

    def close(self) -> None:
        """From outside: its thread is in the middle of a read."""
        if (sock := self._connection.sock) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.ended.wait(20)
