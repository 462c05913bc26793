"""PLAN.md bytes to a Plan, or to diagnostics with line and column; it refuses to guess and never raises for any bytes."""

from __future__ import annotations

import re

from orchestrator.model import Diagnostic, Element, Noun, Plan, PlanId, Position, Severity
from orchestrator.reader import frontmatter, kinds, outline, plan, xml
from orchestrator.reader.labels import labels
from orchestrator.reader.scanner import Scan, scan
from orchestrator.reader.source import Source, decode

__all__ = ["Reading", "labels", "read"]

MENTION = re.compile(r"<task[\s>]")


class Reading(Noun):
    """What one file says. `plan` is None only where none can be built."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    text: str  # decoded exactly: line ends and a byte order mark are kept
    tasks: int  # <task> openers recognised

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity is Severity.ERROR)


def read(data: bytes, path: str, *, id: PlanId, max_bytes: int, max_tasks: int) -> Reading:
    """Read one file. `path` is what diagnostics and the plan show."""
    if len(data) > max_bytes:
        source = Source("", path)
        source.say(
            "S102", 0, f"the file has {len(data)} bytes, the limit is {max_bytes}; split the plan"
        )
        return _reading(source, None, 0)
    text, foreign = decode(data)
    source = Source(text, path)
    if foreign is not None:
        source.say(
            "S101",
            len(data[:foreign].decode("utf-8")),
            "this byte is not UTF-8, the file is read as Windows-1252; save it as UTF-8",
        )
    front = frontmatter.read(source)
    found = scan(text, front.end)
    if len(found.tasks) > max_tasks:
        _refuse_many(source, source.position(found.tasks[max_tasks]), max_tasks)
        return _reading(source, None, len(found.tasks))
    source.say_all(found.problems)
    _say_mentions(source, found)
    elements = _tree(source, found)
    if elements is not None and not found.tasks:
        elements = _unmarked(source, elements, front.end, max_tasks)
        unmarked = [one for one in elements or () if one.tag == "task"]
        if len(unmarked) > max_tasks:
            _refuse_many(source, unmarked[max_tasks].position, max_tasks)
            return _reading(source, None, len(unmarked))
    built = None if elements is None else plan.build(source, id, elements, front)
    tasks = len(built.tasks) if built is not None else 0
    return _reading(source, built, len(found.tasks) or tasks)


def _tree(source: Source, found: Scan) -> tuple[Element, ...] | None:
    """What lxml built; nothing is parsed of a text that declares a document type."""
    declared = any(d.code == "S103" for d in source.diagnostics)
    if declared or found.tags is None:
        return None
    return xml.build(source, found.tags)


def _unmarked(
    source: Source, elements: tuple[Element, ...], start: int, max_tasks: int
) -> tuple[Element, ...] | None:
    """A file without `<task>`: its features or headings are the tasks, else it is refused by its kind."""
    if _errors(source):
        return None
    features = [one for one in elements if one.tag == "feature"]
    if features:
        rest = tuple(one for one in elements if one.tag != "feature")
        return (*rest, *(outline.feature(source, one) for one in features))
    tasks = outline.read(source, start, max_tasks + 1)
    if not tasks:
        source.say(*kinds.refusal(source.text))
        return None
    source.say_at(
        "K401",
        tasks[0].position,
        f"no <task> here: read as Markdown, {len(tasks)} heading{'s' * (len(tasks) > 1)} Task N found, in their order",
    )
    return (*elements, *tasks)


def _say_mentions(source: Source, found: Scan) -> None:
    """Every `<task` is a task or is said: a mention in a sentence, too."""
    if not found.tags:
        return
    tasks = {tag.start for tag in found.tags if tag.name == "task" and not tag.closing}
    said = {diagnostic.line for diagnostic in source.diagnostics}
    for mention in MENTION.finditer(source.text):
        line = source.position(mention.start()).line
        if mention.start() not in tasks and line not in said:
            source.say(
                "S123", mention.start(), "<task> is text here, not a task; nothing is run for it"
            )


def _errors(source: Source) -> bool:
    return any(d.severity is Severity.ERROR for d in source.diagnostics)


def _refuse_many(source: Source, place: Position, max_tasks: int) -> None:
    source.say_at(
        "S114",
        place,
        f"the plan has more than {max_tasks} tasks, which is the limit; split it here",
    )


def _reading(source: Source, built: Plan | None, tasks: int) -> Reading:
    return Reading(plan=built, diagnostics=source.report(), text=source.text, tasks=tasks)
