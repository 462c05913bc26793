"""Which model id answers to the name that a worker was asked for. Pure; it refuses to take one model for another of a similar name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

DATE = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2})$")


class Names:
    """What was seen to answer, the newest of each. A name is an id, an id without its date, or an alias."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str], str] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def add(self, worker: str, asked: str | None, answered: str) -> None:
        """In the order of time. `asked` None: nobody wrote it down, so only the id itself and its date tell."""
        bare, undated = _forms(answered)
        if asked is not None and asked != answered:  # the same: perhaps nobody answered
            self._answered[worker, asked] = answered
        if undated != bare:
            self._ids[worker, undated] = self._ids[worker, bare] = answered
        else:
            self._ids.setdefault((worker, bare), answered)

    def find(self, worker: str, asked: str) -> str | None:
        """None: nothing has answered to it yet."""
        return self._answered.get((worker, asked)) or self._ids.get((worker, _forms(asked)[0]))

    def resolve(self, worker: str, asked: str) -> str:
        return self.find(worker, asked) or asked


def settle(seen: Sequence[tuple[str, str | None, str]]) -> tuple[list[str], Names]:
    """Of (worker, asked, answered), the oldest first: the id of each, and all that they tell of names.

    Of an attempt that ended before anybody had answered only the name is on record: it was the id that answered to it
    before, else the one that did after it.
    """
    every, now, ids = Names(), Names(), list[str]()
    for each in seen:
        every.add(*each)
    for worker, asked, answered in seen:
        now.add(worker, asked, answered)
        if asked == answered and (found := now.resolve(worker, asked)) != asked:
            ids.append(found)
        else:
            ids.append(every.resolve(worker, asked) if asked == answered else answered)
    return ids, every


@lru_cache(maxsize=1024)
def _forms(model: str) -> tuple[str, str]:
    """Without the provider; and then without its date."""
    bare = model.rpartition("/")[2]
    return bare, DATE.sub("", bare)
