"""Our hooks in a project's .claude/settings.json: put there, and taken away. Changes no byte of other settings, and refuses a file that is not what Claude Code reads."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import disk, hook
from orchestrator.errors import SettingsError

FILE = ".claude/settings.json"
MARK = "# orchestrator hook"  # for the shell a comment, for us: this one is ours
WITH_TOOL = ("PreToolUse", "PostToolUse", "PostToolUseFailure")
EVENTS = (*WITH_TOOL, "UserPromptSubmit")
TIMEOUT_S = 5
SPACE = re.compile(r"\s*")

Table = dict[str, Any]


class Part(NamedTuple):
    """One of an object or a list: where it begins, its value begins, and it ends."""

    name: str
    begin: int
    value: int
    end: int


def command(python: str = sys.executable, script: str = hook.__file__) -> str:
    """Without `site`, as that takes longer than the rest; and whatever is broken says nothing and ends well."""
    words = shlex.join((python, "-I", "-S", script))
    return f"{{ {words}; }} >/dev/null 2>&1 || : {MARK}"


def install(root: Path, told: str = "") -> bool:
    """False: they are there already."""
    return _change(root / FILE, _with(told or command()))


def remove(root: Path) -> bool:
    """False: there are none."""
    return (root / FILE).exists() and _change(root / FILE, {})


def _with(told: str) -> Mapping[str, Table]:
    ours = {"type": "command", "command": told, "timeout": TIMEOUT_S}
    return {
        event: {**({"matcher": "*"} if event in WITH_TOOL else {}), "hooks": [ours]}
        for event in EVENTS
    }


def _change(path: Path, ours: Mapping[str, Table]) -> bool:
    text = _text(path)
    settings = _object(path, text)
    after = _merged(path, settings.get("hooks", {}), ours)
    if after == settings.get("hooks", {}):
        return False
    if not after and list(settings) == ["hooks"]:  # only we had written there
        _or_refuse(path, path.unlink)
        return True
    _or_refuse(path, lambda: path.parent.mkdir(exist_ok=True))
    disk.write_whole(path, _replaced(text if text.strip() else "{}\n", settings, after))
    return True


def _or_refuse(path: Path, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as refused:
        step = "nothing was changed. Make it writable, then try again"
        raise SettingsError(f"cannot write {path}: {refused.strerror}; {step}") from refused


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()  # its line ends, too, are theirs
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as refused:
        step = "nothing was changed. Mend it, then try again"
        raise SettingsError(f"cannot read {path}: {refused}; {step}") from refused


def _object(path: Path, text: str) -> Table:
    if not text.strip():
        return {}
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as wrong:
        what = f"{path}:{wrong.lineno}:{wrong.colno}: {wrong.msg}"
        raise SettingsError(f"{what}; nothing was changed. Mend it, then try again") from wrong
    except (ValueError, RecursionError) as wrong:
        raise SettingsError(f"{path}: {wrong}; nothing was changed") from wrong
    if not isinstance(found, dict):
        raise SettingsError(f"{path}:1: an object is expected; nothing was changed")
    return found


def _once(pairs: list[tuple[str, Any]]) -> Table:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object, and only one of them counts")
    return found


# --- entries ----------------------------------------------------------------------------------------


def _merged(path: Path, before: Any, ours: Mapping[str, Table]) -> Table:
    """Others' stay where they are, and ours, if they are as they should be."""
    if not isinstance(before, dict):
        raise SettingsError(f"{path}: hooks is no object; nothing was changed")
    after = {}
    for event in dict.fromkeys([*before, *ours]):
        groups, wanted = before.get(event, []), ours.get(event)
        if not isinstance(groups, list):
            raise SettingsError(f"{path}: hooks.{event} is no list; nothing was changed")
        if wanted is not None and wanted in groups:
            after[event] = groups
            continue
        kept = list(_others(groups))
        kept += [wanted] if wanted else []
        if kept or not groups:
            after[event] = kept
    return after


def _others(groups: list[Any]) -> Iterator[Any]:
    for group in groups:
        hooks = group.get("hooks") if isinstance(group, dict) else None
        others = [one for one in hooks if not _is_ours(one)] if isinstance(hooks, list) else hooks
        if others == hooks:
            yield group
        elif others:
            yield {**group, "hooks": others}


def _is_ours(entry: Any) -> bool:
    told = entry.get("command") if isinstance(entry, dict) else None
    return isinstance(told, str) and told.endswith(MARK)


# --- text -------------------------------------------------------------------------------------------


def _replaced(text: str, settings: Table, hooks: Table) -> str:
    """With these as its hooks; all other bytes are as they were."""
    at = text.index("{")
    unit = _unit(text, _parts(text, at))
    after = {name: one for name, one in settings.items() if name != "hooks" or hooks}
    found, end = _edited(text, at, settings, {**after, **({"hooks": hooks} if hooks else {})}, unit)
    return text[:at] + found + text[end:]


def _edited(text: str, at: int, before: Any, after: Any, unit: str) -> tuple[str, int]:
    """What stands at `at`, with only what differs written anew; and where it ended."""
    end = json.JSONDecoder().raw_decode(text, at)[1]
    parts = _parts(text, at) if isinstance(before, dict | list) else []
    if before == after or not parts or type(before) is not type(after):
        return (text[at:end] if before == after else _written(after, text, at, unit)), end
    kept = list(_kept(text, parts, before, after, unit))
    lead, tail = text[at + 1 : parts[0].begin], text[parts[-1].end : end]
    gaps = [text[one.end : two.begin] for one, two in pairwise(parts)]
    between = gaps[-1] if gaps else f",{lead or ' '}"
    rows = [(gap, one) for gap, one in zip(["", *gaps], kept, strict=True) if one is not None]
    rows += [(between, _named(name, one, text, parts[0].begin, unit)) for name, one in _more(before, after)]  # fmt: skip
    body = "".join(gap + one for gap, one in rows).removeprefix(rows[0][0]) if rows else ""
    return f"{text[at]}{lead}{body}{tail}", end


def _kept(text: str, parts: list[Part], before: Any, after: Any, unit: str) -> Iterator[str | None]:
    """Each part as it is to be; None: it goes. Of a list, those that stay are in their order."""
    stay = 0
    for number, part in enumerate(parts):
        if isinstance(before, dict):
            if part.name not in after:
                yield None
                continue
            one, now = before[part.name], after[part.name]
            yield text[part.begin : part.value] + _edited(text, part.value, one, now, unit)[0]
        elif stay < len(after) and after[stay] == before[number]:
            stay += 1
            yield text[part.begin : part.end]
        else:
            yield None


def _more(before: Any, after: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(before, dict):
        yield from ((name, one) for name, one in after.items() if name not in before)
        return
    stay = 0
    for one in before:
        stay += stay < len(after) and after[stay] == one
    yield from (("", one) for one in after[stay:])


def _named(name: str, one: Any, text: str, beside: int, unit: str) -> str:
    return (f"{json.dumps(name)}: " if name else "") + _written(one, text, beside, unit)


def _written(one: Any, text: str, at: int, unit: str) -> str:
    """As deep as the line is where it stands; on one line where all is."""
    if not unit:
        return json.dumps(one, ensure_ascii=False)
    line = text[text.rfind("\n", 0, at) + 1 : at]
    deep = line[: len(line) - len(line.lstrip())]
    return json.dumps(one, ensure_ascii=False, indent=unit).replace("\n", f"\n{deep}")


def _unit(text: str, parts: list[Part]) -> str:
    """What stands before the first member on its line; nothing where all is on one line."""
    if not parts:
        return "  "
    before = text[: parts[0].begin].rpartition("\n")
    return before[2] if before[1] and not before[2].strip() else ""


def _parts(text: str, at: int) -> list[Part]:
    """Of the object or list that begins there, of a text that is known to be sound."""
    found, decode, close = list[Part](), json.JSONDecoder().raw_decode, "}" if text[at] == "{" else "]"  # fmt: skip
    at, is_object = _next(text, at + 1), text[at] == "{"
    while text[at] != close:
        name, value = "", at
        if is_object:
            name, end = decode(text, at)
            value = _next(text, _next(text, end) + 1)
        _, end = decode(text, value)
        found.append(Part(name, at, value, end))
        at = _next(text, end)
        at = _next(text, at + 1) if text[at] == "," else at
    return found


def _next(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at
