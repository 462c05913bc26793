"""A small RAE server on loopback: it keeps what it is sent, and can be slow, wrong or down."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, Any]] = []  # method, path, JSON
        self.trouble: list[tuple[int, bytes]] = []  # answers that come first, one each
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """What was taken, by id: what comes twice is there once."""
        sent = [body["records"] for _, path, body in self.requests if path == "/v1/records"]
        return {one["id"]: one for batch in sent for one in batch}

    def answer(self, path: str, body: Any) -> tuple[int, bytes]:
        if self.trouble:
            return self.trouble.pop(0)
        match path:
            case "/v1/records":
                return 200, json.dumps({"taken": len(body["records"])}).encode()
            case "/v1/similar":
                tasks = [{"task_area": body["area"], "rank": rank} for rank in range(50)]
                return 200, json.dumps({"tasks": tasks}).encode()
            case "/v1/statistics":
                return 200, json.dumps({"records": len(self.records)}).encode()
        return 404, b""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._reply(None)

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _reply(self, body: Any) -> None:
        self.server.requests.append((self.command, self.path, body))
        self.server.may_answer.wait(20)
        status, text = self.server.answer(self.path, body)
        try:
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", text.decode())
                text = b""
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            pass  # who asked has gone

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.may_answer.set()
            server.shutdown()
            thread.join()
