"""What lasts as long as the daemon, beside its runs: what falls is said and begun again. Refuses to take the runs with it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import anyio

from orchestrator.errors import OrchestratorError

PAUSE_S = 5.0
Beside = Callable[[], Coroutine[Any, Any, None]]


async def keep(
    one: Beside, say: Callable[[str], None], pause_s: float = PAUSE_S, *, may_refuse: bool = False
) -> None:
    """Until it returns. `may_refuse`: what it refuses at its first start ends the daemon, such as a port that is taken."""
    before = ""
    while True:
        try:
            return await one()
        except Exception as trouble:  # the runs go on, and nobody else begins it again
            if may_refuse and isinstance(trouble, OrchestratorError):
                raise
            now = "".join(traceback.format_exception(trouble))
        may_refuse = False
        if now != before:
            say(f"warning: {now}it is begun again in {pause_s:g}s")
        before = now
        await anyio.sleep(pause_s)


def told(trouble: Exception) -> str:
    return str(trouble) if _is_known(trouble) else f"our bug: {trouble!r}"


def trace(trouble: Exception, say: Callable[[str], None]) -> None:
    """Where our own bugs are; what people can put right needs no such thing."""
    if not _is_known(trouble):
        say("".join(traceback.format_exception(trouble)))


def _is_known(trouble: Exception) -> bool:
    return isinstance(trouble, OrchestratorError | OSError)
