"""What one try has changed, as a diff to look at. Refuses to show more than was asked for, and to run anything of the repository's."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import anyio

from orchestrator import redact
from orchestrator.workspace.git import Git

WAIT_S = 20.0
FORM = ("-p", "--stat=120", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")


class Difference(NamedTuple):
    """`why` says why there is no text."""

    text: str
    is_cut: bool
    why: str | None = None


async def difference(root: Path, base: str, commit: str, most: int) -> Difference:
    """Between two commits or trees: at most so many bytes, a list of the files first."""
    with tempfile.TemporaryFile() as out, anyio.move_on_after(WAIT_S):
        words = ("diff-tree", "-r", *FORM, base, commit, "--")
        said = await Git(root).ask(*words, stdout=out)
        if said.code:
            return Difference("", False, f"git has it no more: {redact.text(said.stderr).strip()}")
        out.seek(0)
        raw = out.read(most + 1)
        shown = raw[:most].decode("utf-8", "replace")
        return Difference(redact.head(shown, most), len(raw) > most)
    return Difference("", False, f"git did not end within {WAIT_S:g} s: it is too large to show")
