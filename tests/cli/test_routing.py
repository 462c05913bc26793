"""route, report, stats, and what a run keeps of its decisions: from plan to journal, ledger, explain and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator import ledger
from orchestrator.ledger import Entry
from tests.cli.projects import Project, makes, task
from tests.cli.test_limits import TASK
from tests.reports.lines import line

PLAN = "demo-PLAN.md"
TOLD = "<action>Write it.</action><verify><automated>true</automated></verify><done>x</done>"


def folder(project: Project) -> Path:
    return Path(project.environment["XDG_DATA_HOME"]) / "orchestrator"


def today() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()


def remember(project: Project, *entries: Entry) -> None:
    now = today()
    moved = [ledger.seal(one.model_copy(update={"timestamp": now})) for one in entries]
    ledger.append(folder(project), moved)


def learned(project: Project, tier: str, confidence: float) -> None:
    metrics = {"success_rate": 1.0, "avg_cost_usd": 0.001, "avg_duration_sec": 9.0}
    rule = {
        "model": tier,
        "confidence": confidence,
        "reason": "16/16 against 9/10",
        "metrics": metrics | {"sample_size": 16},
    }
    document = {"learned_recommendations": {"6": rule}, "last_updated": today(), "window_days": 30}
    folder(project).mkdir(parents=True, exist_ok=True)
    (folder(project) / "routing_heuristics.json").write_text(json.dumps(document))


# --- route ----------------------------------------------------------------------------------------


def test_s0_04_route_prints_one_bare_name(project: Project):
    done = project.call("route", "--complexity", "6")
    assert (done.returncode, done.stdout, done.stderr) == (0, "sonnet\n", "")
    assert project.told("route", "--complexity", "10") == "opus\n"
    assert project.json("route", "--complexity", "1") == {
        "version": 1,
        "complexity": 1,
        "model": "haiku",
    }


@pytest.mark.parametrize(("confidence", "model"), [(0.699, "sonnet"), (0.7, "haiku")])
def test_s0_03_a_learned_rule_counts_before_the_band(
    project: Project, confidence: float, model: str
):
    learned(project, "haiku", confidence)
    assert project.told("route", "--complexity", "6") == f"{model}\n"
    assert project.told("route", "--complexity", "5") == "sonnet\n"


def test_s0_03_a_damaged_file_of_rules_is_one_warning_and_the_band(project: Project):
    learned(project, "haiku", 1.0)
    (folder(project) / "routing_heuristics.json").write_text("{")
    done = project.call("route", "--complexity", "6")
    assert (done.returncode, done.stdout) == (0, "sonnet\n")
    assert done.stderr.count("warning:") == 1
    assert "routing_heuristics.json" in done.stderr


@pytest.mark.parametrize("words", [[], [PLAN, "--complexity", "6"], ["--complexity", "11"]])
def test_route_wants_plans_or_a_number(project: Project, words: list[str]):
    project.write(makes("Task 1: a", "a.txt"))
    assert project.call("route", *words).returncode == 64


def test_c_01_the_conservative_bands(project: Project):
    (project.root / ".orchestrator" / "config.toml").write_text(
        '[routing]\nbands = "conservative"\n'
    )
    assert project.told("route", "--complexity", "4") == "sonnet\n"
    assert project.told("route", "--complexity", "3") == "haiku\n"


def plan(project: Project) -> None:
    def told(name: str, attributes: str, more: str = "") -> str:
        return task(name, more=TOLD + more, files="a.py", attributes=f'type="auto" {attributes}')

    project.write(
        told("Task 1: Think", 'model="opus"'),
        told("Task 2: Think", 'labels="complexity:trivial"'),
        told("Task 3: Think", "", "<labels>model:haiku, mine</labels>"),
        told("Task 4: Rename it", ""),
        told("Task 5: Think", 'estimated-complexity="6"'),
        told("Task 6: Think", 'estimated-complexity="9"'),
        told("Task 7: Build the login endpoint", 'labels="complexity:trivial"'),
        told("Task 8: Build the login endpoint", 'model="haiku"'),
        makes("Task 9: run", "b.txt"),
    )


def test_s1_05_s1_09_every_task_with_who_decided_how_sure_and_why(project: Project):
    plan(project)
    learned(project, "haiku", 0.75)
    found = project.json("route", PLAN)["tasks"]
    assert [(one["tier"], one["strategy"], one["confidence"]) for one in found] == [
        ("opus", "explicit", 1.0),
        ("haiku", "complexity-label", 0.95),
        ("haiku", "explicit", 1.0),
        ("haiku", "pattern", 0.85),
        ("haiku", "learned", 0.75),
        ("opus", "default", 0.6),
        ("opus", "floor", 0.85),
        ("haiku", "explicit", 1.0),
        (None, "worker", 1.0),
    ]
    assert all(one["reason"] and one["propensity"] == 1.0 for one in found)
    assert all(one["estimated_cost_usd"] > 0 for one in found[:-1])
    assert found[-1]["estimated_cost_usd"] == 0
    assert [one["floor"] for one in found[-3:]] == ["opus", "opus", None]
    assert "below the floor opus" in found[-2]["reason"]
    text = project.told("route", PLAN)
    assert "demo/4  Rename it" in text
    assert "    its title says rename: haiku" in text


def test_its_costs_are_those_of_estimate(project: Project):
    plan(project)
    routed, estimated = (
        project.json("route", PLAN)["tasks"],
        project.json("estimate", PLAN)["tasks"],
    )
    for one, other in zip(routed, estimated, strict=True):
        middle = (other["cost_usd"]["low"] + other["cost_usd"]["high"]) / 2
        assert one["estimated_cost_usd"] == pytest.approx(middle, abs=1e-5)


# --- what a run keeps -----------------------------------------------------------------------------


AGENT = """#!/bin/bash
cat > /dev/null
echo done > "${ORCHESTRATOR_TASK#*/}.txt"
echo '{"status": "ok", "model": "tiny-1", "usage": {"input": 900, "output": 100}}'
"""
TABLE = """
[workers.mine]
argv = ["{program}", "{{model}}"]
format = "json"
success = {{ status = "ok" }}
paths = {{ model = "model", input_tokens = "usage.input", output_tokens = "usage.output" }}
[models.haiku]
mine = "tiny"
[models.sonnet]
mine = "middling"
[models.opus]
mine = "large"
[prices."tiny"]
input = 1.0
output = 5.0
[prices."tiny-1"]
input = 1.0
output = 5.0
"""


def agent(project: Project) -> None:
    program = project.root.parent / "mine"
    program.write_text(AGENT)
    program.chmod(0o755)
    (project.root / ".orchestrator" / "config.toml").write_text(TABLE.format(program=program))


def test_s1_05_journal_ledger_explain_and_json_carry_the_decision(project: Project):
    agent(project)
    labelled = TASK.replace("<task ", '<task labels="complexity:simple" ')
    project.write(labelled.format(n=1, worker="mine"))
    found = project.json("run", PLAN)
    route = found["tasks"][0]["route"]
    assert (route["tier"], route["strategy"], route["confidence"]) == (
        "haiku",
        "complexity-label",
        0.95,
    )
    assert route["propensity"] == 1.0
    assert route["estimated_cost_usd"] > 0
    events = project.json("show", "--events")["events"]
    [started] = [one["data"]["route"] for one in events if one["kind"] == "attempt_started"]
    assert started == route
    [entry] = ledger.read(folder(project)).entries
    kept = entry.route
    assert (kept.strategy, kept.propensity) == ("complexity-label", 1.0)
    assert kept.estimated_cost_usd == route["estimated_cost_usd"]
    assert kept.estimated_tokens == route["estimated_tokens"]
    told = project.told("explain", found["run"], "1")
    assert "the label complexity:simple starts on haiku (complexity-label, confidence 0.95)" in told
    assert " expected " in told


def outcomes(tier: str, model: str, passed: int, failed: int, usd: float) -> list[Entry]:
    made = [
        line(n, tier, ok=n < passed, cost=usd, run=f"{model}-{n}") for n in range(passed + failed)
    ]
    mine = {"model_version": model, "worker": "mine"}
    return [one.model_copy(update=mine) for one in made]


def known(project: Project) -> None:
    """The small one nearly always passes at a tenth of the cost; the middle one fails at the price of the large one."""
    remember(
        project,
        *outcomes("haiku", "tiny", 18, 2, 0.04),
        *outcomes("sonnet", "middling", 6, 14, 0.7),
        *outcomes("opus", "large", 16, 4, 0.7),
    )


def test_route_shows_the_whole_ladder_and_why_the_others_are_left_out(project: Project):
    agent(project)
    known(project)
    project.write(TASK.format(n=1, worker="mine"))
    [found] = project.json("route", PLAN)["tasks"]
    assert (found["strategy"], found["tier"], found["propensity"]) == ("cascade", "haiku", 1.0)
    assert found["tries"][-1]["model"] == "large"
    assert found["tries"][0]["cap_usd"] is not None
    assert dict(found["left_out"])["middling"].startswith("does not pay: passes 2")
    text = project.told("route", PLAN)
    assert "tries: tiny, then " in text
    assert "left out: middling, does not pay: passes 2" in text
    note = "note: a run may try out other models than these for demo/1"
    assert note in text
    assert note in project.told("estimate", PLAN)
    config = project.root / ".orchestrator" / "config.toml"
    config.write_text(config.read_text() + "[routing]\nexplore = false\n")
    assert "may try out" not in project.told("route", PLAN)


def test_explain_and_the_report_tell_what_outcomes_decided(project: Project):
    agent(project)
    known(project)
    project.write(TASK.format(n=1, worker="mine"))
    run = project.json("run", PLAN)["run"]
    told = project.told("explain", run, "1")
    assert "(cascade, confidence 0.9" in told
    assert "left out" in told
    strategies = project.json("report", "routing")["strategies"]
    assert "cascade" in {one["strategy"] for one in strategies}


def test_s0_30_s2_55_what_runs_used_is_what_later_ones_expect(project: Project):
    agent(project)
    labelled = TASK.replace("<task ", '<task labels="complexity:simple" ').replace(
        'depends-on=""', 'depends-on="" parallel="can-parallelize"'
    )
    project.write(*(labelled.format(n=n, worker="mine") for n in range(1, 6)))
    before = project.json("estimate", PLAN)
    assert {one["samples"] for one in before["tasks"]} == {0}
    assert before["calibration"] == {}
    project.told("run", PLAN)
    (project.root / PLAN).rename(project.root / "again-PLAN.md")
    after = project.json("estimate", "again-PLAN.md")
    for one in after["tasks"]:
        assert (one["samples"], one["confidence"], one["success_rate"]) == (5, 0.5, 1.0)
        assert one["tokens"] == {"low": 1000, "high": 1000}
        assert one["cost_usd"]["low"] == pytest.approx(900 / 1e6 + 500 / 1e6)
    [(kind, told)] = after["calibration"].items()
    assert told["tokens"]["n"] == 5
    assert 0 < told["tokens"]["ratio"] < 1
    text = project.told("estimate", "again-PLAN.md")
    assert "what was used over what was estimated" in text
    assert kind in project.told("stats")
    assert project.json("stats")["kinds"][0]["count"] == 5
    report = project.told("report", "routing")
    assert "ended well: 100.0% of 5 (95%: 56.6% to 100.0%)" in report
    assert "tiny-1" in report
    assert "saved against always sonnet: insufficient evidence" in report


# --- report ---------------------------------------------------------------------------------------


def many(project: Project) -> None:
    cheap = [line(n, "haiku", cost=0.001) for n in range(1, 31)]
    remember(project, *cheap, *(line(n, "sonnet", cost=0.01) for n in range(31, 61)))


@pytest.mark.parametrize("kind", ["routing", "cost", "models", "validate"])
def test_s1_10_an_empty_ledger_is_a_report_too(project: Project, kind: str):
    assert "insufficient evidence" in project.told("report", kind)
    found = project.json("report", kind)
    assert (found["version"], found["report"], found["tasks"]) == (1, kind, 0)


def test_s1_07_the_report_of_routing(project: Project):
    many(project)
    told = project.told("report", "routing")
    assert "60 tasks of models, 60 attempts, in the last 30 days" in told
    assert "haiku-9" in told
    assert "100.0% of 30 (95%: 88.6% to 100.0%)" in told
    assert "saved against always sonnet: $0.27 of $0.60, 45.0% (95%:" in told
    assert "compared with each of the same 60 tasks on sonnet alone" in told
    assert "routing was sure: 90.0% in the mean of 60" in told
    found = project.json("report", "routing")
    assert found["savings"]["share"] == pytest.approx(0.45)
    assert found["experiments"]["n"] == 60
    other = project.json("report", "routing", "--against", "haiku")
    assert other["savings"]["share"] < 0


def test_c_03_an_opportunity_is_shown_from_60_and_used_from_70_on(project: Project):
    dear = [line(100 + n, "sonnet", cost=0.01 + n / 1e4, ok=n > 0) for n in range(10)]
    remember(project, *dear, *(line(n, "haiku", cost=0.001 + n / 1e5) for n in range(1, 17)))
    [one] = project.json("report", "routing")["opportunities"]
    assert (one["complexity"], one["tier"], one["used"]) == (5, "haiku", True)
    assert one["confidence"] == pytest.approx(0.943, abs=0.001)
    assert "haiku would do (sure 94.3%)" in project.told("report", "routing")
    assert project.told("route", "--complexity", "5") == "sonnet\n"  # a report changes nothing


def test_the_reports_of_cost_models_and_validation(project: Project):
    many(project)
    cost = project.told("report", "cost")
    assert "spent: $0.33 in 60 attempts" in cost
    assert "100 tasks" in cost
    assert "success 100.0% of 30" in project.told("report", "models")
    validated = project.told("report", "validate")
    assert "haiku success" in validated
    assert "with fewer than 19 nothing is called met" in validated
    found = project.json("report", "validate")
    assert [one["status"] for one in found["criteria"]][:3] == ["met", "met", "met"]


def test_only_the_days_that_are_asked_for_count(project: Project):
    ledger.append(folder(project), [line(1, at="2020-01-01T00:00:00Z")])
    assert project.json("report", "cost")["tasks"] == 0
    assert project.json("report", "cost", "--days", "36500")["tasks"] == 1
