"""What is misspelt is said where it stands, with the word that was meant: no task and no check is lost in silence."""

from __future__ import annotations

import pytest

from orchestrator.reader import Reading
from tests.reader.plans import codes, one_task, place, read_plan, wrap

BODY = "<name>n</name>\n<action>x</action>"
GOOD = f"<task>\n{BODY}\n</task>"


def said(reading: Reading, code: str) -> str:
    (found,) = [d for d in reading.diagnostics if d.code == code]
    return found.message


def between(*lines: str) -> Reading:
    """A good task in front (lines 2 to 5) and one behind; `lines` begin on line 6."""
    return read_plan("\n".join(["<tasks>", GOOD, *lines, GOOD, "</tasks>", ""]))


# --- between tasks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opener", "closer"),
    [
        ("<tsk>", "</tsk>"),
        ('  <taks type="auto">', "  </taks>"),
        ("<task1>", "</task1>"),
        ("<task-2 type=auto>", "</task-2>"),
        ("<ta*sk>", "</ta*sk>"),
        ("<tsk>", "</task>"),
        ("<tsk>", ""),
    ],
)
def test_a_misspelt_task_is_one_error_and_its_neighbours_are_tasks(
    opener: str, closer: str
) -> None:
    found = between(opener, "  <name>lost</name>", "  <action>x</action>", closer)
    assert [d.code for d in found.diagnostics] == ["S124"]
    assert place(found, "S124") == (6, 1 + opener.index("<"))
    assert said(found, "S124").endswith("is not run; did you mean <task>?")
    assert found.errors
    assert [task.name for task in found.plan.tasks] == ["n", "n"]


def test_a_misspelt_task_right_behind_a_task_is_said() -> None:
    found = read_plan(f"<tasks>\n{GOOD}<tsk><name>m</name></tsk>{GOOD}\n</tasks>\n")
    assert (codes(found), found.tasks) == (["S124"], 2)


@pytest.mark.parametrize(
    ("name", "right"), [("Task", "<task>"), ("TASK", "<task>"), ("TASKS", "<tasks>")]
)
def test_a_tag_in_another_case_names_the_right_one(name: str, right: str) -> None:
    found = between(f"<{name}>", f"</{name}>")
    assert codes(found) == ["S111"]
    assert said(found, "S111").endswith(f"write {right}")


def test_the_elements_of_a_task_in_another_case_are_not_said_one_by_one() -> None:
    found = between("<Task>", BODY, "</Task>")
    assert (codes(found), found.tasks) == (["S111"], 2)


@pytest.mark.parametrize(
    ("tag", "advice"),
    [
        ("phase", "outside of <task> … </task> is not run"),
        ("verify", "move it into its <task>"),
        ("verification", "move it behind </tasks>"),
    ],
)
def test_another_element_between_tasks_is_a_warning(tag: str, advice: str) -> None:
    found = between(f"  <{tag}>", "  <name>inner</name>", f"  </{tag}>")
    assert (codes(found), found.tasks) == (["S125"], 2)
    assert place(found, "S125") == (6, 3)
    assert said(found, "S125").endswith(advice)


def test_tasks_in_another_element_are_tasks() -> None:
    found = between("<group>", GOOD, "</group>")
    assert (codes(found), found.tasks) == (["S125"], 3)
    inline = between(f"<group>{GOOD}</group>")
    assert (codes(inline), inline.tasks) == (["S125"], 3)
    line = GOOD.replace("\n", "")
    assert between(f"<group>{line}</group>").tasks == 3


def test_prose_and_comments_between_tasks_are_allowed() -> None:
    found = between(
        "## Wave 2", "Use `<tsk>` and a < b, see", "<https://example.org/tsk>", "<!-- <tsk> -->"
    )
    assert (codes(found), found.tasks) == ([], 2)


def test_a_misspelt_task_outside_of_tasks_is_an_error() -> None:
    assert codes(read_plan(f"{GOOD}\n<tsk>\n{BODY}\n</tsk>\n")) == ["S116", "S124"]
    assert codes(read_plan(f"<tsk>\n{BODY}\n</tsk>\n")) == ["S124"]
    assert codes(read_plan(f"<taks>\n{GOOD}\n</taks>\n")) == ["S116"]
    assert codes(read_plan(f"<ask>\nWho?\n</ask>\n<tasks>\n{GOOD}\n</tasks>\n")) == []


# --- inside a task --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("<verfy>make</verfy>", "verify"),
        ("<Verify>make</Verify>", "verify"),
        ("<file-s>a.txt</file-s>", "files"),
        ("<don>it is</don>", "done"),
    ],
)
def test_a_misspelt_core_element_is_an_error_at_its_place(line: str, meant: str) -> None:
    found = read_plan(wrap(BODY, f"  {line}"))
    assert [d.code for d in found.errors] == ["S126"]
    assert place(found, "S126") == (5, 3)
    assert said(found, "S126").endswith(f"did you mean <{meant}>?")


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("nme", "name"), ("nam", "name"), ("acton", "action"), ("ACTION", "action")],
)
def test_a_misspelt_name_or_action_is_an_error(wrong: str, meant: str) -> None:
    found = read_plan(wrap(BODY.replace(meant, wrong)))
    assert "S126" in [d.code for d in found.errors]


def test_a_close_word_beside_the_right_one_is_only_a_warning() -> None:
    found = read_plan(wrap(BODY, "<verify>`a b`</verify>", "<verfy>c</verfy>"))
    assert codes(found) == ["S110"]
    assert place(found, "S110") == (6, 1)
    assert said(found, "S110").endswith("not used; did you mean <verify>?")


def test_an_unknown_element_is_said_at_its_own_place_and_once_in_a_file() -> None:
    first = wrap(BODY, "  <moon>x</moon>").removesuffix("</tasks>\n")
    found = read_plan(first + wrap(BODY, "<moon>y</moon>").removeprefix("<tasks>\n"))
    assert codes(found) == ["S110"]
    assert place(found, "S110") == (5, 3)
    assert said(found, "S110").endswith("<moon> is not known; it is kept and not used")


def test_a_damaged_name_is_said_with_the_one_that_was_meant() -> None:
    found = read_plan(wrap(BODY, "<acceptance*criteria>", "- it runs", "</acceptance*criteria>"))
    assert place(found, "S110") == (5, 1)
    assert said(found, "S110").endswith("did you mean <acceptance_criteria>?")


def test_a_known_element_that_was_meant_as_files_is_a_warning() -> None:
    found = read_plan(wrap(BODY, "<file>a.txt</file>"))
    assert said(found, "S110").endswith("<file> is kept and not used; did you mean <files>?")
    assert codes(read_plan(wrap(BODY, "<files>a</files>", "<file>a.txt</file>"))) == []


def test_an_unknown_attribute_names_the_one_that_was_meant() -> None:
    found = read_plan(wrap(BODY, attributes='depend-on="1" moon="1"'))
    assert [d.message.partition("; it is kept and not used")[2] for d in found.diagnostics] == [
        "; did you mean depends-on?",
        "",
    ]


@pytest.mark.parametrize("tag", ["automatd", "Automated", "auto-mated"])
def test_a_misspelt_check_inside_verify_is_an_error(tag: str) -> None:
    found = read_plan(wrap(BODY, "<verify>", f"  <{tag}>make</{tag}>", "</verify>"))
    assert [d.code for d in found.errors] == ["S126"]
    assert place(found, "S126") == (6, 3)
    beside = ["<verify>", "<automated>a</automated>", f"<{tag}>make</{tag}>", "</verify>"]
    assert codes(read_plan(wrap(BODY, *beside))) == ["S110"]


def test_a_check_with_a_damaged_tag_is_an_error_and_still_a_check() -> None:
    found = read_plan(wrap(BODY, "<verify>", "<automated t=60>make</automated>", "</verify>"))
    assert [d.code for d in found.errors] == ["S111"]
    assert found.plan.tasks[0].commands == ("make",)


def test_a_check_outside_of_verify_is_said() -> None:
    found = read_plan(wrap(BODY, "<automated>make</automated>"))
    assert codes(found) == ["S110"]
    assert said(found, "S110").endswith("put it into <verify>")


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Checkpoint:Human-Verify", "checkpoint:human-verify"),
        ("AUTO", "auto"),
        ("TDD", "tdd"),
        ("", "auto"),
        ("checkpoint", "checkpoint"),
        ("checkpoint:tdd-review", "checkpoint:tdd-review"),
    ],
)
def test_a_known_type_is_read_in_any_case_and_kept_in_lower_case(written: str, read: str) -> None:
    found = read_plan(wrap(BODY, attributes=f'type="{written}"'))
    assert codes(found) == []
    assert found.plan.tasks[0].type == read


@pytest.mark.parametrize(
    ("written", "read", "code", "advice"),
    [
        ("exectue", "auto", "T312", 'did you mean type="execute"?'),
        ("human-verify", "auto", "T316", 'did you mean type="checkpoint:human-verify"?'),
        ("chekpoint:decision", "auto", "T316", 'did you mean type="checkpoint:decision"?'),
        ("moon", "auto", "T312", "test-first or tracer"),
        ("checkpoint:human-verfy", "checkpoint:human-verfy", "T313", 'human-verify"?'),
        ("checkpoint-decision", "checkpoint-decision", "T313", 'checkpoint:decision"?'),
        ("Checkpoint:moon", "checkpoint:moon", "T313", "or checkpoint:tdd-review"),
    ],
)
def test_an_unknown_type_is_said(written: str, read: str, code: str, advice: str) -> None:
    found = read_plan(wrap(BODY, attributes=f'type="{written}"'))
    assert codes(found) == [code]
    assert place(found, code) == (2, 7)
    assert said(found, code).endswith(advice)
    assert found.plan.tasks[0].type == read
    assert found.plan.tasks[0].attributes["type"] == written


def test_an_unknown_subagent_is_a_warning() -> None:
    found = read_plan(wrap(BODY, attributes='subagent="explorer"'))
    assert codes(found) == ["T314"]
    assert said(found, "T314").endswith('is not known; did you mean subagent="explore"?')
    known = read_plan(wrap(BODY, attributes='subagent="Explore"'))
    assert (codes(known), known.plan.tasks[0].subagent) == ([], "explore")


def test_files_that_were_split_at_spaces_are_said() -> None:
    found = read_plan(wrap(BODY, "<files>out/ä ö.txt</files>"))
    assert place(found, "T315") == (5, 1)
    assert said(found, "T315") == (
        "read as 2 files: out/ä and ö.txt; separate files with commas, "
        "and put a path with spaces in backticks"
    )
    many = read_plan(wrap(BODY, f"<files>{' '.join(f'a/{n}' for n in range(9))}</files>"))
    assert said(many, "T315").startswith("read as 9 files: a/0, a/1, a/2, a/3, a/4, … and a/8;")


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("`out/ä ö.txt`", ("out/ä ö.txt",)),
        ("\n- `a b.txt` (new)\n- `c d.txt`\n", ("a b.txt", "c d.txt")),
        ("`docs/Q & A.md`, `x, y.txt`", ("docs/Q & A.md", "x, y.txt")),
        ("`this and that.txt`", ("this and that.txt",)),
    ],
)
def test_paths_with_spaces_in_backticks_stay_whole(text: str, files: tuple[str, ...]) -> None:
    found = read_plan(wrap(BODY, f"<files>{text}</files>"))
    assert codes(found) == []
    assert found.plan.tasks[0].files == files


@pytest.mark.parametrize(
    ("text", "advice"),
    [("15-30", "write 15-30min"), ("20", "write 20min"), ("soon", "write 15-30min")],
)
def test_a_duration_without_a_unit_says_what_to_write(text: str, advice: str) -> None:
    body = f"<metrics><estimated-duration>{text}</estimated-duration></metrics>"
    found = read_plan(wrap(BODY, body))
    assert said(found, "T310").endswith(advice)
    assert found.plan.tasks[0].estimated_duration_s is None


def test_a_closer_read_as_text_says_where_the_element_ends_instead() -> None:
    found = read_plan(wrap("<name>n</name>", "<action>", "a </action> b", "c", "</action>"))
    assert place(found, "S117") == (5, 3)
    assert "<action> goes on and ends in line 7;" in said(found, "S117")
    assert "backticks" not in said(found, "S117")


@pytest.mark.parametrize(
    ("front", "where", "advice"),
    [
        ("a: 1\nfiles: [x,\n  y\nwave: 2\nb: 3\n", (3, 8), "close what is opened here"),
        ("a: 1\nm:\n  k: {x: 1\n  l: 2\n", (4, 6), "close what is opened here"),
        ("a: 1\nfiles: [x\n", (3, 8), "close what is opened here"),
        ('a: 1\nb: "x\nc: 2\n', (3, 4), "close what is opened here"),
        ('a: [x,\n  y: "z" w,\n  v]\n', (3, 10), "line by line: put the value in quotes"),
        ('a: "x\n  bad \\. y"\n', (3, 7), "line by line: put the value in quotes"),
    ],
)
def test_bad_yaml_is_said_where_the_mistake_is(
    front: str, where: tuple[int, int], advice: str
) -> None:
    found = read_plan(f"---\n{front}---\n{wrap(BODY)}")
    assert place(found, "F202") == where
    assert advice in said(found, "F202")


def test_entities_in_a_name_stay_as_written() -> None:
    assert one_task(name="a &lt;b&gt; &amp; c").name == "a &lt;b&gt; &amp; c"
