"""Bytes of files that others write. Refuses what is no regular file, because who reads a pipe waits for ever, and more bytes than were asked for."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def whole(file: Path, most: int | None = None) -> bytes:
    """OSError where it is larger than `most`, before it is read."""
    with _opened(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        if most is None:
            return stream.read()
        content = stream.read(most + 1) if size <= most else b""
        size = max(size, len(content))  # it may have grown since
        if size > most:
            told = f"the file has {size} bytes, the limit is {most}; split the plan"
            raise OSError(errno.EFBIG, told, str(file))
        return content


def head(file: Path, most: int) -> bytes:
    """Its first bytes, `most` of them."""
    with _opened(file) as stream:
        return stream.read(most)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Looked at once it is open: by its name it may be another file a moment later. Links are followed, people have such plans."""
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(file))
        yield stream
