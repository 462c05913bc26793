"""Values as people read them: one line, whole lines, amounts, columns. Refuses to pass on control characters of others, and secrets."""

from __future__ import annotations

import os
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from orchestrator import redact
from orchestrator.amounts import UNKNOWN as UNKNOWN  # amounts are said here, too
from orchestrator.amounts import cost as cost
from orchestrator.amounts import dollars as dollars
from orchestrator.model import Diagnostic, Severity

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
LEAST_CELL = 12  # characters: no name is cut to less
LEAST_NAME = 28  # rather are other columns left out
NEXT = " Next: "  # between what is wrong and what to do, in one message


def command(*words: str) -> str:
    """What to type, as a shell reads it."""
    return shlex.join(("orchestrator", *words))


def plain(text: str, limit: int | None = None) -> str:
    """One line that a terminal shows and does not obey, and cut where no secret is."""
    line = " ".join(CONTROL.sub(" ", COLOUR.sub("", redact.text(text))).split())
    return line if limit is None else cut(line, limit)


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


def counted(count: int, noun: str, many: str | None = None) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {many or noun + 's'}"


def columns(
    rows: Iterable[tuple[str, ...]],
    gap: str = "  ",
    width: int | None = None,
    names: Sequence[int] = (),
) -> list[str]:
    """Rows of text with aligned columns; the last one is as long as it is.

    Where they are wider than `width` the widest of `names` are cut; where that is not enough each row goes on below itself.
    """
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if width is not None and not _fit(widths, width - len(gap) * (len(widths) - 1), names):
        return [_folded(gap.join(filter(None, row)), width) for row in table]
    return [
        gap.join(
            cut(cell, size).ljust(size) for cell, size in zip(row, widths, strict=True)
        ).rstrip()
        for row in table
    ]


def _fit(widths: list[int], room: int, names: Sequence[int]) -> bool:
    """Makes those of `names` narrower, the widest first. Whether there is room for all then."""
    while sum(widths) > room:
        widest = max(names, key=lambda column: widths[column], default=None)
        if widest is None or widths[widest] <= LEAST_CELL:
            return False
        widths[widest] -= 1
    return True


def fitted(
    rows: Sequence[tuple[str, ...]], width: int | None, *, name: int, less: Sequence[int] = ()
) -> list[str]:
    """A table that no screen wraps: on a narrow one the columns of `less` are left out, as many of them as must be, from the first on.

    Then the names in the column `name` are cut in their middle: their ends tell them apart.
    """
    kept = list(range(len(rows[0])))
    longest = max(len(row[name]) for row in rows)

    def left() -> int:
        others = sum(max(len(row[n]) for row in rows) for n in kept if n != name)
        return (width or 0) - others - 2 * (len(kept) - 1)

    for column in less:
        if width is not None and left() < min(longest, LEAST_NAME):
            kept.remove(column)
    limit = longest if width is None else max(left(), LEAST_CELL)
    return columns(
        [tuple(_middle(row[n], limit) if n == name else row[n] for n in kept) for row in rows],
        width=width,
    )


def _middle(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = (limit - 1) * 2 // 3
    return f"{text[: limit - 1 - end]}…{text[-end:]}"


def wrapped(rows: Iterable[tuple[str, str]], width: int | None) -> Iterator[str]:
    """Names and their words, which go on below themselves where the screen ends."""
    table = list(rows)
    wide = max(len(name) for name, _ in table) + 2
    for name, words in table:
        least = len(words) + 1 if width is None else max(width - wide, LEAST_CELL)
        first, *more = textwrap.wrap(words, least, break_on_hyphens=False) or [""]
        yield f"{name.ljust(wide)}{first}".rstrip()
        yield from (f"{' ' * wide}{row}" for row in more)


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _folded(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, max(width, LEAST_CELL), subsequent_indent="    "))


def near(root: Path, file: str) -> str:
    """A file of the project as one would type it here."""
    path, here = root / file, Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)


def when(at: str) -> str:
    """Here and now people read their own clock."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def doubts(said: Iterable[Diagnostic]) -> str:
    """How many warnings a plan has, and the first of them; empty without one."""
    found = [one for one in said if one.severity is Severity.WARNING]
    if not found:
        return ""
    first = found[0]
    many = f"{counted(len(found), 'warning')}, the first: " if found[1:] else "a warning: "
    return f"{many}{first.file}:{first.line}: {first.message} ({first.code})"
