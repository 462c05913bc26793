"""What a person reads before a text may run. Refuses to show other bytes than those that would be trusted, and to call a part the whole."""

from __future__ import annotations

import difflib
import hashlib
import re
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from orchestrator.journal import tail
from orchestrator.model import RunId
from orchestrator.reader import bounded

CONTEXT = 3  # lines around a change
MOST_LINES = 2000  # of one text
MOST_LETTERS = 200_000
# what a page would leave out or turn round: a shell reads it all the same
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


class Wanted(NamedTuple):
    """`run`: had the text before; None: there was none."""

    path: str
    sha256: str
    run: RunId | None


class Shown(NamedTuple):
    """A unified difference."""

    text: str
    is_whole: bool


LEFT_OUT = Shown("", is_whole=False)


def show(root: Path, wanted: Wanted, most: int) -> Shown | None:
    """None: what lies there now is not what was wanted. Reads the file and the journal: not for the event loop."""
    try:
        new = bounded.whole(root / wanted.path, most)
    except OSError:
        return None
    if hashlib.sha256(new).hexdigest() != wanted.sha256:
        return None
    before = tail.plans(root, wanted.run) if wanted.run else []
    old = next((one.content for one in before if one.path == wanted.path), b"")
    title = f"{wanted.path} in run {wanted.run}" if old else "nothing"
    return compare(old, new, title, wanted.path) or compare(b"", new, "nothing", wanted.path)


def compare(old: bytes, new: bytes, before: str, now: str) -> Shown | None:
    """None: no line is another."""
    rows = difflib.unified_diff(_rows(old), _rows(new), before, now, n=CONTEXT, lineterm="")
    found = list(islice(rows, MOST_LINES + 1))
    text = "\n".join(_UNSEEN.sub(_escaped, row.removesuffix("\r")) for row in found[:MOST_LINES])
    is_whole = len(found) <= MOST_LINES and len(text) <= MOST_LETTERS
    return Shown(text[:MOST_LETTERS], is_whole) if found else None


def _rows(content: bytes) -> list[str]:
    rows = content.decode("utf-8", "backslashreplace").split("\n")
    return rows if rows[-1] else rows[:-1]


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
