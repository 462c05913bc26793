"""Frontmatter stays as written, survives bad YAML and bombs, and renders so that it reads back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Plan
from orchestrator.reader import Reading, frontmatter
from tests.reader.plans import codes, place, read_plan, wrap

TASK = wrap("<name>n</name>", "<action>x</action>")


def with_front(text: str) -> Reading:
    return read_plan(f"---\n{text}---\n{TASK}")


def plan_of(text: str) -> Plan:
    plan = with_front(text).plan
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    "scalar", ["08", "01", "010", "2.10", "22.10", "yes", "null", "1e3", "0x1F"]
)
def test_scalars_stay_as_written(scalar: str) -> None:
    assert plan_of(f"plan: {scalar}\n").frontmatter == {"plan": scalar}


def test_unknown_keys_and_nesting_are_kept() -> None:
    plan = plan_of(
        "moon: full\nmust_haves:\n  truths:\n    - 'a: b'\n  artifacts:\n    - path: x\n      min_lines: 3\n"
    )
    assert plan.frontmatter["moon"] == "full"
    assert plan.frontmatter["must_haves"] == {
        "truths": ["a: b"],
        "artifacts": [{"path": "x", "min_lines": "3"}],
    }


@pytest.mark.parametrize(
    ("text", "depends_on"),
    [
        ("plan: 1\n", None),
        ("depends_on: []\n", ()),
        ("depends_on:\n", ()),
        ("depends_on: none\n", ()),
        ("depends_on: [01-01, 02]\n", ("01-01", "02")),
        ("depends_on: [01]\n", ("01",)),
        ('depends_on: ["01-01-auth-PLAN.md"]\n', ("01-01-auth-PLAN.md",)),
        ("depends_on:\n  - 01-01\n  - 36A-01\n", ("01-01", "36A-01")),
        ("depends-on: 01-01, 01-02\n", ("01-01", "01-02")),
        ("depends_on: 01-01 01-02\n", ("01-01", "01-02")),
        ("depends_on:\n  - 01-01 (the models)\n", ("01-01",)),
        ("depends_on:\n  - 01-01: models\n", ("01-01",)),
    ],
)
def test_dependencies_are_read_in_every_spelling(
    text: str, depends_on: tuple[str, ...] | None
) -> None:
    assert plan_of(text).depends_on == depends_on


def test_files_modified_wave_and_workspace() -> None:
    plan = plan_of("files-modified:\n  - a/b.c (new)\n  - d.e\nwave: 2\nworkspace: directory\n")
    assert (plan.files_modified, plan.wave, plan.workspace) == (("a/b.c", "d.e"), 2, "directory")
    found = with_front('wave: "1 of 4"\nworkspace: cloud\n')
    assert place(found, "F206") == (2, 1)
    assert [d.code for d in found.errors] == ["F207"]


def test_shell_fences_of_verification_are_the_plans_commands() -> None:
    found = read_plan(TASK + "<verification>\nRun:\n```bash\nmake all\n```\n</verification>\n")
    assert found.plan is not None
    assert found.plan.commands == ("make all",)


def test_bad_yaml_is_read_line_by_line_with_a_warning() -> None:
    found = with_front(
        'plan: 03\ntitle: "bad \\. escape"\ndepends_on: [01-01, 01-02]\nfiles_modified:\n  - src/a.ts\n  - src/b.ts\n'
        "must_haves:\n  truths:\n    - `a` is b\n  artifacts:\n    - path: x.py\n      provides: y: z\nwave: 2\n"
    )
    assert place(found, "F202")[0] == 3
    assert not found.errors
    plan = found.plan
    assert plan is not None
    assert (plan.frontmatter["plan"], plan.wave) == ("03", 2)
    assert plan.depends_on == ("01-01", "01-02")
    assert plan.files_modified == ("src/a.ts", "src/b.ts")
    assert plan.frontmatter["must_haves"] == {
        "truths": ["`a` is b"],
        "artifacts": [{"path": "x.py", "provides": "y: z"}],
    }


@pytest.mark.parametrize(
    "bomb",
    [
        "a: " + "[" * 100_000,
        "- " * 100_000,
        "a: " + "[" * 60 + "]" * 60,
        "a: " + "{a: " * 100_000,
        "a: &a [*a]",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "\n".join(
            f"{b}: &{b} [{', '.join(f'*{a}' for _ in range(9))}]"
            for a, b in zip("abcdefghi", "bcdefghij", strict=True)
        ),
    ],
)
def test_a_bomb_is_a_located_error(bomb: str) -> None:
    found = with_front(bomb + "\n")
    assert [d.code for d in found.errors] == ["F203"]
    assert place(found, "F203") == (2, 1)


def test_a_single_alias_is_followed() -> None:
    assert plan_of("a: &x [1]\nb: *x\n").frontmatter == {"a": ["1"], "b": ["1"]}


def test_only_a_block_at_the_first_byte_counts() -> None:
    found = read_plan(f"\n---\nplan: 1\n---\n{TASK}")
    assert found.plan is not None
    assert found.plan.frontmatter == {}


def test_a_task_in_the_frontmatter_is_no_task() -> None:
    assert with_front("note: |\n  <task>\n  </task>\n").tasks == 1


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("---\nplan: 1\n" + TASK, "F201", (1, 1)),
        ("---\n- a\n- b\n---\n" + TASK, "F204", (2, 1)),
        ("---\na: 1\nb: 2\na: 3\n---\n" + TASK, "F205", (4, 1)),
    ],
)
def test_a_defect_has_its_code_and_its_place(text: str, code: str, where: tuple[int, int]) -> None:
    found = read_plan(text)
    assert place(found, code) == where
    assert codes(found) == [code]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_rendered_reads_back(values: dict[str, Any]) -> None:
    assert frontmatter.parse(frontmatter.render(values) + "text\n") == values


def test_rendering_keeps_the_order_and_wide_lines() -> None:
    text = frontmatter.render({"b": "x " * 200, "a": "ä"})
    assert text.startswith("---\nb: ")
    assert text.endswith("\na: ä\n---\n")
    assert text.count("\n") == 4
