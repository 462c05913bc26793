"""Whose the answers are that several sessions have, also when the file of one of them is gone. Refuses to count a second time what nobody can tell from a copy any more. Pure."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping

BEGINS = "begins "
ALL = sys.maxsize


def note(client: str, first: str, session: str) -> str:
    """Under this it is kept of a file that its session begins with this answer, and how many answers and steps in it are another's."""
    return f"{BEGINS}{json.dumps([client, first, session])}"


class Copies:
    """`notes`: of each file that was read before."""

    def __init__(self, notes: Mapping[str, int]) -> None:
        self._known = defaultdict[tuple[str, str], dict[str, int]](dict)
        for name, many in notes.items():
            client, first, session = json.loads(name.removeprefix(BEGINS))
            self._known[client, first][session] = many

    def many(self, client: str, first: str, session: str, there: Collection[str]) -> int:
        """So many, from the first on, were another's when it was read. ALL: it was not read yet, and one that begins as it does, and was, is not `there` any more."""
        known = self._known.get((client, first), {})
        return known.get(session, ALL if known.keys() - set(there) else 0)
