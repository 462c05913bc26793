"""Reads frontmatter that is not valid YAML, line by line; it keeps every key and refuses nothing."""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(r"(?P<indent> *)(?P<item>(?:- +|-$)*)(?P<rest>.*)")
_KEY = re.compile(r"(?P<key>[\w.-]+|\"[^\"]*\"|'[^']*'):(?:[ \t]+(?P<value>.*)|$)")
_LONG = 100_000  # a text that goes on for longer is cut
_DEPTH = 20  # deeper lines join the level above


def read(text: str) -> dict[str, Any]:
    """Maps, lists and strings, nested by indentation."""
    root: dict[str, Any] = {}
    reader = _Reader(root)
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            reader.take(line.replace("\t", "  ").rstrip())
    return root


class _Reader:
    """A stack of open containers; each with the indentation its entries stand at."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._stack: list[tuple[int, Any]] = [(0, root)]
        self._pending: tuple[int, dict[str, Any], str] | None = None  # a key still without a value

    def take(self, line: str) -> None:
        match = _LINE.match(line)
        assert match is not None
        indent, rest = len(match["indent"]), match["rest"]
        if not match["item"]:
            self._take_entry(indent, rest)
            return
        self._enter(indent, [])
        self._take_item(indent + len(match["item"]), rest)

    def _enter(self, indent: int, fresh: list[Any] | dict[str, Any]) -> None:
        """Make the container at `indent` the top, opening `fresh` under a key that waits for one."""
        if self._pending is not None:
            at, parent, key = self._pending
            self._pending = None
            deeper = indent > at or (indent == at and isinstance(fresh, list))
            if deeper and len(self._stack) < _DEPTH:
                parent[key] = fresh
                self._stack.append((indent, fresh))
                return
        self._leave(indent, type(fresh))

    def _leave(self, indent: int, wanted: type) -> None:
        while len(self._stack) > 1:
            at, container = self._stack[-1]
            if at < indent or (at == indent and isinstance(container, wanted)):
                return
            self._stack.pop()

    def _take_item(self, indent: int, rest: str) -> None:
        container = self._stack[-1][1]
        if not isinstance(container, list):
            self._take_entry(indent, rest)
            return
        match = _KEY.fullmatch(rest)
        if match is None:
            container.append(_scalar(rest))
            return
        entry: dict[str, Any] = {}
        container.append(entry)
        self._stack.append((indent, entry))
        self._put(indent, entry, match)

    def _take_entry(self, indent: int, rest: str) -> None:
        match = _KEY.fullmatch(rest)
        if match is None:
            return self._continue(rest)
        self._enter(indent, {})
        while len(self._stack) > 1 and not isinstance(self._stack[-1][1], dict):
            self._stack.pop()
        self._put(indent, self._stack[-1][1], match)

    def _put(self, indent: int, entry: dict[str, Any], match: re.Match[str]) -> None:
        key = _unquote(match["key"])
        value = (match["value"] or "").strip()
        entry[key] = _scalar(value)
        self._pending = None if value else (indent, entry, key)

    def _continue(self, rest: str) -> None:
        """A line that is no entry goes on with the text before it."""
        container = self._stack[-1][1]
        if not container:
            return
        key = len(container) - 1 if isinstance(container, list) else next(reversed(container))
        before = container[key]
        if isinstance(before, str) and len(before) < _LONG:
            container[key] = f"{before} {rest}".strip()


def _scalar(text: str) -> Any:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_unquote(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    return _unquote(text)


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
