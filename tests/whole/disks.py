"""Disks of our own: small, full, read-only; put away after the test. And a limit for every file that a program writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KB, MB = 1 << 10, 1 << 20

# "python -c LIMITED bytes program words...": no file can become longer. SIGXFSZ is ignored, as Python does.
LIMITED = (
    "import os, resource, signal, sys;"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2);"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Path]:
    """A tmpfs of `size` bytes. Skips where nobody may mount."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.getuid() != 0 or subprocess.run(words, check=False).returncode:
        pytest.skip("needs to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """Is refused while a file there is open for writing: what a killed engine started ends a moment after it."""
    words = ["mount", "-o", "remount,ro", str(folder)]
    end = time.monotonic() + 30
    while (done := subprocess.run(words, capture_output=True, text=True)).returncode:
        assert time.monotonic() < end, done.stderr
        time.sleep(0.05)


def fill(folder: Path, leave: int = 0) -> Path:
    """A file that takes all the room but `leave` bytes."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * (64 * KB)) == 64 * KB:
                pass
        except OSError:
            pass
        size = file.tell()
        file.truncate(max(0, size - leave))
    return filler
