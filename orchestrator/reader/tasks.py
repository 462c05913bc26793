"""One task of the text: its children, each raw to its own end; it refuses to lose one and says what does not fit."""

from __future__ import annotations

import re

from orchestrator.reader.cursor import Cursor
from orchestrator.reader.grammar import (
    BULLET,
    CHILDREN,
    CLOSER,
    CORE,
    DAMAGED,
    NESTED,
    TASK_TAG,
)
from orchestrator.reader.leaves import Ending, ending


def read_task(cursor: Cursor, at: int) -> int:
    """Take the task at `at`; the offset behind it, or of the tag that ended it too early."""
    cursor.tasks.append(at)
    offset = cursor.open(at)
    if cursor.self_closed:
        return offset
    seen: set[str] = set()
    while True:
        offset = cursor.space(offset)
        if (end := _end(cursor, at, offset)) is not None:
            return end
        offset = _read_inside(cursor, offset, seen)


def _end(cursor: Cursor, at: int, offset: int) -> int | None:
    """Behind the task if it ends at `offset`."""
    text = cursor.text
    closer = CLOSER.match(text, offset)
    if closer is not None and closer[1] == "task":
        return cursor.close("task", offset)
    wrapper = closer is not None and closer[1] == "tasks"
    if offset < len(text) and not wrapper and not TASK_TAG.match(text, offset):
        return None
    cursor.say("S105", at, "this <task> is not closed; add </task> behind its last element")
    return cursor.close("task", offset)


def _read_inside(cursor: Cursor, offset: int, seen: set[str]) -> int:
    text = cursor.text
    if text.startswith("<!--", offset):
        return cursor.skip_comment(offset)
    if cursor.at_declaration(offset):
        return cursor.refuse_declaration(offset)
    closer = CLOSER.match(text, offset)
    if closer is not None and closer[1] in CHILDREN:
        return cursor.refuse_closer(offset)
    opener = cursor.opener(offset)
    if opener is None:
        return _read_damaged(cursor, offset, seen)
    return _read_child(cursor, opener[1], offset, opener.end(), seen)


def _read_damaged(cursor: Cursor, offset: int, seen: set[str]) -> int:
    damaged = DAMAGED.match(cursor.text, offset)
    if damaged is None or damaged[1] not in CHILDREN:
        return _skip_stray(cursor, offset, seen)
    return _read_child(cursor, damaged[1], offset, damaged.end(), seen)


def _skip_stray(cursor: Cursor, offset: int, seen: set[str]) -> int:
    if "" not in seen:  # once for a task is enough
        seen.add("")
        cursor.say(
            "S109", offset, "text in a task but in none of its elements; move it into <action>"
        )
    return cursor.line_end(offset)


def _read_child(cursor: Cursor, name: str, offset: int, start: int, seen: set[str]) -> int:
    selfclosed = cursor.text[start - 2 : start] == "/>"
    found = Ending(start, closed=True)
    if not selfclosed:
        found = ending(cursor.marks, name, start, len(cursor.text))
    if not found.closed and name not in CHILDREN:
        return _skip_stray(cursor, offset, seen)
    if name in CORE and name in seen:
        cursor.say("S107", offset, f"this task has <{name}> already; join the two into one")
    seen.add(name)
    cursor.open(offset)
    if selfclosed:
        return start
    _say_ending(cursor, name, offset, found)
    _read_nested(cursor, name, start, found.at)
    return cursor.close(name, found.at)


def _say_ending(cursor: Cursor, name: str, offset: int, found: Ending) -> None:
    if found.closed:
        cursor.say_examples(name, offset, found.at)
        if found.mentioned is not None:
            cursor.say(
                "S117",
                found.mentioned,
                f"</{name}> was read as text of <{name}>; put it in backticks if that is right",
            )
        return
    if TASK_TAG.match(cursor.text, found.at):
        cursor.say(
            "S108",
            found.at,
            f"a <task> begins inside <{name}>; close <{name}> before it, or put the example in a fence",
        )
    cursor.say("S106", offset, f"<{name}> is not closed; add </{name}> before </task>")


def _read_nested(cursor: Cursor, parent: str, start: int, limit: int) -> None:
    """Take the children of `parent` that begin a line, or stand right behind another tag."""
    names = NESTED.get(parent)
    offset = start
    while names and (offset := cursor.space(offset)) < limit:
        opener = _nested_opener(cursor, offset, limit)
        if opener is None or opener[1] not in names:
            offset = cursor.line_end(offset)
            continue
        name = opener[1]
        cursor.open(opener.start())
        offset = opener.end()
        if not opener[3]:
            found = ending(cursor.marks, name, offset, limit, names)
            _say_ending(cursor, name, opener.start(), found)
            _read_nested(cursor, name, offset, found.at)
            offset = cursor.close(name, found.at)


def _nested_opener(cursor: Cursor, offset: int, limit: int) -> re.Match[str] | None:
    bullet = BULLET.match(cursor.text, offset)
    assert bullet is not None
    opener = cursor.opener(bullet.end())
    return opener if opener is not None and opener.end() <= limit else None
