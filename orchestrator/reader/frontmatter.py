"""The `---` block at the start of a file: every scalar stays the string that was written.

It refuses to guess types (`plan: 08` is "08"), to follow aliases without end, and to lose a block
that is not valid YAML: that one is read line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import yaml

from orchestrator.model import Position
from orchestrator.reader import lines
from orchestrator.reader.source import Source

BLOCK = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.S | re.M)
OPENED = re.compile(r"\ufeff?---[ \t]*\r?\n")
KEY = re.compile(r"^[\"']?([\w.-]+)[\"']?[ \t]*:", re.M)
MAX_DEPTH = 50
MAX_NODES = 100_000

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_START = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_END = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


class _Dumper(yaml.SafeDumper):
    """Safe, and quoting the line ends of Unicode, which PyYAML writes bare and reads as a space."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if re.search("[\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


class Block(NamedTuple):
    values: Mapping[str, Any]
    end: int  # offset behind the block; 0 without one
    places: Mapping[str, Position]  # of the keys at the left edge, `_` for `-`


class TooDeep(Exception):
    """The block is nested deeper, or refers to itself more often, than a plan can mean."""


def read(source: Source) -> Block:
    """The block of `source`; what is wrong with it is said there."""
    match = BLOCK.match(source.text)
    if match is None:
        if OPENED.match(source.text):
            source.say("F201", 0, "the frontmatter is not closed; add a line --- behind it")
        return Block({}, 0, {})
    return Block(_values(source, match), match.end(), _places(source, match))


def parse(text: str) -> Mapping[str, Any]:
    """The mapping of a whole file's frontmatter, {} without one. Never raises."""
    return read(Source(text, "")).values


def render(values: Mapping[str, Any]) -> str:
    """`values` as a frontmatter block."""
    body = yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return f"---\n{body}---\n"


def _values(source: Source, match: re.Match[str]) -> Mapping[str, Any]:
    try:
        value = _load(source, match[1], match.start(1))
    except TooDeep as error:
        source.say("F203", match.start(1), f"the frontmatter {error}; make it flatter")
        return {}
    except (yaml.YAMLError, ValueError) as error:
        _say_invalid(source, match, error)
        return lines.read(match[1])
    if isinstance(value, dict):
        return value
    if value:
        source.say("F204", match.start(1), "the frontmatter has no keys; write `key: value` lines")
    return {}


def _places(source: Source, match: re.Match[str]) -> dict[str, Position]:
    keys = KEY.finditer(source.text, *match.span(1))
    return {key[1].replace("-", "_"): source.position(key.start()) for key in keys}


def _say_invalid(source: Source, match: re.Match[str], error: Exception) -> None:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not valid YAML"
    advice = "put the value in quotes"
    if (opened := _unclosed(match[1], error)) is not None:
        mark, advice = opened, "close what is opened here, or put the value in quotes"
    first = source.position(match.start(1)).line
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    source.say(
        "F202",
        source.offset(first + line, column + 1),
        f"{problem}; the frontmatter was read line by line: {advice}",
    )


def _unclosed(text: str, error: Exception) -> Any:
    """The mark of the bracket or quote that is still open where the next key stands; else None."""
    context, begin = getattr(error, "context", None), getattr(error, "context_mark", None)
    problem = getattr(error, "problem_mark", None)
    if not context or begin is None or problem is None:
        return None
    if "quoted" in context:
        return begin if "unexpected" in (getattr(error, "problem", None) or "") else None
    if "flow" not in context or problem.line <= begin.line:
        return None
    rows = [*text.splitlines(), ""]
    here, opened = rows[min(problem.line, len(rows) - 1)], rows[begin.line]
    return begin if _indent(here) <= _indent(opened) else None


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip())


def _load(source: Source, text: str, offset: int) -> Any:
    builder = _Builder()
    for event in yaml.parse(text, Loader=_LOADER):
        builder.take(event)
    for key, line in builder.twice:
        place = source.offset(source.position(offset).line + line, 1)
        source.say("F205", place, f"the key {key} stands twice, the last one counts; remove one")
    return builder.value


class _Builder:
    """Builds values from events with a stack of its own: no depth of nesting ends in a crash."""

    def __init__(self) -> None:
        self.value: Any = None
        self.twice: list[tuple[str, int]] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._put(event.value, event.anchor, 1, event)
        elif isinstance(event, yaml.AliasEvent):
            self._put_alias(event)
        elif isinstance(event, _START):
            self._open(event)
        elif isinstance(event, _END):
            done = self._stack.pop()
            self._put(done.value(), done.anchor, self._nodes - done.nodes, event, counted=True)

    def _open(self, event: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise TooDeep(f"is nested deeper than {MAX_DEPTH} levels")
        is_map = isinstance(event, yaml.MappingStartEvent)
        self._count(1)
        self._stack.append(_Open(is_map, event.anchor, self._nodes - 1, [], set()))

    def _put_alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise TooDeep(f"refers to *{event.anchor}, which is not there yet")
        value, nodes = self._anchors[event.anchor]
        self._put(value, None, nodes, event)

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise TooDeep(f"has more than {MAX_NODES} values")

    def _put(
        self, value: Any, anchor: str | None, nodes: int, event: Any, *, counted: bool = False
    ) -> None:
        if not counted:
            self._count(nodes)
        if anchor is not None:
            self._anchors[anchor] = (value, nodes)
        if not self._stack:
            self.value = value if self.value is None else self.value
            return
        top = self._stack[-1]
        if top.is_map and len(top.items) % 2 == 0:
            value = value if isinstance(value, str) else str(value)
            if value in top.keys:
                self.twice.append((value, event.start_mark.line))
            top.keys.add(value)
        top.items.append(value)


class _Open(NamedTuple):
    is_map: bool
    anchor: str | None
    nodes: int
    items: list[Any]
    keys: set[str]

    def value(self) -> Any:
        if not self.is_map:
            return self.items
        return dict(_pairs(self.items))


def _pairs(items: list[Any]) -> Iterable[tuple[str, Any]]:
    return zip(items[::2], items[1::2], strict=True)
