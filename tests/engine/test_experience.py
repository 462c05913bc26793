"""What earlier runs left in the ledger moves later ones: where tasks start, in which order, what is expected; and damage there stops nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator import ledger
from orchestrator.engine.experience import Experience, Seat, gather, trials
from orchestrator.ledger import Entry
from orchestrator.model import EventKind, Tier
from orchestrator.routing.beliefs import Beliefs, Candidate
from orchestrator.routing.evidence import Evidence
from orchestrator.settings import ledger_folder, load
from tests.engine.runs import Ran, TieredAgent, run, write_plan
from tests.ledger.outcomes import line as outcomes_line
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


# --- which model it was ---------------------------------------------------------------------------

DAY = timedelta(days=1)


def tried(model_id: str, passed: int, failed: int, ago: timedelta, **more: Any) -> list[Entry]:
    """Of haiku at complexity 6, each a task of its own, a minute apart."""
    outcomes = ["success"] * passed + ["failed"] * failed
    now = datetime.now(UTC) - ago
    asked = more.pop("asked", model_id)
    route = {"tier": "haiku", "confidence": 0.6, "reason": "x", "propensity": None, "model": asked}
    return [
        outcomes_line(
            outcome=outcome,
            at=now + timedelta(minutes=n),
            run_id=f"{model_id}{ago}{n}",
            model_version=model_id,
            route=route,
            **more,
        )
        for n, outcome in enumerate(outcomes)
    ]


def gathered(root: Path, *lines: Entry) -> Experience:
    ledger.append(ledger_folder(), lines)
    return gather(load(root))


def rate(known: Experience, model: str) -> float:
    return Beliefs(known.evidence, [Candidate(Tier.HAIKU, model, 0.01)], 6)(model).rate


def test_c_10_a_new_id_inherits_from_the_one_that_it_replaced(tmp_path: Path):
    """By the ledger alone: 40 failures, but worth ten."""
    old, new = tried("h-4", 0, 40, 9 * DAY), tried("h-5", 1, 0, DAY)
    known = gathered(tmp_path, *old, *new)
    assert known.evidence.predecessors == {"h-5": "h-4"}
    alone = Experience(known.settings, evidence=Evidence.of(trials(new)))
    assert rate(known, "h-5") < 0.3 < rate(alone, "h-5")


def test_two_ids_side_by_side_and_those_of_other_providers_inherit_nothing(tmp_path: Path):
    beside = tried("h-5", 2, 0, 9 * DAY - timedelta(minutes=1))
    elsewhere = tried("g-1", 1, 0, DAY, provider="google")
    known = gathered(tmp_path, *tried("h-4", 0, 9, 9 * DAY), *beside, *elsewhere)
    assert known.evidence.predecessors == {}


def test_c_10_an_id_that_was_only_just_mapped_has_its_predecessor_too(tmp_path: Path):
    known = gathered(tmp_path, *tried("h-4", 0, 40, 9 * DAY))
    seats = [Seat("claude", "anthropic", Tier.HAIKU, "h-5"), Seat("claude", "x", Tier.HAIKU, "g")]
    assert known.facing(seats).evidence.predecessors == {"h-5": "h-4"}
    assert known.facing([Seat("claude", "anthropic", Tier.HAIKU, "h-4")]) is known


def test_c_10_evidence_of_an_alias_is_that_of_the_id_that_answers_to_it(tmp_path: Path):
    """A timeout before any answer is of that id, too; another alias and another worker are not."""
    answered = tried("h-4-5-20251001", 20, 0, 9 * DAY, asked="haiku")
    silent = tried("haiku", 0, 1, DAY, failure="timeout")
    known = gathered(tmp_path, *answered, *silent)
    ids = known.ids("claude", {Tier.HAIKU: "haiku", Tier.OPUS: "opus"})
    assert ids == {Tier.HAIKU: "h-4-5-20251001", Tier.OPUS: "opus"}
    assert known.ids("codex", {Tier.HAIKU: "haiku"}) == {Tier.HAIKU: "haiku"}
    assert set(known.evidence.tallies) == {"h-4-5-20251001"}
    assert known.evidence.attempts("h-4-5-20251001") == pytest.approx(21 * 0.9)
    group = known.past.find("api-impl", 6, worker="claude", model="haiku")
    assert group is not None
    assert group.n == 21


async def test_c_10_a_run_that_asks_an_alias_goes_by_its_evidence(tmp_path: Path):
    """Its worker is asked for haiku-9; what answered to that, dated, has passed always, and much cheaper than others."""
    route = {"confidence": 0.6, "reason": "x", "propensity": None}
    lines = [
        outcomes_line(
            tier,
            cost=cost,
            run_id=f"{tier}{n}",
            worker="agent",
            provider=None,
            at=datetime.now(UTC),
            model_version=f"id-of-{tier}",
            route={**route, "tier": tier, "model": f"{tier}-9"},
        )
        for tier, cost in (("haiku", 0.001), ("opus", 0.9))
        for n in range(60)
    ]
    ledger.append(ledger_folder(), lines)
    (tmp_path / ".orchestrator").mkdir()
    config = "[routing]\nexplore = false\n"  # once in some hundred runs another one is tried out
    (tmp_path / ".orchestrator" / "config.toml").write_text(config)
    plan = write_plan(tmp_path, work(1, "a", estimated_complexity="9"))
    ran = await run(tmp_path, plan, workers={"agent": TieredAgent(SCRIPT)})
    assert started(ran)[0][1]["tier"] == "haiku"
    assert ledger.read(ledger_folder()).entries[-1].route.model == "haiku-9"
