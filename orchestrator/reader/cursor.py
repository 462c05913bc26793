"""What the scanner has found so far in one text; it takes tags and refuses none, a damaged one it says and takes."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property
from typing import NamedTuple

from orchestrator.reader.grammar import (
    CLOSER,
    DAMAGED,
    DECLARATION,
    OPENER,
    SPACE,
)
from orchestrator.reader.leaves import Marks

MAX_TAGS = 50_000  # looked at, taken or not; a hundred times the largest real plan
WINDOW = 4096  # no open tag is longer: a bound on what one broken tag can cost


class Tag(NamedTuple):
    """One structural tag; `attributes` is raw. start == end: added by us for one that is missing."""

    name: str
    start: int
    end: int
    closing: bool = False
    attributes: str = ""


class TooManyTags(Exception):
    """The offset at which the scan gave up."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Cursor:
    """The methods that take something return the offset behind it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.marks = Marks(text)
        self.tags: list[Tag] = []
        self.problems: list[tuple[str, int, str]] = []
        self._seen = 0
        self._said: set[str] = set()
        self.tasks: list[int] = []  # offsets of their openers

    def say(self, code: str, offset: int, message: str) -> None:
        self.problems.append((code, offset, message))

    def say_once(self, code: str, offset: int, message: str) -> None:
        """Not again in this text."""
        if message not in self._said:
            self._said.add(message)
            self.say(code, offset, message)

    def line(self, offset: int) -> int:
        return bisect_left(self._line_ends, offset) + 1

    @cached_property
    def _line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    def space(self, offset: int) -> int:
        match = SPACE.match(self.text, offset)
        assert match is not None
        return match.end()

    def line_end(self, offset: int) -> int:
        index = bisect_left(self._line_ends, offset)
        found = self._line_ends[index] + 1 if index < len(self._line_ends) else len(self.text)
        return max(found, offset + 1)

    def closer_of(self, name: str, start: int) -> int | None:
        """The closer of a section on its opener's line, or the first at the start of a line."""
        inline = self.marks.closers(name, start, self.line_end(start))
        return inline[0] if inline else self.marks.line_closer(name, start)

    def opener(self, offset: int) -> re.Match[str] | None:
        """The sound open tag at `offset`; not taken yet."""
        self._count(offset)
        return OPENER.match(self.text, offset, offset + WINDOW)

    def _count(self, offset: int) -> None:
        self._seen += 1
        if self._seen > MAX_TAGS:
            raise TooManyTags(offset)

    def open(self, offset: int) -> int:
        """Take the open tag at `offset`, also a damaged one."""
        match = self.opener(offset)
        if match is None:
            return self._open_damaged(offset)
        self.tags.append(Tag(match[1], offset, match.end(), attributes=match[2]))
        if match[3]:
            self.close(match[1], match.end())
        return match.end()

    def _open_damaged(self, offset: int) -> int:
        match = DAMAGED.match(self.text, offset)
        assert match is not None
        self.say(
            "S111",
            offset,
            f'the tag <{match[1]} …> cannot be read; write it as <{match[1]} key="value"> '
            "and close every quote",
        )
        self.tags.append(Tag(match[1], offset, match.end()))
        return match.end()

    def close(self, name: str, start: int) -> int:
        """Take the closing tag at `start`, or add the one that is missing there."""
        match = CLOSER.match(self.text, start)
        end = match.end() if match is not None and match[1] == name else start
        self.tags.append(Tag(name, start, end, closing=True))
        return end

    @property
    def self_closed(self) -> bool:
        """Whether the tag just opened was `<like-this/>`."""
        return self.tags[-1].closing

    def refuse_declaration(self, at: int) -> int:
        self.say("S103", at, "a document type or entity declaration is not read; remove it")
        return self.line_end(at)

    def refuse_closer(self, at: int) -> int:
        self._count(at)
        closer = CLOSER.match(self.text, at)
        name = closer[1] if closer else "task"
        self.say("S113", at, f"</{name}> closes nothing; remove it or add <{name}> before it")
        return closer.end() if closer else self.line_end(at)

    def skip_comment(self, at: int) -> int:
        self._count(at)
        end = self.marks.comment_end(at)
        if end is None:
            return self.line_end(at)
        for opener in self.marks.openers_between(at, end):
            self.say("S118", opener, "this <task> is in a comment and is not run")
        return end

    def say_examples(self, name: str, start: int, end: int) -> None:
        """No task goes unsaid, also not one that a fence makes an example."""
        for opener in self.marks.openers_between(start, end):
            self.say(
                "S120",
                opener,
                f"this <task> in a fence of <{name}> is read as an example; if it is real, "
                f"close the fence and <{name}> before it",
            )

    def at_declaration(self, at: int) -> bool:
        return DECLARATION.match(self.text, at) is not None
