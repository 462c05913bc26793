"""estimate --comment: the estimate and its splits as a comment on an issue, through a `gh` of our own; never twice, and never unasked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.projects import Project, task

GH = """#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
with (here / "calls").open("a") as file:
    file.write(json.dumps(words) + "\\n")
path = here / "comments"
said = json.loads(path.read_text()) if path.exists() else []
if (here / "refuse").exists():
    sys.exit("HTTP 403: Resource not accessible")
if words[:2] == ["issue", "view"]:
    print(json.dumps({"comments": said, "url": "https://github.example/o/r/issues/7"}))
if words[:2] == ["issue", "comment"]:
    url = f"https://github.example/o/r/issues/7#issuecomment-{len(said) + 1}"
    path.write_text(json.dumps([*said, {"body": sys.stdin.read(), "url": url}]))
    print(url)
"""
LARGE = task(
    "Task 1: much, @anna, fixes #3",
    "Fix the login form, add a CSV export for @anna and document the API",
)
FIRST = "https://github.example/o/r/issues/7#issuecomment-1"


@pytest.fixture
def gh(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    return folder


@pytest.fixture
def project(tmp_path: Path, gh: Path) -> Project:
    found = Project(tmp_path)
    found.environment["PATH"] = f"{gh}:{os.environ['PATH']}"
    text = LARGE.replace("```bash\n", "").replace("\n```", "")
    found.write(text.replace('type="auto" subagent="bash"', 'type="auto"'))
    return found


def comments(gh: Path) -> list[str]:
    return [one["body"] for one in json.loads((gh / "comments").read_text())]


def test_s3_02_the_splits_are_a_comment_once_and_another_one_where_the_plan_is_another(
    project: Project, gh: Path
):
    first = project.json("estimate", "demo-PLAN.md", "--comment", "7")["comment"]
    assert first == {"url": FIRST, "new": True}
    (text,) = comments(gh)
    assert text.startswith("<!-- orchestrator estimate ")
    assert "**Estimate of `demo-PLAN.md`**, 1 task, first tries only" in text
    assert "- `demo/1` asks for much at once: 3 concerns (more than 2), as tasks of their own:" in text  # fmt: skip
    assert "\n  - `Fix the login form`\n  - `add a CSV export for @anna`\n" in text
    again = project.told("estimate", "demo-PLAN.md", "--comment", "#7")
    assert again.rstrip().endswith(f"comment: {FIRST} (it was there already)")
    assert len(comments(gh)) == 1
    plan = project.root / "demo-PLAN.md"
    plan.write_text(plan.read_text().replace("CSV", "TSV"))
    told = project.told("estimate", "demo-PLAN.md", "--comment", "https://github.example/o/r/issues/7")  # fmt: skip
    assert "issuecomment-2\n" in told
    assert len(comments(gh)) == 2


def test_without_the_word_nothing_leaves_the_machine(project: Project, gh: Path):
    assert project.json("estimate", "demo-PLAN.md")["comment"] is None
    project.told("estimate", "demo-PLAN.md")
    assert not (gh / "calls").exists()


@pytest.mark.parametrize("name", ["--repo=x/y", "seven", "https://github.example/o/r/pull/7", ""])
def test_what_names_no_issue_is_refused_and_gh_is_not_asked(project: Project, gh: Path, name: str):
    done = project.call("estimate", "demo-PLAN.md", f"--comment={name}")
    assert done.returncode == 64
    assert "names no issue" in done.stderr
    assert not (gh / "calls").exists()


def test_what_gh_says_is_told_with_what_to_do(project: Project, gh: Path):
    (gh / "refuse").touch()
    done = project.call("estimate", "demo-PLAN.md", "--comment", "7")
    assert done.returncode == 3
    assert "gh issue view failed: HTTP 403: Resource not accessible" in done.stderr
    assert "next: gh auth status, or leave out --comment" in done.stderr
    done = project.call("estimate", "demo-PLAN.md", "--comment", "7", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["comment"]) == (3, None)
    assert found["total"]["tokens"]["high"] > 0, "the estimate is told all the same"
    assert found["trouble"].startswith("gh issue view failed: HTTP 403")
    assert "gh issue view failed" in done.stderr
