"""revert and `runs clean` as a person calls them, over runs that the engine really made and left."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.cli.cleaning import human
from tests.cli.projects import Project, makes, task, waits_for

PLAN = "demo-PLAN.md"
ONE = makes("Task 1: one", "a.txt")
TWO = makes("Task 2: two", "b.txt")
BUILDS = task(
    "Task 1: build", "mkdir build; echo x | tee build/out > a.txt", "test -s a.txt", files="a.txt"
)


def git(project: Project, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        ["git", *words],
        cwd=project.root,
        env=project.environment | {"GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture
def repo(project: Project) -> Project:
    git(project, "init", "-q", "-b", "main")
    git(project, "config", "user.name", "Ann")
    git(project, "config", "user.email", "ann@example.org")
    (project.root / ".gitignore").write_text("build/\n")
    return project


def begin(repo: Project, *tasks: str, front: str = "") -> None:
    """A committed plan for worktrees."""
    path = repo.write(*tasks, front=front)
    path.write_text(path.read_text().replace("workspace: directory\n", ""))
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "plan")


def subjects(repo: Project) -> list[str]:
    return git(repo, "log", "--format=%s").splitlines()


def interrupted(repo: Project, flag: Path, how: signal.Signals) -> str:
    """A run whose engine was ended in the middle of its one task, with work in its worktree."""
    begin(repo, waits_for(flag, more='timeout="60"'))
    with repo.started("run", PLAN, stdout=subprocess.PIPE) as running:
        run = repo_run(repo, running)
        place = repo.root / ".orchestrator/worktrees" / run / "001-demo-1"
        said = repo.root / ".orchestrator/runs" / run / "001-demo-1.1.log"
        while not (said.exists() and "here I am" in said.read_text()):
            assert running.poll() is None
            time.sleep(0.02)
        (place / "half.txt").write_text("half of the work\n")
        running.send_signal(how)
        running.wait()
    return run


def repo_run(repo: Project, running: subprocess.Popen[str]) -> str:
    assert running.stdout
    next(line for line in running.stdout if "▸" in line)
    return repo.newest()


# --- revert ---------------------------------------------------------------------------------------


def test_a_reverted_run_is_taken_back_and_can_be_run_anew(repo: Project):
    begin(repo, ONE, TWO)
    repo.told("run", PLAN)
    assert (repo.root / "b.txt").exists()
    assert "reverted" not in repo.told("show", repo.newest())
    told = repo.told("revert", repo.newest())
    assert "is reverted in main: 3 commits" in told
    assert f"next: orchestrator run {PLAN} does it anew" in told
    assert subjects(repo)[:3] == [
        'revert: "feat(demo): one"',
        'revert: "feat(demo): two"',
        'revert: "docs(demo): summary of the plan"',
    ]
    assert "reverted since in main: 3 of 3 commits" in repo.told("show", repo.newest())
    left = {one.name for one in repo.root.iterdir()}
    assert left == {".git", ".gitignore", ".orchestrator", PLAN}
    assert git(repo, "status", "--porcelain") == ""
    done = repo.call("revert", repo.newest())
    assert (done.returncode, "reverted already" in done.stderr) == (64, True)
    assert repo.json("run", PLAN)["exit_code"] == 0
    assert (repo.root / "b.txt").exists()


def test_the_document_of_a_revert_names_each_commit(repo: Project):
    begin(repo, ONE)
    run = repo.json("run", PLAN)["run"]
    summary, made = git(repo, "log", "-2", "--format=%H").split()
    found = repo.json("revert", run)
    assert [(one["task"], one["commit"]) for one in found["reverted"]] == [
        (None, summary),
        ("demo/1", made),
    ]
    assert found["reverted"][-1]["revert"] == git(repo, "rev-parse", "HEAD")
    rest = {key: found[key] for key in ("run", "exit_code", "branch", "conflict", "unfinished")}
    assert rest == {
        "run": run,
        "exit_code": 0,
        "branch": "main",
        "conflict": None,
        "unfinished": [PLAN],
    }


def test_a_conflict_changes_nothing_and_names_task_and_file(repo: Project):
    begin(repo, ONE, TWO)
    repo.told("run", PLAN)
    (repo.root / "a.txt").write_text("of the person\n")
    git(repo, "commit", "-qam", "mine")
    run, tip = repo.newest(), git(repo, "rev-parse", "HEAD")
    done = repo.call("revert", run)
    assert (done.returncode, done.stdout) == (1, "")
    assert "of demo/1 (feat(demo): one) cannot be taken back" in done.stderr
    assert "the same lines of a.txt" in done.stderr
    assert git(repo, "rev-parse", "HEAD") == tip
    assert git(repo, "status", "--porcelain") == ""
    conflict = repo.json("revert", run, code=1)["conflict"]
    assert (conflict["task"], conflict["files"]) == ("demo/1", ["a.txt"])


def test_a_run_in_the_plain_directory_cannot_be_reverted(repo: Project):
    repo.write(ONE)
    repo.told("run", PLAN)
    done = repo.call("revert", repo.newest())
    assert done.returncode == 64
    assert "worked in the plain directory" in done.stderr


def test_a_run_whose_branch_stays_is_not_reverted(repo: Project):
    begin(repo, ONE, task("Task 2: bad", "exit 3", "false"))
    repo.told("run", PLAN, code=1)
    run, tip = repo.newest(), git(repo, "rev-parse", "HEAD")
    done = repo.call("revert", run)
    assert done.returncode == 64
    assert f"not in main but in orchestrator/{run}" in done.stderr
    assert (
        f"next: orchestrator resume {run} goes on with it, or throw it away with: git branch"
        in (done.stderr)
    )
    assert git(repo, "rev-parse", "HEAD") == tip


def test_no_revert_while_an_engine_works(repo: Project, tmp_path: Path):
    begin(repo, ONE)
    run = repo.json("run", PLAN)["run"]
    repo.write(waits_for(tmp_path / "never"), name="other-PLAN.md")
    with repo.started("run", "other-PLAN.md", stdout=subprocess.PIPE) as running:
        repo_run(repo, running)
        done = repo.call("revert", run)
        assert done.returncode == 4
        assert "another orchestrator works" in done.stderr
    assert (repo.root / "a.txt").exists()


def test_a_summary_that_git_ignores_is_told_to_stand_there_still(repo: Project):
    with (repo.root / ".gitignore").open("a") as file:
        file.write("*-SUMMARY.md\n")
    begin(repo, ONE)
    repo.told("run", PLAN)
    told = repo.told("revert", repo.newest())
    assert f"{PLAN} still counts as finished: demo-SUMMARY.md stands beside it" in told


# --- runs -----------------------------------------------------------------------------------------


def test_runs_shows_its_options_and_what_is_below_it(project: Project):
    told = project.told("runs", "--help")
    for words in ("--disk", "--json", "  clean  Remove what runs left", "[OPTIONS]"):
        assert words in told
    assert "--rescued" in project.told("runs", "clean", "--help")
    done = project.call("runs", "--json", "clean")
    assert (done.returncode, "orchestrator runs clean --help" in done.stderr) == (64, True)
    assert "no run yet" in project.told("runs")
    assert "no run yet" in project.told("runs", "--disk")
    assert project.json("runs", "clean")["removed"] == []
    assert project.call("runs", "clean", "nothing").returncode == 64


def test_disk_tells_what_each_run_takes(repo: Project):
    begin(repo, BUILDS)
    run = repo.json("run", PLAN)["run"]
    (repo.root / ".orchestrator/runs/stranger").mkdir()
    (repo.root / ".orchestrator/worktrees" / run).mkdir(parents=True)
    (repo.root / ".orchestrator/worktrees" / run / "x").write_bytes(b"x" * 3_000_000)
    (repo.root / ".orchestrator/runs" / run / "ignored/more").write_bytes(b"x" * 2_000_000)
    found = repo.json("runs", "--disk")
    mine, other = found["runs"]
    assert (mine["run"], mine["in_journal"]) == (run, True)
    assert (other["run"], other["in_journal"]) == ("stranger", False)
    assert 3_000_000 <= mine["worktrees_bytes"] < 3_100_000
    assert 0 < mine["transcripts_bytes"] < 1_000_000
    assert 2_000_000 <= mine["set_aside_bytes"] < 2_100_000
    parts = ("worktrees_bytes", "transcripts_bytes", "set_aside_bytes")
    assert mine["total_bytes"] == sum(mine[part] for part in parts)
    assert found["total_bytes"] == mine["total_bytes"] + other["total_bytes"]
    head, row, stranger, whole = repo.told("runs", "--disk").splitlines()
    assert head.split() == ["RUN", "WORKTREES", "TRANSCRIPTS", "SET", "ASIDE", "TOTAL", "END"]
    assert row.startswith(f"{run}  3.0 MB")
    assert "not in the journal" in stranger
    assert whole.startswith("all")


def test_sizes_are_told_in_units_of_people():
    assert [human(size) for size in (0, 999, 1000, 1_234_567, 999_960, 5 * 10**13)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 MB",
        "1.0 MB",
        "50.0 TB",
    ]


def test_clean_after_kill_9_keeps_the_work_and_the_run_can_go_on(repo: Project, tmp_path: Path):
    flag = tmp_path / "flag"
    run = interrupted(repo, flag, signal.SIGKILL)
    ref = f"refs/orchestrator/rescue/{run}/001-demo-1/clean"
    told = repo.told("runs", "clean", "--dry-run")
    assert "would remove 2, " in told
    assert (repo.root / f".orchestrator/worktrees/{run}/001-demo-1/half.txt").exists()
    found = repo.json("runs", "clean", run)
    assert [(one["kind"], one["kept_as"]) for one in found["removed"]] == [
        ("worktree", ref),
        ("branch", None),
    ]
    assert found["removed"][0]["next"] == [f"git show {ref}"]
    assert git(repo, "show", f"{ref}:half.txt") == "half of the work"
    assert len(git(repo, "worktree", "list").splitlines()) == 1
    assert not (repo.root / ".orchestrator/worktrees").exists()
    flag.touch()
    assert repo.json("resume", run)["exit_code"] == 0
    assert (repo.root / "1.txt").exists()
    assert f"next: git show {ref}" in repo.told("runs", "clean")
    repo.told("runs", "clean", "--rescued")
    assert git(repo, "for-each-ref", "refs/orchestrator") == ""


def test_nothing_of_a_live_run_is_cleaned_and_others_are(repo: Project, tmp_path: Path):
    begin(repo, BUILDS)
    old = repo.json("run", PLAN)["run"]
    begin(repo, waits_for(tmp_path / "flag"))
    with repo.started("run", PLAN, "--again", stdout=subprocess.PIPE) as running:
        run = repo_run(repo, running)
        assert repo.json("runs", "clean", run)["removed"] == []
        found = repo.json("runs", "clean")
        assert [(one["run"], one["kind"]) for one in found["removed"]] == [(old, "set-aside")]
        assert [(one["run"], one["why"]) for one in found["kept"]] == [
            (run, "an engine works on it")
        ]
        (tmp_path / "flag").touch()
        assert running.wait(60) == 0
    assert (repo.root / "1.txt").exists()


def test_a_branch_that_was_not_merged_is_kept_with_what_to_do(repo: Project):
    begin(repo, ONE, task("Task 2: bad", "exit 3", "false"))
    repo.told("run", PLAN, code=1)
    branch = f"orchestrator/{repo.newest()}"
    told = repo.told("runs", "clean")
    assert f"{branch}  kept: no other branch has all of it (2 commits)" in told
    assert f"next: git merge {branch} or git branch -D {branch}" in told
    git(repo, "merge", "-q", branch)
    assert f"{branch}  removed: main has all of it" in repo.told("runs", "clean")
    assert git(repo, "branch", "--list", branch) == ""


def test_without_git_only_what_was_set_aside_goes(repo: Project):
    begin(repo, BUILDS)
    run = repo.json("run", PLAN)["run"]
    place = repo.root / ".orchestrator/worktrees" / run
    place.mkdir(parents=True)
    shutil.rmtree(repo.root / ".git")
    done = repo.call("runs", "clean")
    assert done.returncode == 0
    assert "left alone: there is no git repository here" in done.stderr
    assert place.exists()
    assert not (repo.root / f".orchestrator/runs/{run}/ignored").exists()
