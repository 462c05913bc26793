"""The HTTP side of the model server: reads a request, plays its step, breaks off where it is told to."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.agents.asking import Asked, read
from tests.agents.dialects import DIALECTS, Dialect, Frames, Reply
from tests.agents.steps import (
    Call,
    Drop,
    Fail,
    Hang,
    Say,
    Shell,
    Step,
    StreamError,
    Used,
    WaitFor,
    Write,
)
from tests.agents.tools import chosen

if TYPE_CHECKING:
    from tests.agents.server import ModelServer


class Web(ThreadingHTTPServer):
    """The listening socket; knows its open connections, so that closing waits for no client."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, models: ModelServer) -> None:
        self.models = models
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), Answering)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._lock:
            for connection in self._open:
                end(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            self.models.faults.append(traceback.format_exc())


def end(connection: socket.socket, reset: bool = False) -> None:
    """Ends the connection. A reset takes away what the client has not read yet, too."""
    try:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster


class Answering(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Web

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_HEAD(self) -> None:
        self.server.models.others.append(f"HEAD {self.path}")
        self.send(200, b"")

    def do_GET(self) -> None:
        self.server.models.others.append(f"GET {self.path}")
        if self.path.split("?")[0].endswith("/models"):
            return self.tell(200, {"object": "list", "data": [], "models": [], "has_more": False})
        self.tell(404, {"error": {"type": "not_found_error", "message": self.path}})

    def do_POST(self) -> None:
        raw = self.received()
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = read(self.path, headers, raw)
        if asked is None:
            self.server.models.others.append(f"POST {self.path}")
            counted = {"input_tokens": len(raw) // 4, "totalTokens": len(raw) // 4}
            known = self.path.split("?")[0].endswith(("/count_tokens", ":countTokens"))
            return self.tell(200 if known else 404, counted if known else {"error": self.path})
        self.play(self.server.models.take(asked), asked)

    def received(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def play(self, step: Step, asked: Asked) -> None:
        models, dialect = self.server.models, DIALECTS[asked.dialect]
        models.closing.wait(step.latency_s)
        match step:
            case WaitFor() if models.meetings.wait(step):
                self.play(step.then, asked)
            case WaitFor():
                late = Fail(400, f"scripted: {step.count} requests did not come together")
                self.tell(400, dialect.error(late))
            case Drop(where="before"):
                self.drop(reset=True)
            case Hang(where="before"):
                models.closing.wait(step.seconds)
                self.drop()
            case Fail():
                told = dialect.error(step) if step.body is None else step.body
                self.tell(step.http, told, step.headers)
            case _ if asked.stream:
                self.stream(step, asked, dialect)
            case _:
                self.whole(step, asked, dialect)

    def whole(self, step: Step, asked: Asked, dialect: Dialect) -> None:
        """An answer in one piece; what breaks off has half of it, what errs in a stream is HTTP 529."""
        if isinstance(step, StreamError):
            return self.tell(529, dialect.error(Fail(529, step.message, step.type, step.code)))
        reply = composed(step, asked)
        body = json.dumps(dialect.whole(reply)).encode()
        self.start(200, "application/json", {**step.headers, "content-length": str(len(body))})
        if isinstance(step, Drop | Hang):
            self.wfile.write(body[: len(body) // 2])
            return self.break_off(step, asked, None)
        self.server.models.finish(asked.model, dialect.told(reply.used), self.connection, body)

    def stream(self, step: Step, asked: Asked, dialect: Dialect) -> None:
        reply = composed(step, asked)
        frames = dialect.frames(reply)
        first = dialect.told_first(reply.used)
        self.start(200, "text/event-stream", {**step.headers, "transfer-encoding": "chunked"})
        if isinstance(step, Drop | Hang | StreamError):
            self.wfile.write(chunks(frames.head))
            error = dialect.stream_error(step) if isinstance(step, StreamError) else None
            return self.break_off(step, asked, first, error)
        try:
            self.complete(frames, asked.model, dialect.told(reply.used))
        except ConnectionError:
            self.server.models.broke(asked.model, first)
            raise

    def complete(self, frames: Frames, model: str, used: Used) -> None:
        self.wfile.write(chunks([*frames.head, *frames.tail[:-1]]))
        last = chunks(frames.tail[-1:]) + b"0\r\n\r\n"
        self.server.models.finish(model, used, self.connection, last)

    def break_off(
        self, step: Step, asked: Asked, told: Used | None, error: str | None = None
    ) -> None:
        """On record before the client can notice."""
        self.server.models.broke(asked.model, told)
        if error is not None:
            self.wfile.write(chunks([error]) + b"0\r\n\r\n")
            return
        if isinstance(step, Hang):
            self.server.models.closing.wait(step.seconds)
        self.drop()

    def start(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def tell(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        self.send(status, json.dumps(body).encode(), headers or {})

    def send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        length = {"content-length": str(len(body))}
        self.start(status, "application/json", {**(headers or {}), **length})
        self.wfile.write(body)

    def drop(self, reset: bool = False) -> None:
        self.close_connection = True
        end(self.connection, reset)


def chunks(frames: Sequence[str]) -> bytes:
    made = [frame.encode() for frame in frames]
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in made)


def composed(step: Step, asked: Asked) -> Reply:
    """The answer that a step stands for; a step that breaks off stands for some words."""
    reply = Reply(asked.model, step.usage)
    match step:
        case Say():
            return Reply(asked.model, step.usage, text=step.text, stop=step.stop)
        case Write() | Shell() | Call():
            return Reply(asked.model, step.usage, call=chosen(step, asked))
        case _:
            return reply
