"""Passwords that stand in a command, by where they stand: masks more than is certain, so only for texts that nothing acts on."""

from __future__ import annotations

import re

from orchestrator.redact import formats, variables

# A word of a shell with all of its parts; what is never given back keeps the time linear. A name is short.
WORD = r"""(?:'[^']*(?:'|\Z)|"(?:[^"\\]|\\.)*+(?:"|\Z)|\\.|[^\s;&|<>()'"\\])++"""
NAME = r"(?P<name>[A-Za-z_][\w-]{0,100}+)"
NAMED = (
    re.compile(rf"(?<![\w-]){NAME}=(?!=)(?P<value>{WORD})"),
    re.compile(rf"(?<!\S)-(?:-|(?=pass|token|secret)){NAME}(?:=|[ \t]+)(?P<value>(?!-){WORD})"),
    re.compile(rf"\\?[\"']{NAME}\\?[\"']\s*+:\s*+\\?[\"'](?P<value>[^\"'\\]++)"),  # JSON
    re.compile(rf"\b(?:config|configure|env|secrets?)\s++set\s++{NAME}\s++(?P<value>{WORD})"),
)
NEAR = r"(?:(?![;&|\n]).){0,300}?"  # in the same command
PLACED = (
    # programs whose short flag is followed by a password, at once or as the next word
    re.compile(rf"(\b(?:mysql\w*|mariadb[\w-]*|mongo\w*)\b{NEAR}\s-p)((?!ort\b|\s){WORD})"),
    re.compile(rf"(\b(?:sshpass|docker\s+login|podman\s+login)\b{NEAR}\s-p\s*)({WORD})"),
    re.compile(rf"(\bredis-cli\b{NEAR}\s-a\s+)({WORD})"),
    re.compile(
        rf"(\b(?:curl|wget|https?)\b{NEAR}\s(?:-\w{{0,9}}[uUa]|--user|--proxy-user)[ =]{{0,3}}['\"]?[^\s:'\"]{{1,100}}:)([^\s'\"]++)"
    ),
    re.compile(r"(?i)(?<![\w-])(authorization:\s*+(?:(?:basic|bearer|token)\s++)?)([^\s'\"]++)"),
    re.compile(
        r"(?i)(?<![\w-])((?:apikey|[\w-]{1,100}?-(?:token|key|secret|auth)):\s*+)([^\s'\"]++)"
    ),
    re.compile(r"(?i)(?<![\w-])((?:set-)?cookie:\s*+)([^'\"\n]++)"),
    re.compile(r"(?<![\w+])([a-z][a-z0-9+]{0,20}+://[^\s:/@'\"]{0,100}:)([^\s/'\"]{1,300})(?=@)"),
)
USER = re.compile(r"(?<![\w+])([a-z][a-z0-9+]{0,20}+://)([^\s:/@'\"]{8,200}+)(?=@)")
# Alone these are also columns, files and kinds; only a value that looks like a key is one then.
LOOSE = frozenset({"KEY", "KEYS", "SIG", "SIGNATURE", "SALT", "PEPPER", "AUTH", "PAT"})
TO_COME = re.compile(r"<[^>]*>|\$\w+|\$\{[^}]*\}|(?:\$\(|`).*|\*+|\.{3}", re.S)


def masked(text: str) -> str:
    """The same text in the same places, with dots for keys, passwords and what is given to a name of a secret."""
    text = formats.masked(text)
    if not any(sign in text for sign in ("=", "-", ":", "set")):
        return text
    for shape in NAMED:
        text = shape.sub(_named, text)
    for shape in PLACED:
        text = shape.sub(lambda found: found[1] + _dots(found[2]), text)
    return USER.sub(_user, text)


def _named(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    if not variables.is_secret_name(name):
        return match[0]
    if name.upper() in LOOSE and variables.is_plain(value.strip("'\"")):
        return match[0]
    start = match.start("value") - match.start()
    return match[0][:start] + _dots(value) + match[0][start + len(value) :]


def _user(match: re.Match[str]) -> str:
    """A token may stand where a name stands mostly."""
    return match[1] + (match[2] if variables.is_plain(match[2]) else _dots(match[2]))


def _dots(value: str) -> str:
    """What the shell puts in later, and a sign for a value to come, stay; between single quotes nothing is put in."""
    edge = value[:1] if value[:1] in ("'", '"') and value[-1:] == value[:1] and value[1:] else ""
    bare = value[1:-1] if edge else value
    if not bare or (TO_COME.fullmatch(bare) and not (edge == "'" and bare.startswith("$"))):
        return value
    return f"{edge}{'•' * len(bare)}{edge}"
