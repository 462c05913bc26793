"""Why a task stays with a model: the first reason alone, and only where a pattern could be meant."""

from __future__ import annotations

import pytest

from orchestrator.model import Task
from orchestrator.model.outloop import Pattern, PatternStatus, Tool, ToolStatus
from orchestrator.outloop import staying
from orchestrator.outloop.matching import match
from tests.outloop.test_matching import BACKEND, pattern, task, tool

OFF = {"status": ToolStatus.DISABLED}


def why(one: Task, *pairs: tuple[Pattern, Tool]) -> str | None:
    said = match(one, pairs, floor=70, margin=10)
    assert isinstance(said, str)
    return staying.why(one, pairs, said)


@pytest.mark.parametrize(
    ("one", "pair", "told"),
    [
        (task(worker="claude"), (pattern(), tool(**OFF)), "the plan itself names its worker"),
        (task(), (pattern(), tool(**OFF, why="it hangs")), f"the tool t of {BACKEND} is disabled: it hangs"),
        (task(), (pattern(), tool(**OFF)), f"the tool t of {BACKEND} is disabled: somebody disabled it"),
        (task(), (pattern(status=PatternStatus.IMPLEMENTED), tool()), f"the pattern {BACKEND} is implemented, not active"),
        (task("Fix the backend tests"), (pattern(), tool()), f"its check runs {BACKEND}, and its words ask for more than that, or for something else"),
        (task(done="Coverage is above 90%"), (pattern(), tool()), f"its words say {BACKEND}, but its <done> wants more than that: coverage, above, 90"),
        (task(files=("a.py",)), (pattern(), tool()), "it declares files to write that no tool declares: a.py"),
    ],
)  # fmt: skip
def test_the_first_reason_is_told(one: Task, pair: tuple[Pattern, Tool], told: str) -> None:
    assert why(one, pair) == told


def test_what_has_nothing_to_do_with_a_pattern_is_told_of_none() -> None:
    other = task("Write the parser", action="Write it.", commands=("mypy src",))
    assert why(other, (pattern(), tool())) is None
    assert staying.no_command(pattern()) == (
        f"its words say {BACKEND}, but none of its checks does nothing but test"
    )
