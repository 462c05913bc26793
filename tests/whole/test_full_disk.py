"""A disk without room: said before any work, survived during it, and all of it is right once there is room again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.model import Event, EventKind
from tests.cli.projects import COMMAND, Project, makes, task
from tests.whole.disks import KB, LIMITED, MB, disk, fill

PLAN = "demo-PLAN.md"
UNWATCHED = {"ORCHESTRATOR_RUN__MIN_FREE_MB": "0"}


def events(root: Path) -> list[Event]:
    with journal.reading(root) as book:
        return book.events(book.find(None).id)


def succeeded(root: Path) -> set[str | None]:
    return {
        one.task
        for one in events(root)
        if one.kind is EventKind.ATTEMPT_FINISHED and one.data["outcome"]["failure"] is None
    }


def failures(root: Path) -> list[str]:
    ends = (one for one in events(root) if one.kind is EventKind.ATTEMPT_FINISHED)
    return [end.data["outcome"]["failure"] for end in ends if end.data["outcome"]["failure"]]


# --- before the work ------------------------------------------------------------------------------


def test_on_a_disk_without_room_nothing_is_begun_and_it_is_said(project: Project):
    with disk(project.root, MB):
        project.write(makes("Task 1: one", "a"))
        (project.root / ".orchestrator").mkdir()
        done = project.call("run", PLAN)
        assert done.returncode == 4, done.stderr
        assert f"are free in {project.root}" in done.stderr
        assert "bytes)" in done.stderr
        assert "run.min_free_mb is 10; free some, then do the same again" in done.stderr
        assert list((project.root / ".orchestrator").iterdir()) == []
        assert not (project.root / "a").exists()


def test_only_the_folder_of_records_can_be_full(project: Project):
    project.write(makes("Task 1: one", "a"))
    home = project.root / ".orchestrator"
    with disk(home, MB):
        done = project.call("run", PLAN)
        assert (done.returncode, f"are free in {home}" in done.stderr) == (4, True), done.stderr
        assert list(home.iterdir()) == []
    assert project.call("run", PLAN).returncode == 0


def test_a_resume_is_refused_until_there_is_room(project: Project):
    project.write(task("Task 1: one", "test -e mended && touch a", "test -e a", files="a"))
    with disk(project.root, 16 * MB):
        project.write(task("Task 1: one", "test -e mended && touch a", "test -e a", files="a"))
        assert project.call("run", PLAN).returncode == 1
        before = events(project.root)
        filler = fill(project.root, 2 * MB)
        done = project.call("retry", project.newest(), "1")
        assert (done.returncode, "free in" in done.stderr) == (4, True), done.stderr
        assert events(project.root) == before
        filler.unlink()
        (project.root / "mended").touch()
        assert project.call("retry", project.newest(), "1").returncode == 0


# --- during the work ------------------------------------------------------------------------------


def filling_plan(project: Project, out: Path) -> None:
    """The first takes all the room; the second ends only then; the third would be next."""
    full = "dd if=/dev/zero of=filler bs=64K status=none"
    project.write(
        task(
            "Task 1: fill",
            f"echo 1 >> {out}/ran; test -e {out}/mended || {full} || {{ touch {out}/full; exit 1; }}; touch a",
            "test -e a",
            attributes='type="auto" subagent="bash" depends-on="" parallel="can-parallelize"',
            files="a",
        ),
        task(
            "Task 2: beside",
            f"echo 2 >> {out}/ran; until test -e {out}/full; do sleep 0.02; done; head -c 300K /dev/zero; touch b",
            "test -e b",
            attributes='type="auto" subagent="bash" depends-on="" parallel="can-parallelize"',
            files="b",
        ),
        task(
            "Task 3: after",
            f"echo 3 >> {out}/ran; touch c",
            "test -e c",
            attributes='type="auto" subagent="bash" depends-on="2"',
            files="c",
        ),
    )


def test_a_disk_that_fills_costs_no_result_and_no_try_and_the_run_can_go_on(
    project: Project, tmp_path: Path
):
    out = tmp_path / "out"
    out.mkdir()
    with disk(project.root, 24 * MB):
        filling_plan(project, out)
        done = project.call("run", PLAN)
        told = done.stdout + done.stderr
        assert done.returncode == 4, told
        assert "nothing new starts: only" in told
        assert "free some, then resume" in told
        assert "orchestrator resume" in told
        assert "Traceback" not in told
        assert (out / "ran").read_text().split() in (["1", "2"], ["2", "1"])
        assert succeeded(project.root) == {"demo/2"}
        assert failures(project.root) == ["interrupted"]  # it spends no try
        run = project.newest()
        assert project.call("show", run).returncode == 0
        (project.root / "filler").unlink()
        (out / "mended").touch()
        again = project.call("resume")
        assert again.returncode == 0, again.stdout + again.stderr
        assert sorted((out / "ran").read_text().split()) == ["1", "1", "2", "3"]
        assert "status: complete" in (project.root / "demo-SUMMARY.md").read_text()
        assert not (project.root / ".orchestrator" / "reserve").exists()
    ledger = Path(project.environment["XDG_DATA_HOME"]) / "orchestrator" / "task_ledger.jsonl"
    assert len(ledger.read_text().splitlines()) == 4  # of the interrupted one, too


def test_a_full_ledger_stops_nobody_and_is_written_at_resume(project: Project, tmp_path: Path):
    folder = Path(project.environment["XDG_DATA_HOME"]) / "orchestrator"
    project.write(
        makes("Task 1: one", "a"),
        task("Task 2: two", f"test -e {tmp_path}/go && touch b", "test -e b", files="b"),
    )
    with disk(folder, 64 * KB):
        filler = fill(folder)
        done = project.call("run", PLAN)
        told = done.stdout + done.stderr
        assert done.returncode == 1, told
        assert "in the journal but not in the ledger" in told
        filler.unlink()
        (tmp_path / "go").touch()
        assert project.call("retry", project.newest(), "2").returncode == 0
        lines = (folder / "task_ledger.jsonl").read_text().splitlines()
        started = [one for one in events(project.root) if one.kind is EventKind.ATTEMPT_FINISHED]
        assert len(lines) == len(started)


# --- the Nth write --------------------------------------------------------------------------------


def small_plan(project: Project, out: Path) -> None:
    project.write(
        *(
            task(
                f"Task {n}: {n}",
                f"echo {n} >> {out}/ran; touch {out}/{n}",
                f"test -e {out}/{n}",
                files=str(n),
            )
            for n in (1, 2, 3)
        )
    )


def limited(project: Project, size: int) -> subprocess.CompletedProcess[str]:
    """A run in which no file becomes longer: at some event the journal's is full."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *COMMAND, "run", PLAN],
        cwd=project.root,
        env=project.environment | UNWATCHED,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def full(project: Project, left: int) -> subprocess.CompletedProcess[str]:
    with disk(project.root / ".orchestrator", 16 * MB) as home:
        filler = fill(home, left)
        done = project.call("run", PLAN, **UNWATCHED)
        filler.unlink()
        go_on(project, done)
    return done


def go_on(project: Project, done: subprocess.CompletedProcess[str]) -> None:
    """What the run left: each task not begun, or finished, or to be begun again; and then all of it is done."""
    ran, told = project.root.parent / "out" / "ran", done.stdout + done.stderr
    assert done.returncode in (0, 4), told
    assert "Traceback" not in told
    runs = (
        project.json("runs")["runs"] if (project.root / ".orchestrator/journal.db").exists() else []
    )
    finished = succeeded(project.root) if runs else set()
    before = ran.read_text().split() if ran.exists() else []
    if done.returncode:
        steps = ("orchestrator resume", "make room")
        assert any(step in told for step in steps), told
        again = project.call("resume") if runs else project.call("run", PLAN)
        assert again.returncode == 0, again.stdout + again.stderr
    after = ran.read_text().split()
    assert set(after) == {"1", "2", "3"}
    for number in finished:
        assert number
        name = number.removeprefix("demo/")
        assert after.count(name) == before.count(name), f"{number} was done twice"
    assert succeeded(project.root) == {"demo/1", "demo/2", "demo/3"}
    assert "status: complete" in (project.root / "demo-SUMMARY.md").read_text()


def sizes(least: int, most: int, step: int) -> list[int]:
    """All of them in CI, where it takes a minute; elsewhere some."""
    every = list(range(least, most, step))
    return every if os.environ.get("CI") else every[:: max(1, len(every) // 4)]


@pytest.mark.parametrize("size", sizes(4 * KB, 160 * KB, 4 * KB + 24))
def test_whichever_write_is_too_long_the_truth_holds(size: int, project: Project, tmp_path: Path):
    (tmp_path / "out").mkdir()
    small_plan(project, tmp_path / "out")
    go_on(project, limited(project, size))


@pytest.mark.parametrize("left", sizes(0, 640 * KB, 40 * KB))
def test_whichever_write_has_no_room_the_truth_holds(left: int, project: Project, tmp_path: Path):
    (tmp_path / "out").mkdir()
    small_plan(project, tmp_path / "out")
    full(project, left)
