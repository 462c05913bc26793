"""Budgets as a person meets them: printed at the start, said when short, raised at resume, in show, explain, SUMMARY, estimate and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.whole.places import Place

PLAN = """---
phase: demo
plan: 01
---
<objective>x</objective>
<tasks>
<task type="auto" worker="mule" depends-on=""><name>Task 1: first</name><files>1.txt</files><action>Write 1.txt.</action>
<verify><automated>test -s 1.txt</automated></verify></task>
<task type="auto" worker="mule" depends-on="1" context-mode="fresh"><name>Task 2: second</name><files>2.txt</files><action>Write 2.txt.</action>
<verify><automated>test -s 2.txt</automated></verify></task>
</tasks>
"""
SETTINGS = """[workers.mule]
argv = ["{out}/mule"]
patterns = ['Tokens: (?P<input_tokens>\\d+) sent, (?P<output_tokens>\\d+) received. Cost: (?P<cost_usd>[0-9.]+)']
[prices.mule]
input = 1.0
output = 1.0
"""
MULE = """#!/usr/bin/env bash
n=$(sed -n 's/.*Write \\([0-9]\\).txt.*/\\1/p' | head -n 1); echo x > $n.txt
echo "Tokens: 20000 sent, 5000 received. Cost: 0.11"
"""


def place(tmp_path: Path) -> Place:
    found = Place(tmp_path, PLAN, SETTINGS.format(out=tmp_path / "out"))
    found.program("mule", MULE)
    return found


def test_s2_30_a_default_is_printed_and_a_run_without_models_is_not_told(tmp_path: Path):
    here = place(tmp_path)
    done = here.call("run", "plans/demo-PLAN.md")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "budget: up to $25.00 and 5.00M new tokens for this run, $100.00 a day" in done.stdout
    assert "change it with --budget-usd" in done.stdout
    assert "budget: $0.22 of $25.00" in done.stdout
    document = here.document()
    assert document["budget"]["used"] == {"usd": 0.22, "tokens": 50000}
    assert document["budget"]["limits"]["run"] == {"usd": 25.0, "tokens": 5000000}
    booked = sum(one.cost_usd or 0 for one in here.outcomes())
    assert booked == pytest.approx(document["budget"]["charged"]["usd"])


def test_s2_36_it_ends_at_its_budget_says_why_and_goes_on_with_a_larger_one(tmp_path: Path):
    here = place(tmp_path)
    ended = here.call("run", "plans/demo-PLAN.md", "--budget-usd", "0.14")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    reason = "this run may use $0.14, $0.03 of it is left"
    assert reason in ended.stdout
    assert "raise the budget: orchestrator resume" in ended.stdout
    document = here.document()
    second = document["tasks"][1]
    assert (second["state"], document["exit_code"]) == ("waiting", 1)
    assert second["budget"].startswith(f"refused: {reason}")
    assert document["budget"]["short"][0]["stops"] is True
    assert reason in here.call("explain", document["run"], "2").stdout
    first = here.call("explain", document["run"], "1").stdout
    assert "were set aside, $0.11 and 25.0k are charged" in first
    halted = here.git("show", f"orchestrator/{document['run']}:plans/demo-SUMMARY.md")
    assert "**Budget of the run:** $0.14: $0.11 used, $0.11 charged" in halted
    assert "did not start (budget)" in halted
    again = here.call("resume", "--budget-usd", "1.5", "--json")
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(again.stdout)["budget"]["limits"]["run"]["usd"] == 1.5
    assert len(here.outcomes()) == 2


def test_estimate_warns_of_what_the_budget_cannot_pay(tmp_path: Path):
    here = place(tmp_path)
    assert "warning" not in here.call("estimate", "plans/demo-PLAN.md").stdout
    here.environment["ORCHESTRATOR_BUDGET__RUN_USD"] = "0.05"
    done = here.call("estimate", "plans/demo-PLAN.md")
    assert "the budget of a run is $0.05" in done.stdout, done.stdout + done.stderr
    told = json.loads(here.call("estimate", "--json", "plans/demo-PLAN.md").stdout)["budget"]
    assert told["run_usd"] == 0.05
    assert len(told["warnings"]) == 1


def test_a_budget_of_a_plan_is_shown_and_one_that_cannot_be_read_is_said(tmp_path: Path):
    here = place(tmp_path)
    path = here.root / "plans/demo-PLAN.md"
    path.write_text(PLAN.replace("plan: 01", "plan: 01\nbudget: $5, 200k tokens"))
    assert "$5.00 and 200.0k new tokens" in here.call("show", "plans/demo-PLAN.md").stdout
    path.write_text(PLAN.replace("plan: 01", "plan: 01\nbudget: not much"))
    assert "F209" in here.call("lint", "plans/demo-PLAN.md").stdout


OWN = PLAN.replace("plan: 01", "plan: 01\nbudget: $0.14")


def test_a_plans_own_budget_is_told_at_the_start_and_what_the_message_names_raises_it(
    tmp_path: Path,
):
    here = place(tmp_path)
    (here.root / "plans/demo-PLAN.md").write_text(OWN)
    ended = here.call("run", "plans/demo-PLAN.md")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "$0.14 for the plan demo (its own budget:)" in ended.stdout
    assert ended.stdout.count("may use $0.14, $0.03 of it is left") == 1  # once is enough
    assert "raise --plan-budget-usd" in ended.stdout
    assert "next: raise the budget: orchestrator resume" in ended.stdout
    assert ended.stdout.rstrip().endswith("--plan-budget-usd N")
    more = here.call("resume", "--plan-budget-usd", "5")
    assert more.returncode == 0, more.stdout + more.stderr
    assert "$5.00 for the plan demo (as asked for, not its own budget:)" in more.stdout
    assert here.document()["budget"]["limits"]["instead"]["usd"] == 5.0
    assert len(here.outcomes()) == 2


def test_a_plans_own_budget_can_be_left_out_from_the_start(tmp_path: Path):
    here = place(tmp_path)
    (here.root / "plans/demo-PLAN.md").write_text(OWN)
    done = here.call("run", "plans/demo-PLAN.md", "--plan-budget-usd", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no limit for the plan demo" in done.stdout


@pytest.mark.parametrize(
    ("words", "environment", "step"),
    [
        (("--budget-tokens", "40000"), {}, "--budget-tokens N"),
        ((), {"DAY_USD": "0.14"}, "raise budget.day_usd in .orchestrator/config.toml, then: "),
        ((), {"PLAN_USD": "0.14"}, "--plan-budget-usd N"),
        ((), {"TASK_USD": "0.01"}, "raise budget.task_usd in .orchestrator/config.toml, then: "),
    ],
)
def test_what_is_to_be_done_names_the_limit_that_refused(
    tmp_path: Path, words: tuple[str, ...], environment: dict[str, str], step: str
):
    here = place(tmp_path)
    here.environment |= {f"ORCHESTRATOR_BUDGET__{key}": one for key, one in environment.items()}
    ended = here.call("run", "plans/demo-PLAN.md", *words)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    (told,) = [row for row in ended.stdout.splitlines() if row.strip().startswith("next:")]
    assert step in told
    assert ("--budget-usd" in told) == ("--budget-usd" in step)


def test_of_a_tasks_own_budget_the_way_is_the_plan(tmp_path: Path):
    here = place(tmp_path)
    tight = PLAN.replace("<verify>", "<metrics><token-budget>10</token-budget></metrics><verify>")
    (here.root / "plans/demo-PLAN.md").write_text(tight)
    ended = here.call("run", "plans/demo-PLAN.md")
    assert "next: raise its <token-budget> in plans/demo-PLAN.md, then: orchestrator run" in (
        ended.stdout
    ), ended.stdout
