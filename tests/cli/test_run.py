"""`orchestrator run` where nobody sits at a terminal: lines, JSON, exit codes, what to do next."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.projects import DEADLINE_S, Project, checkpoint, makes, task

PLAN = "demo-PLAN.md"
FIRST, SECOND = makes("Task 1: first", "a.txt"), makes("Task 2: second", "b.txt")
ALONE = makes("Task 3: alone", "c.txt", 'depends-on=""')
BAD = task("Task 1: bad", "echo trying", "echo it is red; exit 3")


def everything(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def test_a_plan_runs_in_plain_lines(project: Project):
    project.write(FIRST, SECOND)
    told = project.told("run", PLAN)
    run = project.newest()
    assert f"run {run}: 1 plan, 2 tasks, up to 5 at once" in told
    assert told.count("working in the plain directory") == 1
    assert told.index("✓ demo/1  first") < told.index("▸ demo/2  second")
    assert f"✓ run {run}: 2 of 2 tasks done · 2 attempts · 0 tokens · $0.00" in told
    assert "summary: demo-SUMMARY.md" in told
    assert "\x1b" not in told
    assert (project.root / "demo-SUMMARY.md").exists()
    assert (project.root / "b.txt").read_text() == "hi\n"


def test_json_is_one_document_and_nothing_else(project: Project):
    project.write(FIRST, checkpoint("human-verify", "look", "<what-built>a</what-built>"))
    found = project.json("run", PLAN, code=5)
    assert list(found) == ["version", "run", "exit_code", "summaries", "budget", "result", "tasks"]
    assert (found["version"], found["exit_code"]) == (1, 5)
    assert found["run"] == project.newest()
    assert found["summaries"] == ["demo-SUMMARY.md"]
    first, look = found["tasks"]
    assert first["duration_s"] > 0
    del first["duration_s"]
    route = first.pop("route")
    assert (route["strategy"], route["propensity"], route["estimated_cost_usd"]) == (
        "worker",
        1.0,
        0.0,
    )
    assert first == {
        "id": "demo/1",
        "name": "first",
        "state": "succeeded",
        "attempts": 1,
        "worker": "shell",
        "model": None,
        "failure": None,
        "detail": "",
        "tokens": 0,
        "cost_usd": 0.0,
        "lower_bound": False,
        "verified": "command",
        "verify_strength": 1.0,
        "commit": None,
        "work": None,
        "asks": None,
        "answer": None,
        "budget": None,
        "review": None,
    }
    assert (look["state"], look["attempts"], look["tokens"]) == ("paused", 0, None)


def test_a_dry_run_shows_all_and_touches_nothing(project: Project):
    project.write(FIRST, SECOND)
    before = everything(project.root)
    told = project.told("run", PLAN, "--dry-run")
    assert everything(project.root) == before
    assert "Batch 1: demo/1\n" in told
    assert "after demo/1 (order)" in told
    assert "shell (2 tries): shell runs scripts, no model" in told
    assert "complexity" in told
    assert "test -s b.txt" in told
    found = project.json("run", PLAN, "--dry-run")
    assert found["batches"] == [["demo/1"], ["demo/2"]]
    assert found["routes"]["demo/1"]["tries"][0]["worker"] == "shell"
    assert everything(project.root) == before


def test_a_task_that_nobody_can_do_is_refused_before_anything_starts(project: Project):
    project.write(FIRST, task("Task 2: prose", "x", attributes='type="auto"'))
    for words in (["run", PLAN], ["run", PLAN, "--dry-run"]):
        done = project.call(*words)
        assert done.returncode == 3
        assert 'demo/2 "prose": no installed worker can do it' in done.stderr
        assert "  next: install one of them" in done.stderr
    assert not (project.root / "a.txt").exists()
    assert project.told("runs").startswith("no run yet")


def test_a_bad_plan_is_2_with_the_line_and_a_caret(project: Project):
    project.write(makes("Task 1: a", "a.txt", 'estimated-complexity="77"'))
    done = project.call("run", PLAN)
    assert (done.returncode, done.stdout) == (2, "")
    head, side, source, caret, *_ = done.stderr.splitlines()
    assert head.startswith("demo-PLAN.md:8:35: T303 ")
    assert side == "  |"
    assert source.startswith('8 | <task type="auto" subagent="bash" estimated-complexity="77">')
    assert caret == f"  | {' ' * 34}^"
    assert "error: 1 error, 0 warnings" in done.stderr


def test_warnings_are_told_shortly(project: Project):
    strange = " ".join(f'odd{number}="x"' for number in range(7))
    project.write(makes("Task 1: a", "a.txt", strange))
    done = project.call("run", PLAN)
    assert done.returncode == 0
    assert done.stderr.count("S110") == 5
    assert "and 2 more warnings; orchestrator lint shows all" in done.stderr


def test_a_failed_task_is_1_with_its_reason_and_next_steps(project: Project):
    project.write(BAD, SECOND, ALONE)
    told = project.told("run", PLAN, code=1)
    run = project.newest()
    assert "↻ demo/1  bad" in told
    assert "failed after 2 tries" in told
    assert "- demo/2  second  skipped: behind demo/1\n" in told
    assert "verify: The check failed (exit 3)" in told
    assert "      it is red" in told
    assert f"next: orchestrator explain {run} demo/1" in told
    assert f"      orchestrator retry {run} demo/1" in told
    assert "skipped: behind demo/1, which failed" in told
    assert "✗ run" in told
    assert "1 of 3 tasks done" in told


def test_fail_fast_starts_nothing_new(project: Project):
    project.write(BAD, ALONE)
    project.told("run", PLAN, "--fail-fast", "--workers", "1", code=1)
    assert not (project.root / "c.txt").exists()


def test_a_red_verification_is_named_and_resume_looks_again(project: Project):
    path = project.write(FIRST)
    check = "<verification>\n```bash\necho not yet; test -e mended\n```\n</verification>\n"
    path.write_text(path.read_text() + check)
    told = project.told("run", PLAN, code=1)
    assert "its <verification> is not green" in told
    assert "not yet" in told
    assert "orchestrator resume" in told
    (project.root / "mended").touch()
    assert "1 of 1 task done" in project.told("resume")


def test_a_finished_plan_is_not_run_again_unless_asked(project: Project):
    project.write(FIRST)
    project.told("run", PLAN)
    (project.root / "a.txt").unlink()
    done = project.call("run", PLAN)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        "nothing to do: demo-SUMMARY.md stands beside it\n"
        "  next: orchestrator run --again demo-PLAN.md runs it anew\n"
    )
    assert "are finished" in project.call("run", ".").stderr
    assert json.loads(project.call("run", PLAN, "--json").stdout)["tasks"] == []
    assert not (project.root / "a.txt").exists()
    project.told("run", PLAN, "--again")
    assert (project.root / "a.txt").exists()


def test_a_folder_is_one_run_of_what_is_left_in_it(project: Project):
    project.write(makes("Task 1: x", "x.txt"), name="plans/01-01-PLAN.md")
    project.write(makes("Task 1: y", "y.txt"), name="plans/01-02-PLAN.md")
    project.write(makes("Task 1: z", "z.txt"), name="plans/milestones/00-01-PLAN.md")
    project.told("run", "plans/01-01-PLAN.md")
    found = project.json("run", "plans")
    assert [one["id"] for one in found["tasks"]] == ["01-02/1"]
    assert found["summaries"] == ["plans/01-02-SUMMARY.md"]
    archived = project.call("run", "plans/milestones/00-01-PLAN.md", "--again")
    assert archived.returncode == 0
    assert "archived" in archived.stderr
    assert not (project.root / "z.txt").exists()


def test_an_unfinished_plan_elsewhere_is_waited_for_unless_ignored(project: Project):
    project.write(makes("Task 1: x", "x.txt"), name="p/01-01-PLAN.md")
    project.write(
        makes("Task 1: y", "y.txt"), name="p/01-02-PLAN.md", front="depends_on: [01-01]\n"
    )
    assert "G513" in project.call("run", "p/01-02-PLAN.md").stderr
    project.told("run", "p/01-02-PLAN.md", "--ignore-deps")


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["--only", "1,3"], {"a.txt", "c.txt"}),
        (["--only", "1", "--only", "demo/3"], {"a.txt", "c.txt"}),
        (["--skip", "2"], {"a.txt", "c.txt"}),
        (["--from", "2"], {"b.txt"}),
    ],
)
def test_a_part_of_a_plan_can_be_run(project: Project, words: list[str], made: set[str]):
    project.write(FIRST, SECOND, ALONE)
    project.told("run", PLAN, *words)
    assert {path.name for path in project.root.glob("?.txt")} == made


def test_a_part_that_is_not_there_is_wrong_usage(project: Project):
    project.write(FIRST)
    assert "no task is called '9'" in project.call("run", PLAN, "--only", "9").stderr


def test_a_plan_of_another_project_is_refused(project: Project, tmp_path: Path):
    project.write(FIRST)
    other = tmp_path / "other-PLAN.md"
    other.write_text((project.root / PLAN).read_text())
    done = project.call("run", PLAN, str(other))
    assert done.returncode == 64
    assert "outside of the project" in done.stderr


def test_from_elsewhere_it_says_where_its_commands_work(project: Project, tmp_path: Path):
    project.write(BAD)
    done = project.call("run", str(project.root / PLAN), cwd=tmp_path)
    assert done.returncode == 1
    assert f"work in {project.root}" in done.stdout
    assert f"up to 5 at once in {project.root}\n" in done.stdout


def test_a_failure_names_its_transcript_and_says_its_exit_once(project: Project):
    project.write(task("Task 1: bad", "echo trying; exit 2"), task("Task 2: pipe", "yes | head -1"))
    project.told("run", PLAN, "--only", "1", code=1)
    told = project.told("show")
    assert told.count("trying") == 1
    name = f".orchestrator/runs/{project.newest()}/001-demo-1.2.log"
    assert f"    transcript: {name}\n" in told
    assert (project.root / name).exists()
    assert "    exit 2 (shell, 2 attempts)\n" in told
    told = project.told("run", PLAN, "--only", "2", code=1)
    assert "exit 141 (SIGPIPE: a pipe's reader ended early, and scripts run with pipefail)" in told


def test_what_was_stopped_together_is_told_together(project: Project, tmp_path: Path):
    began = [project.root / f"began.{n}" for n in range(1, 6)]
    script = f"while ! test -e {tmp_path}/never; do sleep 0.02; done"
    slow = [
        makes(f"Task {n}: slow", file.name, 'depends-on=""').replace(
            "```\n</a", f"{script}\n```\n</a"
        )
        for n, file in enumerate(began, 1)
    ]
    project.write(*slow, makes("Task 6: last", "c.txt", 'depends-on="5"'))
    with project.started("run", PLAN, stdout=subprocess.PIPE) as running:
        assert running.stdout
        while not all(file.exists() for file in began):
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        told = running.stdout.read()
        assert running.wait(DEADLINE_S) == 130
    assert "· 5 tasks stopped before they ended; they start again at resume\n" in told
    assert told.count("start again") == 1
    assert "· demo/6  last\n    not started: waits for demo/5\n" in told


def test_context_that_is_not_there_is_told_before_the_start(project: Project):
    (project.root / "here.md").write_text("x")
    (project.root / "src").mkdir()
    path = project.write(makes("Task 1: a", "a.txt"))
    context = "<context>\n@here.md\n- @gone.md (the old one)\n@src/\n@s*c\nprose\n</context>\n"
    path.write_text(path.read_text().replace("<tasks>", f"{context}<tasks>"))
    for words in (["run", PLAN, "--dry-run"], ["run", PLAN]):
        done = project.call(*words)
        assert done.returncode == 0
        assert "demo-PLAN.md: its <context> names what is not there: @gone.md\n" in done.stderr
