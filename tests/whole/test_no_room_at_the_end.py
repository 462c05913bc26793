"""A disk that fills when all the work is done: the person's checkout has all of the result or nothing of it, and `resume` hands it over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.whole.disks import MB, disk
from tests.whole.places import PLAN, Place

HEAD = "---\nphase: demo\nplan: 01\n---\n<objective>x</objective>\n<tasks>\n"
LOOK = """#!/bin/bash
case $PWD in */result) head -c 200000000 /dev/zero > {filler};; esac 2> /dev/null
test -s b.bin
"""


def task(script: str, check: str) -> str:
    return (
        f'<task type="auto" subagent="bash" depends-on=""><name>Task 1: t</name><action>\n```bash\n{script}\n```\n'
        f"</action><verify><automated>{check}</automated></verify></task>\n"
    )


def checkout(place: Place) -> dict[str, bytes]:
    """Every file of it, but for git's and ours."""
    every = (one for one in place.root.rglob("*") if one.is_file())
    found = {one.relative_to(place.root).as_posix(): one for one in every}
    own = (".git/", ".orchestrator/")
    return {name: one.read_bytes() for name, one in found.items() if not name.startswith(own)}


WORK = "head -c 9000000 /dev/urandom > b.bin; : > c.txt; mkdir -p new/deep; echo d > new/deep/d.txt; echo z > z.txt"


@pytest.mark.parametrize("least_mb", [0, 10])
def test_a_result_that_does_not_fit_touches_nothing_and_is_handed_over_when_it_does(
    tmp_path: Path, least_mb: int
):
    """The final check takes the room away, outside of the worktrees, and is green."""
    with disk(tmp_path / "project", 64 * MB):
        filler = tmp_path / "project" / ".orchestrator" / "filler"
        place = Place(tmp_path, f"{HEAD}{task(WORK, f'{tmp_path}/out/look')}</tasks>\n")
        place.program("look", LOOK.format(filler=filler))
        place.environment["ORCHESTRATOR_RUN__MIN_FREE_MB"] = str(least_mb)
        before, start = checkout(place), place.git("rev-parse", "main")
        done = place.call("run", PLAN)
        told = done.stdout + done.stderr
        assert done.returncode == 4, told
        assert "no room" in told
        assert f"orchestrator resume {place.run}" in told
        assert "✓ run" not in told
        assert checkout(place) == before
        assert place.git("status", "--porcelain") == ""
        assert place.git("rev-parse", "main") == start
        filler.unlink()
        filler.mkdir()  # so that the check cannot fill it again
        again = place.call("resume")
        assert again.returncode == 0, again.stdout + again.stderr
        assert (place.root / "b.bin").stat().st_size == 9_000_000
        assert place.git("status", "--porcelain") == ""
        assert place.call("resume").stderr == f"nothing to do: run {place.run} is done\n"


FILLS = """#!/bin/bash
real={real}
case "$*" in
    {when}) test -e {once} || {{ head -c 100M /dev/zero > {filler}; truncate -s -{leave} {filler}; }} 2> /dev/null; touch {once};;
esac
exec $real "$@"
"""


def filled_at(place: Place, when: str, leave: int) -> Path:
    """When git is called so, the disk is filled just before."""
    filler, real = place.root / ".orchestrator" / "filler", shutil.which("git")
    once = place.out / "once"
    words = FILLS.format(real=real, when=when, leave=leave, filler=filler, once=once)
    place.program("git", words)
    place.environment["PATH"] = f"{place.out}:{place.environment['PATH']}"
    return filler


@pytest.mark.parametrize("leave", [0, 4 * MB])
def test_a_disk_that_fills_while_git_writes_the_checkout_leaves_it_as_it_was(
    tmp_path: Path, leave: int
):
    with disk(tmp_path / "project", 64 * MB):
        place = Place(tmp_path, f"{HEAD}{task(WORK, 'test -s b.bin')}</tasks>\n")
        before, start = checkout(place), place.git("rev-parse", "main")
        filler = filled_at(place, "*merge*--ff-only*", leave)
        done = place.call("run", PLAN)
        told = done.stdout + done.stderr
        assert done.returncode == 4, told
        assert "no room: git" in told
        assert ("all of it was taken back" in told) == bool(leave), told
        assert f"orchestrator resume {place.run}" in told
        assert (checkout(place), place.git("status", "--porcelain")) == (before, "")
        assert place.git("rev-parse", "main") == start
        filler.unlink()
        again = place.call("resume")
        assert again.returncode == 0, again.stdout + again.stderr
        assert (place.root / "new/deep/d.txt").read_text() == "d\n"
        assert place.git("status", "--porcelain") == ""


def test_a_disk_that_is_full_at_the_final_checks_is_no_red_result(tmp_path: Path):
    with disk(tmp_path / "project", 64 * MB):
        place = Place(tmp_path, f"{HEAD}{task(WORK, 'test -s b.bin')}</tasks>\n")
        filler = filled_at(place, "*worktree*add*/result*", 0)
        done = place.call("run", PLAN)
        told = done.stdout + done.stderr
        assert done.returncode == 4, told
        assert "not green on the result" not in told
        assert "free some" in told
        assert f"orchestrator resume {place.run}" in told
        filler.unlink()
        again = place.call("resume")
        assert again.returncode == 0, again.stdout + again.stderr
        assert place.git("status", "--porcelain") == ""
