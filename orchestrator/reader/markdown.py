"""What Markdown says inside an element: fences and lone code spans, or all of it for a page. It refuses HTML, and indented code blocks.

Text in elements is indented like the XML around it, so the indentation goes first: four spaces are
not code here, and the end marks of heredocs must stand at column 1.
"""

from __future__ import annotations

import re
from functools import cache
from textwrap import dedent

from markdown_it import MarkdownIt
from markdown_it.token import Token

_JOINER = re.compile(r"(?:[\s,;.:&+/|>()*→\u2013—-]|\b(?:and|then|or|run|und)\b)*", re.I)

_LONG = 200_000  # no one wrote a longer text by hand: it is prose, and not parsed

# Cheap signs that a text is prose, before the parser is asked.
_SPAN = re.compile(r"(`{1,3})[^`]+\1")
_PROSE = re.compile(r"[^\W\d_]{5}")


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").disable("code")


@cache
def _blocks() -> MarkdownIt:
    """Without the inline pass, which fences do not need and which costs most."""
    return MarkdownIt("commonmark").disable(["code", "inline"])


def flatten(text: str) -> str:
    """`text` with LF line ends and without the indentation that its lines share."""
    first, newline, rest = text.replace("\r\n", "\n").partition("\n")
    return f"{first.strip()}{newline}{dedent(rest)}".strip("\n").rstrip()


def fences(text: str) -> list[tuple[str, str]]:
    """Each fence's language (lower case, first word) and content, in order."""
    if not _may_have_fences(text):
        return []
    return [_fence(token) for token in _blocks().parse(flatten(text)) if token.type == "fence"]


def fenced_lines(text: str) -> frozenset[int]:
    """The numbers of the lines of a whole file that stand in its fences, 1-based."""
    if not _may_have_fences(text):
        return frozenset()
    maps = [token.map for token in _blocks().parse(text) if token.type == "fence" and token.map]
    return frozenset(line + 1 for begin, end in maps for line in range(begin, end))


def spans(text: str) -> list[str] | None:
    """The code spans of a text that has nothing else in it but what joins them; else None."""
    if len(text) > _LONG or "`" not in text or _PROSE.search(_SPAN.sub("", text)):
        return None
    found: list[str] = []
    for token in _parser().parse(flatten(text)):
        if token.type in ("fence", "html_block", "heading_open", "code_block"):
            return None
        for child in token.children or ():
            if child.type == "code_inline":
                found.append(child.content.strip())
            elif child.type not in ("softbreak", "hardbreak") and not _joins(child):
                return None
    return found or None


def sole_fence(text: str) -> str | None:
    """The content of the one fence that is all there is, of any language; else None."""
    if not _may_have_fences(text):
        return None
    tokens = _blocks().parse(flatten(text))
    return _fence(tokens[0])[1] if len(tokens) == 1 and tokens[0].type == "fence" else None


def _may_have_fences(text: str) -> bool:
    return len(text) <= _LONG and ("```" in text or "~~~" in text)


def _fence(token: Token) -> tuple[str, str]:
    words = token.info.split()
    return (words[0].lower() if words else "", dedent(token.content).rstrip("\n"))


def _joins(token: Token) -> bool:
    return token.type == "text" and _JOINER.fullmatch(token.content) is not None


@cache
def _writer() -> MarkdownIt:
    """Without what leads elsewhere: HTML, links, and pictures, which would be fetched."""
    away = ["image", "link", "autolink", "reference", "code"]
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(away)


def html(text: str) -> str:
    """For a page, below its second heading. HTML, links and pictures in it are text."""
    given = f"```\n{text}\n```" if len(text) > _LONG else text
    tokens = _writer().parse(given)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    return str(_writer().renderer.render(tokens, _writer().options, {}))
