"""A task's words -> how well they say one operation and nothing else, 0 to 100; refuses whatever asks for more. A missed match costs a model's try, a false one a task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from rapidfuzz import fuzz, process

from orchestrator.model import Task
from orchestrator.model.outloop import Pattern, PatternStatus, Tool, ToolStatus
from orchestrator.outloop.operation import operations
from orchestrator.outloop.vocabulary import (
    AMBIGUOUS,
    CONTRARY,
    DOES,
    ENDS,
    EXISTS,
    FORMS,
    HARMLESS,
    MAKES,
    NAMES,
    NOTHING_ELSE,
    NOTHING_FAILS,
    RESULTS,
    SEES,
    STOP,
    UNFINISHED,
    WELL,
)

TITLE, ACTION = 3, 2  # what a word that nothing explains weighs against one that is explained
NEAR = 75  # of 100: such a name is meant
ANY_AGENT = "general-purpose"  # what `annotate` writes where a plan says nothing
UNNAMED = 0.6  # neither its words nor its commands name the tool, or the scope
TOLD = {"name", "action", "done", "files", "verify"}  # what a task's own fields have
WORD = re.compile(r"[^\W_][\w.+-]*")  # of any language: what nobody explains counts
SPAN = re.compile(r"`{1,3}(?:[a-z]*\n)?([^`]+?)\s*`{1,3}")
CLAUSE = re.compile(r"(?<=[.!?;])\s+|\n+")


class Words(NamedTuple):
    """What a task says. `commands`: its checks, or what was seen to be run for it. `done`: when it is done."""

    title: str
    action: str = ""
    commands: Sequence[str] = ()
    done: str = ""

    @classmethod
    def of(cls, task: Task) -> Words:
        """With all that it says besides."""
        more = [element.text for element in task.elements if element.tag not in TOLD]
        return cls(task.title, "\n".join((task.action, *more)), task.commands, task.done)


class Match(NamedTuple):
    """`margin`: how far the next one is behind; None: there is no other."""

    pattern: Pattern
    tool: Tool
    score: float
    margin: float | None

    @property
    def reason(self) -> str:
        ahead = "no other pattern" if self.margin is None else f"{self.margin:g} before the next"
        return (
            f"its words say {self.pattern.signature} and nothing else (match {self.score:g}, {ahead}): "
            f"the tool {self.tool.name} does it without a model"
        )


def match(
    task: Task, active: Iterable[tuple[Pattern, Tool]], *, floor: float, margin: float
) -> Match | str:
    """The one pattern whose tool may do it, or why there is none. `floor` counts, what is below it does not."""
    if refusal := refuses(task):
        return refusal
    usable = [pair for pair in active if _is_usable(*pair)]
    if not usable:
        return "no pattern is active with a tool that is enabled"
    fit = [pair for pair in usable if not outside(task, pair[1])]
    if not fit:
        return f"it declares files to write that no tool declares: {', '.join(task.files or ())}"
    words, run = Words.of(task), _run(task.commands)
    found = [
        (
            max(score(words, one, t.phrases) for one in (p.signature, *_below(p.signature, run))),
            p,
            t,
        )
        for p, t in fit
    ]
    found.sort(key=lambda one: (-one[0], -one[1].signature.count(":"), one[1].signature))
    best, pattern, tool = found[0]
    if best < floor:
        return f"the nearest pattern is {pattern.signature} with {best:g}; {floor:g} are needed"
    others = [one for one in found[1:] if not _is_kin(one[1].signature, pattern.signature)]
    ahead = round(best - others[0][0], 1) if others else None
    if ahead is not None and ahead < margin:
        return f"{pattern.signature} ({best:g}) and {others[0][1].signature} ({others[0][0]:g}) are nearer than {margin:g}"
    return Match(pattern, tool, best, ahead)


def _run(commands: Iterable[str]) -> set[str]:
    return {level for one in commands for op in operations(one) for level in op.levels}


def _below(signature: str, run: Iterable[str]) -> list[str]:
    """Where and what of it the task's own checks are: its words may name that, too."""
    return sorted(one for one in run if one.startswith(f"{signature}:"))


def refuses(task: Task) -> str | None:
    """Why no tool may do it, whatever its words are."""
    if task.is_checkpoint:
        return "a checkpoint is a person's"
    asked = {
        "worker": task.worker or (task.subagent if task.subagent != ANY_AGENT else None),
        "model": task.model or task.model_lock,
        "review": task.review,
        "quality": task.attributes.get("quality"),
    }
    named = [name for name, value in asked.items() if value]
    if named:
        return f"the plan itself names its {' and '.join(named)}"
    if task.tdd or task.type != "auto":
        return f"a task of the type {'tdd' if task.tdd else task.type} is more than an operation"
    if not task.commands:
        return "it has no command that checks it"
    return "a person is to look at it" if task.human_checks else None


def outside(task: Task, tool: Tool) -> tuple[str, ...]:
    """Files that it is to write, and that the tool does not say it writes."""
    return tuple(
        file for file in task.files or () if not any(fnmatchcase(file, one) for one in tool.writes)
    )


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or a full stop: a part of a signature is enough."""
    found = process.extractOne(
        name.casefold(), sorted(known), scorer=fuzz.WRatio, score_cutoff=NEAR
    )
    return f"; did you mean {found[0]}?" if found else "."


def serving(signature: str, tools: Iterable[Tool]) -> Tool | None:
    """The tool that does it: by the longest beginning of the signature, an own one before a shipped one."""
    fit = [
        (len(begin), not tool.shipped, tool.name, tool)
        for tool in tools
        for begin in tool.does
        if signature == begin or signature.startswith(f"{begin}:")
    ]
    return max(fit, key=lambda one: one[:3])[3] if fit else None


def score(words: Words, signature: str, phrases: Iterable[str] = ()) -> float:
    """How well they say this operation and nothing else. `phrases`: those of the tool that does it."""
    phrases = tuple(phrases)
    verb, tool, scopes, known = _named(signature)
    title, action = _said(words.title, words), _said(words.action, words)
    both = [*title, *action]
    if any(MAKES.search(text.casefold()) for text in (words.title.strip(), words.action.strip())):
        return 0.0
    explained = _explained(signature, phrases)
    if not _asks(verb, title, action, known) or any(
        word in CONTRARY and word not in explained for word in both
    ):
        return 0.0
    if wants(words, signature, phrases):
        return 0.0
    fit = max(
        fuzz.token_set_ratio(" ".join(both), " ".join(phrase))
        for phrase in (sorted(known & set(both)), *(_tokens(p) for p in phrases))
    )
    cover = _cover(title, explained, TITLE) * _cover(action, explained, ACTION)
    named = 1.0
    for part in (tool, *scopes):
        named *= 1.0 if _is_named(part, both, words.commands) else UNNAMED
    return round(fit * cover * named, 1)


def wants(words: Words, signature: str, phrases: Iterable[str] = ()) -> list[str]:
    """Words of <done> that want more than the operation, each once: they end it, and no others add to it or take from it."""
    text = NOTHING_FAILS.sub(r"\1 ", words.done.casefold())
    wanted = UNFINISHED.findall(text)
    said = [RESULTS.get(word, word) for word in _said(text, words)]
    explained = _explained(signature, phrases) | STOP | WELL
    return list(dict.fromkeys([*wanted, *(word for word in said if word not in explained)]))


def _named(signature: str) -> tuple[str, str, list[str], set[str]]:
    """Its verb, its tool, where it is done, and how people call it."""
    verb, tool, *where = signature.split(":")
    known = {*NAMES.get(verb, (verb,)), *_parts(tool)}
    return verb, tool, [part for part in where if part != "all"], known


def _explained(signature: str, phrases: Iterable[str]) -> set[str]:
    """Words that ask for nothing but this."""
    _, _, scopes, known = _named(signature)
    found = {*known, *(w for p in phrases for w in _tokens(p)), *DOES, *SEES}
    return found | {word for part in scopes for word in _parts(part)}


def _is_usable(pattern: Pattern, tool: Tool) -> bool:
    ready = pattern.status is PatternStatus.ACTIVE and pattern.tool == tool.name
    return ready and tool.status is ToolStatus.ENABLED


def _is_kin(one: str, other: str) -> bool:
    """One of them is a part of the other."""
    return f"{one}:".startswith(f"{other}:") or f"{other}:".startswith(f"{one}:")


def _said(text: str, words: Words) -> list[str]:
    """Its words without the commands that it repeats, and without promises to change nothing."""
    run = [" ".join(command.split()).casefold() for command in words.commands]

    def drop(span: re.Match[str]) -> str:
        inner = " ".join(span[1].split()).casefold()
        is_run = any(inner == one or (" " in inner and inner in one) for one in run)
        return " run " if is_run else f" {inner} "

    plain = SPAN.sub(drop, text.casefold().replace("\u2019", "'"))
    clauses = (one.strip() for one in CLAUSE.split(plain))
    return _tokens(" ".join(one for one in clauses if not NOTHING_ELSE.fullmatch(one)))


def _tokens(text: str) -> list[str]:
    plain = HARMLESS.sub(" ", text.casefold())
    return [_form(word.strip(".-")) for word in WORD.findall(plain.replace("/", " "))]


def _form(word: str) -> str:
    if word in FORMS:
        return FORMS[word]
    plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word


def _parts(name: str) -> set[str]:
    return set(_tokens(name)) | {
        _form(part) for part in re.split(r"[-_./]", name.casefold()) if part
    }


def _asks(verb: str, title: Sequence[str], action: Sequence[str], known: Iterable[str]) -> bool:
    """It names the operation and wants it done: "tests" alone can be what somebody is to write."""
    both = {*title, *action}
    if both.isdisjoint(known):
        return False
    begins = {text[0] for text in (title, action) if text}
    alone = not (both - set(known) - STOP)
    plain = not begins.isdisjoint(known) and (verb not in AMBIGUOUS or (verb == "build" and alone))
    return bool(both & DOES) or plain or _looks(title, known) or _looks(action, known)


def _looks(text: Sequence[str], known: Iterable[str]) -> bool:
    """It is to be seen how that ends. "Ensure backend tests" and "Check for tests" may want some to be written."""
    if not text or text[0] not in SEES:
        return False
    is_there = text[0] != "ensure" and text[1:2] and text[1] in {*EXISTS, *known}
    return bool(is_there) or not ENDS.isdisjoint(text)


def _cover(said: Sequence[str], explained: Iterable[str], weight: int) -> float:
    """The share of what matters in it that the operation explains. Each word counts once, and stop words not at all."""
    matter = set(said) - STOP - DOES - SEES
    mine = len(matter & set(explained))
    rest = weight * (len(matter) - mine)
    if not mine:
        return 0.0 if rest else 1.0
    return mine / (mine + rest)


def _is_named(part: str, said: Iterable[str], commands: Iterable[str]) -> bool:
    run = " ".join(commands).casefold()
    words, spoken = _parts(part), set(said)
    return words <= spoken or all(
        piece in run for piece in re.split(r"[-_]", part.casefold()) if piece
    )
