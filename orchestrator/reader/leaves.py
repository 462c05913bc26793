"""Where a raw-text element ends; it reads nothing inside the element and refuses to guess silently.

Plans mention their own tags in prose, in greps and in examples, so a closing tag only counts when
something follows that can follow: a sibling's opener, the parent's closer, a comment, the end.
Fences lie too often to decide structure; their parity only breaks the tie when a task seems to
begin or end inside the element.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Set
from typing import NamedTuple

from orchestrator.reader.grammar import (
    CHILDREN,
    CLOSER,
    CORE,
    FENCES,
    LINE_CLOSERS,
    OPENER,
    SPACE,
    TASK_BOUNDS,
    TASK_OPENERS,
    TASK_TAG,
)

# An element that mentions its own closer more often than this ends at the first mention.
MENTIONS = 10


class Ending(NamedTuple):
    """Where the text ends: at the closing tag, or where one is missing."""

    at: int
    closed: bool
    mentioned: int | None = None  # an earlier closer that was taken for text


class Marks:
    """Where the signs of one text stand, found once so that no search walks the same text twice."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.fences = [match.start() for match in FENCES.finditer(text)]
        self.openers = [match.start(1) for match in TASK_OPENERS.finditer(text)]
        self._mentions = [match.start() for match in TASK_TAG.finditer(text)]
        self._closers: dict[str, list[int]] = defaultdict(list)
        for match in CLOSER.finditer(text):
            self._closers[match[1]].append(match.start())
        self._line_closers: dict[str, list[int]] = defaultdict(list)
        for match in LINE_CLOSERS.finditer(text):
            self._line_closers[match[2]].append(match.start(1))
        self._bounds: tuple[list[int], list[int]] = ([], [])  # by the parity of fences before
        for match in TASK_BOUNDS.finditer(text):
            self._bounds[self._parity(match.start(1))].append(match.start(1))
        self._comment_end = 0

    def _parity(self, offset: int) -> int:
        return bisect_left(self.fences, offset) % 2

    def _parity_inside(self, start: int) -> int:
        """The parity that a task tag must have to be seen from inside an element.

        A fence right behind the open tag is not at the start of a line, and counts too.
        """
        first = SPACE.match(self.text, start)
        assert first is not None
        inline = self.text.startswith(("```", "~~~"), first.end())
        inline = inline and self.text.find("\n", start, first.end()) < 0
        return self._parity(start) ^ inline

    def fenced(self, start: int, offset: int) -> bool:
        """Whether `offset` is in a fence that was opened inside the element."""
        return self._parity(offset) != self._parity_inside(start)

    def bound(self, start: int, limit: int) -> int:
        """The first task tag from `start` that no fence of the element hides, or `limit`."""
        return _first(self._bounds[self._parity_inside(start)], start, limit)

    def any_bound(self, start: int, limit: int) -> int:
        """The first task tag from `start`, in a fence or not, or `limit`."""
        return min(_first(bounds, start, limit) for bounds in self._bounds)

    def hides(self, start: int, limit: int) -> bool:
        """Whether a fence of the element hides a task tag."""
        hidden = self._bounds[1 - self._parity_inside(start)]
        return bisect_left(hidden, start) < bisect_left(hidden, limit)

    def mentions(self, start: int, limit: int) -> bool:
        """Whether a `<task` stands there, at the start of a line or not."""
        return _first(self._mentions, start, limit) < limit

    def openers_between(self, start: int, limit: int) -> list[int]:
        return self.openers[bisect_left(self.openers, start) : bisect_left(self.openers, limit)]

    def closers(self, name: str, start: int, limit: int) -> list[int]:
        found = self._closers.get(name, [])
        first = bisect_left(found, start)
        return [at for at in found[first : first + MENTIONS] if at < limit]

    def line_closer(self, name: str, start: int) -> int | None:
        """The first closer from `start` that begins its line."""
        found = self._line_closers.get(name, [])
        index = bisect_left(found, start)
        return found[index] if index < len(found) else None

    def comment_end(self, start: int) -> int | None:
        """Behind the `-->` of the comment at `start`; None if it is not closed."""
        if 0 <= self._comment_end < start + 4:
            self._comment_end = self.text.find("-->", start + 4)
        end = self._comment_end
        if end < 0 or self.text.find("<!--", start + 4, end) >= 0:
            return None
        return end + 3


def _first(offsets: list[int], start: int, limit: int) -> int:
    index = bisect_left(offsets, start)
    return min(offsets[index], limit) if index < len(offsets) else limit


def ending(
    marks: Marks, name: str, start: int, limit: int, siblings: Set[str] = CHILDREN
) -> Ending:
    """The end of the element `name` whose text begins at `start`; never behind `limit`.

    `siblings` are the elements whose openers may follow.
    """
    bound = marks.bound(start, limit)
    candidates = marks.closers(name, start, bound)
    if not candidates:
        # Nothing is sure of an element without a closer, least of all that its fences are balanced.
        return Ending(marks.any_bound(start, limit), closed=False)
    if name not in CHILDREN and siblings is CHILDREN:
        return Ending(candidates[0], closed=True)  # nothing is known of it: its first closer
    good = (at for at in candidates if _may_end(marks, name, start, at, limit, siblings))
    chosen = next(good, candidates[0])
    return Ending(chosen, closed=True, mentioned=candidates[0] if candidates[0] < chosen else None)


def _may_end(marks: Marks, name: str, start: int, at: int, limit: int, siblings: Set[str]) -> bool:
    if name in CORE and marks.fenced(start, at):
        if marks.hides(start, at):
            return False  # the closer of an example task
        siblings = siblings - {name}  # a row of <action> in a fence is another language's
    return _followed(marks.text, at, limit, siblings)


def _followed(text: str, at: int, limit: int, siblings: Set[str]) -> bool:
    closer = CLOSER.match(text, at)
    assert closer is not None
    after = SPACE.match(text, closer.end())
    assert after is not None
    offset = after.end()
    if offset >= limit or text.startswith(("<!--", "</task>", "</tasks>"), offset):
        return True
    opener = OPENER.match(text, offset, offset + 4096)
    return bool(opener and opener[1] in siblings) or bool(TASK_TAG.match(text, offset))
