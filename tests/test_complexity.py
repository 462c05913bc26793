"""Complexity: a truth table for each indicator, and what holds for any text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.complexity import INDICATORS, LABELS, RANGES, START, score
from orchestrator.model import Position, Task, TaskId


def task(
    action: str = "",
    name: str = "",
    done: str = "",
    files: tuple[str, ...] | None = None,
    complexity: int | None = None,
    labels: tuple[str, ...] = (),
) -> Task:
    return Task(
        id=TaskId("08-02/1"),
        ordinal=1,
        position=Position(line=1, column=1),
        name=name,
        action=action,
        done=done,
        files=files,
        complexity=complexity,
        labels=labels,
    )


READING = "mainly reading (-2)"
FIX = "simple fix of one file (-2)"
ADDING = "straightforward addition (-1)"
ARCHITECTURE = "architecture decision (+3)"
REFACTORING = "refactoring of several files (+2)"
NOVEL = "novel or uncertain problem (+2)"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("Read the config and note what it says", True),
        ("Reading through the code", True),
        ("UNDERSTAND how the cache works", True),
        ("Review the change", True),
        ("(read)", True),
        ("Read the spec, then implement it", False),
        ("Read the spec for the implementation", False),
        ("Start a thread per client", False),
        ("It is already there; spread it out", False),
        ("Keep README and read_file() as they are", False),
        ("Make the field read-only", False),
        ("Take the read-write lock", False),
        ("Preview the page", False),
        ("", False),
    ],
)
def test_reading(action: str, expected: bool):
    assert (READING in score(task(action)).reasons) is expected


@pytest.mark.parametrize(
    ("name", "files", "done", "expected"),
    [
        ("Fix the typo", ("a.py",), "", True),
        ("Task 3: fixes login", ("a.py",), "tests pass", True),
        ("Bugfix for login", ("a.py",), "", True),
        ("Fix the typo", ("a.py", "b.py"), "", False),
        ("Fix the typo", (), "", False),
        ("Fix the typo", None, "", False),
        ("Fix the typo", ("a.py",), "the regex matches", False),
        ("Fix the typo", ("a.py",), "Algorithms agree", False),
        ("Add a test fixture", ("a.py",), "", False),
        ("Strip the prefix and suffix", ("a.py",), "", False),
    ],
)
def test_simple_fix(name: str, files: tuple[str, ...] | None, done: str, expected: bool):
    assert (FIX in score(task(name=name, files=files, done=done)).reasons) is expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("Add a field", True),
        ("Adding an import", True),
        ("Add a complexity column", True),
        ("Add a complex flow", False),
        ("Add state management", False),
        ("Add state\n  management", False),
        ("Store the address", False),
        ("An additional ladder with padding", False),
    ],
)
def test_straightforward_addition(action: str, expected: bool):
    assert (ADDING in score(task(action)).reasons) is expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("Decide the architecture", True),
        ("An architectural choice", True),
        ("Design the schema", True),
        ("Choose a pattern for plugins", True),
        ("Create a new service", True),
        ("Create new\ntables", True),
        ("Write the new layer", True),
        ("A large-scale refactoring of the store", True),
        ("Refactor the store at large scale", True),
        ("Refactor the store", False),
        ("A large-scale import of rows", False),
        ("Use the design token for the border", False),
        ("Use the design tokens and the design system", False),
        ("Match the glob pattern", False),
        ("Follow the existing pattern", False),
        ("Use pattern matching", False),
        ("Use a design token, then design the API", True),
        ("Designate a lead; keep patterned paper; renew services", False),
    ],
)
def test_architecture(action: str, expected: bool):
    assert (ARCHITECTURE in score(task(action)).reasons) is expected


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        ("Refactor the store", ("a", "b", "c"), True),
        ("Refactoring", ("a", "b", "c", "d"), True),
        ("Refactor the store", ("a", "b"), False),
        ("Refactor the store", None, False),
        ("Change the unrefactorable", ("a", "b", "c"), False),
    ],
)
def test_complex_refactoring(name: str, files: tuple[str, ...] | None, expected: bool):
    assert (REFACTORING in score(task(name=name, files=files)).reasons) is expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("Research the options", True),
        ("Investigate the leak", True),
        ("Validate the input", True),
        ("Close the security hole", True),
        ("Do performance optimization", True),
        ("Do performance optimisation", True),
        ("Measure performance", False),
        ("Mark the entry as invalidated", False),
        ("Ask the researcher", False),
        ("Show the securityholder", False),
    ],
)
def test_novel(action: str, expected: bool):
    assert (NOVEL in score(task(action)).reasons) is expected


def test_nothing_known_stays_at_the_start():
    assert score(task()).value == START == 5
    assert score(task()).reasons == ()


def test_indicators_add_up_and_stay_in_range():
    low = task("Read it and add it", "Fix it", files=("a",))
    assert (score(low).value, score(low).reasons) == (1, (READING, FIX, ADDING))
    high = task("Research the new architecture", "Refactor", files=("a", "b", "c"))
    assert (score(high).value, score(high).reasons) == (10, (ARCHITECTURE, REFACTORING, NOVEL))


@pytest.mark.parametrize("number", range(1, 11))
def test_the_authors_number_wins(number: int):
    written = task("Decide the architecture", complexity=number, labels=("complexity:trivial",))
    assert score(written).value == number
    assert score(written).reasons == (f"estimated-complexity={number} in the plan",)


@pytest.mark.parametrize(
    ("word", "band"),
    [("trivial", (1, 2)), ("simple", (3, 4)), ("standard", (5, 8)), ("complex", (9, 10))],
)
def test_a_label_lands_in_its_band_whatever_the_text_says(word: str, band: tuple[int, int]):
    labelled = task("Research the architecture", labels=("backend", f"complexity:{word}"))
    assert band[0] <= score(labelled).value <= band[1]
    assert score(labelled).value == LABELS[word]
    assert score(labelled).reasons == (f"label complexity:{word}",)


def test_c_30_the_number_of_a_word_is_in_its_range_and_the_four_words_cover_all():
    assert all(low <= LABELS[word] <= high for word, (low, high) in RANGES.items())
    four = [RANGES[word] for word in ("trivial", "simple", "standard", "complex")]
    assert [n for low, high in four for n in range(low, high + 1)] == list(range(1, 11))
    assert score(task(labels=("Complexity:Simple",))).value == 4


def test_of_several_labels_the_hardest_counts_and_an_unknown_one_does_not():
    assert score(task(labels=("complexity:complex", "complexity:simple"))).value == 9
    assert score(task(labels=("complexity:huge", "simple"))).value == START


FRAGMENTS = (
    *("read", "implement", "fix", "add", "complex", "design", "token", "pattern", "new service"),
    *("refactor", "large-scale", "research", "security", "regex", "thread", "address", " ", "\n"),
)
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS)).map(" ".join))
FILES = st.none() | st.lists(st.text(), max_size=4).map(tuple)


@given(action=TEXT, name=TEXT, done=TEXT, files=FILES)
def test_any_text_gives_a_value_that_its_reasons_explain(
    action: str, name: str, done: str, files: tuple[str, ...] | None
):
    scored = score(task(action, name, done, files))
    weights = [int(re.findall(r"\(([+-]\d)\)$", reason)[0]) for reason in scored.reasons]
    assert scored.value == max(1, min(10, START + sum(weights)))
    assert scored == score(task(action, name, done, files))


@given(number=st.integers())
def test_a_number_out_of_range_is_brought_into_it(number: int):
    assert 1 <= score(task(complexity=number)).value <= 10


def test_each_indicator_says_something_of_its_own():
    assert len({indicator.name for indicator in INDICATORS}) == len(INDICATORS) == 6
