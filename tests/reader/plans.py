"""What the reader's tests share: one call to read a text, and the shortest plan around a task."""

from __future__ import annotations

from orchestrator.model import PlanId, Task
from orchestrator.reader import Reading, read


def read_plan(text: str | bytes, max_tasks: int = 500) -> Reading:
    data = text.encode() if isinstance(text, str) else text
    return read(data, "a-PLAN.md", id=PlanId("a"), max_bytes=2_000_000, max_tasks=max_tasks)


def wrap(*lines: str, attributes: str = "") -> str:
    """A plan with one task; its body begins on line 3."""
    return "\n".join(["<tasks>", f"<task {attributes}>", *lines, "</task>", "</tasks>", ""])


def one_task(body: str = "", attributes: str = "", name: str = "n", action: str = "x") -> Task:
    text = wrap(f"<name>{name}</name>\n<action>{action}</action>", body, attributes=attributes)
    reading = read_plan(text)
    assert reading.plan is not None, reading.diagnostics
    return reading.plan.tasks[0]


def codes(reading: Reading) -> list[str]:
    return [d.code for d in reading.diagnostics]


def place(reading: Reading, code: str) -> tuple[int, int]:
    """Line and column of the one diagnostic with this code."""
    (found,) = [d for d in reading.diagnostics if d.code == code]
    return found.line, found.column
