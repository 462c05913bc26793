"""`--json`: one document whatever happens, with what a program needs to answer a question."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cli.projects import Project, checkpoint, makes, task
from tests.cli.test_limits import agents

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
    asked_at = choice["asks"].pop("asked_at")
    assert asked_at.endswith("Z")
    assert (first["asks"], first["answer"], choice["answer"]) == (None, None, None)
    assert choice["asks"] == {
        "type": "checkpoint:decision",
        "text": "decision: Where the data lives",
        "options": [{"id": "pg", "name": "Postgres"}, {"id": "lite", "name": "SQLite"}],
        "gate": "blocking-human",
        "expires_at": None,
    }
    shown = project.json("show")
    assert shown["tasks"][1]["asks"] == choice["asks"] | {"asked_at": asked_at}
    assert shown["closed"] == []
    option = choice["asks"]["options"][1]["id"]
    project.told("approve", found["run"], choice["id"], "--option", option, "--note", "small")
    choice = project.json("resume")["tasks"][1]
    assert choice["asks"] is None
    answer = choice["answer"]
    assert set(answer) == {"approved", "option", "note", "by", "via"}
    assert (answer["approved"], answer["option"], answer["note"]) == (True, "lite", "small")
    assert answer["via"] == "command"


def test_when_a_question_expires_and_which_provider_is_closed_is_in_the_documents(
    project: Project,
):
    agents(project, project.root, slow=600)
    config = project.root / ".orchestrator" / "config.toml"
    config.write_text(
        config.read_text() + '[checkpoints]\nexpire_s = 3600\n[run]\non_quota = "stop"\n'
    )
    words = 'depends-on="" worker="slow" parallel="can-parallelize"'
    limited = task("Task 2: x", "x", "false", files="x", attributes=f'type="auto" {words}')
    project.write(
        checkpoint("human-verify", "look", "<what-built>it</what-built>", 'depends-on=""'), limited
    )
    with project.started("run", PLAN, stdout=subprocess.PIPE) as engine:
        assert engine.stdout is not None
        assert any("is closed for" in line for line in engine.stdout)
        shown = project.json("show")
        asks = shown["tasks"][0]["asks"]
        expires, asked = (datetime.fromisoformat(asks[key]) for key in ("expires_at", "asked_at"))
        assert (expires - asked).total_seconds() == 3600
        assert project.json("runs")["runs"][0]["expires_at"] == asks["expires_at"]
        (closed,) = shown["closed"]
        assert (closed["gate"], closed["failure"]) == ("slows", "rate-limit")
        left = datetime.fromisoformat(closed["until"]) - datetime.now(UTC)
        assert 500 < left.total_seconds() < 640
