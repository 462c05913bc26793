"""From five runs by an agent to the sixth by a script: nothing is spent, the check decides, and what is broken goes back to the model."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import EventKind
from orchestrator.model.outloop import Optimization, Pattern, PatternStatus, ToolStatus
from orchestrator.outloop import store, toolbox
from tests.whole.places import PLAN, Place

pytestmark = pytest.mark.timeout(180)  # each run is a whole program
SIGNATURE = "test:pytest:backend"
TOOL = "run_test_workflow"
TEXT = """---
phase: demo
plan: 01
---
<objective>
Look whether it works.
</objective>
<tasks>
<task type="auto">
<name>Run the backend tests</name>
<action>Run the backend tests with `pytest backend -q`. All must pass.</action>
<verify><automated>pytest backend -q</automated></verify>
<done>They pass.</done>
</task>
</tasks>
"""
# It says what the real one says: its session, the command that it runs, what that gave, and the bill.
CLIENT = """#!/usr/bin/env bash
echo run >> {out}/calls
cat > {out}/prompt-$(wc -l < {out}/calls)
pytest backend -q > {out}/said 2>&1; status=$?
input=$((900 + 100 * $(wc -l < {out}/calls)))
echo '{{"type":"system","subtype":"init","session_id":"s","model":"m-1"}}'
echo '{{"type":"assistant","message":{{"id":"1","model":"m-1","content":[{{"type":"tool_use","id":"t1","name":"Bash","input":{{"command":"pytest backend -q"}}}}]}}}}'
echo '{{"type":"user","message":{{"content":[{{"type":"tool_result","tool_use_id":"t1","is_error":false}}]}}}}'
echo '{{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s","num_turns":2,"modelUsage":{{"m-1":{{"inputTokens":'$input',"outputTokens":100,"cacheReadInputTokens":0,"cacheCreationInputTokens":0,"costUSD":0.2}}}}}}'
"""
SETTINGS = """
[run]
agents = ["claude"]
[workers.claude]
program = "{out}/claude"
[models.haiku]
claude = "m-1"
"""


# It tells what pytest tells, and is red without its file.
PYTEST = """#!/bin/sh
test -e "$1/good" || { echo "FAILED $1/test_it.py::test_it - no good"; echo "1 failed in 0.01s"; exit 1; }
echo "2 passed in 0.01s"
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path, TEXT, SETTINGS.format(out=tmp_path / "out"))
    made.program("claude", CLIENT.format(out=made.out))
    made.program("pytest", PYTEST)
    made.environment["PATH"] = f"{made.out}:{made.environment['PATH']}"
    (made.root / "backend").mkdir()
    (made.root / "backend" / "good").touch()
    made.git("add", "-A")
    made.git("commit", "-qm", "tests")
    return made


def run(place: Place) -> tuple[dict[str, Any], str]:
    """The one task of the newest run, and what was said on stderr."""
    done = place.call("run", "--again", PLAN, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    task: dict[str, Any] = place.document()["tasks"][0]
    return task, done.stdout + done.stderr


def learn(place: Place, runs: int = 5) -> Pattern:
    """By that many runs of the agent and a person's word."""
    for _ in range(runs):
        run(place)
    assert said(place, "patterns", "analyze", "--json")["candidates"]
    with store.reading(place.root) as book:
        assert book is not None
        candidate = book.find(SIGNATURE)
    assert (candidate.status, candidate.occurrences) == (PatternStatus.CANDIDATE, 5)
    said(place, "patterns", "approve", SIGNATURE, "--json")
    with store.reading(place.root) as book:
        assert book is not None
        return book.find(SIGNATURE)


def said(place: Place, *words: str) -> dict[str, Any]:
    done = place.call(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def calls(place: Place) -> int:
    return len((place.out / "calls").read_text().splitlines())


def own_tool(place: Place) -> Path:
    """In place of the one that ships, so that it can be broken: a copy of it."""
    folder = place.root / "tools"
    shutil.copytree(toolbox.SHIPPED, folder)
    done = place.call("tools", "add", f"tools/{TOOL}.toml")
    assert done.returncode == 0, done.stderr
    return folder / "run_command.sh"


def test_the_sixth_run_is_done_by_the_tool_and_what_it_saved_is_the_mean_of_the_five(
    place: Place,
) -> None:
    assert learn(place).status is PatternStatus.ACTIVE
    assert calls(place) == 5
    task, _ = run(place)
    assert calls(place) == 5, "no model was asked"
    assert (task["state"], task["verified"], task["tokens"], task["cost_usd"]) == (
        "succeeded",
        "command",
        0,
        0.0,
    )
    assert (task["worker"], task["model"], task["attempts"]) == ("tool", None, 1)
    route = task["route"]
    assert (route["strategy"], route["tool"], route["pattern"]) == ("offload", TOOL, SIGNATURE)
    assert "match 100, no other pattern" in route["reason"]
    with store.reading(place.root) as book:
        assert book is not None
        (saved,) = book.savings()
        (call,) = book.calls()
        pattern = book.find(SIGNATURE)
    # inputs of 1000, 1100, ... 1400 and 100 out: their mean is 1300
    assert (saved.kind, saved.tokens, round(saved.cost_usd, 6), saved.baseline) == (
        Optimization.PATTERN_OFFLOAD, 1300, 0.2, 5,
    )  # fmt: skip
    assert (call.tool, call.pattern, call.ok, call.tokens_saved) == (TOOL, SIGNATURE, True, 1300)
    assert call.workflow == f"{place.run} demo/1 1"
    assert pattern.occurrences == 5, "a tool's try is no occurrence"
    explained = place.call("explain", place.run, "1").stdout
    assert "offload" in explained
    assert SIGNATURE in explained
    (log,) = (place.root / ".orchestrator/runs" / place.run).glob("*.1.log")
    assert "exit 0: pytest backend -q\n2 passed" in log.read_text()
    summary = (place.root / "plans/demo-SUMMARY.md").read_text()
    assert f"0 tokens: no model was asked (task 1 by tool {TOOL})." in summary
    line = place.outcomes()[-1]
    assert (
        line.worker,
        line.model_version,
        line.model_routed,
        line.tokens_total,
        line.cost_usd,
    ) == ("tool", None, None, 0, 0.0)


def test_a_broken_tool_hands_over_to_the_model_and_the_third_failure_disables_it(
    place: Place,
) -> None:
    learn(place)
    script = own_tool(place)
    run(place)
    assert calls(place) == 5
    script.write_text("echo the tool is broken; exit 3\n")
    assert place.call("tools", "add", f"tools/{TOOL}.toml").returncode == 0
    task, told = run(place)
    assert (task["state"], task["worker"], task["model"], task["attempts"]) == (
        "succeeded",
        "claude",
        "m-1",
        3,
    )
    assert calls(place) == 6
    assert "the tool is broken" in prompts(place)[-1], "the model is told"
    assert "disabled" not in told
    task, told = run(place)
    assert (task["state"], task["worker"], task["attempts"]) == ("succeeded", "claude", 2)
    assert f"the tool {TOOL} is disabled: it failed 3 times in a row" in told
    with store.reading(place.root) as book:
        assert book is not None
        tool, pattern = book.tool(TOOL), book.find(SIGNATURE)
        assert [one.ok for one in book.calls()] == [True, False, False, False]
        assert len(book.savings()) == 1
    assert (tool.status, tool.why) == (ToolStatus.DISABLED, "it failed 3 times in a row")
    assert pattern.status is PatternStatus.IMPLEMENTED
    reasons = [event.data["reason"] for event in place.events() if event.kind is EventKind.REROUTED]
    assert any("is disabled" in one for one in reasons)
    summary = (place.root / "plans/demo-SUMMARY.md").read_text()
    assert f"of the tool `{TOOL}`" in summary
    assert "The tool may not work now: it failed 3 times in a row" in summary
    assert "disabled: it failed 3 times in a row" in place.call("tools", "list").stdout
    before = calls(place)
    task, _ = run(place)
    assert (task["attempts"], task["worker"], calls(place)) == (1, "claude", before + 1)
    said = place.call("tools", "enable", TOOL).stdout
    assert (
        f"{TOOL} does {SIGNATURE} from now on; it was disabled: it failed 3 times in a row" in said
    )
    assert "; it failed last in demo/1 of " in said
    assert "the tool is broken" in said
    assert "next: orchestrator explain " in said
    shutil.copy(toolbox.SHIPPED / "run_command.sh", script)
    assert place.call("tools", "add", f"tools/{TOOL}.toml").returncode == 0
    task, _ = run(place)
    assert (task["worker"], task["tokens"], calls(place)) == ("tool", 0, before + 1)


def test_a_kill_between_the_end_of_the_try_and_its_booking_loses_and_doubles_nothing(
    place: Place,
) -> None:
    """By a resume, and by the next run of somebody who did not resume."""
    learn(place)
    for goes_on in ("resume", "run"):
        before = books(place)
        died = place.call("run", "--again", PLAN, "--yes", crash="after:attempt_finished")
        assert died.returncode == -9, died.stderr
        assert place.events()[-1].kind is EventKind.ATTEMPT_FINISHED
        assert books(place) == before, "not booked yet"
        lost = f"{place.run} demo/1 1"
        if goes_on == "resume":
            assert place.call("resume", "--yes").returncode == 0
        else:
            run(place)
        run(place)
        calls_now, savings = books(place)
        assert (calls_now.count(lost), savings.count(lost)) == (1, 1)
        assert len(calls_now) == len(set(calls_now)) == len(savings)
    assert calls(place) == 5, "no model was asked"
    with store.reading(place.root) as book:
        assert book is not None
        tool = book.tool(TOOL)
        assert (tool.calls, tool.successes) == (5, 5)


def books(place: Place) -> tuple[list[str], list[str]]:
    """The workflows of calls and of savings."""
    with store.reading(place.root) as book:
        assert book is not None
        return [one.workflow for one in book.calls()], [one.workflow for one in book.savings()]


def test_what_is_amended_as_a_false_accept_saved_nothing(place: Place) -> None:
    learn(place)
    run(place)
    words = ("ledger", "amend", place.run, "1", "--outcome", "failed", "--by", "CI")
    done = place.call(*words)
    assert f"what the tool {TOOL} saved by it is no longer booked" in done.stdout
    assert "is booked here (any more)" in place.call(*words).stdout, "a second time changes nothing"
    with store.reading(place.root) as book:
        assert book is not None
        ((call,), savings, tool) = book.calls(), book.savings(), book.tool(TOOL)
    assert (call.ok, savings, tool.failed_in_a_row) == (False, [], 1)
    said(place, "patterns", "analyze", "--json")
    assert books(place) == ([call.workflow], [])


def test_a_script_that_changed_is_not_run_until_a_person_adds_it_anew(place: Place) -> None:
    learn(place)
    script = own_tool(place)
    script.write_text(script.read_text() + "# changed\n")
    why = f"the script of {TOOL} changed since it was added"
    task, told = run(place)
    assert (task["worker"], calls(place)) == ("claude", 6)
    assert why in told
    assert why in place.call("tools", "list").stdout
    tried = place.call("tools", "test", TOOL, "--", "echo 1 passed")
    assert (tried.returncode, why in tried.stderr) == (0, True)
    assert place.call("tools", "add", f"tools/{TOOL}.toml").returncode == 0
    task, told = run(place)
    assert (task["worker"], calls(place), why in told) == ("tool", 6, False)


def test_switched_off_the_model_does_it_as_if_there_were_no_pattern(place: Place) -> None:
    for _ in range(4):
        run(place)
    before, _ = run(place)
    learn(place, 0)
    config = place.root / ".orchestrator" / "config.toml"
    config.write_text(config.read_text() + "[patterns]\noffload = false\n")
    after, _ = run(place)
    assert calls(place) == 6
    told = [one for one in prompts(place) if "Run the backend tests" in one]
    assert (len(told), len(set(told))) == (6, 1), "each was told the same"
    for key in ("worker", "model", "attempts", "state", "verified"):
        assert after[key] == before[key]
    of_route = ("worker", "model", "tier", "strategy", "reason", "tool", "pattern", "floor")
    assert [after["route"][key] for key in of_route] == [before["route"][key] for key in of_route]


def prompts(place: Place) -> list[str]:
    """Without the name of the worktree."""
    every = [(place.out / f"prompt-{number}").read_text() for number in range(1, calls(place) + 1)]
    return [re.sub(r"/\S*worktrees?/\S*", "HERE", one) for one in every]
