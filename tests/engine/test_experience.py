"""What earlier runs left in the ledger moves later ones: where tasks start, in which order, what is expected; and damage there stops nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator import ledger
from orchestrator.ledger import Entry
from orchestrator.model import EventKind
from orchestrator.settings import ledger_folder
from tests.engine.runs import Ran, TieredAgent, run, write_plan
from tests.reports.lines import line

SCRIPT = 'echo "$TIER" > "${ORCHESTRATOR_TASK#*/}.txt"'


def work(number: int, name: str, **attributes: str) -> str:
    words = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return (
        f'<task type="auto" depends-on="" parallel="can-parallelize" {words}><name>Task {number}: {name}</name>'
        f"<files>{number}.txt, {number}.log</files><action>Do it.</action><verify><automated>test -s {number}.txt</automated>"
        "</verify><done>x</done></task>\n"
    )


def two(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    return write_plan(root, work(1, "Add the route"), work(2, "Fix the rest"))


def remember(*entries: Entry) -> None:
    now = datetime.now(UTC).isoformat()
    moved = [ledger.seal(one.model_copy(update={"timestamp": now})) for one in entries]
    ledger.append(ledger_folder(), moved)


def learned(**rules: Any) -> None:
    metrics = {"success_rate": 1.0, "avg_cost_usd": 0.1, "avg_duration_sec": 1, "sample_size": 16}
    document = {
        "learned_recommendations": {
            key.strip("_"): {"model": model, "confidence": 0.75, "reason": "x", "metrics": metrics}
            for key, model in rules.items()
        },
        "last_updated": "2026-11-01T00:00:00Z",
        "window_days": 30,
    }
    ledger_folder().mkdir(parents=True, exist_ok=True)
    (ledger_folder() / "routing_heuristics.json").write_text(json.dumps(document))


def started(ran: Ran) -> list[tuple[str | None, dict[str, Any]]]:
    return [
        (one.task, one.data["route"]) for one in ran.events if one.kind is EventKind.ATTEMPT_STARTED
    ]


async def test_s0_30_a_learned_rule_starts_the_next_task_and_its_outcome_feeds_back(
    tmp_path: Path,
):
    learned(_6="haiku")
    plan = write_plan(tmp_path, work(1, "a", estimated_complexity="6"))
    ran = await run(tmp_path, plan, workers={"agent": TieredAgent(SCRIPT)})
    assert ran.code == 0
    [(_, route)] = started(ran)
    assert (route["tier"], route["strategy"], route["confidence"]) == ("haiku", "learned", 0.75)
    [entry] = ledger.read(ledger_folder()).entries
    assert (entry.model_routed, entry.route.strategy, entry.outcome) == (
        "haiku",
        "learned",
        "success",
    )


async def test_rules_that_are_not_to_be_used_do_not_count(tmp_path: Path):
    learned(_6="haiku")
    (tmp_path / ".orchestrator").mkdir()
    (tmp_path / ".orchestrator" / "config.toml").write_text("[learning]\nuse_rules = false\n")
    plan = write_plan(tmp_path, work(1, "a", estimated_complexity="6"))
    ran = await run(tmp_path, plan, workers={"agent": TieredAgent(SCRIPT)})
    assert started(ran)[0][1]["strategy"] == "default"


async def test_s0_03_s0_08_a_damaged_file_of_rules_or_ledger_is_a_warning_and_the_run_goes_on(
    tmp_path: Path,
):
    learned(_6="haiku")
    (ledger_folder() / "routing_heuristics.json").write_text("[")
    (ledger_folder() / "task_ledger.jsonl").mkdir()
    plan = write_plan(tmp_path, work(1, "a", estimated_complexity="6"))
    ran = await run(tmp_path, plan, workers={"agent": TieredAgent(SCRIPT)})
    assert ran.code == 0
    assert started(ran)[0][1]["tier"] == "sonnet"
    told = [one for one in ran.watcher.warnings if "routing_heuristics.json" in one]
    assert len(told) == 1
    assert any("the ledger cannot be read" in one for one in ran.watcher.warnings)


async def test_s2_55_what_tasks_took_decides_who_starts_first(tmp_path: Path):
    """One slot; by the plan alone the first of them would start first."""
    quick = [line(n, "sonnet", duration_s=5.0, name="Task 1: Add a route") for n in range(1, 6)]
    slow = [line(n, "sonnet", duration_s=500.0, name="Task 1: Fix it") for n in range(6, 11)]
    agent = {"agent": TieredAgent(SCRIPT)}

    async def ran(root: Path) -> Ran:
        (root / ".orchestrator").mkdir(parents=True)
        config = "[routing]\ncascade = false\n"  # the tiers stay those of the band
        (root / ".orchestrator/config.toml").write_text(config)
        return await run(root, two(root), workers=agent, slots=1)

    first = await ran(tmp_path / "first")
    assert [task for task, _ in started(first)] == ["demo/1", "demo/2"]
    for entry in (*quick, *slow):
        remember(entry.model_copy(update={"complexity_estimated": 5}))
    again = await ran(tmp_path / "again")
    assert [task for task, _ in started(again)] == ["demo/2", "demo/1"]
    seconds = {task: route["estimated_duration_s"] for task, route in started(again)}
    assert 0 < seconds["demo/1"] <= 5.0
    assert 200 < seconds["demo/2"] <= 500.0


async def test_s1_15_a_security_task_starts_strong_and_its_journal_says_why(tmp_path: Path):
    plan = write_plan(tmp_path, work(1, "Build the login endpoint", estimated_complexity="2"))
    ran = await run(tmp_path, plan, workers={"agent": TieredAgent(SCRIPT)})
    [(_, route)] = started(ran)
    assert (route["tier"], route["floor"], route["strategy"]) == ("opus", "opus", "pattern")
    assert "security: authentication" in route["reason"]
