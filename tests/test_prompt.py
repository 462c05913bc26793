"""What a worker is told: all it needs, nothing it must not do."""

from __future__ import annotations

import pytest

from orchestrator.model import Answer, Element, Failure, Outcome, Position
from orchestrator.prompt import Before, tell
from tests.build import plan, task

PLACE = Position(line=1, column=1)


def element(tag: str, text: str) -> Element:
    return Element(tag=tag, text=text, position=PLACE)


MINE = task(
    2,
    name="Task 2: build <it>",
    commands=("make test",),
    elements=(element("name", "x"), element("action", " do & check "), element("done", "it is")),
)
PLAN = plan(
    task(1),
    MINE,
    sections=(element("objective", "A house."), element("context", "@a.md\n<!-- no -->\n@b.md\n")),
)


def test_it_has_the_task_its_files_its_checks_and_the_references():
    text = tell(PLAN, MINE, [], None)
    for part in (
        "build <it>",
        "p/2.txt",
        "do & check",
        "it is",
        "make test",
        "A house.",
        "@a.md\n@b.md",
    ):
        assert part in text


def test_it_forbids_to_commit_and_asks_for_no_word_of_success():
    text = tell(PLAN, MINE, [], None)
    assert "Do not commit" in text
    assert "report" not in text.lower()


def test_the_failure_of_the_try_before_is_told():
    text = tell(PLAN, MINE, [], Outcome(failure=Failure.VERIFY, detail="expected 3, got 4"))
    assert "expected 3, got 4" in text
    assert "verify" in text


def test_a_success_before_is_no_failure():
    assert "failed" not in tell(PLAN, MINE, [], Outcome(detail="fine"))


def test_results_and_answers_of_what_came_before_are_told():
    done = Before(task=task(1), outcome=Outcome(detail="wrote the schema"))
    decided = Before(task=task(3), answer=Answer(approved=True, option="jwt", note="keep it short"))
    text = tell(PLAN, MINE, [done, decided], None)
    for part in ("wrote the schema", "option jwt", "keep it short"):
        assert part in text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, True),
        ({"context_mode": "fresh"}, False),
        ({"parallel": "can-parallelize"}, False),
        ({"parallel": "can-parallelize", "context_mode": "inherited"}, True),
    ],
)
def test_a_fresh_task_gets_decisions_but_no_results(values: dict[str, str], told: bool):
    done = Before(task=task(1), outcome=Outcome(detail="wrote the schema"))
    decided = Before(task=task(3), answer=Answer(approved=True, option="jwt"))
    text = tell(PLAN, task(2, **values), [done, decided], None)
    assert ("wrote the schema" in text) is told
    assert "option jwt" in text


def test_a_long_past_is_cut_to_its_end():
    long = Outcome(failure=Failure.VERIFY, detail="x" * 50_000 + "the end")
    text = tell(PLAN, MINE, [], long)
    assert "the end" in text
    assert len(text) < 6_000
