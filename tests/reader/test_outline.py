"""Plans without `<task>`: headings, features and Markdown bodies are tasks, and no text of them is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Task
from tests.reader.plans import codes, place, read_plan

MARKDOWN = """# Plan 3: move the shop

## Goal
Move it.

## Tasks

### Task 1: Make the page
**Files:** `shop/page.py`, `shop/page.css` (new)
**Action:** Write it.

```markdown
## Task 9: an example
```

**Verify:** `pytest shop -q`
**Done when:** the page is shown.

### Task 2 — Ask the owner
**Type:** checkpoint:human-verify
Show the page.

#### Task 2a: Tell the team
**Files:**
- docs/team.md
- docs/shop.md (one line)

<verify>
<automated>grep -q shop docs/team.md</automated>
</verify>

## Verification
- all is well
"""


def tasks(text: str) -> list[Task]:
    plan = read_plan(text).plan
    assert plan is not None
    return list(plan.tasks)


def test_each_heading_is_a_task_with_what_its_labels_say():
    first, second, third = tasks(MARKDOWN)
    assert (first.title, first.label) == ("Make the page", "1")
    assert first.files == ("shop/page.py", "shop/page.css")
    assert first.commands == ("pytest shop -q",)
    assert first.done.strip() == "the page is shown."
    assert "## Task 9: an example" in first.action
    assert (second.type, second.title) == ("checkpoint:human-verify", "Ask the owner")
    assert third.files == ("docs/team.md", "docs/shop.md")
    assert third.commands == ("grep -q shop docs/team.md",)
    assert "all is well" not in third.action


def test_it_is_said_once_where_the_first_task_stands():
    found = read_plan(MARKDOWN)
    assert codes(found) == ["K401"]
    assert place(found, "K401") == (8, 1)
    assert found.tasks == 3


def test_prose_behind_a_label_is_no_command():
    (task,) = tasks("## Task 1: x\n**Verify:** the `page` looks right to `you`\n")
    assert task.commands == ()
    assert "looks right" in task.verify


@pytest.mark.parametrize(
    "text",
    [
        "# Step 1\nDo it.\n",
        "```\n## Task 1: x\n```\n",
        "## Tasks\n- one\n",
        "a ## Task 1 in a line\n",
    ],
)
def test_what_only_looks_like_a_heading_is_no_task(text: str):
    assert codes(read_plan(text)) == ["K404"]


def test_a_heading_beside_real_tasks_is_text():
    text = "## Task 1: x\n<tasks>\n<task>\n<name>n</name>\n<action>a</action>\n</task>\n</tasks>\n"
    assert [task.name for task in tasks(text)] == ["n"]


def test_each_feature_of_a_tdd_plan_is_a_task_that_begins_with_its_test():
    feature = """<feature>
  <name>Keep a cart</name>
  <files>shop/cart.py, tests/test_cart.py</files>
  <behavior>
    an empty cart costs 0 && nothing else
  </behavior>
  <implementation>A list of items.</implementation>
</feature>
"""
    found = read_plan(f"---\ntype: tdd\n---\n<objective>Carts</objective>\n{feature}\n{feature}")
    assert codes(found) == []
    assert found.plan is not None
    assert found.plan.section("objective") == "Carts"
    assert [task.position.line for task in found.plan.tasks] == [5, 14]
    task = found.plan.tasks[0]
    assert (task.type, task.tdd, task.name) == ("tdd", True, "Keep a cart")
    assert task.files == ("shop/cart.py", "tests/test_cart.py")
    assert task.action == "A list of items."
    assert "costs 0 && nothing" in task.text("behavior")


def test_a_task_with_a_markdown_body_is_read_by_its_labels():
    body = "## Task: Promote it\n\n**Files:** a.md\n**What:** Polish it.\n\n**Done when:**\n- it shines\n"
    found = read_plan(f'<tasks>\n<task id="1">\n{body}</task>\n</tasks>\n')
    assert codes(found) == ["K405"]
    assert found.plan is not None
    (task,) = found.plan.tasks
    assert (task.title, task.files, task.alias) == ("Task: Promote it", ("a.md",), "1")
    assert task.done.strip() == "- it shines"
    assert "Polish it." in task.action


@pytest.mark.parametrize("tag", ["description", "implementation", "steps", "instructions", "what"])
def test_another_name_for_the_action_is_read_and_said(tag: str):
    found = read_plan(f"<tasks>\n<task>\n<name>n</name>\n<{tag}>do x</{tag}>\n</task>\n</tasks>\n")
    assert codes(found) == ["T317"]
    assert place(found, "T317") == (4, 1)
    assert found.plan is not None
    assert found.plan.tasks[0].action == "do x"


def test_a_task_without_a_name_is_called_by_its_first_words():
    found = read_plan(
        "<tasks>\n<task>\n<action>\n  Make it so. Then rest.\n</action>\n</task>\n</tasks>\n"
    )
    assert codes(found) == ["T301"]
    assert found.plan is not None
    assert found.plan.tasks[0].title == "Make it so"


WORDS = st.text("abc `*-#|.,:(<>&\n", max_size=80).filter(
    lambda text: not re.search(r"##|```|~~~|^#|^</?\w|<task", text, re.M)
)


@given(
    st.lists(st.tuples(st.text("abcdef ", min_size=1, max_size=9), WORDS), min_size=1, max_size=5)
)
def test_no_heading_and_no_text_below_it_is_lost(parts: list[tuple[str, str]]):
    rows = [f"### Task {n}: {name}\n{text}\n" for n, (name, text) in enumerate(parts, 1)]
    found = tasks("".join(rows))
    assert [task.ordinal for task in found] == list(range(1, len(parts) + 1))
    for task, (_, text) in zip(found, parts, strict=True):
        assert text.strip() in task.action or not text.strip()
