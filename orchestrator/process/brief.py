"""Short programs that we trust, git above all: no warden, no transcript. Refuses to wait longer than its limit."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio.abc import ByteReceiveStream, Process


class Said(NamedTuple):
    """`code` is negative where a signal ended it, as in subprocess."""

    code: int
    stdout: bytes
    stderr: str


class TooLong(Exception):
    """It did not end in time, and was ended."""


async def call(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    timeout_s: float = 600.0,
) -> Said:
    """Raises OSError where there is no such program, TooLong where it does not end. Cancelled, it ends it first."""
    process = await anyio.open_process(
        list(argv),
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=dict(env),
        start_new_session=True,
    )
    out, err = bytearray(), bytearray()
    assert process.stdout
    assert process.stderr
    async with process:
        try:
            with anyio.fail_after(timeout_s):
                async with anyio.create_task_group() as group:
                    group.start_soon(_feed, process, stdin)
                    group.start_soon(_drain, process.stdout, out)
                    group.start_soon(_drain, process.stderr, err)
                code = await process.wait()
        except BaseException as why:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(why, TimeoutError):
                raise TooLong(f"{argv[0]} did not end within {timeout_s:g} s") from None
            raise
    return Said(code, bytes(out), err.decode("utf-8", "replace"))


async def _feed(process: Process, data: bytes) -> None:
    if process.stdin is not None:
        with suppress(anyio.BrokenResourceError):
            await process.stdin.send(data)
        await process.stdin.aclose()


async def _drain(stream: ByteReceiveStream, into: bytearray) -> None:
    async for chunk in stream:
        into += chunk
