"""Checkpoints without a terminal, resume and retry: each command says what comes next, and it does."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tests.cli.projects import COMMAND, DEADLINE_S, Project, checkpoint, makes, task

PLAN = "demo-PLAN.md"
CHOICE = checkpoint(
    "decision",
    "which database",
    '<decision>Where the data lives</decision><options><option id="pg"><name>Postgres</name>'
    '<pros>known</pros></option><option id="lite"><name>SQLite</name></option></options>',
    'depends-on="1"',
)
LOOK = checkpoint(
    "human-verify",
    "look at it",
    "<what-built>a page</what-built>\n<how-to-verify>\n  1. open it\n  2. look\n</how-to-verify>",
    'depends-on="1"',
)
FIRST = makes("Task 1: first", "a.txt")
OTHER_ARM = makes("Task 3: other arm", "b.txt", 'depends-on="1"')
JOIN = makes("Task 4: join", "c.txt", 'depends-on="2,3"')


def test_a_diamond_waits_for_a_person_and_goes_on_after_the_answer(project: Project):
    project.write(FIRST, LOOK, OTHER_ARM, JOIN)
    told = project.told("run", PLAN, code=5)
    run = project.newest()
    assert (project.root / "b.txt").exists()
    assert "what was built: a page" in told
    assert "        1. open it\n" in told
    assert f"answer: orchestrator approve {run} demo/2\n" in told
    assert f"or: orchestrator reject {run} demo/2" in told
    assert f"next: answer, then: orchestrator resume {run}" in told
    told = project.told("approve", run, "2", "--note", "fine")
    assert "approved by" in told
    assert f"next: orchestrator resume {run}" in told
    told = project.told("resume")
    assert "4 of 4 tasks done" in told
    assert "working in the plain directory" not in told, "said when the run began"
    assert "approved by" in project.told("show")
    done = project.call("resume", run)
    assert (done.returncode, done.stderr) == (0, f"nothing to do: run {run} is done\n")


def test_a_decision_takes_one_of_its_options_only(project: Project):
    project.write(FIRST, CHOICE)
    told = project.told("run", PLAN, code=5)
    run = project.newest()
    assert "decision: Where the data lives" in told
    assert "option pg: Postgres" in told
    assert "pros: known" in told
    assert f"approve {run} demo/2 --option lite" in told
    for words in (["2"], ["2", "--option", "other"], ["1"], ["9"]):
        done = project.call("approve", run, *words)
        assert (done.returncode, done.stdout) == (64, ""), done.stdout
    project.told("approve", run[:8], "demo/2", "--option", "lite")
    told = project.told("resume")
    assert "approved with lite by" in told
    assert "waits for no answer" in project.call("approve", run, "2").stderr


def test_no_fails_the_checkpoint_and_skips_what_follows(project: Project):
    project.write(FIRST, LOOK, OTHER_ARM, JOIN)
    project.told("run", PLAN, code=5)
    run = project.newest()
    assert "rejected by" in project.told("reject", run, "2", "--note", "ugly")
    told = project.told("resume", code=1)
    assert "ugly" in told
    assert "skipped: behind demo/2" in told


def test_yes_answers_what_it_may(project: Project):
    project.write(FIRST, LOOK, CHOICE)
    assert "approved with pg by --yes" in project.told("run", PLAN, "--yes")


def test_yes_can_be_said_later(project: Project):
    project.write(FIRST, LOOK)
    project.told("run", PLAN, code=5)
    project.told("resume", "--yes")


def test_a_running_engine_takes_the_answer(project: Project):
    """`--wait` stays; the answer of another process ends it."""
    project.write(FIRST, LOOK)
    waiting = subprocess.Popen(
        [*COMMAND, "run", PLAN, "--wait"],
        cwd=project.root,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert waiting.stdout
        for line in waiting.stdout:
            if "waits for a person" in line:
                break
        run = project.newest()
        second = project.call("resume")
        assert second.returncode == 4
        assert "another orchestrator works in" in second.stderr
        assert "waits for a person  demo-PLAN.md" in project.told("runs")  # it runs, and only waits
        assert "the running engine takes it" in project.told("approve", run, "2")
        rest, _ = waiting.communicate(timeout=DEADLINE_S)
        assert waiting.returncode == 0
        assert "2 of 2 tasks done" in rest
    finally:
        waiting.kill()
        waiting.wait()


def test_retry_takes_the_failed_task_and_what_was_skipped_for_it(project: Project, tmp_path: Path):
    flag = tmp_path / "repaired"
    project.write(task("Task 1: bad", f"test -e {flag}", "true"), makes("Task 2: next", "b.txt"))
    project.told("run", PLAN, code=1)
    run = project.newest()
    assert "only a failed task can be retried" in project.call("retry", run, "2").stderr
    flag.touch()
    told = project.told("retry", run, "1")
    assert "a person asked to try again" in told
    assert "try 3" in told
    assert "2 of 2 tasks done" in told
    assert project.json("resume", run)["exit_code"] == 0


def test_commands_can_be_pasted_where_a_name_has_a_space(project: Project):
    choice = CHOICE.replace('"pg"', '"big one"')
    project.write(FIRST, choice, name="my notes/a plan-PLAN.md", front="")
    told = project.told("run", "my notes", code=5)
    run, name = project.newest(), project.json("show")["tasks"][1]["id"]
    assert " " in name
    words = f"orchestrator approve {run} {shlex.quote(name)} --option 'big one'\n"
    assert f"answer: {words}" in told
    project.told(*shlex.split(words)[1:])
    project.told("resume")
    plan = "my notes/a plan-PLAN.md"
    assert f"next: orchestrator run --again '{plan}' runs it" in project.call("run", plan).stderr


def test_going_on_warns_of_a_plan_that_was_edited(project: Project):
    path = project.write(task("Task 1: bad", "true", "test -e mended"), name="plans/m-PLAN.md")
    project.told("run", "plans/m-PLAN.md", code=1)
    run = project.newest()
    assert "has changed" not in project.call("retry", run, "1").stderr
    path.write_text(path.read_text().replace("-e mended", "1"))
    warned = (
        f"warning: plans/m-PLAN.md has changed since run {run} began; "
        "the run goes on with its own copy\n  next: orchestrator run "
    )
    done = project.call("retry", run, "1")
    assert f"{warned}--from m/1 plans/m-PLAN.md runs the new text\n" in done.stderr
    done = project.call("resume", run)
    assert f"{warned}plans/m-PLAN.md runs the new text\n" in done.stderr
    project.told("run", "--from", "m/1", "plans/m-PLAN.md")
    path.unlink()
    gone = project.call("resume", run).stderr
    assert f"plans/m-PLAN.md is gone since run {run} began" in gone
    assert "next:" not in gone


def test_a_new_run_tells_of_the_one_that_is_not_done(project: Project, tmp_path: Path):
    flag = tmp_path / "mended"
    project.write(task("Task 1: bad", "true", f"test -e {flag}"))
    assert "note:" not in project.call("run", PLAN).stderr
    run = project.newest()
    note = f"note: run {run} of this plan is not done; orchestrator resume {run} goes on with it\n"
    assert project.call("run", PLAN, "--again").stderr == ""
    run, note = project.newest(), note.replace(run, project.newest())
    assert project.call("run", PLAN).stderr == note
    flag.touch()
    project.told("run", PLAN)
    (project.root / "demo-SUMMARY.md").unlink()
    assert project.call("run", PLAN).stderr == ""
