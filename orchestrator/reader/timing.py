"""`priority` and `not-before` of a frontmatter, for whoever runs plans by itself. Refuses words that could mean two things."""

from __future__ import annotations

from datetime import datetime
from typing import Any

LEVELS = {"high": 1, "normal": 0, "low": -1}
MOST = 1000  # of a priority, either way
NO_DATE = (ValueError, OverflowError)


def priority(value: Any) -> int | None:
    """Higher goes first, 0 is usual. None: it is not understood."""
    word = str(value).strip().lower()
    try:
        number = LEVELS[word] if word in LEVELS else int(word)
    except ValueError:
        return None
    return number if abs(number) <= MOST else None


def not_before(value: Any) -> str | None:
    """The ISO time; without a zone it is that of the machine that runs it. None: it is not understood."""
    word = str(value).strip()
    try:
        datetime.fromisoformat(word)
    except NO_DATE:
        return None
    return word
