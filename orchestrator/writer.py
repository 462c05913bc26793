"""Annotations into the text of a plan: only inserts, so that every other character stays; it refuses nothing and reads no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from orchestrator.model import Estimate, Noun
from orchestrator.reader.cursor import Tag
from orchestrator.reader.scanner import scan

SECTION = "task_dependency_graph"
INDENT = re.compile(r"[ \t]*\Z")


class Addition(Noun):
    """What one task gets. Attributes in the order in which they are written."""

    attributes: Mapping[str, str] = {}
    tokens: Estimate | None = None
    duration_s: Estimate | None = None


class Insert(NamedTuple):
    offset: int
    text: str


def annotate(text: str, start: int, additions: Mapping[int, Addition], section: str | None) -> str:
    """`additions` by the tasks' ordinals; `section` is the text of the graph, put in front of `<tasks>`.

    `start` is the offset behind the frontmatter.
    """
    tags = scan(text, start).tags or []
    found = list(_inserts(text, tags, additions))
    if section is not None:
        found += _section(text, tags, section)
    for one in sorted(found, key=lambda insert: -insert.offset):
        text = text[: one.offset] + one.text + text[one.offset :]
    return text


def _inserts(text: str, tags: list[Tag], additions: Mapping[int, Addition]) -> Iterator[Insert]:
    for ordinal, (opener, inner, closer) in enumerate(_tasks(tags), 1):
        addition = additions.get(ordinal)
        if addition is None:
            continue
        if addition.attributes:
            told = "".join(f' {name}="{value}"' for name, value in addition.attributes.items())
            yield Insert(_attributes_end(text, opener), told)
        metrics = list(_metrics(addition))
        if metrics:
            yield _element(text, inner, closer, metrics)


def _tasks(tags: list[Tag]) -> Iterator[tuple[Tag, Tag | None, Tag]]:
    """Each task's open tag, the first open tag in it, and its closing tag."""
    opener, inner = None, None
    for tag in tags:
        if tag.name == "task" and not tag.closing:
            opener, inner = tag, None
        elif tag.name == "task" and opener is not None:
            yield opener, inner, tag
            opener = None
        elif opener is not None and inner is None:
            inner = tag


def _attributes_end(text: str, opener: Tag) -> int:
    inside = text[opener.start : opener.end - 1]
    return opener.start + len(inside.rstrip("/").rstrip())


def _metrics(addition: Addition) -> Iterator[str]:
    if addition.tokens is not None:
        yield f"<estimated-tokens>{_range(addition.tokens, 1)}</estimated-tokens>"
    if addition.duration_s is not None:
        unit, size = ("min", 60) if addition.duration_s.low >= 60 else ("s", 1)
        yield f"<estimated-duration>{_range(addition.duration_s, size)}{unit}</estimated-duration>"


def _range(told: Estimate, size: int) -> str:
    low, high = (max(1, round(value / size)) if told.high else 0 for value in (told.low, told.high))
    return str(low) if low == high else f"{low}-{high}"


def _element(text: str, inner: Tag | None, closer: Tag, rows: list[str]) -> Insert:
    """`<metrics>` as the last child; on lines of its own where the closing tag has one."""
    outside = _indent(text, closer.start)
    if outside is None:
        return Insert(closer.start, f"<metrics>{''.join(rows)}</metrics>")
    own = _indent(text, inner.start) if inner is not None else None
    inside = own if own is not None else outside + "  "
    newline = _newline(text, closer.start)
    lines = ["<metrics>", *(f"  {row}" for row in rows), "</metrics>"]
    made = "".join(f"{inside}{line}{newline}" for line in lines)
    return Insert(closer.start - len(outside), made)


def _indent(text: str, offset: int) -> str | None:
    """What stands in front of `offset` on its line, if that is nothing but space."""
    begin = text.rfind("\n", 0, offset) + 1
    before = text[begin:offset]
    return before if INDENT.fullmatch(before) else None


def _newline(text: str, offset: int) -> str:
    """The line end of the line before."""
    end = text.rfind("\n", 0, offset)
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def _section(text: str, tags: Iterable[Tag], section: str) -> list[Insert]:
    tasks = next((tag for tag in tags if tag.name == "tasks" and not tag.closing), None)
    if tasks is None or _indent(text, tasks.start) != "":
        return []
    newline = _newline(text, tasks.start)
    rows = [f"<{SECTION}>", *section.splitlines(), f"</{SECTION}>", "", ""]
    return [Insert(tasks.start, newline.join(rows))]
