"""What a text asks for: words and concerns are counted at their bounds, and a split has names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.outloop import intake
from orchestrator.outloop.intake import analyse

THREE = "Fix the login form, add a CSV export and document the API"


@pytest.mark.parametrize(("count", "large"), [(300, False), (301, True)])
def test_s3_01_three_hundred_words_are_one_task_and_one_more_is_not(count: int, large: bool):
    found = analyse("Fix " + "word " * (count - 1))
    assert (found.words, found.is_large) == (count, large)
    assert found.reasons == (("301 words (more than 300)",) if large else ())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Fix the login form and add a CSV export", ()),
        (THREE, ("Fix the login form", "add a CSV export", "document the API")),
    ],
)
def test_s3_01_two_concerns_are_one_task_and_three_are_split_by_name(
    text: str, names: tuple[str, ...]
):
    found = analyse(text)
    assert len(found.concerns) == (len(names) or 2)
    assert (found.parts, found.is_large) == (names, bool(names))


def test_s3_01_items_are_told_apart_by_where_they_are():
    found = analyse(
        "Do the following:\n"
        "1. Create the table in `services/orders/schema.sql`\n"
        "   - add an index\n"
        "2. Add the columns to services/orders/model.py\n"
        "3. Update web/pages/orders.tsx: show them\n"
        "4. Write tests/orders/test_model.py\n"
        "5. Remove `tools/import.sh`\n"
    )
    assert [one.area for one in found.concerns] == ["services", "web", "tools"]
    assert found.parts == (
        "Create the table in services/orders/schema.sql",
        "Update web/pages/orders.tsx",
        "Remove tools/import.sh",
    )


def test_to_add_change_and_remove_things_in_one_place_is_one_concern():
    found = analyse("- Add the property\n- Replace the old one\n- Remove its tests\n- Rename it")
    assert [(one.kind, one.area) for one in found.concerns] == [("make", "")]


def test_code_tests_and_details_are_no_concerns_of_their_own():
    found = analyse(
        "- Add a parser\n\n```bash\nfix all; document it; remove " + "x " * 400 + "\n```\n"
        "- Run the tests\n- Verify the output\n- Names are in English\n"
    )
    assert [one.kind for one in found.concerns] == ["make"]
    assert found.words < 20
    assert not found.is_large


def test_a_long_task_with_one_concern_is_split_by_its_steps():
    steps = [f"{n}. Add step{n} to core/a.py " + "word " * 150 for n in range(4)]
    found = analyse("\n".join(steps))
    assert len(found.concerns) == 1
    assert [one.split()[1] for one in found.parts] == ["step0", "step1", "step2", "step3"]


def test_what_has_no_places_to_split_says_so():
    told = intake.note("demo/1", analyse("word " * 301))
    assert told == (
        "demo/1 asks for much at once: 301 words (more than 300); nothing in it shows where to split it"
    )
    assert intake.note("demo/1", analyse("word")) is None


def test_a_note_names_the_parts():
    told = intake.note("demo/1", analyse(THREE))
    assert told == (
        "demo/1 asks for much at once: 3 concerns (more than 2); as tasks of their own: "
        "Fix the login form; add a CSV export; document the API"
    )


def test_many_tasks_have_one_short_note():
    assert intake.summary([]) is None
    told = intake.summary(["a", "b", "c", "d"])
    assert told is not None
    assert told.startswith("4 tasks ask for much at once (a, b, c and 1 more)")


@given(st.text(max_size=2000))
def test_any_text_has_an_answer_and_only_what_is_large_a_split(text: str):
    found = analyse(text)
    assert found.is_large or not found.parts
    assert sum(one.words for one in found.concerns) <= len(text.split())
