"""What a task's text asks for before anything starts: its words, its concerns, and how it could be split. Pure; refuses to split what it cannot name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

MOST_WORDS, MOST_CONCERNS = 300, 2  # S3-01: more of either, and a split is proposed
LONGEST_NAME = 8  # words
FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^(?P<indent>[ \t]*)(?:[-*+•]|\d{1,3}[.)])[ \t]+(?P<text>\S.*)$")
CLAUSE = re.compile(r"(?<=[.!?;])\s+|,?\s+(?:and then|and|then)\s+|,\s+", re.IGNORECASE)
SENTENCE = re.compile(r"(?<=[.!?;])\s+")
PARAGRAPH = re.compile(r"\n\s*\n")
PATH = re.compile(r"(?<![\w/.:@-])((?:[\w.+-]+/)+)([\w.+*-]*)")
STRESS = re.compile(r"(?<!\w)(_{1,2})(?=[^\s_])(.+?)\1(?![\w.])")  # no `__init__.py`
FIRST = re.compile(r"[\W_]*([A-Za-z-]+)\b(?!['\u2019(])(?:\s+([A-Za-z]+)\b)?")
LEAD = re.compile(  # "Finally, rewrite it"
    r"^[\W_]*(?:(?:please|first|second|third|next|then|now|also|finally|lastly|afterwards|after that)\b,?\s+)+", re.IGNORECASE
)  # fmt: skip
BOLD = re.compile(r"[ \t]*((?:\*\*|__)(?=\S)[^*_\n]+?(?:\*\*|__))\s+(?=\w)")
LABEL = re.compile(r"[^\W_][^\s:]*(?:\s[^\s:]+){0,3}?(?::|\s[-\u2013\u2014])\s+(?=\S)")
FOLDER = re.compile(r"\.?[A-Za-z_][\w-]*")
CHECKING = "check"
KINDS = {  # of work, by the verb that a step begins with; to add, change and remove things are steps of one job
    "make": "adapt add adjust build bump change clean configure convert create deduplicate define delete deploy deprecate drop enable "
    "establish export expose extend extract implement improve install integrate introduce make merge migrate modify move "
    "optimise optimize prepare provide provision prune publish rebuild redesign refactor refine register release remove rename "
    "reorganise reorganize replace restructure rewrite scaffold schedule setup simplify split strip support switch tune "
    "update upgrade wire write",
    "fix": "correct debug fix mend patch repair resolve",
    "document": "describe document explain",
    "find out": "analyse analyze audit compare evaluate explore investigate profile research review study",
    CHECKING: "assert check confirm ensure run test validate verify",
}
KIND = {verb: kind for kind, verbs in KINDS.items() for verb in verbs.split()}
KIND |= dict.fromkeys(("set up", "roll out", "spin up", "hook up", "get rid", "put in"), "make")
AREAS = {  # where, by the first of these words in a step that names no folder
    "frontend": "frontend front-end ui page pages button css component components modal form stylesheet",
    "backend": "backend back-end server api endpoint endpoints middleware",
    "database": "database db schema migration migrations sql table tables",
    "documentation": "documentation docs readme changelog",
    "pipeline": "ci pipeline workflow dockerfile docker deployment kubernetes",
}
AREA = {word: area for area, words in AREAS.items() for word in words.split()}
PLAIN = {
    "src",
    "lib",
    "app",
    "apps",
    "packages",
    "main",
    "java",
    "source",
    "internal",
    "cmd",
    "pkg",
}
BESIDE = {
    "test",
    "tests",
    "spec",
    "__tests__",
    "node_modules",
    "dist",
    "build",
}  # of the work itself


class Part(NamedTuple):
    """A task that it could be. `name` is the step that it is about, shortened; `steps` are all of its steps, each shortened."""

    name: str
    steps: tuple[str, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """What else is in it."""
        rest = list(self.steps)
        if self.name in rest:
            rest.remove(self.name)
        return tuple(rest)


class Concern(NamedTuple):
    """One thing that is asked for, with the steps that belong to it. `name` is the first that asks for something, shortened."""

    kind: str  # of KINDS; "": no verb says it
    area: str  # "": nothing says where
    name: str
    words: int
    steps: tuple[str, ...] = ()


class Intake(NamedTuple):
    words: int  # outside of code
    concerns: tuple[Concern, ...]
    parts: tuple[Part, ...]  # the tasks that it could be; empty: one task, or no names for it

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it should be split; empty: it need not."""
        told = []
        if self.words > MOST_WORDS:
            told.append(f"{self.words} words (more than {MOST_WORDS})")
        if len(self.concerns) > MOST_CONCERNS:
            told.append(f"{len(self.concerns)} concerns (more than {MOST_CONCERNS})")
        return tuple(told)

    @property
    def is_large(self) -> bool:
        return bool(self.reasons)


def analyse(text: str) -> Intake:
    """Of the prose that a person wrote. Code in fences is handed on, and is nothing to understand.

    A concern is a top-level step, or a clause where there is no list, whose folder is another than that of all before it;
    where steps name none, one in another area, or one with another kind of verb. What does not begin with such a verb is a detail of what
    stands before it (the first of all: of what comes after it), and so is a step that only checks. Each step is in one of the parts.
    """
    prose = FENCE.sub("\n", text)
    steps = list(_steps(prose))
    found = _concerns(steps)
    intake = Intake(len(prose.split()), tuple(found), ())
    return intake._replace(parts=tuple(_parts(intake, steps))) if intake.is_large else intake


def _steps(prose: str) -> Iterator[str]:
    """Items of the outermost lists with all that hangs on them, and what is asked for before and after these; without a list, clauses."""
    lines = prose.splitlines()
    starts = _outermost(lines)
    if len(starts) < 2:
        yield from _clauses(lines, CLAUSE)
        return
    yield from filter(_kind, _clauses(lines[: starts[0]], SENTENCE))
    ends = [*starts[1:], _end(lines, starts[-1])]
    for start, end in zip(starts, ends, strict=True):
        first = ITEM.match(lines[start])
        yield "\n".join([first["text"] if first else "", *lines[start + 1 : end]])
    yield from filter(_kind, _clauses(lines[ends[-1] :], SENTENCE))


def _outermost(lines: Sequence[str]) -> list[int]:
    """Lines with items that hang on none before them."""
    starts, edge = list[int](), math.inf
    for number, line in enumerate(lines):
        if (found := ITEM.match(line)) and (indent := _width(found["indent"])) <= edge:
            starts.append(number)
            edge = indent
    return starts


def _end(lines: Sequence[str], start: int) -> int:
    """Where the text goes on that hangs on the last item no more: behind an empty line, no further in than the item."""
    edge = _width(lines[start])
    after = range(start + 1, len(lines))
    return next(
        (n for n in after if lines[n].strip() and not lines[n - 1].strip() and _width(lines[n]) <= edge),
        len(lines),
    )  # fmt: skip


def _width(line: str) -> int:
    wide = line.expandtabs()
    return len(wide) - len(wide.lstrip())


def _clauses(lines: Sequence[str], stop: re.Pattern[str]) -> Iterator[str]:
    """From one that begins with a verb to the next."""
    clause = ""
    for paragraph in PARAGRAPH.split("\n".join(lines)):
        for piece in filter(None, map(str.strip, stop.split(" ".join(paragraph.split())))):
            if clause and _kind(piece):
                yield clause
                clause = piece
            else:
                clause = f"{clause} {piece}".strip()
    if clause:
        yield clause


def _concerns(steps: Sequence[str]) -> list[Concern]:
    known = list(zip(map(_kind, steps), _areas(steps), steps, strict=True))
    by_area = any(area for kind, area, _ in known if _is_asked(kind))
    found, last = dict[str, Concern](), ""
    before = list[str]()  # the first that asks for something
    for kind, area, step in known:
        key = (area if by_area else kind) if _is_asked(kind) else ""
        last = key or last
        if not last:
            before.append(step)
            continue
        steps = (*before, step)
        words, names = sum(len(one.split()) for one in steps), tuple(map(_name, steps))
        before.clear()
        if last in found:
            more = found[last]
            found[last] = more._replace(words=more.words + words, steps=more.steps + names)
        else:
            found[last] = Concern(kind, area, _name(step), words, names)
    return list(found.values())


def _areas(steps: Sequence[str]) -> list[str]:
    """By the folders that they name; by words only where these place every step that asks for something."""
    folders = [_folder(step) for step in steps]
    wide = [folder or _region(step) for folder, step in zip(folders, steps, strict=True)]
    is_told = all(area for area, step in zip(wide, steps, strict=True) if _is_asked(_kind(step)))
    return wide if is_told else folders


def _is_asked(kind: str) -> bool:
    return kind not in ("", CHECKING)


def _kind(step: str) -> str:
    """By its first word or two, or else by those behind its label; `fix_applied` is none."""
    head = _head(step)
    return _verb(head) or _verb(head[len(_label(step)) :])


def _verb(head: str) -> str:
    first = FIRST.match(LEAD.sub("", head))
    if not first:
        return ""
    word = first[1].lower()
    return KIND.get(f"{word} {(first[2] or '').lower()}", KIND.get(word, ""))


def _label(step: str) -> str:
    """Of its head: `Backend: ` of "**Backend**: add it"; what begins with a verb itself is none."""
    head, bold = _head(step), BOLD.match(step)
    if _verb(head):
        return ""
    found = LABEL.match(head)
    return found[0] if found else f"{_head(bold[1])} " if bold else ""


def _folder(step: str) -> str:
    """The first that it names, without what every project has."""
    head = step.partition("\n")[0]
    for found in PATH.finditer(head):
        folders = [one for one in found[1].split("/") if one not in ("", ".", "..")]
        if not folders or any(one.lower() in BESIDE for one in folders):
            continue  # a test belongs to what it tests
        is_place = len(folders) > 1 or not found[2] or "." in found[2].rstrip(".")
        if not is_place or not all(FOLDER.fullmatch(one) for one in folders):
            continue  # an address, a package, a branch; "icon/badge" is no folder
        own = [one for one in folders if one.lower() not in PLAIN]
        return own[0] if own else folders[0]
    return ""


def _region(step: str) -> str:
    head = step.partition("\n")[0]
    words = re.findall(r"[a-z][a-z-]+", head.lower())
    return next((AREA[word] for word in words if word in AREA), "")


def _name(step: str) -> str:
    """Its first words, as far as the first stop; a label and its stop are no end."""
    label = _label(step)
    rest = _head(step)[len(label) :]
    head = re.split(r"(?<=\w)[.:;](?:\s|$)|\s[-\u2013\u2014]\s|\s\(", rest)[0]
    words = f"{label}{head}".split()
    told = " ".join(words[:LONGEST_NAME]).rstrip(",.:;")
    return f"{told} …" if len(words) > LONGEST_NAME else told


def _head(step: str) -> str:
    """Its first line, without what only shows in another face."""
    return STRESS.sub(r"\2", re.sub(r"[*`#]+", "", step.partition("\n")[0]))


def _parts(intake: Intake, steps: Sequence[str]) -> Iterator[Part]:
    """By its concerns; one that is only long by its steps, as many together as are not too long."""
    if len(intake.concerns) > 1:
        yield from (Part(one.name, one.steps) for one in intake.concerns)
        return
    together, words = list[str](), 0
    for step in steps if len(steps) > 1 else ():
        size = len(step.split())
        if together and words + size > MOST_WORDS:
            yield _part(together)
            together, words = [], 0
        together.append(_name(step))
        words += size
    if together:
        yield _part(together)


def _part(steps: Sequence[str]) -> Part:
    return Part(steps[0], tuple(steps))


def note(name: str, found: Intake) -> str:
    """A line for a person, which the parts follow where there are several; empty where it need not be split."""
    if not found.is_large:
        return ""
    told = f"{name} asks for much at once: {', '.join(found.reasons)}"
    if len(found.parts) < 2:
        return f"{told}; nothing in it shows where to split it"
    return f"{told}; as tasks of their own:"


def document(found: Intake) -> dict[str, Any]:
    return {
        "words": found.words,
        "concerns": [
            {"kind": one.kind or None, "area": one.area or None, "name": one.name}
            for one in found.concerns
        ],
        "split": [one.name for one in found.parts],
        "parts": [{"name": one.name, "steps": list(one.steps)} for one in found.parts],
        "reasons": list(found.reasons),
    }


def summary(large: Iterable[str]) -> str | None:
    """One short note for all tasks of a run."""
    names = list(large)
    if not names:
        return None
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    what = "task asks" if len(names) == 1 else "tasks ask"
    return f"{len(names)} {what} for much at once ({', '.join(names[:3])}{more}): orchestrator estimate proposes how to split"
