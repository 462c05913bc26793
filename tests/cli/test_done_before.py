"""A part of a plan is run, and the rest was done before: the SUMMARY is of the whole, also after a resume, and dependants start."""

from __future__ import annotations

import pytest

from tests.cli.projects import Project, makes, task
from tests.summary.story import front, section

PLAN = "phases/01-demo/01-01-PLAN.md"
SUMMARY = "phases/01-demo/01-01-SUMMARY.md"
SECOND = "echo {word} > two.txt"


def second(word: str, check: str = "test -s two.txt") -> str:
    return task("two", SECOND.format(word=word), check, files="two.txt")


@pytest.fixture
def done(project: Project) -> str:
    """The run that has done both tasks of the plan."""
    project.write(makes("one", "one.txt"), second("old"), name=PLAN)
    project.told("run", PLAN)
    return project.newest()


def test_what_was_done_with_the_same_text_counts_in_the_summary(project: Project, done: str):
    project.write(makes("one", "one.txt"), second("new", "grep new two.txt"), name=PLAN)
    project.told("run", PLAN, "--again", "--only", "2")
    text = (project.root / SUMMARY).read_text()
    head = front(text)
    assert head["status"] == "complete"
    assert head["key-files"]["modified"] == ["one.txt", "two.txt"]
    one, two = head["tasks"]
    assert (one["state"], one["run"], one["check"]["result"]) == ("succeeded", done, "green")
    assert (two["state"], "run" in two) == ("succeeded", False)
    assert (one["attempts"], head["execution"]["attempts"]) == (1, 1)
    assert (
        head["execution"]["tasks"] | {"succeeded": 2, "not_selected": 0, "done_before": 1}
        == (head["execution"]["tasks"])
    )
    assert f"(done in run `{done}`)" in section(text, "Accomplishments")
    assert "2/2, 1 of them before this run" in section(text, "Performance")
    assert f"**Task 1:** green in run `{done}`" in section(text, "Checks")
    assert "1 task done in" in text
    assert "1 done before" in text
    project.write(makes("next", "3.txt"), name="phases/01-demo/01-02-PLAN.md", front=BEHIND)
    project.told("run", "phases/01-demo/01-02-PLAN.md")


BEHIND = "depends_on: [01-01]\n"


def test_a_resumed_run_knows_what_was_done_before_it(project: Project, done: str):
    project.write(makes("one", "one.txt"), second("new", "test -e flag"), name=PLAN)
    project.told("run", PLAN, "--again", "--only", "2", code=1)
    halted = front((project.root / SUMMARY).read_text())
    assert [one["state"] for one in halted["tasks"]] == ["succeeded", "failed"]
    (project.root / "flag").touch()
    project.told("retry", project.newest(), "2")
    head = front((project.root / SUMMARY).read_text())
    assert head["status"] == "complete"
    assert head["tasks"][0]["run"] == done


def test_what_has_another_text_by_now_was_not_done_before(project: Project, done: str):
    project.write(makes("one", "1.txt"), second("new", "grep new two.txt"), name=PLAN)
    project.told("run", PLAN, "--again", "--only", "2")
    head = front((project.root / SUMMARY).read_text())
    assert head["status"] == "halted"
    assert head["tasks"][0]["state"] == "not-selected"


def test_a_third_run_knows_the_first_through_the_second(project: Project, done: str):
    for word in ("new", "newer"):
        project.write(makes("one", "one.txt"), second(word, f"grep {word} two.txt"), name=PLAN)
        project.told("run", PLAN, "--again", "--only", "2")
    assert front((project.root / SUMMARY).read_text())["tasks"][0]["run"] == done
