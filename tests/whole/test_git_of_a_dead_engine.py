"""What git was about when its engine was killed comes to its end first: the next engine waits for it, and says so."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.whole.places import PLAN, Place

if sys.platform != "linux":
    pytest.skip("needs /proc", allow_module_level=True)

PLAN_TEXT = """---
phase: demo
plan: 01
---
<objective>x</objective>
<tasks>
<task type="auto" subagent="bash" depends-on=""><name>Task 1: t</name><action>
```bash
echo x > x
```
</action><verify><automated>test -s x</automated></verify></task>
</tasks>
"""
SLOW = """#!/bin/bash
case "$*" in
    *worktree*add*) if mkdir {out}/first 2> /dev/null; then
        touch {out}/begun; until test -e {out}/go; do sleep 0.05; done; {real} "$@"; code=$?; touch {out}/ended; exit $code
    fi; test -e {out}/ended || touch {out}/beside;;
esac
exec {real} "$@"
"""


def wait_until(claim: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < limit, "it never became true"
        time.sleep(0.02)


def test_an_engine_waits_for_the_git_of_one_that_was_killed(tmp_path: Path):
    place = Place(tmp_path, PLAN_TEXT)
    place.program("git", SLOW.format(out=place.out, real=shutil.which("git")))
    place.environment["PATH"] = f"{place.out}:{place.environment['PATH']}"
    with place.started("run", PLAN) as engine:
        wait_until((place.out / "begun").exists)
        engine.kill()
    told = place.out / "told"
    with told.open("w") as pipe, place.started("resume", stdout=pipe, stderr=pipe) as again:
        words = "waiting up to 60 s for what an engine that is gone began"
        wait_until(lambda: words in told.read_text() or again.poll() is not None)
        (place.out / "go").touch()
        assert again.wait(60) == 0, told.read_text()
    assert words in told.read_text()
    assert not (place.out / "beside").exists(), "a second git worked beside the first"
    assert "ended what an earlier run had left running" not in told.read_text()
    assert len(place.git("worktree", "list").splitlines()) == 1
