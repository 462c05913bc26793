"""A secret whose value is a name of the project, or stands in a check: the run does what it does without it, and says so."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.projects import Project, task

PHASE, BRANCH, TRACKED, DECLARED = (
    "acme-portal",
    "feat/acme-9-branch",
    "lib/acme-lib-7.py",
    "src/acme-store-5.ts",
)
MARK = "word-in-check-3"
NAMES = {
    "ROOT_KEY": "my-project-2024",
    "DB_PASSWORD": PHASE,
    "BRANCH_TOKEN": BRANCH,
    "PART_TOKEN": "acme-9-branch",
    "TRACKED_SECRET": "acme-lib-7",
    "API_KEY": "acme-store-5",
    "TASK_TOKEN": "plans/acme-portal-PLAN.md",
}  # fmt: skip
FRONT = f"---\nphase: {PHASE}\nplan: 01\n---\n<objective>x</objective>\n"


class Did(NamedTuple):
    """What a run has done, but for its words."""

    code: int
    events: list[tuple[str, str | None, int | None]]
    outcomes: list[tuple[str | None, float | None]]
    delivered: tuple[Any, ...]
    files: dict[str, bytes]
    around: list[str]
    complete: bool


def lay(folder: Path, check: str) -> Project:
    project = Project(folder)
    project.root = project.root.rename(folder / "my-project-2024")
    files = {TRACKED: "x\n", ".gitignore": ".orchestrator\n"}
    tasks = (
        task("Task 1: store", f"mkdir -p src; echo 1 > {DECLARED}; echo 2 >> {TRACKED}",
             f"cd {project.root}; {check} {DECLARED}", files=f"{DECLARED}, {TRACKED}"),
        task("Task 2: late", "if test -e once; then echo ok > late.txt; else touch once; fi",
             f"echo {MARK} > /dev/null; test -s late.txt", files="late.txt, once"),
        task("Task 3: not alone", f"cat {DECLARED}", f"test -s {DECLARED}", attributes='type="auto" subagent="bash" depends-on="1"'),
    )  # fmt: skip
    files["plans/acme-portal-PLAN.md"] = f"{FRONT}<tasks>\n{''.join(tasks)}</tasks>\n"
    for name, text in files.items():
        (project.root / name).parent.mkdir(exist_ok=True)
        (project.root / name).write_text(text)
    project.environment |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
    }
    (folder / "gitconfig").write_text("[user]\nname = me\nemail = me@localhost\n")
    for words in (["init", "-q", "-b", BRANCH], ["add", "-A"], ["commit", "-qm", "begin"]):
        git(project, *words)
    return project


def git(project: Project, *words: str) -> str:
    return subprocess.run(
        ["git", *words],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def run(folder: Path, secrets: dict[str, str], check: str = "test -s") -> tuple[Did, str]:
    folder.mkdir()
    project = lay(folder, check)
    done = project.call("run", "plans/acme-portal-PLAN.md", "--workers", "1", **secrets)
    with sqlite3.connect(project.root / ".orchestrator/journal.db") as book:
        rows = book.execute("SELECT kind, task, attempt, data FROM events ORDER BY seq").fetchall()
    book.close()
    told = [(kind, json.loads(data)) for kind, _, _, data in rows]
    ended = [data["outcome"] for kind, data in told if kind == "attempt_finished"]
    delivered = next(data for kind, data in told if kind == "delivered")
    return Did(
        code=done.returncode,
        events=[(kind, t, n) for kind, t, n, _ in rows if kind != "worker_reported"],
        outcomes=[(one["failure"], one["verdict"] and one["verdict"]["strength"]) for one in ended],
        delivered=(delivered["why"], delivered["into"], delivered["commits"]),
        files=_files(project),
        around=sorted(one.name for one in folder.iterdir()),
        complete="status: complete" in (project.root / "plans/acme-portal-SUMMARY.md").read_text()
        if (project.root / "plans/acme-portal-SUMMARY.md").exists()
        else False,
    ), done.stdout + done.stderr  # fmt: skip


def _files(project: Project) -> dict[str, bytes]:
    names = git(project, "ls-tree", "-r", "--name-only", BRANCH).splitlines()
    return {one: (project.root / one).read_bytes() for one in names if not one.startswith("plans/")}


@pytest.mark.timeout(150)
def test_a_secret_that_is_a_name_of_the_project_changes_nothing_that_a_run_does(tmp_path: Path):
    plain, _ = run(tmp_path / "one", {})
    same, said = run(tmp_path / "two", NAMES)
    assert plain.code == 0
    assert DECLARED in plain.files
    assert same == plain
    told = sorted(row.split()[1] for row in said.splitlines() if "is not redacted" in row)
    assert told == sorted(NAMES)
    assert "[redacted" not in said


@pytest.mark.timeout(150)
@pytest.mark.parametrize("check", ["test -s", "! test -s lib/none; test -s"])
def test_nor_does_one_that_stands_in_a_check(tmp_path: Path, check: str):
    """The journal has the check without it, and looks for it there again: at the next try, and on the result."""
    plain, _ = run(tmp_path / "one", {}, check)
    same, said = run(tmp_path / "two", {"CHECK_TOKEN": MARK}, check)
    assert same == plain
    assert "is not redacted" not in said
