"""What a person at a terminal sees and can do: the live table, questions, Ctrl-C."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.cli import past
from orchestrator.cli.screen import asking
from orchestrator.cli.screen.forecast import left_s
from orchestrator.model import Answer, Option
from tests.build import task as built
from tests.cli.projects import Project, checkpoint, makes, task, waits_for

PLAN = "demo-PLAN.md"
FIRST = makes("Task 1: first", "a.txt")
LOOK = checkpoint(
    "human-verify", "look", "<what-built>a page</what-built>", 'depends-on="1" gate="blocking"'
)
WARNED = "finishing what runs; Ctrl-C again stops it at once"
ASKED = "empty leaves it open"


def test_the_table_shows_what_runs_and_lines_stay_for_what_is_over(
    project: Project, tmp_path: Path
):
    flag = tmp_path / "go"
    project.write(FIRST, waits_for(flag, "Task 2: slow", 2))
    with project.terminal("run", PLAN) as screen:
        screen.until("here I am")
        screen.until("1 of 2 done · 1 running")
        flag.touch()
        assert screen.end() == 0
    assert "\x1b[?25l" in screen.raw.decode(errors="replace"), "a live table hides the cursor"
    assert screen.raw.rfind(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l"), "and gives it back"
    assert "✓ demo/1  first" in screen.text
    assert "▸" not in screen.text, "starts are in the table"
    assert "2 of 2 tasks done" in screen.text


def test_a_table_that_is_drawn_before_the_run_has_begun_is_empty(project: Project, tmp_path: Path):
    """To look at a repository takes its time, and the table does not wait for it."""
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "base", "--allow-empty"]):
        identity = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
        subprocess.run(
            ["git", *identity, *words], cwd=project.root, env=project.environment, check=True
        )
    plan = project.write(FIRST)
    plan.write_text(plan.read_text().replace("workspace: directory\n", ""))
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 0.15; exec {shutil.which("git")} "$@"\n')
    slow.chmod(0o755)
    path = f"{slow.parent}:{project.environment['PATH']}"
    with project.terminal("run", PLAN, PATH=path) as screen:
        assert screen.end() == 0, screen.text
    assert "1 of 1 task done" in screen.text


def test_the_table_is_never_taller_than_the_terminal(project: Project, tmp_path: Path):
    flag = tmp_path / "go"
    tasks = [
        task(
            f"Task {number}: wait",
            f"while ! test -e {flag}; do sleep 0.02; done",
            "true",
            files=f"{number}.txt",
            attributes='type="auto" subagent="bash" depends-on=""',
        )
        for number in range(1, 13)
    ]
    project.write(*tasks)
    with project.terminal("run", PLAN, "--workers", "12", size=(9, 80)) as screen:
        screen.until("and 8 more")
        screen.until("0 of 12 done · 12 running")
        flag.touch()
        assert screen.end() == 0
    climbs = max(part.count(b"\x1b[1A") for part in screen.raw.split(b"demo/"))
    assert climbs <= 7


def test_no_colour_keeps_the_table_without_colours(project: Project):
    project.write(FIRST)
    with project.terminal("run", PLAN, NO_COLOR="1") as screen:
        assert screen.end() == 0
    assert b"\x1b[32m" not in screen.raw
    assert b"\x1b[36m" not in screen.raw


def test_a_dumb_terminal_gets_plain_lines(project: Project):
    project.write(FIRST)
    with project.terminal("run", PLAN, TERM="dumb") as screen:
        assert screen.end() == 0
    assert b"\x1b" not in screen.raw
    assert "▸ demo/1  first" in screen.text


def test_a_checkpoint_is_answered_on_the_terminal(project: Project):
    project.write(FIRST, LOOK, makes("Task 3: last", "c.txt", 'depends-on="2"'))
    with project.terminal("run", PLAN) as screen:
        seen = screen.until(ASKED)
        assert "what was built: a page" in screen.text
        screen.type("perhaps\n")
        seen = screen.until("'perhaps' is no answer", after=seen)
        screen.type("y it is good\n")
        screen.until("approved by", after=seen)
        assert screen.end() == 0
    assert "it is good" in project.told("show")


def test_an_empty_answer_leaves_it_open(project: Project):
    project.write(FIRST, LOOK)
    with project.terminal("run", PLAN) as screen:
        screen.until(ASKED)
        screen.type("\n")
        assert screen.end() == 5
    assert f"orchestrator approve {project.newest()} demo/2" in screen.text


def test_an_answer_from_elsewhere_ends_the_question(project: Project):
    project.write(FIRST, LOOK)
    with project.terminal("run", PLAN) as screen:
        screen.until(ASKED)
        screen.type("half an ans")
        project.told("approve", project.newest(), "2")
        assert screen.end() == 0
    assert "2 of 2 tasks done" in screen.text


def test_two_questions_are_asked_one_after_the_other(project: Project):
    project.write(FIRST, LOOK, LOOK)
    with project.terminal("run", PLAN) as screen:
        seen = screen.until(ASKED)
        screen.type("y\n")
        screen.until(ASKED, after=seen)
        screen.type("n not this one\n")
        assert screen.end() == 1
    assert "not this one" in screen.text


def test_what_ends_during_a_question_is_told_after_it(project: Project, tmp_path: Path):
    flag = tmp_path / "go"
    slow = waits_for(flag, "Task 3: slow", 3, 'depends-on=""')
    project.write(FIRST, LOOK, slow)
    with project.terminal("run", PLAN) as screen:
        seen = screen.until(ASKED)
        flag.touch()
        while project.json("show")["tasks"][2]["state"] != "succeeded":
            pass
        screen.type("y\n")
        screen.until("✓ demo/3  slow", after=seen)
        before, _, _ = screen.text[seen:].partition("✓ demo/3")
        assert before.split() in (["y"], [">", "y"]), "something came between prompt and answer"
        assert screen.end() == 0


def test_ctrl_c_drains_and_resume_goes_on(project: Project, tmp_path: Path):
    flag = tmp_path / "go"
    project.write(waits_for(flag), makes("Task 2: second", "b.txt"))
    with project.terminal("run", PLAN) as screen:
        screen.until("here I am")
        screen.interrupt()
        screen.until("Ctrl-C again stops it at once")
        flag.touch()
        assert screen.end() == 130
    run = project.newest()
    assert f"next: orchestrator resume {run}" in screen.text
    assert "not started: interrupted by a signal" in screen.text or "waits for" in screen.text
    found = project.json("resume")
    assert [(one["state"], one["attempts"]) for one in found["tasks"]] == [("succeeded", 1)] * 2


def test_a_warning_stays_above_the_table(project: Project, tmp_path: Path):
    flag = tmp_path / "go"
    project.write(waits_for(flag))
    with project.terminal("run", PLAN) as screen:
        screen.until("here I am")
        screen.interrupt()
        seen = screen.until(WARNED)
        screen.until("running", after=seen)
        screen.until("running", after=len(screen.text))
        assert f"warning: {WARNED}" in screen.rows
        flag.touch()
        assert screen.end() == 0
    assert f"warning: {WARNED}" in screen.rows
    assert not [row for row in screen.rows if "1 running" in row], "a row of the table was left"


def test_ctrl_c_at_a_question_is_answered_on_a_line_of_its_own(project: Project, tmp_path: Path):
    flag = tmp_path / "go"
    project.write(FIRST, LOOK, LOOK, waits_for(flag, "Task 4: slow", 4, 'depends-on=""'))
    with project.terminal("run", PLAN) as screen:
        screen.until(ASKED)
        screen.interrupt()
        seen = screen.until(WARNED)
        screen.until("1 running", after=seen)
        assert f"warning: {WARNED}" in screen.rows
        flag.touch()
        assert screen.end() == 130
    assert screen.text.count(ASKED) == 1, "who ends a run is asked nothing more"
    states = [one["state"] for one in project.json("show")["tasks"]]
    assert states == ["succeeded", "paused", "paused", "succeeded"]


def test_the_second_ctrl_c_stops_at_once(project: Project, tmp_path: Path):
    flag = tmp_path / "go"
    project.write(waits_for(flag))
    with project.terminal("run", PLAN) as screen:
        screen.until("here I am")
        screen.interrupt()
        screen.until("Ctrl-C again")
        screen.interrupt()
        assert screen.end() == 130
    assert f"orchestrator resume {project.newest()}" in screen.text
    flag.touch()
    found = project.json("resume")
    assert found["tasks"][0]["attempts"] == 2


def test_ctrl_c_at_a_question_ends_it(project: Project):
    project.write(FIRST, LOOK)
    with project.terminal("run", PLAN) as screen:
        screen.until(ASKED)
        screen.interrupt()
        assert screen.end() == 130


CHOICE = built(
    2,
    type="checkpoint:decision",
    options=(Option(id="pg", name="Postgres"), Option(id="y", name="Why not")),
)


@pytest.mark.parametrize(
    ("words", "approved", "option", "note"),
    [
        ("pg", True, "pg", ""),
        ("pg  it is known\n", True, "pg", "it is known"),
        ("y", True, "y", ""),
        ("n no money", False, None, "no money"),
    ],
)
def test_words_become_an_answer(words: str, approved: bool, option: str | None, note: str):
    found = asking.understand(CHOICE, words)
    assert isinstance(found, Answer)
    assert (found.approved, found.option, found.note) == (approved, option, note)


YES_OR_NO = CHOICE.model_copy(
    update={"options": tuple(Option(id=one, name=one) for one in ("y", "n", "No"))}
)


def test_an_option_called_no_is_chosen_and_reject_rejects():
    assert "or reject to reject" in asking.how(YES_OR_NO)
    assert "or n to reject" in asking.how(CHOICE)
    for words, option in (("n", "n"), ("No", "No"), ("y", "y"), ("reject", None)):
        found = asking.understand(YES_OR_NO, words)
        assert isinstance(found, Answer)
        assert (found.approved, found.option) == (option is not None, option)
    assert "no answer" in str(asking.understand(YES_OR_NO, "no"))
    plain = asking.understand(CHOICE, "reject too dear")
    assert isinstance(plain, Answer)
    assert (plain.approved, plain.note) == (False, "too dear")


def test_an_option_called_reject_leaves_n():
    odd = CHOICE.model_copy(update={"options": (Option(id="reject", name="Send it back"),)})
    assert "or n to reject" in asking.how(odd)
    found = asking.understand(odd, "reject")
    assert isinstance(found, Answer)
    assert found.option == "reject"


def test_time_left_is_not_told_while_only_people_are_waited_for(project: Project):
    project.write(FIRST, LOOK, makes("Task 3: last", "c.txt", 'depends-on="2"'))
    project.told("run", PLAN, code=5)
    found = past.reopen(project.root, None)
    assert left_s(found.watched) is None
    project.told("approve", found.row.id, "2")
    project.told("resume")


def test_a_choice_is_never_guessed():
    assert asking.understand(CHOICE, " \n") is None
    assert "choice" in str(asking.understand(CHOICE, "yes"))
    assert "no answer" in str(asking.understand(CHOICE, "postgres"))
