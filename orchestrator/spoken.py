"""What clients say as JSON, on their streams and in their files -> values and steps. Pure; refuses values of another kind than asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from orchestrator.model import Step, StepKind

LONGEST_TARGET, LONGEST_WORDS = 300, 120
ENDLESS = 1e15  # no count, no sum and no time is that large

Event = Mapping[str, Any]
Kind = TypeVar("Kind")


def decode(line: str) -> Event:
    """The JSON object on a line; an empty one for anything else.

    Clients cut words in the middle of an emoji: half of one cannot be written anywhere, and becomes "?".
    """
    try:
        found = json.loads(line)
        if "\\ud" in line or "\\uD" in line:
            found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def find(event: Any, path: str, kind: type[Kind]) -> Kind | None:
    """What stands at `a.b.0.c` (`-1`: the last), if it is of that kind. A bool is no number here; an int is a float."""
    for key in path.split("."):
        if isinstance(event, Mapping):
            event = event.get(key)
        elif isinstance(event, list) and key.lstrip("-").isdigit():
            event = event[int(key)] if -len(event) <= int(key) < len(event) else None
        else:
            return None
    if kind is float and isinstance(event, int | float) and not isinstance(event, bool):
        event = float(event) if -ENDLESS < event < ENDLESS else None
    wrong = not isinstance(event, kind) or (isinstance(event, bool) and kind is not bool)
    return None if wrong else event


def text_at(event: Any, path: str) -> str:
    return find(event, path, str) or ""


def count_at(event: Any, path: str) -> int | None:
    """A number of tokens or turns; None where there is none, or nonsense."""
    found = find(event, path, int)
    return found if found is not None and 0 <= found < ENDLESS else None


def amount_at(event: Any, path: str) -> float | None:
    """An amount of money; None where there is none, or nonsense."""
    found = find(event, path, float)
    return found if found is not None and found >= 0 else None


def items_at(event: Any, path: str) -> list[Event]:
    return [one for one in find(event, path, list) or [] if isinstance(one, Mapping)]


KINDS = {
    StepKind.WRITE: ("write", "edit", "patch", "replace", "create", "save", "notebook"),
    StepKind.RUN: ("bash", "shell", "exec", "command", "terminal"),
    StepKind.SEARCH: ("grep", "glob", "search", "find", "list", "ls", "directory"),
    StepKind.READ: ("read", "view", "cat", "open"),
}
TARGETS = (
    "command",
    "cmd",
    "file_path",
    "filePath",
    "absolute_path",
    "path",
    "pattern",
    "query",
    "url",
)


def step(tool: str, arguments: Any) -> Step:
    """A call of a tool, by the client's own names."""
    found = (find(arguments, name, str) for name in TARGETS)
    target = next((one for one in found if one), "") or " ".join(_words_at(arguments, "command"))
    name = tool.casefold()
    kind = next((k for k, words in KINDS.items() if any(w in name for w in words)), StepKind.OTHER)
    return Step(kind=kind, tool=tool[:LONGEST_WORDS], target=cut(target, LONGEST_TARGET))


def cut(text: str, most: int) -> str:
    """At most so many characters, of whole words where it has several: half of a secret is found by nobody."""
    if len(text) <= most:
        return text
    end = next((at for at in range(most, 0, -1) if text[at].isspace()), most)
    return text[:end]


def _words_at(arguments: Any, path: str) -> list[str]:
    return [one for one in find(arguments, path, list) or [] if isinstance(one, str)]
