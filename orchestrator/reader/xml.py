"""Builds the tree of a plan with lxml, strictly: no entities, no network, no DTD, never `recover`.

The scanner owns structure and raw text; here everything that is not structure is escaped, so that
lxml can refuse only what is wrong in the structure itself. Line numbers stay those of the source.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any, NamedTuple

from lxml import etree

from orchestrator.model import Element
from orchestrator.reader.cursor import Tag
from orchestrator.reader.grammar import ATTRIBUTE
from orchestrator.reader.source import Source

ROOT = "plan"
# Everything outside of what XML 1.0 calls a character.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"))
_ENTITY = re.compile(r"&(?:amp|lt|gt|#13);")


class Piece(NamedTuple):
    offset: int  # in the source
    text: str  # of the document


def build(source: Source, tags: list[Tag]) -> tuple[Element, ...] | None:
    """The top-level elements, or None with the reason said to `source`."""
    if (match := FORBIDDEN.search(source.text)) is not None:
        source.say(
            "S104",
            match.start(),
            f"U+{ord(match[0]):04X} cannot stand in a plan; remove it",
        )
        return None
    pieces = _pieces(source.text, tags)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=False,
        encoding="utf-8",
    )
    document = "".join(piece.text for piece in pieces)
    try:
        root = etree.fromstring(document.encode(), parser)
    except etree.XMLSyntaxError as error:
        _say_error(source, pieces, document, error)
        return None
    return _elements(source, root, tags)


def _pieces(text: str, tags: list[Tag]) -> list[Piece]:
    pieces = [Piece(0, f"<{ROOT}>")]
    offset = 0
    for tag in tags:
        pieces.append(Piece(offset, _escape(text[offset : tag.start])))
        pieces.append(Piece(tag.start, _markup(text, tag)))
        offset = tag.end
    pieces.append(Piece(offset, _escape(text[offset:])))
    pieces.append(Piece(len(text), f"</{ROOT}>"))
    return pieces


def _escape(text: str) -> str:
    for character, entity in _ESCAPES:  # four passes in C are five times faster than translate()
        text = text.replace(character, entity)
    return text


def _markup(text: str, tag: Tag) -> str:
    """The tag as XML, with as many line ends as it has in the source."""
    if tag.closing:
        inside = f"/{tag.name}"
    else:
        attributes = tag.attributes.replace("&", "&amp;").replace("<", "&lt;")
        inside = tag.name + attributes
    missing = text.count("\n", tag.start, tag.end) - inside.count("\n")
    return f"<{inside}{chr(10) * missing}>"


def _say_error(
    source: Source, pieces: list[Piece], document: str, error: etree.XMLSyntaxError
) -> None:
    line, column = error.position
    begin = 0
    for _ in range(line - 1):
        begin = document.find("\n", begin) + 1
    offset = _source_offset(pieces, begin + max(column - 1, 0))
    if "redefined" in (error.msg or ""):
        offset = _second(source.text, offset)
    reason = re.sub(r", line \d+, column \d+.*", "", error.msg or "not well-formed")
    source.say("S115", offset, f"{reason}; correct the tag on this line")


def _second(text: str, offset: int) -> int:
    """The attribute that stands twice in the tag at `offset`."""
    seen: set[str] = set()
    for match in ATTRIBUTE.finditer(text, text.rfind("<", 0, offset), offset + 1):
        if match[1] in seen:
            return match.start()
        seen.add(match[1])
    return offset


def _source_offset(pieces: list[Piece], at: int) -> int:
    ends = accumulate(len(piece.text) for piece in pieces)
    for piece, end in zip(pieces, ends, strict=True):
        if at < end:
            before = piece.text[: at - end + len(piece.text)]
            return piece.offset + len(_ENTITY.sub("&", before))
    return pieces[-1].offset


def _elements(source: Source, root: Any, tags: list[Tag]) -> tuple[Element, ...]:
    """Tree order is tag order: so each element finds its own place and raw text."""
    spans = iter(_spans(tags))
    return tuple(_element(source, node, spans) for node in root)


def _spans(tags: list[Tag]) -> list[tuple[Tag, Tag]]:
    """Each open tag with its closing tag, in document order."""
    closers: dict[int, Tag] = {}
    opened: list[int] = []
    for index, tag in enumerate(tags):
        if tag.closing:
            closers[opened.pop()] = tag
        else:
            opened.append(index)
    return [(tags[index], closers[index]) for index in sorted(closers)]


def _element(source: Source, node: Any, spans: Any) -> Element:
    opener, closer = next(spans)
    children = tuple(_element(source, child, spans) for child in node)
    text = source.text[opener.end : closer.start]
    assert children or text == (node.text or ""), "lxml and the scanner read the same text"
    return Element(
        tag=opener.name,
        text=text,
        position=source.position(opener.start),
        attributes=dict(node.attrib),
        children=children,
    )
