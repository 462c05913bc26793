"""A tool's TOML file as a person wrote it -> its values, or all that is wrong with them, by line. Refuses keys that it does not know."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import UsageError
from orchestrator.outloop import words
from orchestrator.outloop.patterns import NO_SCRIPT
from orchestrator.outloop.programs import VERBS
from orchestrator.reader.near import hint

NAME = r"^[a-z][a-z0-9_-]{0,63}$"
WORDS = {
    "missing": "is missing",
    "string_pattern_mismatch": "should have small letters, digits, - and _ only, and begin with a letter",
}
MOST_PARTS = 4
AT = re.compile(r" \(at line (\d+), column (\d+)\)")
Word = Annotated[str, Field(min_length=1, max_length=200)]


class Manifest(BaseModel):
    """One tool's file. `script` is below its folder or below the project, also where it is absolute."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=NAME)]
    script: Word
    does: Annotated[list[Word], Field(min_length=1)]
    phrases: list[Word] = []
    timeout_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
    writes: list[Word] = []


def read(path: Path, root: Path | None = None) -> tuple[Manifest | None, list[str]]:
    """None with all that is wrong, as `file:line: key: what`; UsageError where there is no such text.

    `root`: of the project.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as refused:
        raise UsageError(f"cannot read {path}: {refused.strerror}") from refused
    except UnicodeDecodeError as wrong:
        return None, [f"{path}: is not UTF-8 (byte {wrong.start})"]
    except tomllib.TOMLDecodeError as wrong:
        at = AT.search(str(wrong))
        where = f":{at[1]}:{at[2]}" if at else ""
        return None, [f"{path}{where}: is no TOML: {AT.sub('', str(wrong))}"]
    told, errors = None, list[ErrorDetails]()
    try:
        told = Manifest.model_validate(values)
    except ValidationError as wrong:
        errors = wrong.errors()
    found = [
        (_line(text, key), f"{key}: {what}")
        for key, what in (
            *_of_script(path, values.get("script"), root),
            *_each(values, "does", _no_signature),
            *_each(values, "writes", _no_glob),
            *_each(values, "phrases", _no_phrase),
        )
    ]
    problems = sorted([*_wrong(text, errors), *found])
    said = [f"{path}{f':{line}' if line else ''}: {what}" for line, what in problems]
    return (None if problems else told), said


def name_of(path: Path, root: Path) -> str | None:
    """Of a sound manifest; None: it is none."""
    try:
        told, _ = read(path, root)
    except UsageError:
        return None
    return told.name if told else None


def _wrong(text: str, errors: list[ErrorDetails]) -> Iterator[tuple[int, str]]:
    for one in errors:
        keys = [str(part) for part in one["loc"]]
        place = ".".join(keys)
        what = WORDS.get(one["type"]) or one["msg"].removeprefix("Input ")
        if one["type"] == "extra_forbidden":
            what = f"no such key{hint(keys[0], set(Manifest.model_fields))}"
        yield _line(text, keys[0]), f"{place}: {what}"


def _of_script(path: Path, name: object, root: Path | None) -> Iterator[tuple[str, str]]:
    if not isinstance(name, str) or not name:
        return
    homes = (path.parent.resolve(), root and root.resolve())
    try:
        there = (path.parent / name).resolve()
        is_there = there.is_file()
    except (ValueError, OSError, RuntimeError):  # a NUL; too long; a link to itself
        yield "script", f"{name!r} is no name of a file"
        return
    if not any(home and there.is_relative_to(home) for home in homes):
        yield "script", f"{there} is outside of the manifest's folder and of the project"
    elif not is_there:
        yield "script", f"there is no {there}"
    elif _is_empty(there):
        yield "script", f"{there} is empty: it would do nothing, and call that well done"


def _is_empty(script: Path) -> bool:
    """Also with comments alone. Who cannot read it is told elsewhere."""
    try:
        lines = script.read_bytes().splitlines()
    except OSError:
        return False
    return all(not line.strip() or line.lstrip().startswith(b"#") for line in lines)


def _each(
    values: Mapping[str, Any], key: str, wrong: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    told = values.get(key)
    for one in told if isinstance(told, list) else ():
        if isinstance(one, str) and one and (what := wrong(one)):
            yield key, f"{one!r} {what}"


def _no_signature(begin: str) -> str:
    verb, *rest = begin.split(":")
    if verb in NO_SCRIPT:
        what = "is a failure" if verb == "fail" else "is for a model: it needs to see it itself"
        return f"{what}; no tool can do it"
    if verb not in VERBS:
        return f"begins with no verb of operations{hint(verb, set(VERBS) - NO_SCRIPT)} (docs/outloop.md has them)"
    if not all(rest) or len(rest) >= MOST_PARTS:
        return "is no beginning of verb:tool:scope:variant"
    return (
        "has blanks, and no signature has" if any(part != words.part(part) for part in rest) else ""
    )


def _no_glob(name: str) -> str:
    if name.startswith(("/", "~", "\\")) or ".." in name.split("/"):
        return "leads out of the workspace; name files as seen from the project's folder"
    return "" if name.strip() else "names no file"


def _no_phrase(phrase: str) -> str:
    return "" if phrase.strip() else "has no word"


def _line(text: str, key: str) -> int:
    """0: it stands nowhere."""
    pattern = re.compile(
        rf"""\s*(["']?){re.escape(key)}\1\s*[=.\]]|\s*\[\[?\s*{re.escape(key)}\b"""
    )
    return next((n for n, row in enumerate(text.splitlines(), 1) if pattern.match(row)), 0)
