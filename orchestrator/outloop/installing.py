"""Our hooks in a project's .claude/settings.json: put there, and taken away. Changes no byte of other settings, and refuses a file that is not what Claude Code reads."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import disk, hook, journal
from orchestrator.errors import SettingsError

FILE = ".claude/settings.json"
NOTED = ".orchestrator/hooks-before.json"  # what was there before
MARK = "# orchestrator hook"  # for the shell a comment, for us: this one is ours
WITH_TOOL = ("PreToolUse", "PostToolUse", "PostToolUseFailure")
EVENTS = (*WITH_TOOL, "UserPromptSubmit")
TIMEOUT_S = 5
SPACE = re.compile(r"\s*")
GONE = object()  # in the place of what goes

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
    journal.make_home(root)  # with what git is told to ignore, also in a clone
    path = root / FILE
    text, settings = _read(path)
    before = settings.get("hooks", {})
    after = _merged(before, _with(told or command()))
    if _plain(after) == before:
        return False
    if not any(_is_ours(one) for groups in before.values() for one in _every(groups)):
        _note(root, text, settings)
    _or_refuse(path, lambda: path.parent.mkdir(exist_ok=True))
    _write(path, text, settings, after)
    return True


def remove(root: Path) -> bool:
    """False: there are none. What stood there before them stands there again, also what says nothing."""
    path = root / FILE
    text, settings = _read(path)
    before = settings.get("hooks", {})
    noted = _noted(root)
    after: Table | None = _merged(before, {}, noted.get("events", ()))
    if _plain(after) == before:
        return False
    if not after and not noted.get("hooks"):
        after = None
    if after is None and list(settings) == ["hooks"] and "text" in noted:
        _or_refuse(path, lambda: _put_back(path, noted))
    else:
        _write(path, text, settings, after)
    (root / NOTED).unlink(missing_ok=True)
    return True


def switched_off(root: Path) -> Path | None:
    """The file that says that no hook runs at all. The first of them that says anything of it counts."""
    mine = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    for path in (
        (root / FILE).with_name("settings.local.json"),
        root / FILE,
        mine / "settings.json",
    ):
        with suppress(SettingsError):
            said = _read(path)[1].get("disableAllHooks")
            if said is not None:
                return path if said is True else None
    return None


# --- what was there before --------------------------------------------------------------------------


def _note(root: Path, text: str, settings: Table) -> None:
    """Only what cannot be seen any more once ours are there. `text`: of a file that says nothing; None: no file."""
    path, hooks = root / FILE, settings.get("hooks", {})
    empty = [event for event in EVENTS if hooks.get(event) == []]
    noted: Table = {"hooks": "hooks" in settings, "events": empty}
    if not settings:
        noted["text"] = text if path.exists() else None
        noted["folder"] = path.parent.exists()
    disk.write_whole(root / NOTED, json.dumps(noted) + "\n")


def _noted(root: Path) -> Table:
    """Nothing, where nobody noted it, or not we: then no file goes."""
    try:
        found = json.loads((root / NOTED).read_text(encoding="utf-8"))
        text = found.get("text") or ""
        is_ours = isinstance(found["events"], list) and not _object(root / NOTED, text)
    except (OSError, ValueError, LookupError, AttributeError, SettingsError):
        return {}
    return found if is_ours else {}


def _put_back(path: Path, noted: Table) -> None:
    if isinstance(noted["text"], str):
        disk.write_whole(path, noted["text"])
        return
    path.resolve().unlink()  # of a link that led nowhere the link was there
    if noted.get("folder") is False:
        with suppress(OSError):  # something else is in it now
            path.parent.rmdir()


def _with(told: str) -> Mapping[str, Table]:
    ours = {"type": "command", "command": told, "timeout": TIMEOUT_S}
    return {
        event: {**({"matcher": "*"} if event in WITH_TOOL else {}), "hooks": [ours]}
        for event in EVENTS
    }


def _read(path: Path) -> tuple[str, Table]:
    text = _text(path)
    settings = _object(path, text)
    hooks = settings.get("hooks", {})
    if not isinstance(hooks, dict):
        raise SettingsError(f"{path}: hooks is no object; nothing was changed")
    for event, groups in hooks.items():
        if not isinstance(groups, list):
            raise SettingsError(f"{path}: hooks.{event} is no list; nothing was changed")
    return text, settings


def _write(path: Path, text: str, settings: Table, hooks: Table | None) -> None:
    written = _replaced(text if text.strip() else "{}\n", settings, hooks)
    disk.write_whole(path, written)


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


def _merged(before: Table, ours: Mapping[str, Table], empty: Sequence[str] = ()) -> Table:
    """Others' stay where they are, and one of ours, if it is as it should be. What goes has its place: `GONE`. `empty`: lists that may be."""
    after = {}
    for event in dict.fromkeys([*before, *ours]):
        groups, wanted = before.get(event, []), ours.get(event)
        kept, is_there = list[Any](), wanted is None
        for group in groups:
            is_ours = not is_there and group == wanted
            is_there = is_there or is_ours
            kept.append(group if is_ours else _others(group))
        kept += [] if is_there else [wanted]
        if not groups or event in empty or any(one is not GONE for one in kept):
            after[event] = kept
    return after


def _others(group: Any) -> Any:
    """What of it is not ours."""
    hooks = group.get("hooks") if isinstance(group, dict) else None
    if not isinstance(hooks, list) or not any(map(_is_ours, hooks)):
        return group
    if all(map(_is_ours, hooks)):
        return GONE
    return {**group, "hooks": [GONE if _is_ours(one) else one for one in hooks]}


def _plain(value: Any) -> Any:
    """Without the places of what goes."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value if one is not GONE] if isinstance(value, list) else value


def _every(groups: list[Any]) -> Iterator[Any]:
    for group in groups:
        hooks = group.get("hooks") if isinstance(group, dict) else None
        yield from hooks if isinstance(hooks, list) else ()


def _is_ours(entry: Any) -> bool:
    told = entry.get("command") if isinstance(entry, dict) else None
    return isinstance(told, str) and told.endswith(MARK)


# --- text -------------------------------------------------------------------------------------------


def _replaced(text: str, settings: Table, hooks: Table | None) -> str:
    """With these as its hooks; None: without any. All other bytes are as they were."""
    at = text.index("{")
    unit = _unit(text, _parts(text, at))
    after = {name: one for name, one in settings.items() if name != "hooks" or hooks is not None}
    found, end = _edited(
        text, at, settings, {**after, **({} if hooks is None else {"hooks": hooks})}, unit
    )
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
    if not rows:
        return f"{text[at]}{text[end - 1]}", end
    body = "".join(gap + one for gap, one in rows).removeprefix(rows[0][0])
    return f"{text[at]}{lead}{body}{tail}", end


def _kept(text: str, parts: list[Part], before: Any, after: Any, unit: str) -> Iterator[str | None]:
    """Each part as it is to be; None: it goes."""
    for number, part in enumerate(parts):
        key = part.name if isinstance(before, dict) else number
        now = after.get(key, GONE) if isinstance(after, dict) else after[number]
        if now is GONE:
            yield None
        else:
            yield (
                text[part.begin : part.value] + _edited(text, part.value, before[key], now, unit)[0]
            )


def _more(before: Any, after: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(before, dict):
        yield from ((name, one) for name, one in after.items() if name not in before)
    else:
        yield from (("", one) for one in after[len(before) :])


def _named(name: str, one: Any, text: str, beside: int, unit: str) -> str:
    return (f"{json.dumps(name)}: " if name else "") + _written(one, text, beside, unit)


def _written(one: Any, text: str, at: int, unit: str) -> str:
    """As deep as the line is where it stands; on one line where all is. Its line ends are those of the file."""
    if not unit:
        return _encoded(one)
    line = text[text.rfind("\n", 0, at) + 1 : at]
    deep = line[: len(line) - len(line.lstrip())]
    ends = "\r\n" if "\r\n" in text else "\n"
    return _encoded(one, unit).replace("\n", f"{ends}{deep}")


def _encoded(one: Any, unit: str | None = None) -> str:
    """Half of a pair of UTF-16, which JSON can name, has no bytes of its own."""
    text = json.dumps(_plain(one), ensure_ascii=False, indent=unit)
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


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
