"""What a text asks for: words and concerns are counted at their bounds, and a split has names."""

from __future__ import annotations

import re

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
    assert (tuple(one.name for one in found.parts), found.is_large) == (names, bool(names))


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
        (
            "Create the table in services/orders/schema.sql",
            (
                "Create the table in services/orders/schema.sql",
                "Add the columns to services/orders/model.py",
            ),
        ),
        (
            "Update web/pages/orders.tsx",
            ("Update web/pages/orders.tsx", "Write tests/orders/test_model.py"),
        ),
        ("Remove tools/import.sh", ("Remove tools/import.sh",)),
    )
    assert found.parts[1].others == ("Write tests/orders/test_model.py",)


@pytest.mark.parametrize("first", ["Set up", "Roll out", "Spin up"])
def test_s3_01_a_verb_of_two_words_is_a_step_as_any_other(first: str):
    found = analyse(
        f"- {first} the deployment in infra/d.tf\n- Implement the API in backend/a.py\n"
        "- Build the page in web/p.tsx\n- Document it in docs/a.md\n- Remove tools/x.sh\n"
        "- Configure ci/y.yml\n"
    )
    assert len(found.concerns) == 6
    assert found.parts[0].name == f"{first} the deployment in infra/d.tf"


def test_s3_01_a_step_of_no_known_verb_is_with_its_neighbour_also_as_the_first():
    rest = "- Fix core/a.py\n- Update web/p.tsx\n- Concoct api/b.py\n- Remove tools/x.sh\n"
    found = analyse(f"- Conjure infra/d.tf\n{rest}")
    assert [one.steps for one in found.parts] == [
        ("Conjure infra/d.tf", "Fix core/a.py"),
        ("Update web/p.tsx", "Concoct api/b.py"),
        ("Remove tools/x.sh",),
    ]
    assert found.parts[0].name == "Fix core/a.py"
    assert found.parts[0].others == ("Conjure infra/d.tf",)


LIST = "1. Add docs/x.md\n2. Update web/p.tsx\n3. Remove tools/x.sh\n"


@pytest.mark.parametrize(
    ("before", "after", "first", "last"),
    [
        ("Fix the bug in src/auth/login.py. After that:\n", "", "Fix the bug in src/auth/login.py", "Remove tools/x.sh"),
        ("Please fix the bug in src/auth/login.py.\n\n## Steps\n\n", "", "Please fix the bug in src/auth/login.py", "Remove tools/x.sh"),
        ("", "\nFinally, rewrite the parser in core/p.py", "Add docs/x.md", "Finally, rewrite the parser in core/p.py"),
        ("Do the following:\n", "\nThen replace core/p.py.", "Add docs/x.md", "Then replace core/p.py"),
        ("  - Fix src/auth/login.py\n", "", "Fix src/auth/login.py", "Remove tools/x.sh"),
    ],
)  # fmt: skip
def test_s3_01_what_is_asked_for_before_and_after_a_list_is_in_a_part_too(
    before: str, after: str, first: str, last: str
):
    names = [one.name for one in analyse(before + LIST + after).parts]
    assert len(names) == 4 - (first == "Add docs/x.md") + (last != "Remove tools/x.sh")
    assert (names[0], names[-1]) == (first, last)


@pytest.mark.parametrize("beside", ["Do the following:\n{}", "{}\nNames are in English.", "{}\n   Fix core/p.py\n", "{}Fix core/p.py"])  # fmt: skip
def test_what_asks_for_nothing_or_hangs_on_an_item_is_no_step_of_its_own(beside: str):
    steps = [one.steps for one in analyse(beside.format(LIST)).parts]
    assert steps == [("Add docs/x.md",), ("Update web/p.tsx",), ("Remove tools/x.sh",)]


@pytest.mark.parametrize("label", ["**{}**: ", "**{}:** ", "__{}__ ", "{}: ", "**{}** - ", "{} \u2014 ", "`{}`: "])  # fmt: skip
def test_s3_01_a_label_hides_no_step(label: str):
    told = [("Backend", "add the export"), ("Frontend", "fix the button"), ("Docs", "describe it")]
    found = analyse("\n".join(f"1. {label.format(name)}{what}" for name, what in told))
    assert [one.area for one in found.concerns] == ["backend", "frontend", "documentation"]
    assert [one.kind for one in found.concerns] == ["make", "fix", "document"]
    for part, (name, what) in zip(found.parts, told, strict=True):
        assert part.name.startswith(name)
        assert part.name.endswith(what)


@pytest.mark.parametrize("noun", ["Research's result is old", "fix(core): the message", "Note: it is research\u2019s"])  # fmt: skip
def test_a_noun_and_a_commit_s_message_are_no_steps(noun: str):
    assert len(analyse(f"- Add a\n- Document b\n- {noun}").concerns) == 2


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
    assert [one.name.split()[1] for one in found.parts] == ["step0", "step1", "step2", "step3"]


def test_what_has_no_places_to_split_says_so():
    told = intake.note("demo/1", analyse("word " * 301))
    assert (
        told
        == "demo/1 asks for much at once: 301 words (more than 300); nothing in it shows where to split it"
    )
    assert intake.note("demo/1", analyse("word")) == ""


def test_a_note_says_that_parts_follow():
    told = intake.note("demo/1", analyse(THREE))
    assert told == "demo/1 asks for much at once: 3 concerns (more than 2); as tasks of their own:"


def test_names_of_files_stay_as_they_are_and_stress_goes():
    found = analyse(
        "- _Fix_ **the** `core/my_mod.py`\n- Add __init__.py to web_ui/\n- Remove tools/x.sh\n"
        "- Document api/_a_b.py\n"
    )
    assert [one.name for one in found.parts] == [
        "Fix the core/my_mod.py",
        "Add __init__.py to web_ui/",
        "Remove tools/x.sh",
        "Document api/_a_b.py",
    ]


def test_a_long_name_ends_with_a_word_and_says_that_there_is_more():
    found = analyse(f"{THREE}\n- Rename a b c d e f g h i\n- Fix it\n- Document x")
    assert [one.name for one in found.parts[:2]] == [
        "Fix the login form, add a CSV export …",
        "Rename a b c d e f g …",
    ]


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


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["Set up", "Conjure", "Fix", "Document", "Run", "Explore", "**Add**", "***"]),
        st.sampled_from(["infra/d.tf", "core/a.py", "web/p.tsx", "it", "the api", "x " * 120]),
    ),
    min_size=2,
    max_size=12,
)  # fmt: skip


@given(STEPS, st.sampled_from(["- {}", "{}. {}", "- **Label**: {}"]), st.booleans(), st.booleans())
def test_every_step_of_the_outermost_list_and_around_it_is_in_exactly_one_part(
    steps: list[tuple[str, str]], bullet: str, details: bool, around: bool
):
    rows = list[str]()
    for number, (verb, what) in enumerate(steps):
        numbered = (number,) if bullet.count("{}") == 2 else ()
        rows.append(bullet.format(*numbered, f"{verb} s{number} {what}"))
        rows += ["  - a detail"] if details else []
    count = len(steps)
    if around:
        rows = [f"Fix s{count} in a/b.py. Then:", *rows, "", f"Lastly, remove s{count + 1}."]
        count += 2
    found = analyse("\n".join(rows))
    if not found.is_large:
        return
    told = [re.findall(r"\bs\d+\b", step) for part in found.parts for step in part.steps]
    assert [one for names in told for one in names] != []
    assert sorted(one for names in told for one in names) == sorted(f"s{n}" for n in range(count))  # fmt: skip
    assert all(part.name in part.steps for part in found.parts)
