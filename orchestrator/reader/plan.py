"""The checked tree and the frontmatter to a Plan; it says every bad value and goes on with the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, cast

from orchestrator.model import (
    Element,
    Estimate,
    Gate,
    Limit,
    Option,
    Plan,
    PlanId,
    Position,
    Task,
    TaskId,
    Tier,
)
from orchestrator.reader import commands, goals, outline, timing, values
from orchestrator.reader.attributes import KNOWN, Attributes, attribute_places
from orchestrator.reader.frontmatter import Block
from orchestrator.reader.near import hint
from orchestrator.reader.source import Source

_LABEL = re.compile(
    r"\s*Task\s+(?P<label>\w[\w.-]*)\s*(?:\([^)\n]*\)\s*)?(?::|(?:—|\u2013|\s-\s)(?=[^:]*\Z))", re.I
)


MAX_LISTED = 5
LONGEST_NAME = 70
ACTIONS = ("implementation", "description", "steps", "instructions", "what", "behavior")

Places = Mapping[str, Position]
TOP = Position(line=1, column=1)


class _Parallel(StrEnum):
    SEQUENTIAL = "sequential"
    CAN_PARALLELIZE = "can-parallelize"


class _ContextMode(StrEnum):
    FRESH = "fresh"
    INHERITED = "inherited"


class _Workspace(StrEnum):
    DIRECTORY = "directory"
    WORKTREE = "worktree"


def build(source: Source, id: PlanId, elements: tuple[Element, ...], block: Block) -> Plan:
    frontmatter, places = block.values, block.places
    tasks = [element for element in _unwrapped(elements) if element.tag == "task"]
    sections = tuple(element for element in elements if element.tag not in ("tasks", "task"))
    _say_unknown(source, tasks)
    front = {key.replace("-", "_"): value for key, value in frontmatter.items()}
    return Plan(
        id=id,
        path=source.path,
        tasks=tuple(_task(source, id, task, number) for number, task in enumerate(tasks, 1)),
        frontmatter=dict(frontmatter),
        places=dict(places),
        sections=sections,
        workspace=cast(
            "Literal['directory', 'worktree'] | None", _workspace(source, front, places)
        ),
        depends_on=values.references(front["depends_on"]) if "depends_on" in front else None,
        files_modified=values.paths(front.get("files_modified", [])),
        wave=_wave(source, front, places),
        budget=_budget(source, front, places),
        priority=_priority(source, front, places),
        not_before=_not_before(source, front, places),
        must_haves=goals.must_haves(front.get("must_haves")),
        requirements=goals.requirements(front.get("requirements")),
        user_setup=goals.user_setup(front.get("user_setup")),
        commands=tuple(
            command
            for section in sections
            if section.tag == "verification"
            for command in commands.shell_fences(section.text)
        ),
    )


def _unwrapped(elements: tuple[Element, ...]) -> list[Element]:
    return [
        child
        for element in elements
        for child in (element.children if element.tag == "tasks" else (element,))
    ]


def _say_unknown(source: Source, tasks: list[Element]) -> None:
    """Once per name and file."""
    said: set[str] = set()
    for task in tasks:
        places = attribute_places(task, source)
        for name in (name.replace("_", "-") for name in task.attributes):
            if name not in KNOWN and name not in said:
                said.add(name)
                told = f"the attribute {name} is not known; it is kept and not used"
                place = places.get(name, task.position)
                source.say_at("S110", place, told + hint(name, KNOWN))


# --- the frontmatter ------------------------------------------------------------------------------


def _workspace(source: Source, front: Mapping[str, Any], places: Places) -> _Workspace | None:
    value = front.get("workspace", "")
    if value in ("", "null", "~"):
        return None
    if value in list(_Workspace):
        return _Workspace(value)
    source.say_at(
        "F207",
        places.get("workspace", TOP),
        f"workspace: {str(value)[:60]} is not known; write directory or worktree",
    )
    return None


def _wave(source: Source, front: Mapping[str, Any], places: Places) -> int | None:
    value = front.get("wave", "")
    if value in ("", "null", "~"):
        return None
    if isinstance(value, str) and re.fullmatch(r"\d{1,6}", value.strip(), re.ASCII):
        return int(value)
    source.say_at(
        "F206",
        places.get("wave", TOP),
        f"wave: {str(value)[:60]} is not a whole number and is not used; write a number",
    )
    return None


def _budget(source: Source, front: Mapping[str, Any], places: Places) -> Limit:
    value = front.get("budget", "")
    found = values.budget(value)
    if found is not None:
        return found
    if value not in ("", "null", "~"):
        told = f"budget: {str(value)[:60]} cannot be read and is not used; write $5, or 200k tokens, or both"
        source.say_at("F209", places.get("budget", TOP), told)
    return Limit()


def _priority(source: Source, front: Mapping[str, Any], places: Places) -> int:
    found = timing.priority(value := front.get("priority", 0))
    if found is None:
        told = f"priority: {str(value)[:60]} cannot be read and is not used; write high, normal, low or a whole number"
        source.say_at("F210", places.get("priority", TOP), told)
    return found or 0


def _not_before(source: Source, front: Mapping[str, Any], places: Places) -> str | None:
    """Nothing may run before its time because of a slip of the pen: that is an error."""
    if "not_before" not in front:
        return None
    found = timing.not_before(value := front["not_before"])
    if found is None:
        told = f"not-before: {str(value)[:60]} is no time between 1970 and 9998; write it as 2026-12-31T22:00, or with a zone as 2026-12-31T22:00+01:00"
        source.say_at("F211", places.get("not_before", TOP), told)
    return found


# --- one task ---------------------------------------------------------------------------------------


def _task(source: Source, plan: PlanId, element: Element, ordinal: int) -> Task:
    if not element.children and element.text.strip():
        element = _from_markdown(source, element)
    attributes = Attributes(element, source)
    kind = attributes.text("kind")
    name = _text(element, "name") or attributes.text("name") or attributes.text("title") or ""
    of_type = attributes.type()
    action = _action(source, element, of_type)
    if not name.strip() and not of_type.startswith("checkpoint"):
        name = _first_words(action)
    verify = _child(element, "verify")
    checks, humans = commands.checks(verify, kind) if verify is not None else ((), ())
    files = _child(element, "files") or _child(element, "files_modified")
    metrics = _child(element, "metrics")
    label = _LABEL.match(name)
    task = Task(
        id=TaskId(f"{plan}/{ordinal}"),
        ordinal=ordinal,
        position=element.position,
        type=of_type,
        name=name,
        label=label["label"] if label is not None else None,
        alias=attributes.text("id"),
        action=action,
        done=_text(element, "done"),
        files=_files(source, files) if files is not None else None,
        commands=checks,
        verify=verify.text if verify is not None else "",
        human_checks=humans,
        options=_options(source, element),
        estimated_tokens=_estimate(source, metrics, "estimated-tokens"),
        estimated_duration_s=_estimate(source, metrics, "estimated-duration"),
        token_budget=_most(_estimate(source, metrics, "token-budget")),
        attributes=attributes.written,
        places=attributes.places,
        elements=element.children,
        **_routing(attributes, element),
    )
    _say_incomplete(source, task, element)
    return task


def _routing(attributes: Attributes, element: Element) -> dict[str, Any]:
    """What the attributes say about who does the task, and when."""
    return {
        "depends_on": attributes.words("depends-on"),
        "parallel": attributes.choice("parallel", "T307", _Parallel),
        "subagent": attributes.subagent(),
        "worker": attributes.text("worker"),
        "model": attributes.choice("model", "T304", Tier),
        "review": attributes.choice("review", "T304", Tier),
        "model_lock": attributes.flag("model-lock"),
        "context_mode": attributes.choice("context-mode", "T308", _ContextMode),
        "complexity": attributes.complexity(),
        "timeout_s": attributes.timeout_s(),
        "resources": attributes.words("resources") or (),
        "labels": _labels(attributes, element),
        "gate": attributes.choice("gate", "T305", Gate) or Gate.BLOCKING,
        "tdd": attributes.flag("tdd"),
        "risk": attributes.text("risk"),
        "area": attributes.text("area"),
    }


def _labels(attributes: Attributes, element: Element) -> tuple[str, ...]:
    """Of the attribute and of the element; each once."""
    given = (*(attributes.words("labels") or ()), *values.words(_text(element, "labels")))
    return tuple(dict.fromkeys(given))


def _from_markdown(source: Source, element: Element) -> Element:
    source.say_at(
        "K405",
        element.position,
        "this <task> has a Markdown body and is read by its labels; "
        "put its parts into <name>, <action> and <verify>",
    )
    return outline.body(source, element)


def _action(source: Source, element: Element, kind: str) -> str:
    """`<action>`, else what an automatic task calls its work instead."""
    told = _text(element, "action")
    if told.strip() or kind.startswith("checkpoint"):
        return told
    other = next((c for tag in ACTIONS if (c := _child(element, tag)) and c.text.strip()), None)
    if other is None:
        return told
    if element.attributes.get("type") != "tdd" or other.tag != "implementation":
        text = f"<{other.tag}> is read as what to do; call it <action>"
        source.say_at("T317", other.position, text)
    return other.text


def _first_words(text: str) -> str:
    """A title for a task without one: its first sentence, cut."""
    line = next((row for row in map(str.strip, text.splitlines()) if row), "")
    sentence = re.split(r"(?<=[.!?:])\s", line, maxsplit=1)[0].strip("#*- ").rstrip(".:")
    return sentence if len(sentence) <= LONGEST_NAME else sentence[: LONGEST_NAME - 1] + "…"


def _child(element: Element, tag: str) -> Element | None:
    return next((child for child in element.children if child.tag == tag), None)


def _text(element: Element, tag: str) -> str:
    child = _child(element, tag)
    return child.text if child is not None else ""


def _files(source: Source, element: Element) -> tuple[str, ...] | None:
    found = values.files(element.text)
    split = values.split_at_spaces(element.text) if found else []
    if split:
        source.say_at(
            "T315",
            element.position,
            f"read as {len(split)} files: {_listed(split)}; separate files with commas, "
            "and put a path with spaces in backticks",
        )
    return found


def _listed(names: list[str]) -> str:
    first, last = names[:-1][:MAX_LISTED], names[-1]
    return f"{', '.join(first)}{', …' if len(names) > MAX_LISTED + 1 else ''} and {last}"


def _options(source: Source, element: Element) -> tuple[Option, ...]:
    options = _child(element, "options")
    found = [] if options is None else [c for c in options.children if c.tag == "option"]
    return tuple(_option(source, option, number) for number, option in enumerate(found, 1))


def _option(source: Source, element: Element, number: int) -> Option:
    id = element.attributes.get("id", "").strip()
    if not id:
        source.say_at(
            "T311", element.position, f'this option has no id and is called {number}; add id="…"'
        )
    name = " ".join(_text(element, "name").split())
    return Option(id=id or str(number), name=name or id or str(number))


def _estimate(source: Source, metrics: Element | None, tag: str) -> Estimate | None:
    child = _child(metrics, tag) if metrics is not None else None
    if child is None or not child.text.strip():
        return None
    parse = values.duration if tag == "estimated-duration" else values.tokens
    found = parse(child.text)
    if found is None:
        text = child.text.strip()
        wanted = {"estimated-tokens": "5000-8000", "token-budget": "15000"}.get(tag, "15-30min")
        if tag == "estimated-duration" and parse(f"{text}min"):
            wanted = f"{text}min"  # only the unit is missing
        source.say_at(
            "T310", child.position, f"<{tag}> cannot be read and is not used; write {wanted}"
        )
    return found


def _most(found: Estimate | None) -> int | None:
    return None if found is None else round(found.high)


def _say_incomplete(source: Source, task: Task, element: Element) -> None:
    if task.is_checkpoint:
        return
    if not task.action.strip():
        source.say_at("T302", task.position, "this task says nothing to do; add <action>…</action>")
    elif not _text(element, "name").strip() and not {"name", "title"} & set(task.attributes):
        told = "this task has no name and is called by its first words; add <name>…</name>"
        source.say_at("T301", task.position, told)
