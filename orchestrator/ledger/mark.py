"""How long the ledger was when it was last written, beside it: what damage took from its end is counted. Refuses to stop an append."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

NAME = "task_ledger.mark"


class Mark(NamedTuple):
    """Bytes: how long it was, and how much is known to be lost."""

    size: int = 0
    lost: int = 0

    def lost_at(self, size: int) -> int:
        """All that is lost if it is `size` long now."""
        return self.lost + max(0, self.size - size)


def read(folder: Path) -> Mark:
    with suppress(OSError, ValueError):
        size, lost = (folder / NAME).read_text().split()
        return Mark(int(size), int(lost))
    return Mark()


def write(folder: Path, mark: Mark) -> None:
    """Not flushed: it can be behind the ledger, never before it. A full disk costs the mark, not the line."""
    draft = folder / f".{NAME}.{secrets.token_hex(4)}"
    with suppress(OSError):
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{mark.size} {mark.lost}\n")
            draft.rename(folder / NAME)
        finally:
            draft.unlink(missing_ok=True)
