"""A task that a tool does, as people are told of it: before a run, while it goes on, at its end and afterwards; and why a model does it after all."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from orchestrator.model import TaskId
from orchestrator.outloop import store, toolbox
from orchestrator.views.past import open_run
from orchestrator.web import pages_tasks
from tests.engine.test_offloading import SIGNATURE, TOOL, learn, program, task
from tests.outloop.test_context import remember
from tests.whole.places import PLAN, Place
from tests.whole.test_offload import CLIENT, SETTINGS

pytestmark = pytest.mark.timeout(120)
TEXT = f"""---
phase: demo
plan: 01
---
<objective>Look whether it works.</objective>
<tasks>
{task()}
{task("Fix the tests", "Make all of them pass.")}
</tasks>
"""
SAVED = "about 200 tokens and $0.10 by 1 task, against the mean of n=3 that a model did"


def place(folder: Path, more: str = "") -> Place:
    made = Place(folder, TEXT, SETTINGS.format(out=folder / "out") + more)
    made.program("claude", CLIENT.format(out=made.out))
    program(made.root, "echo '2 passed in 0.1s'")
    made.git("add", "-A")
    made.git("commit", "-qm", "tests")
    learn(made.root)
    return made


def told(here: Place, *words: str) -> str:
    done = here.call(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Ran(NamedTuple):
    here: Place
    lines: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    here = place(tmp_path_factory.mktemp("ran"))
    return Ran(here, told(here, "run", PLAN, "--yes"))


def test_a_running_task_is_told_with_the_name_of_its_tool(ran: Ran) -> None:
    lines = ran.lines.splitlines()
    assert any(one.startswith(f"▸ demo/1  Run the tests  {TOOL} (tool)") for one in lines)
    assert any(one.startswith(f"✓ demo/1  Run the tests  {TOOL} (tool)") for one in lines)
    found = open_run(ran.here.root, None)
    row = pages_tasks.row(found, TaskId("demo/1"), "", time.time())
    assert (row.model, row.note) == (f"{TOOL} (tool)", "")
    assert pages_tasks.row(found, TaskId("demo/2"), "", time.time()).model == "m-1"


def test_what_tools_saved_stands_at_the_end_in_show_and_in_summary(ran: Ran) -> None:
    assert f"  saved by tools: {SAVED}\n" in ran.lines
    assert f"saved by tools: {SAVED}\n" in told(ran.here, "show")
    summary = (ran.here.root / "plans/demo-SUMMARY.md").read_text()
    assert f"Saved by tools: {SAVED}." in summary


def test_a_check_that_is_all_of_the_task_proves_it(ran: Ran) -> None:
    first, second = ran.here.document()["tasks"]
    assert (first["verified"], first["verify_strength"]) == ("command", 1.0)
    assert (
        second["verify_strength"] == 0.0
    )  # a model was to mend something, and it was green before
    assert "1 of them not proven by a check" in ran.lines
    summary = (ran.here.root / "plans/demo-SUMMARY.md").read_text()
    assert "green (exit 0), to be green is all that the task asks for, strength 1" in summary
    assert "nothing proves task 2." in summary


def test_explain_names_the_tool_and_why_no_tool_did_the_other(ran: Ran) -> None:
    by_tool = told(ran.here, "explain", ran.here.run, "1")
    assert f"{TOOL}, for the pattern {SIGNATURE}" in by_tool
    assert "match 100, no other pattern" in by_tool
    assert "no tool" not in by_tool
    by_model = told(ran.here, "explain", ran.here.run, "2")
    why = f"its check runs {SIGNATURE}, and its words ask for more than that, or for something else"
    assert f"a model does it: {why}" in by_model
    assert "was told" not in by_model


def test_before_a_run_a_tool_is_named_and_costs_nothing(tmp_path: Path) -> None:
    here = place(tmp_path)
    assert f"starts at once, by {TOOL} (tool, 0 tokens)" in told(here, "graph", PLAN)
    assert [one["tool"] for one in _json(here, "graph", PLAN)["tasks"]] == [TOOL, None]
    dry = told(here, "run", "--dry-run", PLAN)
    assert f"starts at once, by {TOOL} (tool, 0 tokens)" in dry
    assert f"worker      {TOOL} (tool, 2 tries), then claude/" in dry
    assert dry.count("no tool") == 1
    assert f"no tool     its check runs {SIGNATURE}, and its words ask for more" in dry
    rows = [line.split() for line in told(here, "route", PLAN).splitlines()]
    assert next(one for one in rows if one[0] == "demo/1")[-5:] == [
        "tool", TOOL, "offload", "100%", "$0.00",
    ]  # fmt: skip
    first, second = _json(here, "route", PLAN)["tasks"]
    assert (first["worker"], first["tool"], first["estimated_cost_usd"]) == ("tool", TOOL, 0.0)
    assert [one["tool"] for one in first["tries"][:3]] == [TOOL, TOOL, None]
    assert (second["worker"], second["tool"]) == ("claude", None)
    first, second = (found := _json(here, "estimate", PLAN))["tasks"]
    assert (first["tool"], first["tokens"]["high"], first["cost_usd"]["high"]) == (TOOL, 0, 0.0)
    assert second["tokens"]["high"] == found["total"]["tokens"]["high"] > 0
    rows = [line.split() for line in told(here, "estimate", PLAN).splitlines()]
    assert next(one for one in rows if one and one[0] == "demo/1")[-5:-1] == [
        TOOL, "(tool)", "0", "$0.00",
    ]  # fmt: skip
    here.environment["ORCHESTRATOR_PATTERNS__OFFLOAD"] = "false"
    for words in (("graph",), ("route",), ("estimate",), ("run", "--dry-run")):
        assert TOOL not in told(here, *words, PLAN)


def test_what_a_prompt_names_and_that_a_tool_is_disabled_are_explained(tmp_path: Path) -> None:
    here = place(tmp_path, '[context]\nprofiles = "on"\n')
    remember(here.root, SIGNATURE, 5)
    with store.writing(here.root) as book:
        toolbox.disable(book, TOOL, "its server is down", "Ada")
    told(here, "run", PLAN, "--only", "1")
    explained = told(here, "explain", here.run, "1")
    assert f"a model does it: the tool {TOOL} of {SIGNATURE} is disabled: its server is down" in (
        explained
    )
    assert "was told    that tasks like it needed src/a.py" in explained
    assert "src/a.py" in (here.out / "prompt-1").read_text()


def _json(here: Place, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(here, *words, "--json"))
    return found
