"""lint and graph: located diagnostics, honest counts, one project at a time."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.projects import Project, makes, task
from tests.conftest import REPOSITORY

PLAN = "demo-PLAN.md"
LAX = ("--ignore", "F208,N002")  # what the plans of these tests do not care for
GOOD = makes("Task 1: a", "a.txt")
BAD = makes("Task 1: a", "a.txt", 'estimated-complexity="77"')


def test_a_clean_plan_is_counted(project: Project):
    project.write(GOOD)
    assert project.told("lint", PLAN) == "0 errors, 0 warnings in 1 plan, 1 task\n"
    assert project.told("validate", PLAN) == project.told("lint", PLAN)


def test_an_error_is_shown_with_its_line_and_a_caret(project: Project):
    project.write(GOOD, makes("Task 2: b", "b.txt", 'depends-on="9"'))
    head, side, source, caret, empty, count = project.told("lint", PLAN, code=2).splitlines()
    assert head == (
        'demo-PLAN.md:13:35: G501 depends-on="9" of demo/2 names no task; this plan has 1, 2'
    )
    assert source.startswith('13 | <task type="auto" subagent="bash" depends-on="9">')
    assert (side, caret, empty) == ("   |", f"   | {' ' * 34}^", "")
    assert count == "1 error, 0 warnings in 1 plan, 2 tasks"


def test_the_caret_is_below_the_column_also_in_long_lines(project: Project):
    path = project.write(makes("Task 1: a", "a.txt", 'timeout="soon"'))
    path.write_text(path.read_text().replace("<tasks>\n", f"<tasks><!-- {'x' * 300} -->"))
    rows = project.told("lint", PLAN, code=2).splitlines()
    source, caret = next(pair for pair in pairwise(rows) if "^" in pair[1])
    assert source[caret.index("^") :].startswith("timeout=")
    assert len(source) < 140


def test_warnings_are_marked_and_are_no_error(project: Project):
    project.write(makes("Task 1: a", "a.txt", 'odd="1"'))
    told = project.told("lint", PLAN)
    assert f"{PLAN}:8:35: S110 warning: the attribute odd is not known" in told
    assert "0 errors, 1 warning" in told


def test_lint_json_has_the_documented_shape(project: Project):
    project.write(BAD)
    project.write(GOOD, name="sub/other-PLAN.md")
    found = project.json("lint", ".", code=2)
    assert list(found) == ["version", "diagnostics", "plans"]
    assert found["version"] == 1
    (one,) = found["diagnostics"]
    message = one.pop("message")
    assert message.startswith("estimated-complexity")
    assert one == {"file": PLAN, "line": 8, "column": 35, "code": "T303", "severity": "error"}
    assert found["plans"] == [
        {"file": PLAN, "tasks": 1},
        {"file": "sub/other-PLAN.md", "tasks": 1},
    ]


def test_finished_and_archived_plans_are_looked_at_too(project: Project):
    project.write(BAD, name="milestones/01-01-PLAN.md")
    (project.root / "milestones" / "01-01-SUMMARY.md").write_text("---\nstatus: complete\n---\n")
    assert "T303" in project.told("lint", ".", code=2)


def test_projects_in_one_folder_do_not_meet(project: Project):
    """Both have a 01-02: it keeps its short name only where it is alone."""
    for name in ("one", "two"):
        home = f"{name}/.planning/phases/01-x"
        project.write(GOOD, name=f"{home}/01-01-PLAN.md")
        project.write(GOOD, name=f"{home}/01-02-PLAN.md", front="depends_on: [01-01]\n")
    assert "0 errors, 0 warnings in 4 plans" in project.told("lint", "one", "two", *LAX)
    assert "0 errors, 0 warnings in 4 plans" in project.told("lint", ".", *LAX)
    project.write(makes("Task 1: a", "a.txt", 'depends-on="9"'), name=f"{home}/01-02-PLAN.md")
    assert 'depends-on="9" of 01-02/1 names no task' in project.told("lint", ".", code=2)


def test_a_part_of_a_project_knows_the_rest(project: Project):
    home = ".planning/phases/01-x"
    project.write(GOOD, name=f"{home}/01-01-PLAN.md")
    last = project.write(GOOD, name=f"{home}/01-02-PLAN.md", front="depends_on: [01-01]\n")
    assert "0 errors, 0 warnings in 1 plan" in project.told("lint", str(last), *LAX)


def test_graph_shows_batches_and_why(project: Project):
    project.write(
        GOOD,
        makes("Task 2: b", "b.txt", 'depends-on="1"'),
        makes("Task 3: c", "b.txt", 'depends-on="1"'),
    )
    told = project.told("graph", PLAN)
    assert "Batch 1: demo/1\n" in told
    assert "longest chain: demo/1 -> demo/2 -> demo/3 (about 45m 00s)\n" in told
    assert "width: 1 task at once at most\n" in told
    assert "they write the same file  demo/2 before demo/3: b.txt\n" in told
    assert "Batch 2: demo/2\n" in told
    assert "after demo/1 (depends-on), demo/2 (conflict: b.txt)" in told
    found = project.json("graph", PLAN)
    assert list(found)[:4] == ["version", "tasks", "edges", "batches"]
    assert found["plans"] == [{"id": "demo", "file": PLAN, "title": "x", "tasks": 3}]
    assert found["critical_path"] == ["demo/1", "demo/2", "demo/3"]
    assert (found["critical_path_s"], found["width"], found["not_at_once"]) == (2700.0, 1, [])
    assert found["batches"] == [["demo/1"], ["demo/2"], ["demo/3"]]
    assert found["edges"][-1] == {
        "before": "demo/2",
        "after": "demo/3",
        "reason": "conflict",
        "note": "b.txt",
    }
    assert found["tasks"][0]["name"] == "a"


def test_graph_speaks_mermaid_and_dot(project: Project):
    project.write(makes('Task 1: say "hi" --> there', "a.txt"), makes("Task 2: b", "b.txt"))
    told = project.told("graph", PLAN, "--format", "mermaid")
    assert told.startswith("graph TD\n")
    assert 't1["demo/1: say &quot;hi&quot; --&gt; there"]' in told
    assert "t1 -->|order| t2" in told
    told = project.told("graph", PLAN, "--format", "dot")
    assert told.startswith("digraph plan {\n")
    assert r'"demo/1" [label="demo/1: say \"hi\" --> there", penwidth=3];' in told
    assert '"demo/1" -> "demo/2" [label="order"];' in told
    assert project.told("graph", PLAN, "--format", "svg").startswith("<svg xmlns=")
    assert project.call("graph", PLAN, "--format", "png").returncode == 64


def test_a_graph_that_cannot_be_run_is_2_and_names_the_cycle(project: Project):
    project.write(
        makes("Task 1: a", "a.txt", 'depends-on="2"'), makes("Task 2: b", "b.txt", 'depends-on="1"')
    )
    assert "demo/1 -> demo/2 -> demo/1" in project.call("graph", PLAN).stderr
    project.told("graph", PLAN, code=2)


def test_graph_needs_no_worker(project: Project):
    project.write(task("Task 1: prose", "x", attributes='type="auto" subagent="general"'))
    assert "prose" in project.told("graph", PLAN)


@pytest.mark.timeout(120)
def test_the_whole_corpus_is_read_without_a_crash(project: Project, shared: Path):
    began, project.deadline_s = time.process_time(), 100.0  # 13 s of a processor, which others use
    done = project.call("lint", str(shared / "data" / "plans"))
    assert done.returncode == 2, done.stderr[-2000:]
    assert done.stderr == ""
    assert " in 1344 plans, " in done.stdout
    assert time.process_time() - began < 5  # ours; the child's is bounded by the deadline
    codes = Counter(row.split(": ")[1][:4] for row in done.stdout.splitlines() if "PLAN.md:" in row)
    assert codes["K404"] > 0


def test_our_own_plans_have_nothing_that_lint_would_say(project: Project):
    told = project.told("lint", str(REPOSITORY / "plans"))
    assert told.startswith("0 errors, 0 warnings in 2 plans")
