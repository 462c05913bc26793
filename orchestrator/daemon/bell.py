"""Rings when something happens; who listens gets every ring or the last of them. Refuses to keep anybody waiting for what has been."""

from __future__ import annotations

import anyio


class Bell:
    def __init__(self) -> None:
        self._count = 0
        self._next = anyio.Event()

    def ring(self) -> None:
        self._count += 1
        self._next.set()
        self._next = anyio.Event()

    async def wait(self, seen: int) -> int:
        """Until it has rung since `seen`, which is what this returned before (0: never)."""
        if self._count <= seen:
            await self._next.wait()
        return self._count
