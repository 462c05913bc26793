"""The two streams of a command and how values look on them; refuses to pass on control characters of others, and to end a run with its reader."""

from __future__ import annotations

import io
import json
import os
import re
import select
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator import redact

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
UNKNOWN = "?"
NEXT = " Next: "  # between what is wrong and what to do, in one message


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


def command(*words: str) -> str:
    """What to type, as a shell reads it."""
    return shlex.join(("orchestrator", *words))


def plain(text: str, limit: int | None = None) -> str:
    """One line that a terminal shows and does not obey, and cut where no secret is."""
    line = " ".join(CONTROL.sub(" ", COLOUR.sub("", redact.text(text))).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def lines(text: str) -> list[str]:
    """The same for a text of many lines: indentation is kept, empty ends are not."""
    rows = COLOUR.sub("", redact.text(text)).replace("\t", "    ").strip("\r\n").splitlines()
    return [CONTROL.sub(" ", row).rstrip() for row in rows]


def shared_indent_removed(text: str) -> list[str]:
    from textwrap import dedent

    return lines(dedent(text.strip("\r\n")).strip())


def duration(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def tokens(count: int | None) -> str:
    if count is None:
        return UNKNOWN
    if count < 10_000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 1_000_000 else f"{count / 1_000_000:.2f}M"


def cost(usd: float | None) -> str:
    return UNKNOWN if usd is None else f"${usd:.2f}" if usd >= 0.1 or not usd else f"${usd:.4f}"


def counted(count: int, noun: str, many: str | None = None) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {many or noun + 's'}"


def columns(rows: Iterable[tuple[str, ...]], gap: str = "  ") -> list[str]:
    """Rows of text with aligned columns; the last one is as long as it is."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
