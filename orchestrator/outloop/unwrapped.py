"""What a command runs inside of another: behind `sudo`, `timeout`, `uv run`, `xargs`, `bash -c`, `find -exec`. Opens no more layers than anyone writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from orchestrator.outloop.programs import INNER, INTERPRETERS, RUN_BY, SHELLS, WRAPPERS
from orchestrator.outloop.words import ASSIGNMENT, Said, split, usual

LAYERS = 8
FOLDERS = ("-C", "--chdir", "--directory", "--dir", "--project", "--cwd")
EXECS = frozenset(["-exec", "-execdir", "-ok", "-okdir"])


class Inner(NamedTuple):
    """The words of a command, and what those around it say of it."""

    words: tuple[str, ...]
    folder: str = ""  # where it runs
    handed: bool = False  # its paths come from the command before it


def inner(words: Sequence[str]) -> Iterator[Inner]:
    """The command without what is wrapped around it; `find -exec` is two."""
    one = Inner(tuple(words))
    for _ in range(LAYERS):
        opened = _opened(one)
        if opened is None:
            break
        one = opened
    yield one
    if one.words and usual(one.words[0]) == "find":
        place = next((n for n, word in enumerate(one.words) if word in EXECS), None)
        if place is not None:
            yield from (each._replace(handed=True) for each in inner(_executed(one.words, place)))


def _executed(words: Sequence[str], place: int) -> tuple[str, ...]:
    ends = (n for n, word in enumerate(words) if n > place and word in (";", "+", "\\;"))
    end = next(ends, len(words))
    return tuple(word for word in words[place + 1 : end] if word != "{}")


def script_of(words: Sequence[str]) -> str | None:
    """What `bash -c` is told to run."""
    if not words or usual(words[0]) not in SHELLS:
        return None
    values, inline = INTERPRETERS["bash"]
    return split(words[1:], values.split(), lead=True, last=inline.split()).value("-c")


def _opened(one: Inner) -> Inner | None:
    """One layer less; None where there is none."""
    words = one.words
    if not words:
        return None
    if ASSIGNMENT.match(words[0]):
        return one._replace(words=words[1:])
    name = usual(words[0])
    if name == "docker" and words[1:2] == ("compose",):
        return one._replace(words=("docker-compose", *words[2:]))
    if name == "uv" and words[1:2] == ("pip",):
        return one._replace(words=words[1:])
    if name in WRAPPERS:
        return _wrapped(one, name)
    return _run_by(one, name) if name in RUN_BY else None


def _wrapped(one: Inner, name: str) -> Inner | None:
    values, skips = WRAPPERS[name]
    said = split(one.words[1:], values.split(), lead=True)
    rest = said.rest[skips:]
    while rest and name == "env" and ASSIGNMENT.match(rest[0]):
        rest = rest[1:]
    if name == "command" and {"-v", "-V"} & set(said.flags):
        return one._replace(words=("which", *rest))
    if not rest:
        return None
    if name == "xargs":
        return one._replace(words=rest, handed=True)
    return one._replace(words=rest, folder=_folder(said) or one.folder)


def _run_by(one: Inner, name: str) -> Inner | None:
    subs, values = RUN_BY[name]
    before = split(one.words[1:], values.split(), lead=True)
    if not before.rest or before.rest[0] not in subs.split():
        return None
    after = split(before.rest[1:], values.split(), lead=True)
    rest = after.rest[1:] if name in INNER else after.rest
    if "-m" in after.flags:
        rest = ("python", "-m", *rest)
    folder = _folder(after) or _folder(before) or one.folder
    return one._replace(words=rest, folder=folder) if rest else None


def _folder(said: Said) -> str:
    return said.value(*FOLDERS) or ""
