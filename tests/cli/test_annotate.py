"""annotate: what is missing is added, nothing else changes, and a second time nothing is left to do."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.projects import Project

PLAN = """---
phase: 01-base
plan: 01
---
<objective>Build it.</objective>

<tasks>

<task type="auto">
  <name>Task 1: Add the page</name>
  <files>src/page.py</files>
  <action>Add a page with a && b.</action>
  <verify><automated>test -s src/page.py</automated></verify>
  <done>It is there.</done>
</task>

<task type="auto" estimated-complexity="9">
  <name>Task 2: Write the text</name>
  <files>docs/text.md</files>
  <action>Write it.</action>
  <verify><automated>test -s docs/text.md</automated></verify>
  <done>It is there.</done>
  <metrics><estimated-tokens>100-200</estimated-tokens></metrics>
</task>

<task type="checkpoint:human-verify">
  <what-built>A page.</what-built>
</task>

</tasks>
"""
ADDED = re.compile(
    r' (?:subagent|model|parallel|depends-on|context-mode|estimated-complexity)="[^"]*"'
)
BLOCK = re.compile(r"[ \t]*<metrics>\r?\n(?:.*\r?\n){1,2}[ \t]*</metrics>\r?\n")
SECTION = re.compile(r"<task_dependency_graph>\r?\n(?:.*\r?\n)*?</task_dependency_graph>\r?\n\r?\n")


def write(project: Project, text: str | bytes, name: str = "01-01-PLAN.md") -> Path:
    path = project.root / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def annotated(project: Project, text: str | bytes, *words: str) -> bytes:
    path = write(project, text)
    project.told("annotate", path.name, "--write", *words)
    return path.read_bytes()


def test_what_is_missing_is_added_and_what_is_there_is_kept(project: Project):
    text = annotated(project, PLAN).decode()
    first, second, third = re.findall(r"<task .*>", text)
    assert first == (
        '<task type="auto" subagent="general-purpose" parallel="sequential" depends-on="" '
        'context-mode="inherited" estimated-complexity="4">'
    )
    assert second == (
        '<task type="auto" estimated-complexity="9" subagent="general-purpose" '
        'parallel="sequential" depends-on="1" context-mode="inherited">'
    )
    assert third == '<task type="checkpoint:human-verify">'
    assert text.count("<metrics>") == 2
    assert "  <metrics>\n    <estimated-tokens>" in text
    assert "<task_dependency_graph>\n## Execution graph\n\nBatch 1: Task 1: Add the page\n" in text


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("  <", "\t<"),
        lambda text: text.replace("</done>\n</task>", "</done></task>"),
    ],
    ids=["lf", "crlf", "bom", "no final newline", "tabs", "inline"],
)
def test_taking_away_what_was_added_gives_the_same_bytes(
    project: Project, change: Callable[[str], str]
):
    plain = change(PLAN.replace(' estimated-complexity="9"', "")).encode()
    plain = re.sub(rb"[ \t]*<metrics>.*</metrics>\r?\n", b"", plain)
    text = annotated(project, plain).decode()
    assert text.encode() != plain
    inline = re.compile(r"<metrics>.*?</metrics>")
    removed = SECTION.sub("", inline.sub("", BLOCK.sub("", ADDED.sub("", text))))
    assert removed.encode() == plain


def test_a_second_time_changes_nothing(project: Project):
    once = annotated(project, PLAN)
    assert annotated(project, once) == once
    assert project.told("annotate", "01-01-PLAN.md", "--check").startswith("0 plans to annotate")


def test_a_file_that_is_not_utf_8_keeps_its_encoding(project: Project):
    latin = PLAN.replace("Build it.", "Gr\u00fc\u00dfe \u2013").encode("cp1252")
    after = annotated(project, latin)
    assert "Gr\u00fc\u00dfe \u2013".encode("cp1252") in after
    assert b"general-purpose" in after


def test_nothing_is_written_without_write(project: Project):
    path = write(project, PLAN)
    told = project.told("annotate", path.name)
    assert "01-01-PLAN.md: would be annotated" in told
    assert "complexity 4: straightforward addition (-1)" in told
    project.told("annotate", path.name, "--check", code=1)
    assert path.read_text() == PLAN


def test_the_diff_can_be_applied_and_taken_back(project: Project):
    path = write(project, PLAN)
    diff = project.told("annotate", path.name, "--diff")
    assert path.read_text() == PLAN
    for words in ([], ["-R"]):
        subprocess.run(
            ["git", "apply", "-p0", "--unsafe-paths", *words, "-"],
            input=diff, text=True, cwd=project.root, check=True,
        )  # fmt: skip
        assert (path.read_text() == PLAN) == bool(words)


def test_models_are_written_only_when_they_are_asked_for(project: Project):
    assert b"model=" not in annotated(project, PLAN)
    text = annotated(project, PLAN, "--models").decode()
    assert text.count('model="haiku"') == 1
    assert text.count('model="opus"') == 1


def test_tasks_that_have_nothing_in_common_may_run_together_if_that_is_asked_for(project: Project):
    told = project.told("annotate", str(write(project, PLAN).name), "--infer-parallel")
    assert 'parallel="can-parallelize" depends-on=""' in told
    text = PLAN.replace("Write it.", "Write about src/page.py.")
    told = project.told("annotate", str(write(project, text).name), "--infer-parallel")
    assert "waits for 1: it names src/page.py of task 1" in told
    assert 'parallel="sequential" depends-on="1"' in told


def test_a_plan_with_errors_is_left_alone_and_the_others_go_on(project: Project):
    write(project, PLAN.replace('type="auto"', 'model="gpt"', 1), "01-01-PLAN.md")
    good = write(project, PLAN, "01-02-PLAN.md")
    told = project.told("annotate", ".", "--write", code=2)
    assert '01-01-PLAN.md: left alone: 9:7: T304 model="gpt" cannot be read' in told
    assert "general-purpose" in good.read_text()


def test_a_plan_without_task_elements_has_no_place_for_attributes(project: Project):
    path = write(project, "# Plan\n\n## Task 1: x\n**Files:** a\n\nDo it.\n")
    assert "there is no place for attributes" in project.told("annotate", path.name, "--write")
    assert path.read_text().startswith("# Plan")
