"""Tasks that are no `<task>` elements: `## Task N` headings, `<feature>` blocks, Markdown bodies; it invents no text and drops none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from orchestrator.model import Element
from orchestrator.reader import markdown
from orchestrator.reader.grammar import CHILDREN, DAMAGED, OPENER
from orchestrator.reader.source import Source

# What upstream counts as a task where there is no <task>.
_TASK = re.compile(r"##[ \t]*(?:\*\*)?Task[ \t]*\d", re.I)
_HEADING = re.compile(r"^(#{2,6})[ \t]*(?:\*\*)?((?:Task|Step)\b[^\r\n]*?)[*# \t]*$", re.M | re.I)
_ANY_HEADING = re.compile(r"^(#{1,6})[ \t]+\S", re.M)
_SECTION = re.compile(r"^</?(?:tasks|verification|success_criteria|output|threat_model)>", re.M)
_TAG = re.compile(rf"^[ \t]*<({'|'.join(sorted(CHILDREN))})>", re.M)
_FIELD = re.compile(
    r"^[ \t]*(?:[-*+][ \t]+)?\*\*(?P<label>[A-Za-z][\w /-]*?)(?:[ \t]*\([^)\n]*\))?:?\*\*:?[ \t]*",
    re.M,
)
_FIELDS: Mapping[str, str] = {
    "file": "files",
    "files": "files",
    "files modified": "files",
    "files to modify": "files",
    "files to create": "files",
    "verify": "verify",
    "verification": "verify",
    "done": "done",
    "done when": "done",
    "acceptance": "done",
    "acceptance criteria": "done",
    "type": "type",
}
_CHECKPOINT = re.compile(r"`?(checkpoint(?::[\w-]+)?)`?", re.I)


def read(source: Source, start: int, most: int) -> list[Element]:
    """One task for each `Task N` heading behind `start`, outside of fences; no more than `most`."""
    if not _TASK.search(source.text, start):
        return []
    fenced = markdown.fenced_lines(source.text)
    found = [
        match
        for match in _HEADING.finditer(source.text, start)
        if _TASK.match(_from_hashes(match[0])) and source.position(match.start()).line not in fenced
    ]
    return [_heading(source, match, fenced) for match in found[:most]]


def _from_hashes(line: str) -> str:
    """`### Task 1` with its last two hashes first, as upstream finds it."""
    hashes = len(line) - len(line.lstrip("#"))
    return line[hashes - 2 :]


def _heading(source: Source, match: re.Match[str], fenced: frozenset[int]) -> Element:
    start = match.end()
    end = _end(source, start, len(match[1]), fenced)
    name = _piece(source, "name", match.start(2), match.end(2))
    return _task(source, match.start(), (start, end), name)


def _end(source: Source, start: int, level: int, fenced: frozenset[int]) -> int:
    """Where the next heading of this level or above stands, or a section begins."""
    end = len(source.text)
    for heading in _ANY_HEADING.finditer(source.text, start):
        if len(heading[1]) <= level and source.position(heading.start()).line not in fenced:
            end = heading.start()
            break
    section = _SECTION.search(source.text, start, end)
    return section.start() if section else end


def body(source: Source, element: Element) -> Element:
    """A `<task>` with a Markdown body, its parts found by their labels."""
    start, end = _span(source, element)
    heading = _ANY_HEADING.search(source.text, start, end)
    name = None
    if heading is not None:
        rest = source.text[heading.end() - 1 : source.text.find("\n", heading.start())]
        name = _piece(source, "name", heading.end() - 1, heading.end() - 1 + len(rest.rstrip()))
    made = _task(source, start, (start, end), name)
    return element.model_copy(update={"children": made.children})


def feature(source: Source, element: Element) -> Element:
    """A `<feature>` of a TDD plan as a task."""
    children = tuple(_tags(source, *_span(source, element)))
    return Element(
        tag="task",
        text=element.text,
        position=element.position,
        attributes={**element.attributes, "type": "tdd", "tdd": "true"},
        children=children,
    )


def _span(source: Source, element: Element) -> tuple[int, int]:
    """Where the text of an element stands in the source."""
    start = source.offset(element.position.line, element.position.column)
    opener = OPENER.match(source.text, start) or DAMAGED.match(source.text, start)
    assert opener is not None
    return opener.end(), opener.end() + len(element.text)


def _task(source: Source, at: int, span: tuple[int, int], name: Element | None) -> Element:
    """All of the text is the action, so that nothing is lost; what has a label is found beside it."""
    children = {child.tag: child for child in _fields(source, *span) if child.tag != "type"}
    children |= {child.tag: child for child in _tags(source, *span)}
    if name is not None:
        children["name"] = name
    children["action"] = _piece(source, "action", *span)
    kind = next((c for c in _fields(source, *span) if c.tag == "type"), None)
    checkpoint = _CHECKPOINT.match(kind.text.strip()) if kind is not None else None
    return Element(
        tag="task",
        text=source.text[slice(*span)],
        position=source.position(at),
        attributes={"type": checkpoint[1].lower()} if checkpoint else {},
        children=tuple(sorted(children.values(), key=lambda child: child.tag != "name")),
    )


def _tags(source: Source, start: int, end: int) -> Iterable[Element]:
    """The elements that stand as tags in Markdown, each with its own children one level down."""
    open_for_good: set[str] = set()  # names without a closer: not looked for again
    while (match := _TAG.search(source.text, start, end)) is not None:
        name, start = match[1], match.end()
        close = -1 if name in open_for_good else source.text.find(f"</{name}>", start, end)
        if close < 0:
            open_for_good.add(name)
            continue
        inner = tuple(_tags(source, start, close)) if name == "verify" else ()
        piece = _piece(source, name, start, close, at=match.start(1) - 1)
        yield piece.model_copy(update={"children": inner})
        start = close


def _fields(source: Source, start: int, end: int) -> Iterable[Element]:
    """What stands behind `**Files:**` and its like, up to the next label; the first of each counts."""
    labels = list(_FIELD.finditer(source.text, start, end))
    seen: set[str] = set()
    for number, match in enumerate(labels):
        tag = _FIELDS.get(match["label"].strip().lower())
        if tag is None or tag in seen:
            continue
        seen.add(tag)
        stop = labels[number + 1].start() if number + 1 < len(labels) else end
        yield _piece(source, tag, match.end(), _value_end(source, tag, match.end(), stop))


def _value_end(source: Source, tag: str, start: int, stop: int) -> int:
    """A value on the label's line ends with it, files also with their list."""
    line = source.text.find("\n", start, stop)
    inline = source.text[start : line if line >= 0 else stop].strip()
    if inline and tag in ("files", "type"):
        return line if line >= 0 else stop
    if tag == "files":
        blank = re.compile(r"\r?\n[ \t]*\r?\n(?![ \t]*[-*+])").search(source.text, start, stop)
        return blank.start() if blank else stop
    return stop


def _piece(source: Source, tag: str, start: int, end: int, *, at: int | None = None) -> Element:
    place = source.position(start if at is None else at)
    return Element(tag=tag, text=source.text[start:end], position=place)
