"""Which variables hold secrets, and which part of their value is one. Pure; takes no plain word, number or path for a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from orchestrator.redact import formats

SHORTEST = 8  # below that, text that nobody meant would be hidden, too
LONGEST_WORD = 15  # "postgres", "development": a value of letters alone that is longer is a phrase
SECRET_WORDS = {
    "KEY", "KEYS", "AUTH", "AUTHORIZATION", "DSN", "PWD", "PASS", "PW", "PAT", "WEBHOOK", "COOKIE",
    "SIG", "SIGNATURE", "SALT", "PEPPER",
}  # fmt: skip
SECRET_ENDS = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|CREDS|APIKEY|ACCESSKEY|PRIVATEKEY)S?$"
)
# What stands last says what the variable holds: KEY_FILE is a path, TOKEN_TYPE a word, KEY_ID a name.
OTHER_ENDS = {
    "FILE", "FILES", "PATH", "DIR", "FOLDER", "SOCK", "SOCKET", "HOST", "PORT", "NAME", "USER",
    "USERNAME", "EMAIL", "ID", "TYPE", "MODE", "METHOD", "METHODS", "ALG", "ALGORITHM", "PROVIDER",
    "BACKEND", "STORE", "HELPER", "MANAGER", "SERVER", "DOMAIN", "REGION", "TTL", "TIMEOUT",
    "EXPIRY", "EXPIRES", "EXPIRATION", "LENGTH", "SIZE", "LIMIT", "COUNT", "ENABLED", "DISABLED",
    "VERSION", "FORMAT", "PREFIX", "HEADER", "INFO", "LIFETIME", "SCOPE", "SCOPES", "LEVEL",
    "SERVICE", "ASKPASS", "POLICY", "ISSUER", "AUDIENCE",
}  # fmt: skip
WHOLE_ADDRESS = {"DSN", "WEBHOOK"}  # who knows it can use it
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
PLACEHOLDER = re.compile(
    r"[<$%{].*|(?:your|change|replace|insert|placeholder|example)[\w -]*", re.I
)
NUMBER = re.compile(r"[\d.,:+ -]+")
WORD = re.compile(rf"[A-Za-z]?[a-z]{{,{LONGEST_WORD}}}|[A-Z]{{,{LONGEST_WORD}}}")
PATH = re.compile(r"(?:~|\.{1,2})?/|[A-Za-z]:\\")
RANDOM = re.compile(r"(?=[^/\\]*[a-z])(?=[^/\\]*[A-Z])(?=[^/\\]*\d)[^/\\]{12,}")  # in no path
PAIR = re.compile(r"(\w[\w ]*)=([^;]+)")  # of a connection string: Server=db;Password=...
KEY_BLOCK = "-----BEGIN"


def secrets(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The name of a variable, and a secret that is in its value, on one line."""
    for name, value in environment.items():
        for part in _parts(name, value.strip()):
            for line in _lines(part):
                if not is_plain(line):
                    yield name, line


def is_secret_name(name: str) -> bool:
    """By its words: API_KEY, npmAuthToken and PGPASSWORD are, KEYBOARD, SSH_AUTH_SOCK and PUBLIC_KEY are not."""
    words = re.findall(r"[A-Z0-9]+", CAMEL.sub("_", name).upper())
    if not words or words[-1] in OTHER_ENDS or "PUBLIC" in words or words[-1:] == ["PWD"] == words:
        return False
    if words == ["OLDPWD"]:
        return False
    return any(word in SECRET_WORDS or SECRET_ENDS.search(word) for word in words)


def is_plain(value: str) -> bool:
    """Too short, or what stands in many texts: a word, a number, a path, a word for a value to come."""
    if len(value) < SHORTEST or NUMBER.fullmatch(value) or WORD.fullmatch(value):
        return True
    if PLACEHOLDER.fullmatch(value) or value.startswith("-----"):
        return True
    return bool(PATH.match(value)) and not RANDOM.search(value)


def _parts(name: str, value: str) -> Iterator[str]:
    named = is_secret_name(name)
    if formats.is_suspect(value):
        yield from (m[0] for m in formats.ANY.finditer(value) if not formats.is_example(m[0]))
    if value.startswith(("{", "[")) and (document := _document(value)) is not None:
        yield from _leaves(name, document)
    elif "://" in value:
        yield from _of_address(name, value, named=named)
    elif named:
        yield value
        words = () if KEY_BLOCK in value else re.split(r"[\s,;:]+", value)
        yield from words[1:]  # Bearer TOKEN, user:password, one,two
    else:
        pairs = PAIR.findall(value) if ";" in value else ()
        yield from (word.strip() for key, word in pairs if is_secret_name(key))


def _lines(part: str) -> list[str]:
    """A key of many lines is seldom printed as one: prompts and diffs put something before each."""
    ends = r"\r?\n|\\n" if KEY_BLOCK in part else r"\r?\n"
    return [line.strip() for line in re.split(ends, part)]


def _of_address(name: str, value: str, *, named: bool) -> Iterator[str]:
    """Its password; all of it, where the address itself is what must not be known."""
    try:
        found = urlsplit(value)
        password, user, query = found.password, found.username, parse_qsl(found.query)
    except ValueError:  # no address, whatever it looks like
        yield from [value] if named else []
        return
    words = set(re.findall(r"[A-Z0-9]+", name.upper()))
    if words & WHOLE_ADDRESS or (named and password is None and found.netloc == ""):
        yield value
    secret = [password or (user if named or words & WHOLE_ADDRESS else None)]
    secret += [word for key, word in query if is_secret_name(key)]
    for one in filter(None, secret):
        yield one
        yield unquote(one)


def _document(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _leaves(name: str, document: Any) -> Iterator[str]:
    """Of a file with credentials in a variable: each word under a name that says so."""
    match document:
        case dict():
            for key, inner in document.items():
                yield from _leaves(str(key), inner)
        case list():
            for inner in document:
                yield from _leaves(name, inner)
        case str():
            yield from _parts(name, document)
