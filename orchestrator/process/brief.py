"""Short programs that we trust, git above all: no warden, no transcript. Refuses to wait longer than its limit."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, NamedTuple

import anyio
from anyio.abc import Process

MARK = "ORCHESTRATOR_FINISHES"  # in their environment, while an engine holds the project
_held: ContextVar[Path | None] = ContextVar("held", default=None)


class Said(NamedTuple):
    """`code` is negative where a signal ended it, as in subprocess."""

    code: int
    stdout: bytes
    stderr: str


class TooLong(Exception):
    """It did not end in time, and was ended."""


@contextmanager
def held(root: Path) -> Iterator[None]:
    """What is called within is marked as this project's: an engine that comes after us waits for its end."""
    token = _held.set(root)
    try:
        yield
    finally:
        _held.reset(token)


async def call(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes | BinaryIO = b"",
    stdout: BinaryIO | None = None,
    timeout_s: float = 600.0,
) -> Said:
    """Raises OSError where there is no such program, TooLong where it does not end. Cancelled, it ends it first.

    What is too large for memory comes from a file and goes to one; then `Said.stdout` is empty.

    What it says goes to files, not pipes: if we are killed, it comes to its end, and does not stop half-way.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        if isinstance(stdin, bytes):
            given.write(stdin)
            given.seek(0)
        process = await anyio.open_process(
            list(argv),
            stdin=given if isinstance(stdin, bytes) else stdin,
            stdout=stdout or out,
            stderr=err,
            cwd=cwd,
            env=_marked(env),
            start_new_session=True,
        )
        async with process:
            code = await _wait(process, argv[0], timeout_s)
        out.seek(0)
        err.seek(0)
        return Said(code, out.read(), err.read().decode("utf-8", "replace"))


def _marked(env: Mapping[str, str]) -> dict[str, str]:
    root = _held.get()
    return {**env, **({MARK: str(root)} if root else {})}


async def _wait(process: Process, name: str, timeout_s: float) -> int:
    try:
        with anyio.fail_after(timeout_s):
            return await process.wait()
    except BaseException as why:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if isinstance(why, TimeoutError):
            raise TooLong(f"{name} did not end within {timeout_s:g} s") from None
        raise
