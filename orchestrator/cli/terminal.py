"""The two streams of a command and how values look on them; refuses to pass on control characters of others."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
UNKNOWN = "?"


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
    return sys.stdin.isatty() and is_screen()


def is_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def show_json(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def plain(text: str, limit: int | None = None) -> str:
    """One line that a terminal shows and does not obey."""
    line = " ".join(CONTROL.sub(" ", COLOUR.sub("", text)).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def lines(text: str) -> list[str]:
    """The same for a text of many lines: indentation is kept, empty ends are not."""
    rows = COLOUR.sub("", text).replace("\t", "    ").strip("\r\n").splitlines()
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
