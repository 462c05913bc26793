"""Open tags where only tasks are run: it says each one that is no task, and refuses to pass over work that was meant as one."""

from __future__ import annotations

import re

from orchestrator.reader.cursor import WINDOW, Cursor
from orchestrator.reader.grammar import CHILDREN, CLOSER, NAMED, SECTIONS, WRITTEN
from orchestrator.reader.near import near

_TASK = frozenset({"task"})
_BODY = re.compile(r"<(?:name|action|verify)[\s>]")


def read_between(cursor: Cursor, at: int) -> int | None:
    """Say the tag at `at` inside `<tasks>`; the offset to go on from. None for prose."""
    written = WRITTEN.match(cursor.text, at)
    if written is None:
        return None
    name = written[1]
    if near(name, _TASK):
        return _refuse(cursor, at, name)
    if not NAMED.fullmatch(name):
        return None
    cursor.say("S125", at, f"<{name}> {_advice(name)}")
    return _behind(cursor, at, name)


def _advice(name: str) -> str:
    if name in SECTIONS:
        return "stands between tasks and is not read; move it behind </tasks>"
    if name in CHILDREN:
        return "stands between tasks and is not used; move it into its <task>"
    return "is not a task; what stands in it outside of <task> … </task> is not run"


def read_outside(cursor: Cursor, at: int) -> int | None:
    """The same outside of `<tasks>`, where a section may have any name: only what has a task's body."""
    written = WRITTEN.match(cursor.text, at)
    if written is None or not near(written[1], _TASK):
        return None
    end = _lost_end(cursor, at, written[1])
    if not _BODY.search(cursor.text, at, min(end, at + WINDOW)):
        return None
    return _refuse(cursor, at, written[1])


def skip_lost(cursor: Cursor, at: int, name: str) -> int:
    """Behind what was meant as a task, so that its elements are not said one by one."""
    end = _lost_end(cursor, at, name)
    closer = CLOSER.match(cursor.text, end)
    return closer.end() if closer is not None and closer[1] in ("task", name) else end


def _refuse(cursor: Cursor, at: int, name: str) -> int:
    cursor.say("S124", at, f"<{name}> is not a task and is not run; did you mean <task>?")
    return skip_lost(cursor, at, name)


def _lost_end(cursor: Cursor, at: int, name: str) -> int:
    """Where `<name>` ends: at its closer, at the next task's tag, or with its line."""
    cursor.opener(at)  # counted
    line = cursor.line_end(at)
    closer = cursor.closer_of(name, at)
    bound = cursor.marks.any_bound(at, len(cursor.text))
    end = min(bound, len(cursor.text) if closer is None else closer)
    return line if end == len(cursor.text) else end


def _behind(cursor: Cursor, at: int, name: str) -> int:
    """Behind the element if no task stands in it, else behind its open tag."""
    opener = cursor.opener(at)
    if opener is None:
        return cursor.line_end(at)
    closer = cursor.closer_of(name, opener.end())
    if closer is None or opener[3]:
        return opener.end()
    inner = cursor.marks.any_bound(at, closer) < closer or cursor.marks.mentions(at, closer)
    return opener.end() if inner else _tag_end(cursor, closer)


def _tag_end(cursor: Cursor, at: int) -> int:
    closer = CLOSER.match(cursor.text, at)
    assert closer is not None
    return closer.end()
