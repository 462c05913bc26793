"""What a worker is told: all it needs, nothing it must not do."""

from __future__ import annotations

import pytest

from orchestrator.model import Answer, Element, Failure, Option, Outcome, Position, Task
from orchestrator.prompt import RULES, VARIANTS, Before, introduce, tell
from tests.build import plan, task
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "prompts"

PLACE = Position(line=1, column=1)


def element(tag: str, text: str) -> Element:
    return Element(tag=tag, text=text, position=PLACE)


def choice(number: int) -> Task:
    options = (Option(id="jwt", name="JSON Web Token"), Option(id="oauth", name="OAuth"))
    return task(number, type="checkpoint:decision", options=options)


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
    for part in ("build <it>", "p/2.txt", "do & check", "it is", "make test"):
        assert part in text


def test_what_is_the_same_for_all_tasks_is_told_apart_so_that_a_cache_can_keep_it():
    common = introduce(PLAN, MINE)
    assert common == introduce(PLAN, task(1))
    for part in ("A house.", "@a.md\n@b.md", "Do not commit"):
        assert part in common
        assert part not in tell(PLAN, MINE, [], None)


@pytest.mark.parametrize("kind", ["explore", "plan", "bash"])
def test_a_kind_of_task_has_its_own_sentence(kind: str):
    special = introduce(PLAN, task(1, subagent=kind))
    assert special.startswith(introduce(PLAN, task(1)).partition("\n\nThe plan's")[0])
    assert len({introduce(PLAN, task(1, subagent=one)) for one in (kind, None, "other")}) == 2


def test_it_asks_for_no_word_of_success():
    assert "report" not in (introduce(PLAN, MINE) + tell(PLAN, MINE, [], None)).lower()


@pytest.mark.parametrize("name", ["plain", "again", "explore"])
def test_the_texts_are_as_they_were_read_and_approved(name: str):
    """After a wanted change: write the new text into tests/prompts/ and read the difference."""
    last = Outcome(failure=Failure.VERIFY, detail="expected 3, got 4") if name == "again" else None
    mine = MINE.model_copy(update={"subagent": "explore"}) if name == "explore" else MINE
    done = Before(task=task(1), outcome=Outcome(text="wrote the schema"))
    told = f"{introduce(PLAN, mine)}\n=== task ===\n\n{tell(PLAN, mine, [done], last)}"
    assert told == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_our_own_words_are_few():
    """Every attempt pays for them: 1,200 characters are about 300 tokens."""
    assert len(RULES) + max(map(len, VARIANTS.values())) < 1_200


def test_the_failure_of_the_try_before_is_told():
    text = tell(PLAN, MINE, [], Outcome(failure=Failure.VERIFY, detail="expected 3, got 4"))
    assert "expected 3, got 4" in text
    assert "verify" in text


def test_a_success_before_is_no_failure():
    assert "failed" not in tell(PLAN, MINE, [], Outcome(detail="fine"))


def test_results_and_answers_of_what_came_before_are_told():
    done = Before(task=task(1), outcome=Outcome(detail="wrote the schema"))
    answer = Answer(approved=True, option="jwt", note="keep it short", by="ann")
    decided = Before(task=choice(3), answer=answer)
    text = tell(PLAN, MINE, [done, decided], None)
    for part in ("wrote the schema", "by a person: option jwt (JSON Web Token).", "keep it short"):
        assert part in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(approved=True, option="jwt", by="--yes"), "approved unseen: option jwt"),
        (Answer(approved=True, by="expiry", note="nobody answered"), "nobody answered in time."),
        (Answer(approved=True), "approved by a person."),
    ],
)
def test_what_nobody_looked_at_is_not_told_as_a_persons_word(answer: Answer, words: str):
    text = tell(PLAN, MINE, [Before(task=choice(3), answer=answer)], None)
    assert words in text
    assert ("a person" in text) is answer.is_of_a_person
    assert "Note:" not in text


def test_a_note_on_work_that_was_held_is_told_with_its_result():
    answer = Answer(approved=True, note="only on pushes", by="ann")
    held = Before(task=task(1), outcome=Outcome(detail="wrote ci.yml"), answer=answer)
    assert "was done.\nwrote ci.yml\nNote: only on pushes" in tell(PLAN, MINE, [held], None)
    fresh = tell(PLAN, task(2, context_mode="fresh"), [held], None)
    assert "was done.\nNote: only on pushes" in fresh
    assert "wrote ci.yml" not in fresh


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
    decided = Before(task=choice(3), answer=Answer(approved=True, option="jwt"))
    text = tell(PLAN, task(2, **values), [done, decided], None)
    assert ("wrote the schema" in text) is told
    assert "option jwt" in text


def test_a_long_past_is_cut_to_its_end():
    long = Outcome(failure=Failure.VERIFY, detail="x" * 50_000 + "the end")
    text = tell(PLAN, MINE, [], long)
    assert "the end" in text
    assert len(text) < 6_000


def test_a_precondition_is_looked_at_before_anything_is_changed():
    element = Element(
        tag="precondition", text="`a.txt` exists", position=Position(line=1, column=1)
    )
    told = tell(plan(task(1)), task(1, elements=(element,)), (), None)
    assert "<precondition>\n`a.txt` exists\n</precondition>" in told
    assert "If it does not, change nothing, stop" in told
    assert "precondition" not in tell(plan(task(1)), task(1), (), None)
