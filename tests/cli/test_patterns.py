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
    """Six tasks ran the tests and did nothing else, and six the linter as a part of what they did."""
    found = Project(tmp_path)
    rows = [
        Occurrence(
            workflow=f"r p/{n} 1", operation=operation, at=now(), ok=True, tokens=1000 * (n + 1),
            cost_usd=cents / 100, command=command, similarity=whole,
        )
        for operation, cents, command, whole in ((BACKEND, 50, "cd backend && pytest", 100), (RUFF, 20, "ruff check .", 0))
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
    for words in (("patterns", "show", "x"), ("context", "profile", "x")):
        done = empty.call(*words)
        assert (done.returncode, done.stdout) == (64, "")
        assert "there is no pattern 'x'." in done.stderr
    assert empty.json("patterns", "analyze")["candidates"] == []
    assert not (empty.root / ".orchestrator" / "journal.db").exists()


def test_patterns_are_listed_and_one_is_shown(project: Project):
    listed = project.told("patterns")
    assert listed.splitlines()[0].split() == ["NO", "PATTERN", "SEEN", "SURE", "TOKENS", "COST", "30", "DAYS", "STATUS", "TOOL"]  # fmt: skip
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
        ".orchestrator/suggestions/test-pytest-backend.md",
        ".orchestrator/suggestions/lint-ruff-all.md",
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


def test_what_no_tool_takes_is_said_to_be_so_and_is_no_next_step(project: Project):
    found = project.json("patterns", "analyze")["candidates"]
    assert [one["whole_tasks"] for one in found] == [6, 0]
    told = project.told("patterns", "analyze")
    assert (
        "note: 1 of these was only a part of larger tasks, and a tool takes only whole tasks"
        in told
    )
    assert "  next: orchestrator patterns approve test:pytest:backend\n" in told
    shown = project.told("patterns", "show", "lint:ruff:all")
    assert "all of it as parts of larger tasks: a tool takes only whole ones" in shown
    assert "would have saved" not in shown
    assert "no tool does it" not in shown
    project.told("patterns", "approve", "test:pytest:backend")
    told = project.told("patterns", "analyze")
    assert "  next: plan it as a task of its own; orchestrator patterns show lint:ruff:all" in told
    written = (project.root / ".orchestrator" / "suggestions" / "lint-ruff-all.md").read_text()
    assert "nothing as tasks are planned now: 0 of 6 were whole tasks" in written


def test_switched_off_nothing_is_looked_for(project: Project):
    (project.root / ".orchestrator" / "config.toml").write_text("[patterns]\ndiscover = false\n")
    told = project.told("patterns", "analyze")
    assert "nothing was looked for: patterns.discover is false" in told
    assert "  next: set discover = true below [patterns] in .orchestrator/config.toml\n" in told
    assert {one["status"] for one in project.json("patterns")["patterns"]} == {"detected"}
    assert not (project.root / ".orchestrator" / "suggestions").exists()


def test_with_detection_off_it_is_said_and_how_to_switch_it_on(project: Project, tmp_path: Path):
    (project.root / ".orchestrator" / "config.toml").write_text("[patterns]\ndetect = false\n")
    told = project.told("patterns", "analyze")
    assert (
        "nothing was counted: patterns.detect is false in the settings\n  next: set detect" in told
    )
    assert "operations seen" not in told
    found = project.json("patterns", "analyze")
    assert (found["detect"], found["discover"]) == (False, True)
    (tmp_path / "other").mkdir()
    empty = Project(tmp_path / "other")
    (empty.root / ".orchestrator" / "config.toml").write_text("[patterns]\ndetect = false\n")
    assert "none will be: patterns.detect is false" in empty.told("patterns")


def test_what_is_in_use_is_counted_where_nothing_is_new(project: Project):
    for signature in ("test:pytest", "lint:ruff"):
        project.told("patterns", "approve", signature)
    told = project.told("patterns", "analyze")
    assert "no new pattern is worth a script" in told
    assert told.rstrip().endswith("; 2 are in use")


@pytest.mark.parametrize(
    "words",
    [
        ("patterns",),
        ("patterns", "show", "lint:ruff"),
        ("patterns", "analyze"),
        ("patterns", "approve", "lint:ruff"),
        ("patterns", "reject", "lint:ruff"),
        ("patterns", "deprecate", "lint:ruff"),
        ("patterns", "propose", "lint:ruff"),
        ("tools", "list"),
        ("tools", "enable", "run_test_workflow"),
        ("tools", "disable", "run_test_workflow"),
        ("tools", "add", "x.toml"),
        ("tools", "test", "run_test_workflow"),
        ("context", "profile", "lint:ruff"),
        ("quota",),
    ],
    ids=" ".join,
)
def test_broken_settings_are_refused_before_anything_is_shown_or_changed(
    project: Project, words: tuple[str, ...]
):
    config = project.root / ".orchestrator" / "config.toml"
    config.write_text("[patterns]\nmin_confidence = 200\n")
    done = project.call(*words)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{config}: patterns.min_confidence = 200: should be" in done.stderr
    config.unlink()
    assert {one["status"] for one in project.json("patterns")["patterns"]} == {"detected"}


def test_the_last_30_days_are_those_of_now_and_what_a_tool_does_costs_no_model(project: Project):
    found = {one["signature"]: one for one in project.json("patterns")["patterns"]}
    assert (found["test:pytest:backend"]["monthly_usd"], found["lint:ruff"]["monthly_usd"]) == (3.0, 1.2)  # fmt: skip
    assert found["lint:ruff"]["decided_by"] is None
    shown = project.told("patterns", "show", "test:pytest:backend")
    assert "$3.00 was used for it with a model: the most that a tool would have saved" in shown
    assert project.json("patterns", "approve", "test:pytest:backend")["pattern"]["monthly_usd"] == 3
    shown = project.told("patterns", "show", "test:pytest:backend")
    assert "$3.00 was used for it with a model; run_test_workflow does it now, without one" in shown
    assert "nothing is booked yet" in shown


def test_who_approved_it_stays_whatever_becomes_of_its_tool(project: Project):
    who = project.json("patterns", "approve", "test:pytest:backend")["pattern"]["decided_by"]
    assert who
    for words, state in (("disable", "implemented"), ("enable", "active")):
        project.told("tools", words, "run_test_workflow")
        one = project.json("patterns", "show", "test:pytest:backend")["pattern"]
        assert (one["status"], one["decided_by"]) == (state, who)
        listed = {one["signature"]: one for one in project.json("patterns")["patterns"]}
        assert listed["test:pytest:backend"]["decided_by"] == who
    assert f"by {who}" in project.told("patterns", "show", "test:pytest:backend")


def test_no_tool_is_drafted_for_what_a_model_does_itself(project: Project):
    cat = Operation(verb="read", tool="cat", scope="all")
    with store.writing(project.root) as book:
        book.record([Occurrence(workflow="x", operation=cat, at=now(), ok=True, command="cat a")])
    for word in ("propose", "approve"):
        done = project.call("patterns", word, "read:cat")
        assert (done.returncode, done.stdout) == (64, "")
        assert "read:cat is no work for a tool" in done.stderr
    assert not (project.root / ".orchestrator" / "tools").exists()


def test_the_status_says_no_word_twice_and_what_an_end_means(project: Project):
    project.told("patterns", "approve", "lint:ruff")
    shown = project.told("patterns", "show", "lint:ruff").splitlines()
    assert shown[1].split() == ["status", "approved"]
    told = project.told("patterns", "deprecate", "lint:ruff:all")
    assert told == "lint:ruff:all is deprecated: it is suggested no more\n"
    project.told("patterns", "approve", "test:pytest")
    shown = project.told("patterns", "show", "test:pytest").splitlines()
    assert shown[1].split(maxsplit=1)[1] == "active: done by run_test_workflow"
    told = project.told("patterns", "deprecate", "test:pytest")
    assert told == "test:pytest is deprecated: a model does it again\n"
    listed = {row.split()[1]: row.split() for row in project.told("patterns").splitlines()}
    assert listed["test:pytest"][-1] == "deprecated", "no tool does it"
    project.told("patterns", "reject", "lint:ruff")
    listed = {row.split()[1]: row.split() for row in project.told("patterns").splitlines()}
    assert listed["lint:ruff"][-1] == "rejected"
    done = project.call("patterns", "reject", "lint:ruff")
    assert done.returncode == 64
    assert (
        "error: lint:ruff is rejected already.\n  next: orchestrator patterns approve"
        in done.stderr
    )


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_narrow_screen_no_row_goes_on_below_itself_and_names_differ(
    project: Project, width: int
):
    rows = [
        Occurrence(
            workflow="r p/9 1", operation=Operation(verb="test", tool="npm", scope="a-package-with-a-long-name", variant=name),
            at=now(), ok=True, tokens=1_000_000, cost_usd=1.0, command="npm test",
        )
        for name in ("all-the-units-of-it", "all-that-is-integrated")
    ]  # fmt: skip
    with store.writing(project.root) as book:
        book.record(rows)
    count = len(project.json("patterns")["patterns"])
    with project.terminal("patterns", size=(24, width)) as seen:
        assert seen.end() == 0
        lines = [one for one in seen.text.replace("\r", "").split("\n") if one]
    assert len(lines) == count + 1
    assert all(len(one) <= width for one in lines)
    names = [one.split()[1] for one in lines]
    assert len(set(names)) == len(names)
    assert {"units-of-it", "-integrated"} <= {one[-11:] for one in names}
    assert {one.index("detected") for one in lines[1:]} == {lines[0].index("STATUS")}


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


def test_what_was_found_is_told_also_where_gh_fails(project: Project, tmp_path: Path):
    """The first issue is opened, the second one is not."""
    folder = tmp_path / "bin"
    folder.mkdir()
    once = "if [ $1 = issue ] && [ $2 = list ]; then test -e once && { echo HTTP 502 >&2; exit 1; }; touch once; echo []; fi"
    (folder / "gh").write_text(
        f"#!/bin/sh\ncd {folder} || exit 9\n{once}\n"
        "[ $1 = issue ] && [ $2 = create ] && echo https://github.example/o/r/issues/1\nexit 0\n"
    )
    (folder / "gh").chmod(0o755)
    project.environment["PATH"] = f"{folder}:{os.environ['PATH']}"
    done = project.call("patterns", "analyze", "--github", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 3
    assert [one["signature"] for one in found["candidates"]] == ["test:pytest:backend", "lint:ruff:all"]  # fmt: skip
    assert len(found["written"]) == 2
    assert [one["pattern"] for one in found["opened"]] == ["test:pytest:backend"]
    assert found["trouble"].startswith("gh issue list failed: HTTP 502")
    assert found["trouble"].partition(" Next: ")[0] in done.stderr
    done = project.call("patterns", "analyze", "--github")
    assert done.returncode == 3
    assert "lint:ruff:all" in done.stdout
    assert "error: gh issue list failed: HTTP 502" in done.stderr
    assert "gh is asked" in done.stderr


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
