"""The attributes of one `<task>` as values; a bad one is said with its place and read as absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from orchestrator.model import Element, Position
from orchestrator.reader import values
from orchestrator.reader.grammar import ATTRIBUTE, OPENER
from orchestrator.reader.near import near
from orchestrator.reader.source import Source

_KNOWN = """type subagent model parallel depends-on context-mode estimated-complexity gate tdd id risk
    area labels review worker timeout resources kind model-lock name title"""
KNOWN: Final = frozenset(_KNOWN.split())
_TYPES: Final = frozenset(
    ["auto", "execute", "tracer", "tdd", "code", "test-first", "implement", "interactive"]
)
_STOPS: Final = frozenset(
    ["human-verify", "decision", "human-action", "tdd-review", "gate", "scope-request"]
)
_CHECKPOINTS: Final = frozenset({"checkpoint", *(f"checkpoint:{kind}" for kind in _STOPS)})
_SUBAGENTS: Final = frozenset(["general-purpose", "explore", "plan", "bash"])

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)


class Attributes:
    def __init__(self, element: Element, source: Source) -> None:
        self.written: Mapping[str, str] = {
            name.replace("_", "-"): value for name, value in element.attributes.items()
        }
        self._place: Position = element.position
        self._source = source
        self.places = attribute_places(element, source)

    def _at(self, name: str) -> Position:
        return self.places.get(name, self._place)

    def text(self, name: str) -> str | None:
        """The value without outer spaces; None for an absent or empty attribute."""
        return (self.written.get(name) or "").strip() or None

    def words(self, name: str) -> tuple[str, ...] | None:
        """() for an attribute that is there and empty."""
        return values.words(self.written[name]) if name in self.written else None

    def parsed(
        self, name: str, code: str, wanted: str, parse: Callable[[str], Value | None]
    ) -> Value | None:
        text = self.text(name)
        if text is None:
            return None
        value = parse(text)
        if value is None:
            self._source.say_at(
                code, self._at(name), f'{name}="{text[:60]}" cannot be read; write {wanted}'
            )
        return value

    def choice(self, name: str, code: str, kind: type[Choice]) -> Choice | None:
        choices = {member.value: member for member in kind}
        return self.parsed(name, code, _one_of(choices), lambda text: choices.get(text.lower()))

    def type(self) -> str:
        """In lower case; one that is not known is auto, or still a checkpoint."""
        found = (self.text("type") or "auto").lower()
        if found in _TYPES | _CHECKPOINTS:
            return found
        stops = found.startswith("checkpoint")
        kind = near(found.removeprefix("checkpoint").lstrip(" :_-"), _STOPS)
        likely = _CHECKPOINTS if stops else _TYPES | _CHECKPOINTS
        meant = near(found, likely) if kind is None else f"checkpoint:{kind}"
        if stops:
            meant = None if meant == "checkpoint" else meant
            self._warn("T313", "type", "is no known checkpoint; it still stops", meant, likely)
            return found
        if meant in _CHECKPOINTS:  # a person would be passed by: not run before it is settled
            self._warn("T316", "type", "is not known", meant, likely)
        else:
            self._warn("T312", "type", "is not known and is treated as auto", meant, likely)
        return "auto"

    def subagent(self) -> str | None:
        """One that is known in lower case, any other as written."""
        found = self.text("subagent")
        if found is None or found.lower() in _SUBAGENTS:
            return found and found.lower()
        self._warn("T314", "subagent", "is not known", near(found, _SUBAGENTS), _SUBAGENTS)
        return found

    def _warn(
        self, code: str, name: str, told: str, meant: str | None, known: frozenset[str]
    ) -> None:
        advice = f'did you mean {name}="{meant}"?' if meant else f"write {_one_of(sorted(known))}"
        written = (self.text(name) or "")[:60]
        self._source.say_at(code, self._at(name), f'{name}="{written}" {told}; {advice}')

    def flag(self, name: str) -> bool:
        return bool(self.parsed(name, "T309", "true or false", values.boolean))

    def complexity(self) -> int | None:
        return self.parsed(
            "estimated-complexity", "T303", "a whole number from 1 to 10", _complexity
        )

    def timeout_s(self) -> float | None:
        return self.parsed("timeout", "T306", "seconds, or 90s, 15min, 1h", values.seconds)


def attribute_places(element: Element, source: Source) -> dict[str, Position]:
    """Where each attribute begins in the open tag."""
    if not element.attributes:
        return {}
    start = source.offset(element.position.line, element.position.column)
    tag = OPENER.match(source.text, start)
    if tag is None:  # a damaged tag has no attributes
        return {}
    found = ATTRIBUTE.finditer(source.text, *tag.span(2))
    return {one[1].replace("_", "-"): source.position(one.start()) for one in found}


def _complexity(text: str) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 2:
        return None
    return int(text) if 1 <= int(text) <= 10 else None


def _one_of(choices: Iterable[str]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}"
