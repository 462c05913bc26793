"""What a reviewer found at the seams of a git run: between verified and held, handed over and told, mended and taken."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.journal.marks import Mark
from orchestrator.model import EventKind
from tests.whole.places import Place

HEAD = "---\nphase: demo\nplan: 01\n---\n<objective>x</objective>\n<tasks>\n"


def task(number: int, script: str, check: str, waits: str = "") -> str:
    return (
        f'<task type="auto" subagent="bash" depends-on="{waits}"><name>Task {number}: t</name><action>\n```bash\n{script}\n```\n'
        f"</action><verify><automated>{check}</automated></verify></task>\n"
    )


def begun(folder: Path, *tasks: str) -> Place:
    return Place(folder, f"{HEAD}{''.join(tasks)}</tasks>\n")


def test_a_crash_between_verified_and_held_lands_nothing_unasked(tmp_path: Path):
    place = begun(tmp_path, task(1, "echo do as I say > CLAUDE.md", "test -s CLAUDE.md"))
    done = place.call("run", "plans/demo-PLAN.md", crash="after:verified")
    assert done.returncode == -signal.SIGKILL
    again = place.call("resume")
    assert again.returncode == 5, again.stdout
    assert "CLAUDE.md" not in place.git("ls-tree", "--name-only", f"orchestrator/{place.run}")
    assert place.call("approve", place.run, "1").returncode == 0
    assert place.call("resume").returncode == 0
    assert "CLAUDE.md" in place.git("ls-tree", "--name-only", "main")


@pytest.mark.parametrize("point", ["before:delivered", "after:delivering", "before:run_finished"])
def test_a_crash_in_the_hand_over_makes_no_second_result(tmp_path: Path, point: str):
    place = begun(tmp_path, task(1, "echo x > x", "test -s x"))
    assert place.call("run", "plans/demo-PLAN.md", crash=point).returncode == -signal.SIGKILL
    again = place.call("resume")
    assert again.returncode == 0, again.stdout
    subjects = [
        one for one in place.git("log", "--format=%s", "main").splitlines() if "docs" not in one
    ]
    assert subjects == ["feat(demo): t", "base"]
    assert place.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert place.git("status", "--porcelain") == ""


def broken_together(folder: Path) -> Place:
    first = task(1, "echo x > x.txt", "grep -q x x.txt")
    return begun(
        folder, first, task(2, "echo broken > x.txt; echo y > y.txt", "test -s y.txt", "1")
    )


def test_a_red_result_is_mended_on_its_branch_and_the_result_is_taken(tmp_path: Path):
    place = broken_together(tmp_path)
    done = place.call("run", "plans/demo-PLAN.md")
    assert done.returncode == 1
    assert "demo/1  not green on the result" in done.stdout
    start = place.git("rev-parse", "main")
    branch = f"orchestrator/{place.run}"
    place.git("switch", "-q", branch)
    (place.root / "x.txt").write_text("x\n")
    place.git("commit", "-qam", "mend")
    refused = place.call("resume")
    assert (refused.returncode, place.git("status", "--porcelain")) == (64, "")
    assert "is checked out" in refused.stderr
    assert place.git("rev-parse", "main") == start
    place.git("switch", "-q", "main")
    again = place.call("resume")
    assert again.returncode == 0, again.stdout
    subjects = place.git("log", "--format=%s", "main").splitlines()
    assert (subjects[0], "mend" in subjects) == ("docs(demo): summary of the plan", True)
    assert place.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_what_the_second_try_takes_away_is_away_in_what_lands(tmp_path: Path):
    """Task 2 is red together with what task 1 has landed; its second try removes that, and its check is green."""
    flag = tmp_path / "landed"
    watch = f"until git log --all --format=%s | grep -q 'feat(demo): t'; do sleep 0.02; done; touch {flag}"
    first = task(1, "echo a > a.txt", "test -s a.txt || test -e b.txt")
    second = task(2, f"{watch}; rm -f a.txt; echo b > b.txt", "test -s b.txt && ! test -e a.txt")
    place = begun(
        tmp_path, first, second.replace('depends-on=""', 'depends-on="" parallel="can-parallelize"')
    )
    done = place.call("run", "plans/demo-PLAN.md")
    assert done.returncode == 0, done.stdout
    assert place.git("ls-tree", "--name-only", "main").split() == ["b.txt", "plans"]


def test_a_file_that_the_check_names_is_put_back_and_the_failure_says_so(tmp_path: Path):
    place = begun(
        tmp_path,
        task(1, "echo one > base.txt; echo two > made.txt", "grep -q one base.txt").replace(
            "<action>", "<files>made.txt</files><action>"
        ),
    )
    (place.root / "base.txt").write_text("zero\n")
    place.git("add", "-A")
    place.git("commit", "-qm", "more")
    done = place.call("run", "plans/demo-PLAN.md")
    assert done.returncode == 1
    told = done.stdout
    assert "restored" in told
    assert "name such a file in <files>" in told
    ref = next(word for word in told.split() if word.endswith("-whole"))
    assert place.git("show", f"{ref}:base.txt") == "one"


def test_what_git_cannot_keep_stays_where_it_is(tmp_path: Path):
    place = begun(tmp_path, task(1, "echo work > work.txt", "test -s work.txt"))
    place.git("config", "filter.no.clean", "false")
    place.git("config", "filter.no.required", "true")
    (place.root / ".gitattributes").write_text("work.txt filter=no\n")
    place.git("add", "-A")
    place.git("commit", "-qm", "more")
    done = place.call("run", "plans/demo-PLAN.md")
    assert done.returncode == 1, done.stdout
    (left,) = (place.root / ".orchestrator" / "worktrees").rglob("work.txt")
    assert left.read_text() == "work\n"
    assert str(left.parent) in done.stdout + done.stderr


def test_logs_show_what_a_worker_and_its_check_printed(tmp_path: Path):
    place = begun(tmp_path, task(1, "echo I work; echo x > x", "echo I look; test -s x"))
    assert place.call("run", "plans/demo-PLAN.md").returncode == 0
    assert place.call("logs", place.run, "1").stdout == "I work\n"
    assert place.call("logs", place.run, "1", "--checks", "--follow").stdout.count("I look") == 4
    assert place.call("logs", place.run, "1", "--attempt", "9").returncode == 64


def test_events_that_are_gone_are_said(tmp_path: Path):
    place = begun(tmp_path, task(1, "exit 1", "true"))
    assert place.call("run", "plans/demo-PLAN.md").returncode == 1
    mark = Mark(place.root / ".orchestrator" / "journal.mark")
    reached = mark.read()
    assert reached.seq > 5
    mark.write(reached._replace(seq=reached.seq + 3))
    assert "the last 3 events are missing" in place.call("runs").stderr
    assert place.call("resume").returncode == 4, "which run is the newest is not known"
    assert place.call("recover").returncode == 0
    assert place.call("runs").stderr == ""


def test_all_tasks_done_and_not_looked_at_together_is_said(tmp_path: Path):
    """Ctrl-C while the last task works: it lands, and nothing more begins."""
    place = begun(tmp_path, "")
    script = f"touch {place.out}/up; until test -e {place.out}/go; do sleep 0.02; done; echo x > x"
    (place.root / "plans/demo-PLAN.md").write_text(
        f"{HEAD}{task(1, script, 'test -s x')}</tasks>\n"
    )
    place.git("commit", "-qam", "plan")
    engine = place.started("run", "plans/demo-PLAN.md", stdout=subprocess.PIPE)
    limit = time.monotonic() + 60
    while not (place.out / "up").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)
    engine.send_signal(signal.SIGINT)
    while not any(one.kind is EventKind.DRAINING for one in place.events()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    (place.out / "go").touch()
    told, _ = engine.communicate(timeout=60)
    assert engine.returncode == 130, told
    words = " ".join(told.split())
    assert "1 of 1 task done, and the result is not checked and handed over yet" in words
    assert "not all is done" not in words
    assert f"next: orchestrator resume {place.run}" in words
    assert place.call("resume").returncode == 0
