"""Frontmatter values to what a plan promises and asks for; any shape gives something, and no text of it is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.model.goals import Artifact, KeyLink, MustHaves, Setup

NOTHING = ("", "null", "~", "[]", "{}", "none")


def must_haves(value: Any) -> MustHaves:
    """A map with `truths`, `artifacts`, `key_links`; a list or a text is truths."""
    if not isinstance(value, Mapping):
        return MustHaves(truths=tuple(_texts(value)))
    known = {key.replace("-", "_"): inner for key, inner in value.items()}
    rest = {k: v for k, v in known.items() if k not in ("truths", "artifacts", "key_links")}
    return MustHaves(
        truths=(*_texts(known.get("truths")), *_texts(rest)),
        artifacts=tuple(map(_artifact, _list(known.get("artifacts")))),
        key_links=tuple(map(_link, _list(known.get("key_links")))),
    )


def requirements(value: Any) -> tuple[str, ...]:
    """Ids as a list, or in one text between commas."""
    return tuple(
        word.strip()
        for text in _texts(value)
        for word in text.strip("[]").split(",")
        if word.strip()
    )


def user_setup(value: Any) -> tuple[Setup, ...]:
    return tuple(map(_setup, _list(value)))


def _artifact(value: Any) -> Artifact:
    if not isinstance(value, Mapping):
        return Artifact(path=_text(value))
    lines = _text(value.get("min_lines"))
    return Artifact(
        path=_text(value.get("path")) or _text(value),
        provides=_text(value.get("provides")),
        min_lines=int(lines) if lines.isascii() and lines.isdigit() and len(lines) < 9 else None,
        contains=_text(value.get("contains")) or None,
        exports=tuple(_texts(value.get("exports"))),
    )


def _link(value: Any) -> KeyLink:
    if not isinstance(value, Mapping):
        return KeyLink(source=_text(value), target="")
    return KeyLink(
        source=_text(value.get("from")) or _text(value),
        target=_text(value.get("to")),
        via=_text(value.get("via")),
        pattern=_text(value.get("pattern")) or None,
    )


def _setup(value: Any) -> Setup:
    if not isinstance(value, Mapping):
        return Setup(service=_text(value))
    steps = [
        _step(key, entry)
        for key, inner in value.items()
        if key not in ("service", "why")
        for entry in _list(inner)
    ]
    named = _text(value.get("service")) or "a service"
    return Setup(service=named, why=_text(value.get("why")), steps=tuple(filter(None, steps)))


def _step(key: str, entry: Any) -> str:
    """`env_vars: NAME (source)`, `dashboard_config: task (location)`."""
    kind = key.replace("_", " ").replace("-", " ")
    if not isinstance(entry, Mapping):
        return f"{kind}: {_text(entry)}" if _text(entry) else ""
    first, *others = (_text(inner) for inner in entry.values()) if entry else ("",)
    more = "; ".join(filter(None, others))
    return f"{kind}: {first}{f' ({more})' if more else ''}"


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [one for one in value if not _is_nothing(one)]
    return [] if _is_nothing(value) else [value]


def _is_nothing(value: Any) -> bool:
    return (
        value is None or value in ([], {}) or (isinstance(value, str) and value.strip() in NOTHING)
    )


def _texts(value: Any) -> Iterator[str]:
    yield from (_text(one) for one in _list(value))


def _text(value: Any) -> str:
    """One line; a map is `key: value` pairs, as its author wrote it in a list of texts."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return " ".join(str(value).split())
