"""The state of a model server: queues of steps, clients that wait for each other, the bills."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.agents.steps import Step, Used, WaitFor, say, unfold

DONE = say("done")


@dataclass(frozen=True)
class Billed:
    """Summed usage; the three inputs are disjoint, `reasoning` is a part of `output`."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    requests: int = 0

    def plus(self, used: Used) -> Billed:
        return Billed(
            self.input + used.input,
            self.output + used.output,
            self.cache_read + used.cache_read,
            self.cache_write + used.cache_write,
            self.reasoning + used.reasoning,
            self.requests + 1,
        )

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write

    def __add__(self, other: Billed) -> Billed:
        return Billed(
            *(mine + theirs for mine, theirs in zip(flat(self), flat(other), strict=True))
        )


def flat(billed: Billed) -> tuple[int, ...]:
    return tuple(vars(billed).values())


NOTHING = Used(0, 0)


class Script:
    """The queues of steps by marker; the one that is found last in a request's text wins: a conversation may go on."""

    def __init__(self, queues: Mapping[str, Sequence[Step]]) -> None:
        self._lock = threading.Lock()
        self._queues = {marker: deque(unfold(steps)) for marker, steps in queues.items()}

    def load(self, marker: str, steps: Sequence[Step]) -> None:
        with self._lock:
            self._queues[marker] = deque(unfold(steps))

    def take(self, text: str) -> Step:
        with self._lock:
            fitting = [marker for marker in self._queues if marker != "default" and marker in text]
            marker = max(fitting, key=lambda one: text.rfind(one) + len(one), default="default")
            queue = self._queues.get(marker)
            return queue.popleft() if queue else DONE

    def left(self) -> dict[str, int]:
        with self._lock:
            return {marker: len(queue) for marker, queue in self._queues.items()}


class Meetings:
    """Where requests wait for each other: nobody goes on before all are there."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self._arrived: dict[tuple[str, int], int] = {}
        self._closed = False

    def wait(self, step: WaitFor) -> bool:
        """Whether the whole group came in time. The next group of this name starts afresh."""
        key = (step.name, step.count)
        with self._came:
            number = self._arrived[key] = self._arrived.get(key, 0) + 1
            full = -(-number // step.count) * step.count
            self._came.notify_all()
            self._came.wait_for(
                lambda: self._closed or self._arrived[key] >= full, timeout=step.timeout_s
            )
            return not self._closed and self._arrived[key] >= full

    def close(self) -> None:
        with self._came:
            self._closed = True
            self._came.notify_all()
