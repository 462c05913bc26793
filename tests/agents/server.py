"""A scripted model server on loopback that real coding agents can talk to, and that remembers what it billed.

A script maps a marker, a piece of text in the request, to its own queue of steps; so clients with different
prompts never take each other's steps. It judges nothing: an empty queue says "done", an odd request is recorded.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.agents.asking import Asked, Request
from tests.agents.script import NOTHING, Billed, Meetings, Script
from tests.agents.steps import Say, Step, Used, say
from tests.agents.web import Web

SIDE = say('{"title":"side","isNewTopic":true}', usage=Used(input=90, output=7))


class ModelServer:
    """Four dialects on one port. Use it as a context manager; leaving it ends every hanging answer.

    A request without tools is a side request (a title, a summary): answered from a constant, taking
    no step, unless `side` is None. Leaving raises if the server itself failed at a request.
    """

    def __init__(self, script: Mapping[str, Sequence[Step]], *, side: Say | None = SIDE) -> None:
        self.script = Script(script)
        self.side = side
        self.others: list[str] = []
        self.faults: list[str] = []
        self.meetings = Meetings()
        self.closing = threading.Event()
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._billed: dict[str, Billed] = {}
        self._broken: dict[str, Billed] = {}
        self._answers: list[tuple[str, Used]] = []
        self._web = Web(self)
        self._held = socket.socket()
        self._thread = threading.Thread(target=self._web.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._web.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: object, trace: TracebackType | None
    ) -> None:
        self.close()
        self._held.close()
        if self.faults and kind is None:
            raise AssertionError("the model server failed:\n" + "\n".join(self.faults))

    def close(self) -> None:
        self.closing.set()
        self.meetings.close()
        self._web.shutdown()
        self._web.hang_up()
        self._web.server_close()
        self._thread.join()

    def refuse(self) -> None:
        """Nobody listens at its address any more. Its port stays ours: some other server could get it."""
        self.close()
        self._held.bind(self._web.server_address)

    def load(self, marker: str, steps: Sequence[Step]) -> None:
        """Puts a new queue in the place of the marker's old one."""
        self.script.load(marker, steps)

    @property
    def left(self) -> dict[str, int]:
        """How many steps each marker's queue still has."""
        return self.script.left()

    @property
    def requests(self) -> list[Request]:
        with self._changed:
            return list(self._requests)

    def wait_requests(self, count: int, timeout_s: float = 30) -> list[Request]:
        """Waits until so many requests have come, answered or not."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout_s):
                raise TimeoutError(f"{len(self._requests)} of {count} requests in {timeout_s} s")
            return list(self._requests)

    def billed(self) -> dict[str, Billed]:
        """By model, what clients were told in complete answers. Settled when a client has its answer."""
        with self._changed:
            return dict(self._billed)

    def total(self) -> Billed:
        return sum(self.billed().values(), Billed())

    @property
    def answers(self) -> list[tuple[str, Used]]:
        """Each that was billed, with its model: prices differ by the size of a request."""
        with self._changed:
            return list(self._answers)

    @property
    def broken(self) -> dict[str, Billed]:
        """By model, what streams that broke off had told in their head."""
        with self._changed:
            return dict(self._broken)

    def take(self, asked: Asked) -> Step:
        """The step for a request, which is now on record."""
        is_side = self.side is not None and not asked.tools
        step = self.side if self.side and is_side else self.script.take(asked.text)
        with self._changed:
            self._requests.append(asked.taken(step, is_side))
            self._changed.notify_all()
        return step

    def finish(self, model: str, used: Used, connection: socket.socket, last: bytes) -> None:
        """Sends what makes an answer complete and bills it in one breath: nobody sees one alone."""
        with self._changed:
            connection.sendall(last)
            self._billed[model] = self._billed.get(model, Billed()).plus(used)
            self._answers.append((model, used))

    def broke(self, model: str, used: Used | None) -> None:
        with self._changed:
            self._broken[model] = self._broken.get(model, Billed()).plus(used or NOTHING)
