"""A line-anchored state machine over the text of a plan: it owns structure and positions, and refuses to drop a task.

Plans look like XML and are not: their text is full of `&&`, `<T>` and HTML. So only tags that stand
where structure can stand count: at the start of a line or right behind another structural tag. The
tags handed on are always balanced; what was missing is added and said.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from orchestrator.reader import strange
from orchestrator.reader.cursor import MAX_TAGS, Cursor, Tag, TooManyTags
from orchestrator.reader.grammar import (
    ANY_TAG_HERE,
    BETWEEN,
    OTHER_CASE,
    OUTSIDE,
    SECTIONS,
    TAG_HERE,
    TASK_TAG,
    TASKS_TAG,
    WRAPPERS,
    WRITTEN,
)
from orchestrator.reader.tasks import read_task


class Scan(NamedTuple):
    tags: list[Tag] | None  # None: given up, the problems say where
    problems: list[tuple[str, int, str]]  # code, offset, message
    tasks: list[int]  # offsets of their openers


def scan(text: str, start: int = 0) -> Scan:
    """The structure of `text` from `start` (behind the frontmatter)."""
    cursor = Cursor(text)
    try:
        _read_all(cursor, start)
    except TooManyTags as error:
        cursor.say("S122", error.offset, f"more than {MAX_TAGS} tags; split the plan here")
        return Scan(None, cursor.problems, cursor.tasks)
    return Scan(cursor.tags, cursor.problems, cursor.tasks)


def _read_all(cursor: Cursor, offset: int) -> None:
    wrapped = WRAPPERS.search(cursor.text, offset) is not None
    while (found := _next(cursor, offset, OUTSIDE)) is not None:
        offset = _read_outside(cursor, found, wrapped)


def _read_outside(cursor: Cursor, at: int, wrapped: bool) -> int:
    if TASK_TAG.match(cursor.text, at):
        _say_unwrapped(cursor, at, wrapped)
        return read_task(cursor, at)
    if TASKS_TAG.match(cursor.text, at):
        return _read_tasks(cursor, at)
    return (
        _read_marginal(cursor, at) or strange.read_outside(cursor, at) or _read_section(cursor, at)
    )


def _read_marginal(cursor: Cursor, at: int) -> int | None:
    """Take what is neither a task nor a section; None if it is something else."""
    if cursor.at_declaration(at):
        return cursor.refuse_declaration(at)
    if cursor.text.startswith("<!--", at):
        return cursor.skip_comment(at)
    if cursor.text.startswith("</task", at):
        return cursor.refuse_closer(at)
    if OTHER_CASE.match(cursor.text, at):
        return _refuse_case(cursor, at)
    return None


def _refuse_case(cursor: Cursor, at: int) -> int:
    written = WRITTEN.match(cursor.text, at)
    assert written is not None
    name = written[1]
    cursor.say("S111", at, f"<{name}> is not in lower case and is not read; write <{name.lower()}>")
    return cursor.line_end(at) if name.lower() == "tasks" else strange.skip_lost(cursor, at, name)


def _say_unwrapped(cursor: Cursor, at: int, wrapped: bool) -> None:
    if wrapped:
        cursor.say("S112", at, "this <task> is outside <tasks>; move it in front of </tasks>")
    elif not cursor.tasks:
        cursor.say("S116", at, "the tasks have no <tasks> around them; add <tasks> and </tasks>")


def _read_section(cursor: Cursor, at: int) -> int:
    opener = cursor.opener(at)
    if opener is None or opener[3]:
        return cursor.line_end(at)
    name, start = opener[1], opener.end()
    end = cursor.closer_of(name, start)
    if end is None or cursor.marks.bound(start, end) < end:
        if name in SECTIONS:
            cursor.say("S119", at, f"<{name}> is not closed and is read as text; add </{name}>")
        return cursor.line_end(at)
    cursor.open(at)
    cursor.say_examples(name, start, end)
    return cursor.close(name, end)


def _read_tasks(cursor: Cursor, at: int) -> int:
    begin = at
    offset = cursor.open(at)
    while (found := _next(cursor, offset, BETWEEN)) is not None:
        if cursor.text.startswith("</tasks", found):
            return cursor.close("tasks", found)
        if TASKS_TAG.match(cursor.text, found):
            offset = found
            break
        offset = _read_between(cursor, found)
    cursor.say("S106", begin, "<tasks> is not closed; add </tasks> behind the last </task>")
    return cursor.close("tasks", offset)


def _next(cursor: Cursor, offset: int, pattern: re.Pattern[str]) -> int | None:
    """The next place where structure can stand: right here, behind a tag, or where a line begins."""
    here = cursor.space(offset)
    tag = ANY_TAG_HERE if pattern is BETWEEN else TAG_HERE
    if tag.match(cursor.text, here):
        return here
    match = pattern.search(cursor.text, offset)
    return None if match is None else match.end()


def _read_between(cursor: Cursor, at: int) -> int:
    if TASK_TAG.match(cursor.text, at):
        return read_task(cursor, at)
    return _read_marginal(cursor, at) or strange.read_between(cursor, at) or cursor.line_end(at)
