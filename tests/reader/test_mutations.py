"""Good plans, damaged a little: a task is still read, or something is said that was not said before."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reader.plans import read_plan

XML = """---
phase: 01-base
plan: 01
---
<objective>
Build it.
</objective>

<tasks>

<task type="auto">
  <name>Task 1: Make the page</name>
  <files>src/page.py, src/page.css</files>
  <action>
    Write it so that a && b and x < y hold:
    ```python
    if a < b: pass
    ```
  </action>
  <verify>
    <automated>pytest -q && test -s src/page.py</automated>
  </verify>
  <done>The page is shown.</done>
</task>

<task type="checkpoint:decision" gate="blocking">
  <decision>Which colour?</decision>
  <options>
    <option id="red"><name>Red</name></option>
  </options>
</task>

<task type="auto" depends-on="1">
  <name>Task 3: Paint it</name>
  <action>Paint it.</action>
  <verify>It looks right.</verify>
  <done>Painted.</done>
</task>

</tasks>

<verification>
- [ ] all is well
</verification>
"""
MARKDOWN = """# Plan

## Task 1: Make the page
**Files:** src/page.py
Write it.

## Task 2: Paint it
**Verify:** `pytest -q`
"""
FEATURE = """---
type: tdd
---
<feature>
  <name>Keep a cart</name>
  <behavior>an empty cart costs 0</behavior>
  <implementation>A list.</implementation>
</feature>
"""
PLANS = {"xml": (XML, 3), "feature": (FEATURE, 1)}
PIECES = ["<", ">", "</", "/>", '"', "=", "&", "`", "```\n", "\n", " ", "x", "<task>", "</task>", "<!--", "-->",
          "<action>", "</action>", "</tasks>", "<tasks>", "---\n", "#", "\r", "\t"]  # fmt: skip
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["cut", "insert", "replace", "drop line", "double line", "swap lines"]),
        st.integers(0, 10_000),
        st.integers(1, 6),
        st.sampled_from(PIECES),
    ),
    min_size=1,
    max_size=2,
)


def mutated(text: str, kind: str, at: int, size: int, piece: str) -> str:
    rows = text.split("\n")
    row, at = at % len(rows), at % len(text)
    match kind:
        case "cut":
            return text[:at] + text[at + size :]
        case "insert":
            return text[:at] + piece + text[at:]
        case "replace":
            return text[:at] + piece + text[at + len(piece) :]
        case "drop line":
            return "\n".join(rows[:row] + rows[row + 1 :])
        case "double line":
            return "\n".join([*rows[: row + 1], *rows[row:]])
    return "\n".join([*rows[:row], *rows[row : row + 2][::-1], *rows[row + 2 :]])


@pytest.mark.parametrize("name", PLANS)
@given(mutations=MUTATIONS)
@settings(max_examples=600)
def test_no_task_of_a_damaged_plan_vanishes_in_silence(
    name: str, mutations: list[tuple[str, int, int, str]]
):
    text, tasks = PLANS[name]
    for mutation in mutations:
        text = mutated(text, *mutation) or "x"
    found = read_plan(text)
    before = Counter(one.code for one in read_plan(PLANS[name][0]).diagnostics)
    said = Counter(one.code for one in found.diagnostics) - before
    assert (found.plan is not None and len(found.plan.tasks) >= tasks) or said, text


@given(mutations=MUTATIONS)
@settings(max_examples=300)
def test_a_damaged_markdown_plan_is_read_or_refused_with_its_count(
    mutations: list[tuple[str, int, int, str]],
):
    """A heading that is none any more is text: the count that is said with every such plan tells."""
    text = MARKDOWN
    for mutation in mutations:
        text = mutated(text, *mutation) or "x"
    found = read_plan(text)
    assert found.diagnostics
    if found.plan is not None and all(one.code == "K401" for one in found.diagnostics):
        assert f" {len(found.plan.tasks)} heading" in found.diagnostics[0].message
