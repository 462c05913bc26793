"""The engine ends as by `kill -9` before and after its first event of every kind; what comes of the run is what comes without."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator import journal, ledger
from orchestrator.model import EventKind
from tests.conftest import OPEN

SIDES = ("before", "after")
# Not met in this plan: fallback to another agent has its own test.
ELSEWHERE = {EventKind.REROUTED, EventKind.CONFLICT_FORESEEN, EventKind.TOUCHED}
ALL = [kind for kind in EventKind if kind not in {*ELSEWHERE, EventKind.DRAINING}]
SOME = [EventKind.WORKER_FINISHED, EventKind.VERIFIED, EventKind.LANDING, EventKind.SUMMARISING]
KINDS = ALL if os.environ.get("CI") else SOME  # all of them take minutes
LIMIT_S = 60.0
MOST_STARTS = 14

# Overlaps in time are made by files outside of the project; nobody waits for one who will not come.
MEET = "touch {out}/$1; for i in $(seq 40); do test -e {out}/$2 && break; sleep 0.02; done"
PLAN = """---
phase: demo
plan: 01
---
<objective>x</objective>
<tasks>
<task type="auto" subagent="bash" depends-on=""><name>Task 1: steer</name><files>.github/ci.yml</files><action>
```bash
mkdir -p .github; echo on > .github/ci.yml; echo 1 >> {out}/ran
```
</action><verify><automated>grep -q on .github/ci.yml</automated></verify></task>
<task type="auto" subagent="bash" depends-on="" parallel="can-parallelize"><name>Task 2: left</name><action>
```bash
meet() {{ {meet}; }}; meet left right; echo left >> shared.txt; echo 2 >> {out}/ran
```
</action><verify><automated>grep -q left shared.txt</automated></verify></task>
<task type="auto" subagent="bash" depends-on="" parallel="can-parallelize"><name>Task 3: right</name><action>
```bash
meet() {{ {meet}; }}; meet right left; echo right >> shared.txt; echo 3 >> {out}/ran
```
</action><verify><automated>grep -q right shared.txt</automated></verify></task>
<task type="auto" worker="mule" depends-on=""><name>Task 4: limited</name><files>limited.txt</files><action>x</action>
<verify><automated>test -s limited.txt</automated></verify></task>
<task type="checkpoint:human-verify" depends-on="4"><what-built>It.</what-built></task>
<task type="auto" subagent="bash" depends-on="5"><name>Task 6: hard</name><files>hard.txt</files><action>
```bash
echo 6 >> {out}/ran; test -e {out}/mended; echo hard > hard.txt
```
</action><verify><automated>test -s hard.txt</automated></verify></task>
</tasks>
<verification>
```bash
test -s shared.txt
```
</verification>
"""
MULE = """#!/usr/bin/env bash
cat > /dev/null
if ! test -e {out}/asked; then touch {out}/asked; echo "rate limit: try again in 0.3s" >&2; exit 1; fi
echo 4 >> {out}/ran; echo limited > limited.txt; echo "Tokens: 100 sent, 10 received."
"""
SETTINGS = """[workers.mule]
argv = ["{out}/mule"]
patterns = ['Tokens: (?P<input_tokens>\\d+) sent, (?P<output_tokens>\\d+) received']
[workspace]
look_s = 0
"""


@dataclass(frozen=True)
class Scene:
    """A repository with the plan, and a home of its own."""

    root: Path
    out: Path
    environment: dict[str, str]

    def call(self, *words: str, crash: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.root,
            env=self.environment | ({journal.CRASH_AT: crash} if crash else {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.root, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def document(self) -> dict[str, Any]:
        return json.loads(self.call("show", "--json").stdout)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    root, out, home = tmp_path / "project", tmp_path / "out", tmp_path / "home"
    for folder in (root / "plans", root / ".orchestrator", out, home):
        folder.mkdir(parents=True)
    environment = {
        **OPEN,
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
    }
    meet = MEET.format(out=out)
    (root / "plans" / "demo-PLAN.md").write_text(PLAN.format(out=out, meet=meet))
    (root / ".orchestrator" / ".gitignore").write_text("*\n")
    (root / ".orchestrator" / "config.toml").write_text(SETTINGS.format(out=out))
    (out / "mule").write_text(MULE.format(out=out))
    (out / "mule").chmod(0o755)
    made = Scene(root, out, environment)
    made.git("init", "-q", "-b", "main")
    for key, value in (("user.name", "me"), ("user.email", "me@localhost")):
        made.git("config", key, value)
    made.git("add", "-A")
    made.git("commit", "-qm", "base")
    return made


def play(scene: Scene, crash: str = "") -> bool:
    """A person who starts, answers, mends and goes on until all is done. Whether the engine crashed."""
    crashed, words = False, ["run", "plans/demo-PLAN.md"]
    for _ in range(MOST_STARTS):
        done = scene.call(*words, crash="" if crashed else crash)
        crashed = crashed or done.returncode == -signal.SIGKILL
        match done.returncode:
            case 0:
                return crashed
            case 1:
                (scene.out / "mended").touch()
                run = scene.document()["run"]
                words = ["retry", run, "6"]
                if (
                    next(t for t in scene.document()["tasks"] if t["id"] == "demo/6")["state"]
                    != "failed"
                ):
                    words = ["resume"]
            case 5:
                answer(scene)
                words = ["resume"]
            case -9:
                words = ["resume"] if scene.call("runs", "--json").stdout.count('"run"') else words
            case _:
                pytest.fail(f"exit {done.returncode}: {done.stdout}{done.stderr}")
    pytest.fail("it never came to an end")


def answer(scene: Scene) -> None:
    document = scene.document()
    for task in document["tasks"]:
        if task["state"] == "paused":
            assert scene.call("approve", document["run"], task["id"]).returncode == 0


def came_to(scene: Scene) -> dict[str, Any]:
    """What must be the same whatever happened on the way: files, commits, records. No times, no numbers of attempts."""
    names = scene.git("ls-tree", "-r", "--name-only", "main").split()
    files = {
        name: sorted(scene.git("show", f"main:{name}").splitlines())
        for name in names
        if "plans/" not in name
    }
    entries = ledger.read(Path(scene.environment["XDG_DATA_HOME"]) / "orchestrator").entries
    done = [one for one in entries if one.outcome == "success"]
    return {
        "files": files,
        "commits": sorted(
            set(scene.git("log", "--format=%s", "main").splitlines())
            - {"docs(demo): summary of the plan, halted"}
        ),
        "tasks": sorted(str(one.task_id) for one in done),
        "tokens": sum(one.tokens.input or 0 for one in done),
        "summary": plain(scene.git("show", "main:plans/demo-SUMMARY.md"), str(scene.out)),
        "worktrees": len(scene.git("worktree", "list").splitlines()),
        "branches": scene.git("branch", "--format=%(refname)"),
        "clean": scene.git("status", "--porcelain"),
    }


def plain(summary: str, out: str) -> list[str]:
    """The lines that tell of tasks, checks and files."""
    kept = (
        "## Accomplishments",
        "## Task Commits",
        "## Files Created/Modified",
        "## Checks",
        "## Self-Check",
    )
    sections = re.split(r"(?m)^(?=## )", summary)
    chosen = [part for part in sections if part.startswith(kept)]
    return sorted(
        re.sub(r"`[0-9a-f]{9}`", "`commit`", "".join(chosen).replace(out, "OUT")).splitlines()
    )


@pytest.fixture(scope="session")
def without(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found = scene.__wrapped__(tmp_path_factory.mktemp("without"))  # type: ignore[attr-defined]
    assert not play(found)
    met = {event.kind for event in events(found)}
    assert set(ALL) <= met, f"this plan does not meet {set(ALL) - met}"
    return came_to(found)


def events(scene: Scene) -> list[Any]:
    with journal.reading(scene.root) as book:
        return book.events(book.find(None).id)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", SIDES)
def test_a_crash_at_every_event_changes_nothing_of_what_comes_of_a_run(
    side: str, kind: EventKind, scene: Scene, without: dict[str, Any]
):
    assert play(scene, f"{side}:{kind}"), "the engine never came there"
    assert came_to(scene) == without
    started = [event for event in events(scene) if event.kind is EventKind.ATTEMPT_STARTED]
    numbers = [(event.task, event.attempt) for event in started]
    assert len(numbers) == len(set(numbers))
