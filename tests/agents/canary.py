"""A proxy that lets nothing through and remembers who tried to leave the machine."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Sequence
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


class Canary:
    """Give `url` to a client as HTTP(S)_PROXY; `attempts` are the hosts it asked for.

    A client that ignores proxies is not seen. One that ignores NO_PROXY is refused, and stands in `loops`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: list[str] = []
        self._loops: list[str] = []
        self._listener = Listener(self)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: object, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    @property
    def attempts(self) -> list[str]:
        with self._lock:
            return list(self._attempts)

    def other_than(self, patterns: Sequence[str]) -> list[str]:
        """The attempts at hosts that fit none of them; `registry.*` is a package registry, whoever runs it."""
        known = (any(fnmatchcase(host, one) for one in patterns) for host in self.attempts)
        return [host for host, fits in zip(self.attempts, known, strict=True) if not fits]

    @property
    def loops(self) -> list[str]:
        with self._lock:
            return list(self._loops)

    def saw(self, request: str) -> None:
        words = request.split()
        target = words[1] if len(words) > 1 else request
        host = urlsplit(target if "//" in target else f"//{target}").hostname or target
        with self._lock:
            (self._loops if host in LOOPBACK else self._attempts).append(host)


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = False
    allow_reuse_address = True

    def __init__(self, canary: Canary) -> None:
        self.canary = canary
        super().__init__(("127.0.0.1", 0), Refusing)


class Refusing(socketserver.StreamRequestHandler):
    server: Listener
    timeout = 5

    def handle(self) -> None:
        line = self.rfile.readline(8192).decode("latin-1").strip()
        self.server.canary.saw(line or "(a connection without a request)")
        self.wfile.write(b"HTTP/1.1 403 Canary\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
