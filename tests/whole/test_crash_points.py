"""The engine ends as by `kill -9` before and after its first event of every kind; what comes of the run is what comes without."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import EventKind
from tests.whole.places import Place

SIDES = ("before", "after")
# What only a run meets that looks around, is told to stop and has two agents; everything else is met by the first plan.
WATCHED = {EventKind.REROUTED, EventKind.CONFLICT_FORESEEN, EventKind.TOUCHED, EventKind.DRAINING}
SOME = {
    EventKind.WORKER_FINISHED,
    EventKind.VERIFIED,
    EventKind.LANDING,
    EventKind.SUMMARISING,
    EventKind.TOUCHED,
}
KINDS = [
    kind for kind in EventKind if kind in SOME or os.environ.get("CI")
]  # all of them take minutes
OWN = {"exit", "verify"}  # failures of the work itself; what else fails depends on who overlaps
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
<task type="auto" worker="mule" depends-on="" review="opus"><name>Task 4: limited</name><files>limited.txt</files><action>x</action>
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
JUDGE = """#!/usr/bin/env bash
cat > /dev/null; echo "VERDICT: PASS"
"""
SETTINGS = """[run]
agents = ["judge"]
[workers.judge]
argv = ["{out}/judge", "{{model}}"]
tiers = ["opus"]
[models.opus]
judge = "strict"
[workers.mule]
argv = ["{out}/mule"]
patterns = ['Tokens: (?P<input_tokens>\\d+) sent, (?P<output_tokens>\\d+) received']
[budget]
unknown_usd = 1.0
[workspace]
look_s = 0
"""

# Two that write the same file, one of them beside what it declared; a quota that is used up; and a person who wants it to stop.
# the brackets: the plan itself, in the journal too, is no match
SEEN = "for i in $(seq 400); do grep -qsa 'conflict_foresee[n]' {out}/ours/journal.db* && break; sleep 0.05; done"
WATCHED_PLAN = """---
phase: demo
plan: 01
---
<objective>x</objective>
<tasks>
<task type="auto" subagent="bash" depends-on="" parallel="can-parallelize"><name>Task 1: left</name><files>left.txt</files><action>
```bash
meet() {{ {meet}; }}; echo left > left.txt; echo left >> shared.txt; meet left right; {seen}; echo 1 >> {out}/ran
```
</action><verify><automated>test -s left.txt</automated></verify></task>
<task type="auto" subagent="bash" depends-on="" parallel="can-parallelize"><name>Task 2: right</name><files>right.txt</files><action>
```bash
meet() {{ {meet}; }}; echo right > right.txt; echo right >> shared.txt; meet right left; {seen}; echo 2 >> {out}/ran
```
</action><verify><automated>test -s right.txt</automated></verify></task>
<task type="auto" depends-on=""><name>Task 3: limited</name><files>limited.txt</files><action>x</action>
<verify><automated>test -s limited.txt</automated></verify></task>
<task type="auto" subagent="bash" depends-on="3"><name>Task 4: stop</name><files>stop.txt</files><action>
```bash
read -r stat < /proc/$PPID/stat; set -- ${{stat##*) }}
if ! test -e {out}/told; then touch {out}/told; kill -INT $2; sleep 0.3; fi
echo stop > stop.txt; echo 4 >> {out}/ran
```
</action><verify><automated>test -s stop.txt</automated></verify></task>
<task type="auto" subagent="bash" depends-on="4"><name>Task 5: last</name><files>last.txt</files><action>
```bash
echo last > last.txt; echo 5 >> {out}/ran
```
</action><verify><automated>test -s last.txt</automated></verify></task>
</tasks>
"""
EXHAUSTED = """#!/usr/bin/env bash
cat > /dev/null; echo "usage limit reached: resets in 3600s" >&2; exit 1
"""
HORSE = """#!/usr/bin/env bash
cat > /dev/null; echo 3 >> {out}/ran; echo limited > limited.txt; echo "Tokens: 100 sent, 10 received."
"""
WATCHED_SETTINGS = """[run]
on_quota = "fallback"
agents = ["mule", "horse"]
[workers.mule]
argv = ["{out}/mule"]
[workers.horse]
argv = ["{out}/horse"]
patterns = ['Tokens: (?P<input_tokens>\\d+) sent, (?P<output_tokens>\\d+) received']
[workspace]
look_s = 0.05
scope = "serialise"
"""


def build(folder: Path, kind: EventKind) -> Place:
    """The repository whose run meets events of that kind."""
    is_watched = kind in WATCHED
    out = folder / "out"
    words = {"meet": MEET.format(out=out), "seen": SEEN.format(out=out)}
    plan, settings = (WATCHED_PLAN, WATCHED_SETTINGS) if is_watched else (PLAN, SETTINGS)
    place = Place(folder, plan.format(out=out, **words), settings.format(out=out))
    # a path of the project itself would be that of the task's worktree
    (out / "ours").symlink_to(place.root / ".orchestrator")
    for name, script in (
        {"mule": EXHAUSTED, "horse": HORSE} if is_watched else {"mule": MULE, "judge": JUDGE}
    ).items():
        place.program(name, script.format(out=out))
    return place


def play(place: Place, crash: str = "") -> bool:
    """A person who starts, answers, mends and goes on until all is done. Whether the engine crashed."""
    crashed, words = False, ["run", "plans/demo-PLAN.md", "--budget-usd", "0.5"]
    for _ in range(MOST_STARTS):
        done = place.call(*words, crash="" if crashed else crash)
        crashed = crashed or done.returncode == -signal.SIGKILL
        match done.returncode:
            case 0:
                return crashed
            case 1:
                document = place.document()
                failed = [one["id"] for one in document["tasks"] if one["state"] == "failed"]
                assert failed in ([], ["demo/6"]), done.stdout + done.stderr
                if failed:
                    (place.out / "mended").touch()
                    words = ["retry", document["run"], "6"]
                else:  # at first there is no money for task 4
                    words = ["resume", "--budget-usd", "50"]
            case 5:
                answer(place)
                words = ["resume"]
            case 130:
                words = ["resume"]
            case -9:
                words = ["resume"] if place.call("runs", "--json").stdout.count('"run"') else words
            case _:
                pytest.fail(f"exit {done.returncode}: {done.stdout}{done.stderr}")
    pytest.fail("it never came to an end")


def answer(place: Place) -> None:
    document = place.document()
    for task in document["tasks"]:
        if task["state"] == "paused":
            assert place.call("approve", document["run"], task["id"]).returncode == 0


def came_to(place: Place) -> dict[str, Any]:
    """What must be the same whatever happened on the way: files, commits, records. No times, no numbers of attempts."""
    names = place.git("ls-tree", "-r", "--name-only", "main").split()
    files = {
        name: sorted(place.git("show", f"main:{name}").splitlines())
        for name in names
        if "plans/" not in name
    }
    done = [one for one in place.outcomes() if one.outcome == "success"]
    subjects = place.git("log", "--format=%s", "main").splitlines()
    told = [one for one in subjects if not one.startswith("docs(demo)")]
    return {
        "files": files,
        "commits": sorted(told),  # none twice
        "told": "docs(demo): summary of the plan" in subjects,
        "failures": sorted(
            (str(one.task_id), one.failure) for one in place.outcomes() if one.failure in OWN
        ),
        "tasks": sorted(str(one.task_id) for one in done),
        "tokens": sum(one.tokens.input or 0 for one in done),
        "summary": plain(place.git("show", "main:plans/demo-SUMMARY.md"), str(place.out)),
        "worktrees": len(place.git("worktree", "list").splitlines()),
        "branches": place.git("branch", "--format=%(refname)"),
        "clean": place.git("status", "--porcelain"),
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
def without(tmp_path_factory: pytest.TempPathFactory) -> Callable[[EventKind], dict[str, Any]]:
    """What comes of the run that meets such events, if nothing crashes."""

    @cache
    def of(is_watched: bool) -> dict[str, Any]:
        kinds = [kind for kind in EventKind if (kind in WATCHED) == is_watched]
        found = build(tmp_path_factory.mktemp("without"), kinds[0])
        assert not play(found)
        met = {event.kind for event in found.events()}
        assert set(kinds) <= met, f"this plan does not meet {set(kinds) - met}"
        return came_to(found)

    return lambda kind: of(kind in WATCHED)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", SIDES)
def test_a_crash_at_every_event_changes_nothing_of_what_comes_of_a_run(
    side: str,
    kind: EventKind,
    tmp_path: Path,
    without: Callable[[EventKind], dict[str, Any]],
):
    place = build(tmp_path, kind)
    assert play(place, f"{side}:{kind}"), "the engine never came there"
    assert came_to(place) == without(kind)
    started = [event for event in place.events() if event.kind is EventKind.ATTEMPT_STARTED]
    numbers = [(event.task, event.attempt) for event in started]
    assert len(numbers) == len(set(numbers))
    ran = Counter(f"demo/{number}" for number in (place.out / "ran").read_text().split())
    assert ran <= Counter(str(event.task) for event in started), "a try that nobody wrote down"
