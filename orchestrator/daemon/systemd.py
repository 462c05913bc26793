"""What systemd is told of a service: that it is ready, lives, ends. Refuses to matter where no systemd asked."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import anyio

NOTIFY, WATCHDOG, WATCHED = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


def tell(*words: str) -> None:
    """Such as READY=1, STATUS=..., WATCHDOG=1, STOPPING=1."""
    address = os.environ.get(NOTIFY, "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect("\0" + address[1:] if address.startswith("@") else address)
        line.sendall("\n".join(words).encode())


def pulse_s() -> float | None:
    """How often it must hear that we live: twice as often as it would give us up. None: it does not ask."""
    if os.environ.get(WATCHED, str(os.getpid())) != str(os.getpid()):
        return None
    with suppress(ValueError):
        asked = int(os.environ.get(WATCHDOG, "0"))
        return asked / 2e6 if asked > 0 else None
    return None


async def keep() -> None:
    """As long as our loop goes round."""
    pause = pulse_s()
    while pause is not None:
        tell("WATCHDOG=1")
        await anyio.sleep(pause)
