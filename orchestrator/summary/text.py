"""Text of plans and agents made safe for a Markdown page: it refuses to let any of it become structure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from orchestrator import redact

LINE, COMMAND = 160, 200  # characters of one line of prose, of one command
HEAD, TAIL = 6, 10  # lines of an output that are shown

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_UNSAFE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_SPECIAL = re.compile(r"[\\`*<\[]|~(?=~)|(?<![^\W_])_|_(?![^\W_])")
_OPENING = re.compile(r"^(\d+(?=[.)])|(?=[#>+=~-]))")  # would open a block


def clean(text: str) -> str:
    """LF line ends, no colours, no secrets, and nothing that a file or YAML cannot hold. Before anything is cut."""
    return _UNSAFE.sub("\ufffd", _BREAKS.sub("\n", _ESCAPES.sub("", redact.text(text))))


def clean_all(value: Any) -> Any:
    """`clean` in every string of maps and lists; new containers, so that YAML needs no anchors."""
    match value:
        case str():
            return clean(str(value))  # of a StrEnum too: YAML takes only plain ones
        case dict():
            return {clean(str(key)): clean_all(inner) for key, inner in value.items()}
        case list() | tuple():
            return [clean_all(inner) for inner in value]
    return value


def one_line(text: str, limit: int = LINE) -> str:
    return _cut(" ".join(clean(text).split()), limit)


def prose(text: str, limit: int = LINE) -> str:
    """One line of Markdown that shows `text`, and opens no block where a line begins."""
    return _OPENING.sub(r"\1\\", _inline(text, limit))


def _inline(text: str, limit: int) -> str:
    """Code spans stay code; all else is text."""
    line, parts, end = one_line(text, limit), list[str](), 0
    for span in _SPAN.finditer(line):
        parts += [_escape(line[end : span.start()]), span[0]]
        end = span.end()
    return "".join([*parts, _escape(line[end:])])


def cell(text: str) -> str:
    return _inline(text, 60).replace("|", "\\|")


def code(text: str, limit: int = COMMAND) -> str:
    """A code span on one line; line ends are shown as a sign."""
    lines = filter(None, (" ".join(line.split()) for line in clean(text).split("\n")))
    shown = _cut(" ⏎ ".join(lines), limit)
    if not shown:
        return "(empty)"
    mark = "`" * (_longest_run(shown) + 1)
    pad = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{mark}{pad}{shown}{pad}{mark}"


def quoted(text: str, indent: str) -> tuple[str, list[str]]:
    """What follows a line, and the lines below it: a short text stays on the line, a longer one is fenced."""
    if not text.strip():
        return "", []
    if len(text.strip()) <= LINE and len(clean(text).strip().split("\n")) == 1:
        return f": {prose(text)}", []
    return ":", fence(text, indent)


def fence(text: str, indent: str) -> list[str]:
    """A fenced block; `indent` keeps every line of it away from the margin, where headings are."""
    lines = [_cut(line.rstrip(), COMMAND) for line in clean(text).strip("\n").split("\n")]
    if len(lines) > HEAD + TAIL:
        left_out = f"[... {len(lines) - HEAD - TAIL} lines ...]"
        lines = [*lines[:HEAD], left_out, *lines[-TAIL:]]
    mark = "`" * max(3, _longest_run("\n".join(lines)) + 1)
    return [f"{indent}{line}".rstrip() for line in (f"{mark}text", *lines, mark)]


def count(number: float | None) -> str:
    return "unknown" if number is None else f"{number:,.0f}"


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def money(usd: float | None) -> str:
    if usd is None:
        return "unknown"
    return f"${usd:.2f}" if usd == 0 or usd >= 0.1 else f"${usd:.4f}"


def listed(words: Iterable[object]) -> str:
    """a, b and c"""
    *first, last = map(str, words)
    return f"{', '.join(first)} and {last}" if first else last


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
