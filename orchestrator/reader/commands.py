"""Which text of a task is a command: the checks of <verify> and the script of <action>; prose it refuses."""

from __future__ import annotations

import re

from orchestrator.model import Element
from orchestrator.reader import markdown

SHELLS = frozenset({"bash", "sh", "shell", "zsh"})
_SENTINEL = re.compile(
    r"(?:MISSING|N/?A|none|null|TBD|TODO|manual|not applicable)\b(?!\s*[=(/])(?:\s*[-\u2014\u2013:.,(;].*|\s*)",
    re.I | re.S,
)
_MISSING = re.compile(r"MISSING\b\s", re.S)
_ENTITY = re.compile(r"&(amp|lt|gt|quot|apos|#39);")
_BARE = re.compile(r"&&|&(?!\w+;|#\d+;)|<|>")
_CDATA = re.compile(r"\s*<!\[CDATA\[(.*)\]\]>\s*", re.S)
_CHARACTERS = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "#39": "'"}


def checks(verify: Element, kind: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The commands of `<verify>` in order, and what a person is asked to check."""
    humans = tuple(
        markdown.flatten(child.text).strip()
        for child in verify.children
        if child.tag in ("human-check", "manual") and child.text.strip()
    )
    found = [
        command
        for child in verify.children
        if child.tag == "automated"
        for command in _automated(child.text)
    ]
    return tuple(found + _own(_without_children(verify), kind, bool(found))), humans


def script(action: str) -> str | None:
    """The shell fences of an action joined to one script; None if there is none."""
    found = shell_fences(action)
    return "\n".join(found) if found else None


def shell_fences(text: str) -> list[str]:
    """The shell fences of any text as commands, in order."""
    return _commands(content for info, content in markdown.fences(text) if info in SHELLS)


def decode(text: str) -> str:
    """Entities become characters, unless the text also has bare ones and so means them literally."""
    if _BARE.search(text):
        return text
    return _ENTITY.sub(lambda match: _CHARACTERS[match[1]], text)


def _automated(text: str) -> list[str]:
    cdata = _CDATA.fullmatch(text)
    if cdata is not None:
        text = cdata[1]
    elif (fence := markdown.sole_fence(text)) is not None:
        text = fence
    elif (spans := markdown.spans(text)) is not None and not _is_sentinel(text):
        return _commands(spans)
    return _commands([text])


def _own(text: str, kind: str | None, automated: bool) -> list[str]:
    """The commands in what `<verify>` says beside its children."""
    if kind == "command" and not automated:
        fence = markdown.sole_fence(text)
        return _commands([text if fence is None else fence])
    if "`" not in text and "~~~" not in text:
        return []
    if found := shell_fences(text):
        return found
    if automated:
        return []
    fence = markdown.sole_fence(text)
    if fence is not None and markdown.fences(text)[0][0] == "":
        return _commands([fence])
    return _commands(markdown.spans(text) or [])


def _commands(texts: object) -> list[str]:
    assert hasattr(texts, "__iter__")
    found = (decode(markdown.flatten(text).strip()) for text in texts)
    return [command for command in found if command and not _is_sentinel(command)]


def _is_sentinel(text: str) -> bool:
    text = text.strip().strip("`*_<>[]").strip()
    return bool(_MISSING.match(text) or _SENTINEL.fullmatch(text))


def _without_children(element: Element) -> str:
    """The text of `element` that is in none of its children."""
    text, parts, offset = element.text, [], 0
    for child in element.children:
        start = text.find(f"<{child.tag}", offset)
        parts.append(text[offset:start])
        behind = text.find(">", text.find(child.text, text.find(">", start) + 1) + len(child.text))
        offset = behind + 1
    return "".join([*parts, text[offset:]])
