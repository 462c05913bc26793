"""The two streams of a command and how values look on them; refuses to pass on control characters of others, and to end a run with its reader."""

from __future__ import annotations

import io
import json
import os
import select
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator import redact
from orchestrator.views.text import NEXT, lines

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console


class Stream(io.FileIO):
    """stdout or stderr. The first write that fails makes it silent for good: its reader has gone, the run has not."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            while (count := super().write(data)) is None:  # full, and not made to block
                select.select([], [self], [])
        except OSError:
            _silence(self.fileno())
            return memoryview(data).nbytes
        return count


class Words(io.TextIOWrapper):
    """Clean of secrets. We say nothing in halves, so each write is looked at by itself."""

    def write(self, words: str, /) -> int:
        super().write(redact.text(words))
        return len(words)


def settle_streams() -> None:
    """Once, before anything is said. A terminal without ✓ must not end a run either."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:  # closed by who started us: no file of ours may get its number
            _silence(fd)
    for fd, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        if old is not None:
            with suppress(OSError):
                old.flush()
        new = Words(
            io.BufferedWriter(Stream(fd, "w", closefd=False)),
            encoding=old.encoding if old else "utf-8",
            errors="replace",
            line_buffering=os.isatty(fd),
        )
        setattr(sys, name, new)


def _silence(fd: int) -> None:
    """Also for the flush at the end of the interpreter."""
    null = os.open(os.devnull, os.O_RDWR)
    if null == fd:
        os.set_inheritable(fd, True)
    else:
        os.dup2(null, fd)
        os.close(null)


@cache
def out() -> Console:
    """What was asked for."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """What there is to say about it: errors, warnings, next steps of refusals."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def is_interactive() -> bool:
    """Both ends are a person at a terminal that can move its cursor."""
    return sys.stdin is not None and sys.stdin.isatty() and is_screen()


def is_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def room(margin: int = 0) -> int | None:
    """How wide a table may be; None: it goes to a file or a program, where nothing is cut."""
    columns = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
    return columns - margin if columns else None


def show_json(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def told(kind: str, text: str) -> Iterator[tuple[str, str]]:
    """`error: what`, with the next step on a line of its own; each as its mark and its words."""
    for line in lines(text):
        what, _, step = line.partition(NEXT)
        yield f"{kind}:", what
        if step:
            yield " ", f"next: {step}"


def tell(kind: str, text: str, style: str = "") -> None:
    for mark, words in told(kind, text):
        err().print(f"{mark} {words}", style=style if mark != " " else "")
