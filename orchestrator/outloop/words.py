"""The words of a command: without quotes, flags apart from the rest, and paths as the folder and the file that they name. Refuses no word."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from orchestrator.redact import commands

ALL = "all"
FILE = re.compile(r"[^/]*\.[A-Za-z]\w*|[^/]*\.(\w+)?(ignore|rc|env|attributes)")
NAMED = frozenset(["Makefile", "Dockerfile", "README", "LICENSE", "CHANGELOG", "Jenkinsfile"])
LINE = re.compile(r":\d+(:\d+)?$")
LONGEST = 80
ADDRESS = re.compile(r"[\w+.-]+://|[\w.-]+@[\w.-]+:")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Said(NamedTuple):
    """What follows the program: flags by name, the words that they took, and the rest."""

    flags: tuple[str, ...]
    given: tuple[tuple[str, str], ...]
    rest: tuple[str, ...]

    def value(self, *names: str) -> str | None:
        return next((word for flag, word in self.given if flag in names), None)


class Where(NamedTuple):
    """What a path names: the first folder of it, and its file where it is one."""

    scope: str
    file: str | None


def bare(word: str) -> str:
    """Without its quotes, and `$'...'` as its text."""
    if word[:2] == "$'":
        word = word[1:]
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"" and word[0] not in word[1:-1]:
        return word[1:-1]
    if word[:1] == '"' == word[-1:] and len(word) > 1:
        return ESCAPED.sub(r"\1", word[1:-1])
    if "'" in word or '"' in word:
        return word.replace("'", "").replace('"', "")
    return ESCAPED.sub(r"\1", word)


def split(
    words: Sequence[str], values: Iterable[str], lead: bool = False, last: Iterable[str] = ()
) -> Said:
    """`values` are the flags that take the next word, also where they are written with it.

    `lead`: only the flags in front of the first other word, or up to one of `last`, are looked at.
    """
    taking = frozenset(values)
    flags: list[str] = []
    given: list[tuple[str, str]] = []
    rest: list[str] = []
    pending = iter(words)
    for word in pending:
        if word == "--":
            rest.extend(pending)
        elif len(word) < 2 or word[0] != "-" or word[1].isspace():
            rest.append(word)
            rest.extend(pending if lead else ())
        else:
            flag, told = _flag(word, taking)
            flags.append(flag)
            if told == "":
                told = next(pending, None)
            if told is not None:
                given.append((flag if flag in taking else f"-{flag[-1]}", told))
                rest.extend(pending if given[-1][0] in last else ())
    return Said(tuple(flags), tuple(given), tuple(rest))


def _flag(word: str, taking: frozenset[str]) -> tuple[str, str | None]:
    """The flag, and its word: "" is the next one, None is none."""
    name, equals, told = word.partition("=")
    if equals and name.startswith("--"):
        return name, told or None
    if word in taking:
        return word, ""
    if word.startswith("--"):
        return word, None
    for place, letter in enumerate(word[1:], 1):
        if f"-{letter}" in taking:
            return word[: place + 1], word[place + 1 :]
    return word, None


def joined(base: str, path: str, root: str) -> str | None:
    """The path as seen from the root: `..` and `/` lead out of it. None where a variable hides it."""
    if not path or path[0] in "$`<>" or "$(" in path or "`" in path or "\n" in path:
        return None
    full = posixpath.normpath(posixpath.join(base, path))
    if root and (full == root or full.startswith(root.rstrip("/") + "/")):
        full = posixpath.relpath(full, root)
    return "" if full == "." else full


def where(path: str, is_file: bool | None = None) -> Where:
    """A path as `joined` gives it. None: by its look."""
    folder, _, name = path.rpartition("/")
    if is_file is None:
        is_file = bool(FILE.fullmatch(name)) or name in NAMED
    glob = set(name) & set("*?[{$")
    if name == "..":
        is_file = False
    return Where(first(folder if is_file or glob else path), name if is_file and not glob else None)


def first(folder: str) -> str:
    """The first folder of a path; what leads out of the root keeps its slash."""
    parts = folder.split("/")
    if folder.startswith("/"):
        return f"/{parts[1]}"
    return ALL if set(parts[0]) & set("*?[{$") else parts[0] or ALL


def part(text: str) -> str:
    """One part of a signature: no colon, no blank, no key, of bounded length."""
    return re.sub(r"[:\s\x00-\x1f]+", "_", commands.masked(text.strip()))[:LONGEST] or "_"


USUAL = {"mvnw": "mvn", "gradlew": "gradle", "gmake": "make", "inv": "invoke", "nodejs": "node"}
USUAL |= {"py": "python", "pip2": "pip", "pip3": "pip", "py.test": "pytest"}
VERSION = re.compile(r"(python|pypy|pip)[\d.]+")


def usual(program: str) -> str:
    """Its name without its folder and its version."""
    name = program.rpartition("/")[2].removesuffix(".exe").removesuffix(".cmd")
    versioned = VERSION.fullmatch(name)
    return versioned[1] if versioned else USUAL.get(name, name)
