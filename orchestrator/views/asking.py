"""A checkpoint as a person must see it to answer. Refuses to leave out what the plan says of it."""

from __future__ import annotations

from collections.abc import Iterator
from getpass import getuser

from orchestrator.model import Element, Task
from orchestrator.views.text import plain, shared_indent_removed

PARTS = {  # in the order in which a person needs them
    "what-built": "what was built",
    "decision": "decision",
    "context": "context",
    "action": "to do",
    "instructions": "instructions",
    "how-to-verify": "how to verify",
    "verification": "verification",
}


def person() -> str:
    """Who answers; empty where the machine does not know."""
    try:
        return getuser()
    except (OSError, KeyError, ImportError):
        return ""


def question(task: Task) -> Iterator[str]:
    """What a person must know to answer, as rows."""
    yield from matter(task)
    details = {one.attributes.get("id", ""): one for one in _options(_told(task).get("options"))}
    for option in task.options:
        yield f"option {plain(option.id)}: {plain(option.name)}"
        for child in details[option.id].children if option.id in details else ():
            if child.tag != "name":
                yield f"    {child.tag}: {plain(child.text)}"


def matter(task: Task) -> Iterator[str]:
    """The question without its options."""
    told = _told(task)
    for tag, title in PARTS.items():
        rows = shared_indent_removed(told[tag].text) if tag in told else []
        yield from _titled(title, rows)


def _titled(title: str, rows: list[str]) -> Iterator[str]:
    if len(rows) == 1:
        yield f"{title}: {rows[0]}"
    elif rows:
        yield f"{title}:"
        yield from (f"    {row}" for row in rows)


def _told(task: Task) -> dict[str, Element]:
    return {element.tag: element for element in task.elements}


def _options(element: Element | None) -> tuple[Element, ...]:
    return () if element is None else element.children
