"""Which tags are structure and which are text, and that every defect has its place."""

from __future__ import annotations

import pytest

from tests.reader.plans import codes, place, read_plan

PLAN = """---
phase: 08-features
plan: 08
---

<objective>
Ship it, use `<T>` & such.
</objective>

<tasks>

<!-- the first batch -->
<task type="auto"
      model="haiku"
      depends-on="1,2">
  <name>Task 1: Compare <T> & <U></name>
  <files>src/a.ts, src/b.ts</files>
  <action>Write `std::map<K,V>` && keep it (<20 lines each).

    Say a <b>word</b> and `&amp;`.</action>
  <verify>
    <automated>test -f src/a.ts && grep -c "<name>" src/b.ts</automated>
  </verify>
  <done>queries execute in <200ms</done>
</task>

</tasks>

<verification>
- [ ] all
</verification>
"""


def plan(*lines: str) -> str:
    return "\n".join(["<tasks>", "<task>", "<name>n</name>", *lines, "</task>", "</tasks>", ""])


def test_a_plan_full_of_bare_operators_reads_without_a_word() -> None:
    found = read_plan(PLAN)
    assert codes(found) == []
    (task,) = found.plan.tasks
    assert task.name == "Task 1: Compare <T> & <U>"
    assert "`std::map<K,V>` && keep it (<20 lines each)." in task.action
    assert "a <b>word</b> and `&amp;`." in task.action
    assert task.done == "queries execute in <200ms"
    assert task.commands == ('test -f src/a.ts && grep -c "<name>" src/b.ts',)


def test_positions_are_those_of_the_source() -> None:
    task = read_plan(PLAN).plan.tasks[0]
    assert (task.position.line, task.position.column) == (13, 1)
    places = {e.tag: (e.position.line, e.position.column) for e in task.elements}
    assert places["name"] == (16, 3)
    assert places["done"] == (24, 3)
    verify = next(e for e in task.elements if e.tag == "verify")
    assert verify.children[0].position.line == 22


def test_crlf_is_kept_and_lines_still_count() -> None:
    found = read_plan(PLAN.replace("\n", "\r\n"))
    assert codes(found) == []
    assert "each).\r\n\r\n    Say" in found.plan.tasks[0].action
    assert found.plan.tasks[0].position.line == 13
    assert found.text == PLAN.replace("\n", "\r\n")


def test_sections_are_kept_in_order_also_unknown_ones() -> None:
    found = read_plan(PLAN + "<moon_phase>\nfull <moon>\n</moon_phase>\n")
    assert [s.tag for s in found.plan.sections] == ["objective", "verification", "moon_phase"]
    assert found.plan.section("moon_phase") == "\nfull <moon>\n"


def test_a_closer_in_the_text_of_an_element_does_not_end_it() -> None:
    found = read_plan(
        plan(
            "<action>",
            "write </action> there",
            "```xml",
            "</action>",
            "</group>",
            "```",
            "end</action>",
        )
    )
    assert found.plan.tasks[0].action.endswith("```\nend")
    assert codes(found) == ["S117"]


def test_a_task_that_is_only_mentioned_is_said() -> None:
    found = read_plan(
        "<tasks>\n<task>\n<name>Task 1: x</name>\n<action>\nWrite a <task> into it.\n</action>\n"
        "</task>\n</tasks>\n"
    )
    assert found.tasks == 1
    assert place(found, "S123") == (5, 9)


def test_an_example_task_in_a_fence_is_text_and_is_said() -> None:
    example = [
        "```xml",
        "<task>",
        "<name>e</name>",
        "<action>e</action>",
        "<verify>e</verify>",
        "</task>",
        "```",
    ]
    found = read_plan(plan("<action>", *example, "</action>"))
    assert found.tasks == 1
    assert "<name>e</name>" in found.plan.tasks[0].action
    assert place(found, "S120") == (6, 1)
    assert not found.errors


def test_real_tasks_inside_a_fence_are_tasks() -> None:
    found = read_plan("Plan:\n```xml\n" + plan("<action>x</action>") + "```\n")
    assert found.tasks == 1
    assert found.plan.tasks[0].action == "x"


def test_an_unclosed_fence_in_an_action_hides_no_later_task() -> None:
    found = read_plan(
        plan("<action>", "```bash", "make", "</action>").replace(
            "</tasks>", plan("<action>y</action>").split("\n", 1)[1]
        )
    )
    assert [task.action for task in found.plan.tasks][1] == "y"


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("<tasks>\n<task>\n<name>n</name>\n<action>x</action>\n</tasks>\n", "S105", (2, 1)),
        ("<tasks>\n<task>\n<name>n</name>\n<action>x\n</task>\n</tasks>\n", "S106", (4, 1)),
        ("<tasks>\n<task>\n<name>n</name>\n<action>x</action>\n</task>\n", "S106", (1, 1)),
        (plan("<action>x</action>", "<action>y</action>"), "S107", (5, 1)),
        (plan("<action>x", "<task>", "<name>m</name>", "</action>"), "S108", (5, 1)),
        (plan("<action>x</action>", "stray words", "and more"), "S109", (5, 1)),
        (plan("<action>x</action>").replace("<task>", '<task colour="red">'), "S110", (2, 7)),
        (plan("<action>x</action>").replace("<task>", "<task type=auto>"), "S111", (2, 1)),
        (plan("<action>x</action>").replace("<task>", '<task type="auto'), "S111", (2, 1)),
        (plan("<action>x</action>") + "<Task>\n", "S111", (7, 1)),
        (plan("<action>x</action>") + "<task>\n<name>b</name>\n</task>\n", "S112", (7, 1)),
        (plan("<action>x</action>", "  </verify>"), "S113", (5, 3)),
        (plan("<action>x</action>") + "</tasks>\n", "S113", (7, 1)),
        (plan("<action>x</action>").replace("<task>", '<task id="a" id="b">'), "S115", (2, 14)),
        ("<task>\n<name>n</name>\n<action>x</action>\n</task>\n", "S116", (1, 1)),
        ("<!--\n<task>\n</task>\n-->\n" + plan("<action>x</action>"), "S118", (2, 1)),
        ("<context>\nnever closed\n" + plan("<action>x</action>"), "S119", (1, 1)),
    ],
)
def test_a_defect_has_its_code_and_its_place(text: str, code: str, where: tuple[int, int]) -> None:
    assert place(read_plan(text), code) == where


def test_an_unclosed_element_does_not_take_the_next_task_with_it() -> None:
    broken = plan("<action>never closed")
    found = read_plan(
        broken.replace("</tasks>\n", "") + plan("<action>y</action>").removeprefix("<tasks>\n")
    )
    assert found.tasks == 2
    assert found.plan.tasks[1].action == "y"


def test_an_unclosed_fence_in_an_unclosed_element_hides_no_task() -> None:
    found = read_plan(plan("<verify>", "```").replace("</task>\n", "") + plan("<action>x</action>"))
    assert found.tasks == 2


def test_an_indented_task_behind_an_unclosed_one_is_a_task() -> None:
    found = read_plan("<task>\n  <task>\n<name>n</name>\n<action>x</action>\n</task>\n")
    assert found.tasks == 2
    assert found.plan is not None
    assert found.plan.tasks[1].action == "x"


def test_messages_name_the_next_step() -> None:
    (found,) = [d for d in read_plan(plan("<action>x")).diagnostics if d.code == "S106"]
    assert found.message == "<action> is not closed; add </action> before </task>"
    assert str(found).startswith("a-PLAN.md:4:1: error S106 ")


def test_a_section_may_hold_no_tasks_unseen() -> None:
    found = read_plan(
        "<context>\n<task>\n<name>a</name>\n<action>x</action>\n</task>\n</context>\n"
    )
    assert found.tasks == 1


def test_a_document_type_outside_of_elements_is_refused_before_parsing() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]>\n'
    found = read_plan(bomb + plan("<action>&a;</action>"))
    assert found.plan is None
    assert place(found, "S103") == (1, 1)
    inside = read_plan(plan("<!ENTITY a SYSTEM 'file:///etc/passwd'>", "<action>&a;</action>"))
    assert inside.plan is None
    assert place(inside, "S103") == (4, 1)


def test_a_document_type_in_an_action_is_text() -> None:
    found = read_plan(plan("<action>", "<!DOCTYPE html>", '<!ENTITY a "b">', "&a;", "</action>"))
    assert codes(found) == []
    assert found.plan.tasks[0].action == '\n<!DOCTYPE html>\n<!ENTITY a "b">\n&a;\n'


@pytest.mark.parametrize("char", ["\0", "\x0b", "\x1b", "\ufffe", "\uffff"])
def test_a_character_that_xml_cannot_hold_is_a_located_error(char: str) -> None:
    found = read_plan(plan(f"<action>ab{char}</action>"))
    assert found.plan is None
    assert place(found, "S104") == (4, 11)


def test_windows_1252_is_read_with_a_warning() -> None:
    found = read_plan(plan("<action>x \u2014 y</action>").encode("cp1252"))
    assert found.plan.tasks[0].action == "x \u2014 y"
    assert not found.errors
    assert place(found, "S101") == (4, 11)


def test_a_byte_order_mark_is_kept_and_does_not_hide_the_first_line() -> None:
    found = read_plan("\ufeff---\nplan: 01\n---\n" + plan("<action>x</action>"))
    assert found.plan.frontmatter == {"plan": "01"}
    assert found.text.startswith("\ufeff---")
    text = "\ufeff" + plan("<action>x</action>")
    assert read_plan(text).diagnostics == ()
    assert codes(read_plan(text + "<task>\n<name>n</name>\n<action>x</action>\n</task>\n")) == [
        "S112"
    ]


def test_limits_are_refused_by_number() -> None:
    tasks = "<tasks>\n" + "<task>\n<name>n</name>\n<action>x</action>\n</task>\n" * 3 + "</tasks>"
    found = read_plan(tasks, max_tasks=2)
    assert found.plan is None
    assert place(found, "S114") == (10, 1)
    assert read_plan(tasks, max_tasks=3).errors == ()
    assert codes(read_plan(b"x" * 2_000_001)) == ["S102"]
    assert [d.code for d in read_plan(plan("<moon>x</moon>\n" * 60_000)).errors] == ["S122"]
    flood = read_plan(plan("</verify>\n" * 2_000))
    assert len(flood.diagnostics) == 1001
    assert flood.diagnostics[-1].code == "S121"


def test_self_closed_elements_and_tags_on_one_line_are_structure() -> None:
    found = read_plan(
        '<tasks><task type="auto"><name>n</name><files/><action>x</action></task></tasks>\n'
    )
    assert codes(found) == []
    assert found.plan.tasks[0].files == ()
    assert found.plan.tasks[0].action == "x"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("# S01\n\n- [ ] **T01: Title** `est:30m`\n", "K403", 3),
        ("# Thoughts\n\nNothing here.\n", "K404", 1),
    ],
)
def test_kinds_that_are_not_run_are_refused_by_name(text: str, code: str, line: int) -> None:
    found = read_plan(text)
    assert [d.code for d in found.errors] == [code]
    assert found.errors[0].line == line
