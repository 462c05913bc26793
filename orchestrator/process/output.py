"""What a program says, held in bounded memory: lines, head and tail, a transcript; it refuses to grow with the output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 16
LINE_BYTES = 4 << 20  # a longer line is handed on cut
TRANSCRIPT_BYTES = 64 << 20


class Lines:
    """Bytes into lines without their end; one longer than `cap` is cut there and the rest of it dropped."""

    def __init__(self, cap: int = LINE_BYTES) -> None:
        self._cap = cap
        self._open = bytearray()
        self._dropped = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        first, *more = chunk.split(b"\n")
        self._add(first)
        if more:
            *whole, rest = more
            yield self._take()
            for line in whole:  # nearly all lines come this way
                yield line if len(line) <= self._cap else self._cut(line)
            self._add(rest)

    def finish(self) -> Iterator[bytes]:
        if self._open or self._dropped:
            yield self._take()

    def _add(self, piece: bytes) -> None:
        room = max(0, self._cap - len(self._open))
        self._open += piece[:room]
        self._dropped += len(piece) - len(piece[:room])

    def _cut(self, line: bytes) -> bytes:
        self._add(line)
        return self._take()

    def _take(self) -> bytes:
        line = bytes(self._open) + (b" [%d bytes cut]" % self._dropped if self._dropped else b"")
        self._open.clear()
        self._dropped = 0
        return line


class Kept:
    """The head and the tail of a stream, and how much between them was let go."""

    def __init__(self, limit: int) -> None:
        self._head_room = limit // 2
        self._tail_room = limit - limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, chunk: bytes) -> None:
        self._total += len(chunk)
        room = self._head_room - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._tail_room + CHUNK:
            del self._tail[: len(self._tail) - self._tail_room]

    def text(self) -> str:
        tail = self._tail[max(0, len(self._tail) - self._tail_room) :]
        cut = self._total - len(self._head) - len(tail)
        mark = b"\n[... %d bytes cut ...]\n" % cut if cut else b""
        return (self._head + mark + tail).decode("utf-8", "replace")


class Transcript:
    """Everything, on disk: appended, for the owner alone, up to a cap, and it says when it stops."""

    def __init__(self, path: Path | None, cap: int = TRANSCRIPT_BYTES) -> None:
        self._left = cap
        self._fd: int | None = None
        self.trouble: str | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            self._stop(error)

    def add(self, chunk: bytes) -> None:
        if self._fd is None:
            return
        try:
            self._write(chunk[: self._left])
            self._left -= len(chunk)
            if self._left < 0:
                self._write(b"\n[the transcript is cut here: it has reached its cap]\n")
                self.close()
        except OSError as error:
            self._stop(error)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd or 0, data) :]

    def _stop(self, error: OSError) -> None:
        self.trouble = f"the transcript could not be written: {error.strerror}"
        self.close()
