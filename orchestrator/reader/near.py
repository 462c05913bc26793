"""Which known word a misspelt one means; it refuses to guess where nothing is close."""

from __future__ import annotations

from collections.abc import Set
from difflib import get_close_matches
from functools import lru_cache

_CLOSE = 0.7  # taks and tsk are close to task; step, test and stack are not
_LONG = 40  # no word of the format is longer


def near(word: str, known: Set[str]) -> str | None:
    """The word of `known` that is equal but for case, or else the closest one."""
    return _near(word.lower(), frozenset(known)) if len(word) <= _LONG else None


@lru_cache(maxsize=4096)
def _near(word: str, known: frozenset[str]) -> str | None:
    if word in known:
        return word
    if not word:
        return None
    # A slip of the finger leaves the first letter or the last; and the rest is slow to compare.
    likely = sorted(one for one in known if one[0] == word[0] or one[-1] == word[-1])
    return next(iter(get_close_matches(word, likely, n=1, cutoff=_CLOSE)), None)


def hint(word: str, known: Set[str], form: str = "{}") -> str:
    """`; did you mean …?`, or nothing."""
    meant = near(word, known)
    return "" if meant is None else f"; did you mean {form.format(meant)}?"
