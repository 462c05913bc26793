"""Passwords that stand in a command, by where they stand: masks more than is certain, so only for texts that nothing acts on."""

from __future__ import annotations

import re

from orchestrator.redact import formats, variables

WORD = r"""(?:'[^']*'|"[^"]*"|[^\s;&|<>()'"]+)"""
ASSIGNED = re.compile(rf"(?P<name>[A-Za-z_]\w*)(?P<sign>=)(?P<value>{WORD})")
FLAG = re.compile(
    rf"(?<!\S)-(?:-(?=\w)|(?=pass|token|secret))(?P<name>[A-Za-z][\w-]+)(?P<sign>=|[ \t]+)(?P<value>(?!-){WORD})"
)
HEADER = re.compile(
    r"(?i)(\bauthorization:\s*(?:\w+\s+)?|\b[\w-]+-(?:token|key|secret):\s*)([^\s'\"]+)"
)
ADDRESS = re.compile(r"(\b[a-z][a-z0-9+]*://[^\s:/@'\"]*:)([^\s@/'\"]+)(?=@)")
NEAR = r"(?:(?![;&|\n]).){0,300}?"  # in the same command
# Programs whose short flag is followed by a password, at once or as the next word.
SHORT = re.compile(
    rf"(\b(?:mysql\w*|mariadb[\w-]*|mongo\w*)\b{NEAR}\s-p)((?!ort\b|\s){WORD})"
    rf"|(\b(?:sshpass|docker\s+login|podman\s+login)\b{NEAR}\s-p\s*)({WORD})"
    rf"|(\bredis-cli\b{NEAR}\s-a\s+)({WORD})"
    rf"|(\b(?:curl|wget|http)\b{NEAR}\s(?:-u|--user|-a)[ =]?[^\s:'\"]+:)([^\s'\"]+)"
)


def masked(text: str) -> str:
    """The same text in the same places, with dots for keys, passwords and what is assigned to a name of a secret."""
    text = formats.masked(text)
    if "=" in text:
        text = ASSIGNED.sub(_hidden, text)
    if "-" in text:
        text = SHORT.sub(_pairs, FLAG.sub(_hidden, text))
    return ADDRESS.sub(_pairs, HEADER.sub(_pairs, text)) if ":" in text else text


def _hidden(match: re.Match[str]) -> str:
    if not variables.is_secret_name(match["name"]):
        return match[0]
    return match[0][: match.start("value") - match.start()] + _dots(match["value"])


def _pairs(match: re.Match[str]) -> str:
    parts = [part for part in match.groups() if part is not None]
    return parts[0] + _dots(parts[1])


def _dots(value: str) -> str:
    """What the shell puts in later, and a word for a value to come, stay."""
    bare = value.strip("'\"")
    if not bare or bare.startswith(("$", "`")) or variables.PLACEHOLDER.fullmatch(bare):
        return value
    return value.replace(bare, "•" * len(bare))
