"""What makes the ids of records unlike those of any other installation; refuses to be read by others, and to leave the machine."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

NAME = "rae_salt"
_FORM = re.compile(rb"[0-9a-f]{64}\n")


def salt(folder: Path) -> bytes:
    """Of the ledger in `folder`: the same each time; OSError where it can be neither read nor made."""
    path = folder / NAME
    with suppress(FileNotFoundError):
        known = path.read_bytes()
        if _FORM.fullmatch(known):
            return known
        path.unlink(missing_ok=True)  # nobody of ours writes half a one
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{NAME}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first, and its word counts
            path.hardlink_to(draft)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return path.read_bytes()
