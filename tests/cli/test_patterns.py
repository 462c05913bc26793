"""patterns: from what agents did to a tool that does it, by the command. Real runs, real files, a `gh` of our own."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from orchestrator import clock
from orchestrator.model.outloop import Occurrence, Operation
from orchestrator.outloop import store
from tests.cli.projects import Project
from tests.outloop.test_suggestion import GH

BACKEND = Operation(verb="test", tool="pytest", scope="backend")
RUFF = Operation(verb="lint", tool="ruff", scope="all")


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(clock.wall() - 60))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Six tasks ran the tests, and six the linter."""
    found = Project(tmp_path)
    rows = [
        Occurrence(
            workflow=f"r p/{n} 1", operation=operation, at=now(), ok=True, tokens=1000 * (n + 1),
            cost_usd=cents / 100, command=command,
        )
        for operation, cents, command in ((BACKEND, 50, "cd backend && pytest"), (RUFF, 20, "ruff check ."))
        for n in range(6)
    ]  # fmt: skip
    with store.writing(found.root) as book:
        book.record(rows)
    return found


def test_nothing_is_said_to_be_nothing(tmp_path: Path):
    empty = Project(tmp_path)
    assert "no operation was seen yet" in empty.told("patterns")
    assert empty.json("patterns") == {"version": 1, "patterns": []}
    assert "nothing ran" in empty.call("patterns", "approve", "1").stderr
    assert empty.json("patterns", "analyze")["candidates"] == []
    assert not (empty.root / ".orchestrator" / "journal.db").exists()


def test_patterns_are_listed_and_one_is_shown(project: Project):
    listed = project.told("patterns")
    assert listed.splitlines()[0].split() == ["PATTERN", "SEEN", "SURE", "TOKENS", "COST", "A", "MONTH", "STATUS", "TOOL"]  # fmt: skip
    assert {one["signature"] for one in project.json("patterns")["patterns"]} == {
        "test:pytest:backend",
        "test:pytest",
        "lint:ruff:all",
        "lint:ruff",
    }
    shown = project.told("patterns", "show", "test:pytest:backend")
    assert "cd backend && pytest" in shown
    assert "run_test_workflow could do it" in shown
    document = project.json("patterns", "show", "test:pytest:backend")
    assert document["pattern"]["mean_tokens"] == 3500
    assert len(document["latest"]) == 6
    assert "did you mean" in project.call("patterns", "show", "test:pytset:backend").stderr


def test_from_candidate_to_active_and_back(project: Project):
    found = project.json("patterns", "analyze")
    assert [one["signature"] for one in found["candidates"]] == ["test:pytest:backend", "lint:ruff:all"]  # fmt: skip
    assert found["written"] == [
        ".orchestrator/suggestions/test:pytest:backend.md",
        ".orchestrator/suggestions/lint:ruff:all.md",
    ]
    assert project.json("patterns", "analyze")["written"] == []
    told = project.told("patterns", "approve", "test:pytest:backend")
    assert (
        told
        == "test:pytest:backend is approved, and active: run_test_workflow does it from now on\n"
    )
    told = project.told("patterns", "approve", "lint:ruff:all")
    assert "no tool that is enabled does it yet" in told
    assert "next: orchestrator patterns propose lint:ruff:all" in told
    drafted = project.json("patterns", "propose", "lint:ruff:all")
    assert "lint:ruff:all from now on" in project.told("tools", "add", drafted["manifest"])
    states = {one["signature"]: (one["status"], one["tool"]) for one in project.json("patterns")["patterns"]}  # fmt: skip
    assert states["test:pytest:backend"] == ("active", "run_test_workflow")
    assert states["lint:ruff:all"] == ("active", "lint_ruff_all")
    assert project.call("patterns", "reject", "test:pytest:backend").returncode == 64
    project.told("patterns", "deprecate", "test:pytest:backend", "--note", "flaky")
    one = project.json("patterns", "show", "test:pytest:backend")["pattern"]
    assert (one["status"], one["why"]) == ("deprecated", "flaky")
    assert [one["signature"] for one in project.json("patterns", "analyze")["candidates"]] == []


def test_switched_off_nothing_is_looked_for(project: Project):
    (project.root / ".orchestrator" / "config.toml").write_text("[patterns]\ndiscover = false\n")
    assert "patterns.discover is false" in project.told("patterns", "analyze")
    assert {one["status"] for one in project.json("patterns")["patterns"]} == {"detected"}
    assert not (project.root / ".orchestrator" / "suggestions").exists()


def test_by_default_nobody_but_a_person_activates_one(project: Project):
    rows = [Occurrence(workflow=f"x{n}", operation=BACKEND, at=now(), ok=True) for n in range(20)]
    with store.writing(project.root) as book:
        book.record(rows)
    assert project.json("patterns", "analyze")["activated"] == []
    (project.root / ".orchestrator" / "config.toml").write_text("[patterns]\nauto_activate = true\n")  # fmt: skip
    found = project.json("patterns", "analyze")
    assert found["activated"] == ["test:pytest:backend"]
    assert [one["signature"] for one in found["candidates"]] == ["lint:ruff:all"]


def test_with_github_each_candidate_is_an_issue_once(project: Project, tmp_path: Path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    project.environment["PATH"] = f"{folder}:{os.environ['PATH']}"
    opened = project.json("patterns", "analyze", "--github")["opened"]
    assert [one["pattern"] for one in opened] == ["test:pytest:backend", "lint:ruff:all"]
    assert project.json("patterns", "analyze", "--github")["opened"] == []
    called = [json.loads(line)[:2] for line in (folder / "calls").read_text().splitlines()]
    assert called.count(["issue", "create"]) == 2
    assert project.json("patterns", "show", "lint:ruff:all")["pattern"]["issue"].endswith("/102")


def test_without_github_gh_is_not_called(project: Project, tmp_path: Path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    project.environment["PATH"] = f"{folder}:{os.environ['PATH']}"
    project.told("patterns", "analyze")
    assert not (folder / "calls").exists()


def test_backfill_counts_the_runs_of_the_journal_once(tmp_path: Path):
    project = Project(tmp_path)
    kept = Path(__file__).parents[1] / "journal" / "kept" / "2.db"
    (project.root / ".orchestrator" / "journal.db").write_bytes(kept.read_bytes())
    first = project.json("patterns", "backfill")
    assert first["new"] == 1
    assert [one["signature"] for one in first["top"]] == ["test:pytest", "test:pytest:tests"]
    assert project.json("patterns", "backfill")["new"] == 0
    assert "test:pytest:tests" in project.told("patterns", "backfill")


def test_backfill_is_refused_where_nothing_is_to_be_counted(project: Project):
    (project.root / ".orchestrator" / "config.toml").write_text("[patterns]\ndetect = false\n")
    done = project.call("patterns", "backfill")
    assert done.returncode == 64
    assert "patterns.detect is false" in done.stderr
