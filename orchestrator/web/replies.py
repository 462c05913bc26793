"""Values -> bytes of an answer: JSON without a secret and without a sign that HTML obeys. Refuses figures that are none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from orchestrator import redact
from orchestrator.model import Event

BETWEEN = "\x1e\x00\x1e"
LONGEST = 4000  # characters of one text in an event
# in JSON only texts have them
HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def encoded(value: BaseModel | Mapping[str, Any]) -> bytes:
    found = value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
    try:
        text = _written(clean(found))
    except ValueError:  # somewhere is a figure that is none
        text = _written(_turned(clean(found), {}))
    return text.translate(HTML).encode("ascii")


def _written(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def clean(value: Any) -> Any:
    """The same value without secrets, in its keys too. All texts are searched at once, each of them once."""
    found: set[str] = set()
    _gather(value, found)
    texts = list(found)
    joined = BETWEEN.join(texts)
    told = redact.text(joined)
    if told == joined:
        return value
    parts = told.split(BETWEEN)
    if len(parts) != len(texts):  # somebody's text has our mark in it
        parts = [redact.text(one) for one in texts]
    return _turned(value, dict(zip(texts, parts, strict=True)))


def _gather(value: Any, into: set[str]) -> None:
    if isinstance(value, str):
        into.add(value)
    elif isinstance(value, Mapping):
        into.update(map(str, value))
        for inner in value.values():
            _gather(inner, into)
    elif isinstance(value, list | tuple):
        for inner in value:
            _gather(inner, into)


def _turned(value: Any, told: Mapping[str, str]) -> Any:
    """With these texts in place of others, and None for what is no number."""
    match value:
        case str():
            return told.get(value, value)
        case Mapping():
            return {
                told.get(str(key), str(key)): _turned(inner, told) for key, inner in value.items()
            }
        case list() | tuple():
            return [_turned(inner, told) for inner in value]
        case float():
            return value if math.isfinite(value) else None
    return value


def bounded(event: Event) -> Event:
    """With its long texts cut: prompts and outputs have pages of their own."""
    return event.model_copy(update={"data": _cut(event.data)})


def _cut(value: Any) -> Any:
    match value:
        case str():
            return value if len(value) <= LONGEST else redact.head(value, LONGEST) + "…"
        case Mapping():
            return {key: _cut(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_cut(inner) for inner in value]
    return value
