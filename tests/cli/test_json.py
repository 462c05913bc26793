"""`--json`: one document whatever happens, with what a program needs to answer a question."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.projects import Project, checkpoint, makes, task

PLAN = "demo-PLAN.md"
FIRST = makes("Task 1: first", "a.txt")
CHOICE = checkpoint(
    "decision",
    "which database",
    '<decision>Where the data lives</decision><options><option id="pg"><name>Postgres</name>'
    '</option><option id="lite"><name>SQLite</name></option></options>',
    'gate="blocking-human"',
)


def refused(project: Project, *words: str) -> dict[str, Any]:
    """The document, after the same words were said to people."""
    done = project.call(*words, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["version"], found["exit_code"]) == (1, done.returncode)
    assert found["error"].splitlines()[0].partition(" Next: ")[0] in done.stderr
    return found


def test_a_refused_plan_comes_with_its_diagnostics(project: Project):
    project.write(makes("Task 1: a", "a.txt", 'estimated-complexity="77"'))
    found = refused(project, "run", PLAN)
    assert found["exit_code"] == 2
    assert found["diagnostics"] == project.json("lint", PLAN, code=2)["diagnostics"]


def test_every_other_refusal_has_its_message(project: Project):
    project.write(task("Task 1: prose", "x", attributes='type="auto"'))
    found = refused(project, "run", PLAN)
    assert (found["exit_code"], list(found)) == (3, ["version", "exit_code", "error"])
    assert "no installed worker can do it" in found["error"]
    (project.root / ".orchestrator" / "journal.db").write_bytes(b"not a database" * 100)
    assert refused(project, "show")["exit_code"] == 4


@pytest.mark.parametrize("words", [["run"], ["run", "nowhere"], ["lint", ".", "--odd"], ["show"]])
def test_wrong_usage_has_a_document_too(project: Project, words: list[str]):
    assert refused(project, *words)["exit_code"] == 64


def test_nothing_to_do_is_one_document_in_a_dry_run_too(project: Project):
    project.write(FIRST)
    project.told("run", PLAN)
    assert project.json("run", PLAN, "--dry-run") == project.json("run", PLAN)
    assert project.json("run", PLAN)["run"] is None


def test_a_question_can_be_answered_from_the_document_alone(project: Project):
    project.write(FIRST, CHOICE)
    found = project.json("run", PLAN, code=5)
    first, choice = found["tasks"]
    assert (first["asks"], first["answer"], choice["answer"]) == (None, None, None)
    assert choice["asks"] == {
        "type": "checkpoint:decision",
        "text": "decision: Where the data lives",
        "options": [{"id": "pg", "name": "Postgres"}, {"id": "lite", "name": "SQLite"}],
        "gate": "blocking-human",
    }
    assert project.json("show")["tasks"][1]["asks"] == choice["asks"]
    option = choice["asks"]["options"][1]["id"]
    project.told("approve", found["run"], choice["id"], "--option", option, "--note", "small")
    choice = project.json("resume")["tasks"][1]
    assert choice["asks"] is None
    answer = choice["answer"]
    assert set(answer) == {"approved", "option", "note", "by"}
    assert (answer["approved"], answer["option"], answer["note"]) == (True, "lite", "small")
