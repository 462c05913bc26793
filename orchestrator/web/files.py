"""Transcripts and what checks printed, in pieces. Refuses to follow links, to leave the run's folder, and to read more than was asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from orchestrator import redact
from orchestrator.history import Tried
from orchestrator.journal import HOME
from orchestrator.model import RunId

MOST = 1 << 18  # bytes in one piece
Part = Literal["work", "review", "before", "after", "landing"]


class Read(NamedTuple):
    """Bytes from `start` on of a file of `size`, which are at `at` of what was read `around` them."""

    whole: bytes
    start: int
    size: int
    around: bytes
    at: int


class Piece(NamedTuple):
    """Bytes `start` to `next` of `size`. Not `kept`: it printed nothing, or the file is gone by now."""

    text: str
    start: int
    next: int
    size: int
    kept: bool


def piece(root: Path, run: RunId, tried: Tried, part: Part, start: int, most: int) -> Piece:
    """A negative start counts from the end. No character is cut in two, and no secret: who asks for small pieces gets no parts of it."""
    name = PurePath(tried.transcript).name
    if not name:
        return Piece("", 0, 0, 0, False)
    try:
        found = _read(root / HOME / "runs" / run / _named(name, part), start, most, redact.around())
    except OSError:
        return Piece("", 0, 0, 0, False)
    size = len(found.whole)
    text = redact.part(found.around, found.at, found.at + size).decode("utf-8", "replace")
    return Piece(text, found.start, found.start + size, found.size, True)


def _named(name: str, part: Part) -> str:
    path = PurePath(name)
    match part:
        case "work":
            return name
        case "review":
            return path.with_suffix(f".review{path.suffix}").name
    return path.with_suffix(f".{part}.log").name


def _read(path: Path, start: int, most: int, more: int) -> Read:
    """With so many bytes `more` at both sides as there are."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        told = os.fstat(file)
        if not stat.S_ISREG(told.st_mode):
            raise FileNotFoundError(path)
        size = told.st_size
        start = max(0, size + start) if start < 0 else min(start, size)
        at, most = min(more, start), min(most, MOST)
        around = os.pread(file, at + most + more, start - at)
        raw = around[at : at + most]
        return Read(_whole(raw) if start + len(raw) < size else raw, start, size, around, at)
    finally:
        os.close(file)


def _whole(raw: bytes) -> bytes:
    """Without the beginning of a character at its end."""
    for back in range(1, min(4, len(raw)) + 1):
        byte = raw[-back]
        if byte & 0xC0 == 0x80:
            continue
        needs = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return raw[:-back] if needs > back and len(raw) > back else raw
    return raw
