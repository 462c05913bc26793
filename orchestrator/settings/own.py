"""What a table of an agent of one's own may say: placeholders, patterns, and which keys go together; refuses the rest, with the nearest name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import PydanticKnownError

NAMES = (
    "tiers", "env", "stop", "format", "patterns", "paths", "end", "success", "usage",
    "input_includes_cache", "resume", "fork", "totals",
)  # fmt: skip
COUNTS = ("turns", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")  # fmt: skip
GROUPS = ("text", "session", "model", "error", "denials", "cost_usd", *COUNTS, "success")
ALWAYS = ("model", "prompt_file", "system_file", "workspace")
PLACEHOLDER = re.compile(r"\{\{(?P<literal>[a-z_]+)\}\}|\{(?P<name>[a-z_]+)\}")


def placeholders(words: Iterable[str]) -> set[str]:
    """The names between single braces. Any other brace stands for itself; {{name}} is written for {name}."""
    found = (match["name"] for word in words for match in PLACEHOLDER.finditer(word))
    return {name for name in found if name}


def fill(word: str, values: Mapping[str, str]) -> str:
    """All placeholders replaced at once: what stands in a value is never replaced again."""

    def put(match: re.Match[str]) -> str:
        return values[match["name"]] if match["name"] else f"{{{match['literal']}}}"

    return PLACEHOLDER.sub(put, word)


def command_line(argv: tuple[str, ...]) -> tuple[str, ...]:
    if argv and placeholders(argv[:1]):
        raise ValueError("its first word is the program: no placeholder can stand there")
    used = placeholders(argv)
    if "session" in used:
        raise ValueError(
            "{session} is known only when one is gone on with: use it in resume or fork"
        )
    _refuse_unknown(used, ALWAYS, "{%s} is no placeholder")
    return argv


def resuming(words: tuple[str, ...]) -> tuple[str, ...]:
    used = placeholders(words)
    _refuse_unknown(used, (*ALWAYS, "session"), "{%s} is no placeholder")
    if words and "session" not in used:
        raise ValueError("says nowhere which session: add {session}")
    return words


def patterns(expressions: tuple[str, ...]) -> tuple[str, ...]:
    for expression in expressions:
        try:
            groups = re.compile(expression).groupindex
        except re.error as error:
            raise ValueError(f"is no regular expression: {error} in {expression!r}") from None
        _refuse_unknown(groups, GROUPS, "(?P<%s>...) has no meaning")
        if not groups:
            raise ValueError(f"{expression!r} has no named group, such as (?P<input_tokens>...)")
    return expressions


def check(name: str, value: Any, above: Mapping[str, Any]) -> None:
    """ValueError if this key cannot stand beside those above it; a missing one is told as missing."""
    if not above.get("argv"):
        if value:
            raise ValueError("is for an agent of one's own: write its argv too, or take this away")
        return
    told = RULES.get(name, _nothing)(value, above)
    if told:
        raise ValueError(told)


def _nothing(value: Any, above: Mapping[str, Any]) -> str | None:
    return None


def _tiers(value: Any, above: Mapping[str, Any]) -> str | None:
    if value and "model" not in placeholders(above["argv"]):
        return "its argv has no {model}, so it cannot be told a model: add it, or take this away"
    return None


def _patterns(value: Any, above: Mapping[str, Any]) -> str | None:
    return 'are for format = "text": JSON is read by paths' if value and _is_json(above) else None


def _paths(value: Any, above: Mapping[str, Any]) -> str | None:
    told = any(getattr(value, name) for name in type(value).model_fields)
    return "are for JSON: text is read by patterns" if told and not _is_json(above) else None


def _end(value: Any, above: Mapping[str, Any]) -> str | None:
    if value and above.get("format") != "ndjson":
        return 'is for format = "ndjson": anything else ends when the program does'
    return None


def _success(value: Any, above: Mapping[str, Any]) -> str | None:
    if value and not _is_json(above):
        return "is for JSON: for text, write a pattern with (?P<success>...)"
    if not value and _is_json(above):
        raise PydanticKnownError("missing")
    return None


def _session(value: Any, above: Mapping[str, Any]) -> str | None:
    paths, known = above.get("paths"), above.get("patterns", ())
    if not value or getattr(paths, "session", None) or any("(?P<session>" in one for one in known):
        return None
    where = "paths.session" if _is_json(above) else "a pattern with (?P<session>...)"
    return f"nothing tells its session: write {where}"


RULES: Mapping[str, Callable[[Any, Mapping[str, Any]], str | None]] = {
    "tiers": _tiers,
    "patterns": _patterns,
    "paths": _paths,
    "end": _end,
    "success": _success,
    "resume": _session,
    "fork": _session,
}


def _is_json(above: Mapping[str, Any]) -> bool:
    return above.get("format") in ("json", "ndjson")


def _refuse_unknown(used: Iterable[str], known: Iterable[str], words: str) -> None:
    names = list(known)
    for name in sorted(set(used) - set(names)):
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"
        raise ValueError(f"{words % name}; {hint}")
