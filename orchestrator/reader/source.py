"""Bytes to text and offsets to places; it changes no character and refuses no byte."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import chain

from orchestrator.model import Diagnostic, Position
from orchestrator.model.codes import diagnostic, severity

MAX_SHOWN = 1000

# Windows-1252 with its five holes filled as browsers do, so that any byte is a character.
_CP1252 = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(128, 160)}


_TO_LATIN1 = {ord(character): byte for byte, character in _CP1252.items()}


def decode(data: bytes) -> tuple[str, int | None]:
    """The text, and the offset of the first byte that is not UTF-8. A byte order mark is kept."""
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        return data.decode("latin-1").translate(_CP1252), error.start


def encode(text: str, *, foreign: bool) -> bytes:
    """The bytes that `decode` read; `foreign`: it found some that are not UTF-8."""
    return text.translate(_TO_LATIN1).encode("latin-1") if foreign else text.encode("utf-8")


class Source:
    """One text with its places and what there is to say about it."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.diagnostics: list[Diagnostic] = []
        self.hidden = 0
        self._starts = list(chain([0], (m.end() for m in re.finditer("\n", text))))

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return Position(line=line, column=offset - self._starts[line - 1] + 1)

    def offset(self, line: int, column: int) -> int:
        """The nearest offset inside the text."""
        line = min(max(line, 1), len(self._starts))
        start = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        return min(start + max(column, 1) - 1, end)

    def say(self, code: str, offset: int, message: str) -> None:
        place = self.position(min(offset, len(self.text)))
        self.say_at(code, place, message)

    def say_at(self, code: str, place: Position, message: str) -> None:
        if len(self.diagnostics) >= MAX_SHOWN:
            self.hidden += 1
            return
        self.diagnostics.append(diagnostic(code, self.path, place, message))

    def say_all(self, problems: Iterable[tuple[str, int, str]]) -> None:
        for code, offset, message in problems:
            self.say(code, offset, message)

    def report(self) -> tuple[Diagnostic, ...]:
        """In the order of the text; what is not shown is an error of its own at the end."""
        found = sorted(self.diagnostics, key=lambda d: (d.line, d.column, d.code))
        if self.hidden:
            last = found[-1]
            message = f"{self.hidden} more problems are not shown; correct these first"
            found.append(
                last.model_copy(
                    update={"code": "S121", "severity": severity("S121"), "message": message}
                )
            )
        return tuple(found)
