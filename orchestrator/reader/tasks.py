"""One task of the text: its children, each raw to its own end; it refuses to lose one and says what does not fit."""

from __future__ import annotations

import re
from collections.abc import Set

from orchestrator.reader.cursor import Cursor
from orchestrator.reader.grammar import (
    BULLET,
    CHILDREN,
    CLOSER,
    CORE,
    DAMAGED,
    NESTED,
    TASK_TAG,
    WRITTEN,
)
from orchestrator.reader.leaves import Ending, ending
from orchestrator.reader.near import hint, near


def read_task(cursor: Cursor, at: int) -> int:
    """Take the task at `at`; the offset behind it, or of the tag that ended it too early."""
    cursor.tasks.append(at)
    offset = cursor.open(at)
    if cursor.self_closed:
        return offset
    inside = _Inside()
    while (end := _end(cursor, at, offset := cursor.space(offset))) is None:
        offset = _read_inside(cursor, offset, inside)
    _say_strange(cursor, inside)
    return end


class _Inside:
    """What one task has so far."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.strange: list[tuple[int, str]] = []  # tags whose names may be misspelt
        self.stray: int | None = None


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


def _read_inside(cursor: Cursor, offset: int, inside: _Inside) -> int:
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
        return _read_damaged(cursor, offset, inside)
    return _read_child(cursor, opener[1], offset, opener.end(), inside)


def _read_damaged(cursor: Cursor, offset: int, inside: _Inside) -> int:
    damaged = DAMAGED.match(cursor.text, offset)
    if damaged is None or damaged[1] not in CHILDREN:
        return _skip_stray(cursor, offset, inside)
    return _read_child(cursor, damaged[1], offset, damaged.end(), inside)


def _skip_stray(cursor: Cursor, offset: int, inside: _Inside) -> int:
    written = WRITTEN.match(cursor.text, offset)
    if written is not None and near(written[1], CHILDREN):
        inside.strange.append((offset, written[1]))
    elif inside.stray is None:  # once for a task is enough
        inside.stray = offset
    return cursor.line_end(offset)


def _read_child(cursor: Cursor, name: str, offset: int, start: int, inside: _Inside) -> int:
    selfclosed = cursor.text[start - 2 : start] == "/>"
    found = Ending(start, closed=True)
    if not selfclosed:
        found = ending(cursor.marks, name, start, len(cursor.text))
    if not found.closed and name not in CHILDREN:
        return _skip_stray(cursor, offset, inside)
    if name not in CORE:
        inside.strange.append((offset, name))
    elif name in inside.seen:
        cursor.say("S107", offset, f"this task has <{name}> already; join the two into one")
    inside.seen.add(name)
    cursor.open(offset)
    if selfclosed:
        return start
    _say_ending(cursor, name, offset, found)
    _read_nested(cursor, name, start, found.at)
    return cursor.close(name, found.at)


def _say_strange(cursor: Cursor, inside: _Inside) -> None:
    """Each tag that is not known; a core element that is lost with it is an error."""
    if inside.stray is not None and inside.seen:  # without any element the text is the task
        told = "text in a task but in none of its elements; move it into <action>"
        cursor.say("S109", inside.stray, told)
    absent = CORE - inside.seen
    for offset, name in inside.strange:
        lost = near(name, absent)
        if lost is not None and name not in CHILDREN:
            _refuse_misspelt(cursor, offset, name, "task", lost)
        elif lost is not None:
            told = f"the element <{name}> is kept and not used; did you mean <{lost}>?"
            cursor.say_once("S110", offset, told)
        elif name in NESTED["verify"]:
            cursor.say("S110", offset, f"<{name}> is not used here; put it into <verify>")
        elif name not in CHILDREN:
            _say_unknown(cursor, offset, name, CHILDREN)


def _refuse_misspelt(cursor: Cursor, offset: int, name: str, parent: str, meant: str) -> None:
    told = f"<{name}> is not known and this <{parent}> has no <{meant}>; did you mean <{meant}>?"
    cursor.say("S126", offset, told)


def _say_unknown(cursor: Cursor, offset: int, name: str, known: Set[str]) -> None:
    told = f"the element <{name}> is not known; it is kept and not used"
    cursor.say_once("S110", offset, told + hint(name, known, "<{}>"))


def _say_ending(cursor: Cursor, name: str, offset: int, found: Ending) -> None:
    if found.closed:
        cursor.say_examples(name, offset, found.at)
        if found.mentioned is not None:
            cursor.say(
                "S117",
                found.mentioned,
                f"this </{name}> was read as text: <{name}> goes on and ends in line "
                f"{cursor.line(found.at)}; if it ends here, correct what follows up to that line",
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
    if names is None:
        return
    inside = _Inside()
    offset = start
    while (offset := cursor.space(offset)) < limit:
        tag = _nested_tag(cursor, offset, limit)
        if tag is not None and tag[1] in names:
            inside.seen.add(tag[1])
            offset = _read_grandchild(cursor, tag, limit, names)
            continue
        if tag is not None and near(tag[1], names):
            inside.strange.append((tag.start(), tag[1]))
        offset = cursor.line_end(offset)
    _say_strange_grandchildren(cursor, parent, names, inside)


def _nested_tag(cursor: Cursor, offset: int, limit: int) -> re.Match[str] | None:
    """The open tag at `offset`, perhaps a damaged one."""
    bullet = BULLET.match(cursor.text, offset)
    assert bullet is not None
    cursor.opener(bullet.end())  # counted
    tag = WRITTEN.match(cursor.text, bullet.end())
    return tag if tag is not None and tag.end() < limit else None


def _read_grandchild(cursor: Cursor, tag: re.Match[str], limit: int, names: Set[str]) -> int:
    name, offset = tag[1], cursor.open(tag.start())
    if cursor.self_closed:
        return offset
    found = ending(cursor.marks, name, offset, limit, names)
    _say_ending(cursor, name, tag.start(), found)
    _read_nested(cursor, name, offset, found.at)
    return cursor.close(name, found.at)


def _say_strange_grandchildren(
    cursor: Cursor, parent: str, names: Set[str], inside: _Inside
) -> None:
    for offset, name in inside.strange:
        if near(name, names - inside.seen) == "automated":  # the check
            _refuse_misspelt(cursor, offset, name, parent, "automated")
        else:
            _say_unknown(cursor, offset, name, names)
