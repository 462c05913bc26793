"""Signals to a process that does one run: the first Ctrl-C drains it, every other ends it at once. Refuses to be deaf before it is over."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc

from orchestrator.engine.hub import Hub

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heard() -> tuple[signal.Signals, ...]:
    """A SIGHUP that we were started to ignore stays ignored: who says `nohup` wants the run to outlive the terminal."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return tuple(one for one in HEARD if one != signal.SIGHUP or not ignored)


@asynccontextmanager
async def heeded(hub: Hub) -> AsyncIterator[None]:
    """Ready before the first attempt, and to the very end: nothing may stop while the person's branch is moved."""
    async with anyio.create_task_group() as group:
        await group.start(_heed, hub)
        yield
        group.cancel_scope.cancel()


async def _heed(hub: Hub, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(*heard()) as signals:
        task_status.started()
        async for number in signals:
            if hub.interrupted or number != signal.SIGINT:
                hub.stop()
            else:
                hub.screen.warn("finishing what runs; Ctrl-C again stops it at once")
                hub.drain()
