"""What a task's text asks for before anything starts: its words, its concerns, and how it could be split. Pure; refuses to split what it cannot name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

MOST_WORDS, MOST_CONCERNS = 300, 2  # S3-01: more of either, and a split is proposed
LONGEST_NAME = 8  # words
FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^(?P<indent>[ \t]*)(?:[-*+•]|\d{1,3}[.)])[ \t]+(?P<text>\S.*)$")
CLAUSE = re.compile(r"(?<=[.!?;])\s+|,?\s+(?:and then|and|then)\s+|,\s+", re.IGNORECASE)
PATH = re.compile(r"(?<![\w/.:@-])((?:[\w.+-]+/)+)([\w.+*-]*)")
STRESS = re.compile(r"(?<!\w)(_{1,2})(?=[^\s_])(.+?)\1(?![\w.])")  # no `__init__.py`
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
    """Items of the outermost lists with all that hangs on them; without a list, clauses that begin with a verb."""
    lines = prose.splitlines()
    items = [(number, found) for number, line in enumerate(lines) if (found := ITEM.match(line))]
    if len(items) > 1:
        outermost = min(len(found["indent"].expandtabs()) for _, found in items)
        starts = [n for n, found in items if len(found["indent"].expandtabs()) == outermost]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            first = ITEM.match(lines[start])
            yield "\n".join([first["text"] if first else "", *lines[start + 1 : end]])
        return
    clause = ""
    for piece in filter(None, map(str.strip, CLAUSE.split(" ".join(prose.split())))):
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
    """By its first word or two; `fix_applied` is none."""
    first = re.match(r"[\W_]*([A-Za-z-]+)\b(?:\s+([A-Za-z]+)\b)?", _head(step))
    if not first:
        return ""
    word = first[1].lower()
    return KIND.get(f"{word} {(first[2] or '').lower()}", KIND.get(word, ""))


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
    """Its first words, as far as the first stop."""
    head = re.split(r"(?<=\w)[.:;](?:\s|$)|\s[-\u2013\u2014]\s|\s\(", _head(step))[0]
    words = head.split()
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
