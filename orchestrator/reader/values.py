"""Text of attributes and small elements to values; it knows no plan and answers None for what it cannot read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from orchestrator.model import Estimate, Limit

_NOTHING = re.compile(
    r"[(\[*_]*(?:none|n/?a|no files?|nothing|no code changes?|no file changes?|-|—|\u2013)\b.*|[-—\u2013]+",
    re.I | re.S,
)
_BULLET = re.compile(r"\s*(?:[-*+]\s+|\d+[.)]\s+)?(?:\[[ xX]\]\s+)?")
_VERB = re.compile(
    r"\A(?:create|created|modify|modified|new|edit|update|add|delete|remove|test|tests|file|files)"
    r"\s*:\s+",
    re.I,
)
# A note needs a space before it: `app/(auth)/page.tsx` is a path.
_NOTE = re.compile(r"(?:^|(?<=\s))\([^()]*(?:\([^()]*\)[^()]*)*\)|(?<=\s)\[[^\[\]]*\]")
_TAIL = re.compile(r"(?:(?<=\s)(?:\u2014|\u2013|-|--|#|//)\s|:\s).*", re.S)
_ALSO = re.compile(r"(`[^`]+`)|\s(?:->|→|\+|&|and|or)\s", re.I)  # a rename writes both
_PATH = re.compile(r"[^\s`<>|\"']+")
_TICKED = re.compile(r"`([^`\n]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_LOOKS = re.compile(r"[/.*\\~]|^\w+file$|^[A-Z_]{4,}$")

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.I | re.A)
_LONG = 80  # no amount is longer
MOST = 1e12  # no budget is larger
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AMOUNT = r"~?\s*([0-9][0-9,_]*(?:\.\d+)?)\s*([a-z]*)"
_RANGE = re.compile(rf"{_AMOUNT}(?:\s*(?:-|\u2013|—|to)\s*{_AMOUNT})?\.?", re.I)


def words(text: str) -> tuple[str, ...]:
    """What stands between commas and spaces, in order."""
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def boolean(text: str) -> bool | None:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
        text.strip().lower()
    )


def seconds(text: str) -> float | None:
    """`90`, `90s`, `15min`, `1h`, `1h30m`; more than nothing."""
    text = text.strip()
    parts = _PART.findall(text)
    if (
        len(text) > _LONG
        or _PART.sub("", text)
        or (len(parts) > 1 and ("" in [unit for _, unit in parts]))
    ):
        return None
    found = [_seconds(float(number), unit or "s") for number, unit in parts]
    known = [part for part in found if part is not None]
    return sum(known) if len(known) == len(found) and sum(known) > 0 else None


def _seconds(number: float, unit: str) -> float | None:
    known = re.fullmatch(
        r"(s)(?:ecs?|econds?)?|(m)(?:ins?|inutes?)?|(h)(?:rs?|ours?)?|(d)(?:ays?)?", unit.lower()
    )
    return None if known is None else number * _UNIT_S[unit[0].lower()]


def duration(text: str) -> Estimate | None:
    """`15-30min` in seconds; a range without a unit says nothing."""
    match = _RANGE.fullmatch(text.strip()) if len(text) <= _LONG else None
    if match is None:
        return None
    low_unit, high_unit = match[2] or match[4] or "", match[4] or match[2] or ""
    low = _seconds(_number(match[1]), low_unit)
    high = low if match[3] is None else _seconds(_number(match[3]), high_unit)
    return _estimate(low, high)


def tokens(text: str) -> Estimate | None:
    """`5000-8000`, `5,000`, `5k-8k tokens`."""
    text = text.strip().lower().removesuffix("s").removesuffix("token").strip()
    match = _RANGE.fullmatch(text) if len(text) <= _LONG else None
    if match is None:
        return None
    low = _tokens(match[1], match[2] or match[4] or "")
    high = low if match[3] is None else _tokens(match[3], match[4] or match[2] or "")
    return _estimate(low, high)


def budget(value: Any) -> Limit | None:
    """`$5`, `5`, `5 usd`, `200k tokens`, `$5, 200k tokens`, or a map with `usd` and `tokens`."""
    pairs = value.items() if isinstance(value, dict) else _budget_parts(str(value))
    found: dict[str, float] = {}
    for unit, amount in pairs:
        read = tokens(str(amount).strip().removeprefix("$"))
        if unit not in ("usd", "tokens") or unit in found or read is None or read.low != read.high:
            return None
        found[unit] = read.high
    if not found or max(found.values()) > MOST:
        return None
    return Limit(usd=found.get("usd"), tokens=round(found["tokens"]) if "tokens" in found else None)


def _budget_parts(text: str) -> Iterable[tuple[str, str]]:
    """Without a unit it is dollars."""
    for part in re.split(r",\s|\+|\band\b", text[:_LONG].lower()):
        word = part.strip()
        unit = "tokens" if word.endswith(("token", "tokens")) else "usd"
        yield unit, word.removesuffix("usd").removesuffix("dollars").strip()


def _tokens(number: str, unit: str) -> float | None:
    factor = {"": 1.0, "k": 1e3, "m": 1e6}.get(unit.lower())
    return None if factor is None else _number(number) * factor


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("_", ""))


def _estimate(low: float | None, high: float | None) -> Estimate | None:
    if low is None or high is None or low > high:
        return None
    return Estimate(low=low, high=high)


def files(text: str) -> tuple[str, ...] | None:
    """The paths of `<files>`; () for none, None for text that is not a list of paths."""
    found: dict[str, None] = {}
    for item in _entries(text):
        paths = _paths(item)
        if paths is None:
            return None
        found.update(dict.fromkeys(paths))
    return tuple(found)


def split_at_spaces(text: str) -> list[str]:
    """The paths in those entries of `<files>` that hold several without a comma between them."""
    entries = [_paths(item) or [] for item in _entries(text) if "`" not in item]
    return [path for paths in entries if len(paths) > 1 for path in paths]


def _entries(text: str) -> list[str]:
    """What stands between commas and line ends, in a text that names any file."""
    first, *rest = text.split("<!--")
    text = "".join([first, *(part.partition("-->")[2] for part in rest)]).strip()
    if not text or _NOTHING.fullmatch(text):
        return []
    lines = (_BULLET.sub("", line, count=1) for line in text.splitlines())
    return [item for line in lines for item in _split(_ALSO.sub(lambda m: m[1] or ", ", line))]


def _split(line: str) -> Iterable[str]:
    """At commas and semicolons outside of brackets and backticks."""
    depth, start = 0, 0
    for at, char in enumerate(_TICKED.sub(lambda m: "`" * len(m[0]), line)):
        depth += (char in "({[") - (char in ")}]")
        if char in ",;" and depth <= 0:
            yield line[start:at]
            start = at + 1
    yield line[start:]


def _paths(item: str) -> list[str] | None:
    """The paths of one entry without its notes; None if it is something else."""
    if ticked := _TICKED.findall(item):
        rest = _NOTE.sub("", _TICKED.sub(" ", item))
        plain = not re.search(r"[/\\]", _TAIL.sub("", rest))
        return [path.strip() for path in ticked] if plain else None
    item = _BOLD.sub(r"\1", _VERB.sub("", item.strip(), count=1))
    item = _TAIL.sub("", _NOTE.sub("", item)).strip().rstrip(".").removeprefix("@")
    found = item.split()
    alone = len(found) == 1 and _PATH.fullmatch(found[0])  # Makefile, LICENSE: one word is a name
    return found if alone or all(_is_path(word) for word in found) else None


def _is_path(word: str) -> bool:
    return bool(_PATH.fullmatch(word) and _LOOKS.search(word) and not word.endswith(":"))


def references(value: Any) -> tuple[str, ...]:
    """The plans that a frontmatter `depends_on` names, in any of its spellings, as written."""
    if isinstance(value, dict):
        return tuple(str(key) for key in value)
    if isinstance(value, list):
        return tuple(name for entry in value for name in references(entry))
    text = re.sub(r"(?<=\s)\([^()]*\)", "", str(value)).strip().strip("[]").strip()
    if text.lower() in ("", "none", "null", "~", "n/a", "-", "nothing"):
        return ()
    parts = [part.strip().strip("\"'") for part in text.split(",")]
    return tuple(name for part in parts for name in _references(part))


def _references(text: str) -> list[str]:
    found = text.split()
    return found if all(re.match(r"[\w.]*\d", word) for word in found) else [text]


def paths(value: Any) -> tuple[str, ...]:
    """The paths of a frontmatter list, without notes; a text is split as `<files>` is."""
    if isinstance(value, list):
        return tuple(dict.fromkeys(name for entry in value for name in paths(entry)))
    if isinstance(value, dict):
        return tuple(str(value["path"]) for _ in [0] if "path" in value) or tuple(map(str, value))
    text = str(value).strip()
    if text in ("[]", "null", "~"):
        return ()
    return files(text) or ()
