"""`priority` and `not-before` of a frontmatter, for whoever runs plans by itself. Refuses words that could mean two things."""

from __future__ import annotations

from datetime import MAXYEAR, datetime
from typing import Any

LEVELS = {"high": 1, "normal": 0, "low": -1}
MOST = 1000  # of a priority, either way
NO_DATE = (ValueError, OverflowError)
YEARS = range(1970, MAXYEAR)  # a clock has these in every zone


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
        year = datetime.fromisoformat(word).year
    except NO_DATE:
        return None
    return word if year in YEARS else None
