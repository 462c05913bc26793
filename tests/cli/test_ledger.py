"""ledger and learn on the command line: outcomes in and out, later knowledge, and rules beside the ledger."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator import prices
from orchestrator.ledger import NAME, Amendment, append, read
from orchestrator.ledger.line import sealed
from orchestrator.model import Usage
from tests.cli.projects import DEADLINE_S, Project, makes, waits_for
from tests.ledger.outcomes import line, lines, seed_sample

TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
SEED_ROW = {
    "task_id": "phase-06-plan-02-task-1",
    "complexity_estimated": 6,
    "model_routed": "sonnet",
    "outcome": "success",
    "duration_seconds": 720,
    "tokens_total": 5000,
    "cost_usd": 0.015,
    "model_version": "claude-sonnet-4-20250514",
    "timestamp": "2026-01-16T10:30:00Z",
}
EXPERIMENT = {
    "id": "csm-4x3ek",
    "description": "Add /api/routing/experiments endpoint",
    "model": "haiku",
    "confidence": 0.95,
    "strategy": "complexity-label (trivial)",
    "cost": 0.001,
    "outcome": "success",
    "notes": "",
}
RECORD = {
    "task_id": "RAE-001",
    "task_area": "core",
    "task_risk": "high",
    "task_complexity": "large",
    "planner_model": "claude-sonnet-4-5-20250929",
    "planner_provider": "claude",
    "implementer_model": "claude-sonnet-4-5-20250929",
    "implementer_provider": "claude",
    "outcome": "success",
    "duration_seconds": 450.5,
    "total_cost_usd": 0.38,
    "num_steps": 10,
    "num_retries": 2,
    "quality_gate_passed": True,
    "code_review_passed": True,
    "plan_review_passed": True,
}


@pytest.fixture
def folder(project: Project) -> Path:
    return Path(project.environment["XDG_DATA_HOME"]) / "orchestrator"


def jsonl(path: Path, *rows: dict[str, Any] | str) -> str:
    texts = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{text}\n" for text in texts))
    return str(path)


# --- import ---------------------------------------------------------------------------------------


def test_s1_13_what_is_imported_is_marked_and_comes_once(project: Project, folder: Path):
    name = jsonl(project.root / "task_ledger.jsonl", SEED_ROW)
    assert "imported 1 outcome as retroactive" in project.told("ledger", "import", name)
    (one,) = read(folder).entries
    assert (one.origin, one.task_id, one.duration_seconds) == ("retroactive", "06-02-task-1", 720.0)
    assert (one.tokens.input, one.verified, one.provider) == (None, None, None)
    assert "imported 0 outcomes as retroactive, 1 were there" in project.told(
        "ledger", "import", name
    )
    other = {**SEED_ROW, "task_id": "06-02-task-1"}  # S0-12: the same id in its other spelling
    again = project.json("ledger", "import", jsonl(project.root / "b.jsonl", other))
    assert (again["imported"], again["known"]) == (0, 1)
    assert len(read(folder).entries) == 1


def test_rows_of_the_other_seeds_are_imported(project: Project, folder: Path):
    name = jsonl(project.root / "mixed.jsonl", EXPERIMENT, RECORD, {**RECORD, "outcome": "blocked"})
    assert project.json("ledger", "import", name)["imported"] == 3
    first, second, third = read(folder).entries
    assert (first.task_id, first.complexity_estimated, first.model_routed) == (
        "csm-4x3ek",
        2,
        "haiku",
    )
    assert (first.duration_seconds, first.tokens_total, first.cost_usd) == (None, None, 0.001)
    assert (second.complexity_estimated, second.area, second.risk) == (9, "core", "high")
    assert second.execution is not None
    assert second.execution.num_steps == 10
    assert third.outcome == "failed"


def test_damaged_lines_are_told_by_number_and_the_good_ones_imported(
    project: Project, folder: Path
):
    bad = [
        '{"task_id": ',
        "[1]",
        {**SEED_ROW, "complexity_estimated": 11},
        {**SEED_ROW, "outcome": "maybe"},
        {**SEED_ROW, "timestamp": "2026-01-16T10:30:00"},
        {**SEED_ROW, "task_id": ""},
        {"who": "knows"},
        "[" * 100_000,
    ]
    name = jsonl(project.root / "a.jsonl", *bad, "", SEED_ROW)
    done = project.call("ledger", "import", name)
    assert done.returncode == 4
    for number in range(1, len(bad) + 1):
        assert f"{name}:{number} " in done.stderr
    assert len(read(folder).entries) == 1
    told = project.json("ledger", "import", name, code=4)
    assert [one["line"] for one in told["refused"]] == list(range(1, len(bad) + 1))


def test_averages_are_refused_and_so_is_what_is_not_there(project: Project):
    for name in (".token-stats.json", "routing_heuristics.json", "nowhere.jsonl"):
        done = project.call("ledger", "import", name)
        assert done.returncode == 64
        assert name in done.stderr


def test_rules_and_averages_are_known_by_what_is_in_them(project: Project):
    rules = {"learned_recommendations": {}, "last_updated": "x", "window_days": 30}
    averages = {"api-impl/6/haiku": {"count": 1, "total_tokens": 5}}
    for name, found, told in (
        ("mine.json", rules, "orchestrator learn makes them"),
        ("other.json", averages, "import the ledger that it was made from"),
    ):
        (project.root / name).write_text(json.dumps(found, indent=2))
        done = project.call("ledger", "import", name)
        assert (done.returncode, done.stdout) == (64, "")
        assert told in done.stderr
        assert done.stderr.count("error:") == 1


def test_a_whole_ledger_is_imported_with_what_is_known_since(project: Project, folder: Path):
    elsewhere = project.root / "elsewhere"
    append(elsewhere, [line(number=1), line(number=2)])
    (first, _) = read(elsewhere).entries
    later = Amendment(
        **{key: getattr(first, key) for key in ("run_id", "task_id", "attempt", "timestamp")},
        outcome="failed",
        by="CI",
    )
    append(elsewhere, [later])
    with (elsewhere / NAME).open("ab") as file:
        file.write(sealed({"kind": "mood", "of": "a newer version"}))
    told = project.told("ledger", "import", str(elsewhere / NAME))
    assert "imported 2 outcomes as retroactive, 1 of them as amended" in told
    assert "1 line of no outcome passed over" in told
    assert [(one.outcome, one.failure) for one in read(folder).entries] == [
        ("failed", "amended"),
        ("success", None),
    ]
    assert read(folder).damaged == ()
    again = project.json("ledger", "import", str(elsewhere / NAME))
    assert (again["imported"], again["known"], again["amended"]) == (0, 2, 0)


# --- export ---------------------------------------------------------------------------------------


def test_exports_are_the_seeds_own_files(project: Project, folder: Path):
    append(
        folder,
        [line(number=1), line("sonnet", "failed", number=2), line(origin="retroactive", number=3)],
    )
    nine = [json.loads(row) for row in project.told("ledger", "export", "task_ledger").splitlines()]
    assert [list(row) for row in nine] == [list(SEED_ROW)] * 2
    rows = project.told("ledger", "export", "routing-experiments.jsonl").splitlines()
    assert set(EXPERIMENT) <= set(json.loads(rows[0]))
    assert json.loads(rows[0])["strategy"] == "default"
    rows = project.told("ledger", "export", "execution").splitlines()
    assert set(RECORD) <= set(json.loads(rows[1]))
    assert json.loads(rows[1])["quality_gate_passed"] is False
    project.told("ledger", "export", ".token-stats.json", "stats.json")
    assert list(json.loads((project.root / "stats.json").read_text())) == [
        "api-impl/6/haiku",
        "api-impl/6/sonnet",
    ]


def test_s1_06_each_attempt_of_a_run_is_one_experiment(project: Project):
    project.write(makes("Task 1: a", "a.txt"), makes("Task 2: b", "b.txt"))
    project.told("run", "demo-PLAN.md")
    told = project.told("ledger", "export", "routing-experiments")
    rows = [json.loads(row) for row in told.splitlines()]
    keys = ("id", "description", "model", "confidence", "strategy", "cost", "outcome", "notes")
    assert [set(keys) <= set(row) for row in rows] == [True, True]
    assert {row["outcome"] for row in rows} == {"success"}


@pytest.mark.parametrize(
    "view", ["task_ledger.jsonl", "routing-experiments.jsonl", "execution_records.jsonl"]
)
def test_our_own_exports_come_back_as_known(project: Project, folder: Path, view: str):
    append(folder, [line(number=1), line("sonnet", "failed", number=2, at=datetime.now(UTC))])
    project.told("ledger", "export", view, "out.jsonl")
    back = project.json("ledger", "import", "out.jsonl")
    assert (back["imported"], back["known"], back["refused"]) == (0, 2, [])


def test_a_ledger_of_another_machine_is_imported_with_its_identities(
    project: Project, folder: Path
):
    other = project.root / "other"
    append(other, [line(number=1), line(number=2)])
    name = str(other / NAME)
    assert project.json("ledger", "import", name)["imported"] == 2
    assert {one.origin for one in read(folder).entries} == {"retroactive"}
    assert project.json("ledger", "import", name)["known"] == 2
    text = (other / NAME).read_text().replace('"attempt":1', '"attempt":7')
    (other / NAME).write_text(text)
    told = project.json("ledger", "import", name, code=4)
    assert [one["why"] for one in told["refused"]] == ["has a wrong checksum"] * 2


def test_an_export_is_whole_or_not_there_and_a_bad_format_is_told(project: Project, folder: Path):
    append(folder, [line()])
    done = project.call("ledger", "export", "task_ledger", "nowhere/out.jsonl")
    assert done.returncode == 4
    done = project.call("ledger", "export", "csv")
    assert done.returncode == 64
    assert "task_ledger.jsonl" in done.stderr
    assert project.call("ledger", "export", "routing").returncode == 64  # two begin so
    assert "orchestrator learn" in project.call("ledger", "export", "routing_h").stderr


# --- amend, tail, check ---------------------------------------------------------------------------


def test_ci_amends_what_a_check_let_pass(project: Project, folder: Path):
    append(folder, [line(number=1), line(number=1, attempt=2), line(number=2)])
    before = (folder / NAME).read_bytes()
    project.told(
        "ledger", "amend", "r1", "06-02/1", "--outcome", "failed", "--by", "CI", "--note", "red"
    )
    assert (folder / NAME).read_bytes().startswith(before)
    assert read(folder).false_accepts == {("r1", "06-02-task-1", 2)}
    told = project.json("ledger", "tail")["outcomes"]
    assert [(one["outcome"], one["amended"]) for one in told] == [
        ("success", False),
        ("failed", True),
        ("success", False),
    ]
    assert "amended" in project.told("ledger", "tail", "-n", "2")
    done = project.json("ledger", "amend", "r1", "1", "2", "--outcome", "success", "--by", "Ada")
    assert (done["was"], done["outcome"]) == ("failed", "success")
    assert read(folder).false_accepts == frozenset()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("r9", "1", "--outcome", "failed", "--by", "CI"), "no run"),
        (("r1", "7", "--outcome", "failed", "--by", "CI"), "no such attempt"),
        (("r1", "1", "9", "--outcome", "failed", "--by", "CI"), "no such attempt"),
        (("r1", "1", "--outcome", "odd", "--by", "CI"), "--outcome failed"),
        (("r1", "1", "--by", "CI"), "--outcome failed"),
        (("r1", "1", "--outcome", "failed"), "--by WHO"),
    ],
)
def test_amend_says_what_is_missing(
    project: Project, folder: Path, words: tuple[str, ...], told: str
):
    append(folder, [line()])
    done = project.call("ledger", "amend", *words)
    assert done.returncode == 64
    assert told in done.stderr
    assert read(folder).amendments == ()


def test_check_names_what_is_damaged(project: Project, folder: Path):
    append(folder, [line(number=1), line(number=1), line(number=2)])
    assert "0 damaged lines" in project.told("ledger", "check")
    assert ":2 tells an attempt once more" in project.told("ledger", "check")
    path = folder / NAME
    path.write_bytes(path.read_bytes()[:-40])
    told = project.told("ledger", "check", code=4)
    assert f"{path}:3 is cut off" in told
    found = project.json("ledger", "check", code=4)
    assert found["damaged"][0]["line"] == 3
    assert found["missing_bytes"] > 40
    assert found["repeated"] == [2]


def test_tail_follows_what_is_appended(project: Project, folder: Path):
    append(folder, [line(number=1)])
    out = project.root / "out.txt"
    with out.open("w") as file, project.started("ledger", "tail", "--follow", stdout=file):
        deadline = time.monotonic() + DEADLINE_S
        while "06-02-task-1" not in out.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        append(folder, [line(number=2)])
        while "06-02-task-2" not in out.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert out.read_text().count("06-02-task-1") == 1


def test_s0_16_a_wall_clock_that_is_set_does_not_change_a_duration(project: Project, folder: Path):
    ahead, flag = project.root / "ahead", project.root / "flag"
    ahead.write_text("0")
    project.environment["ORCHESTRATOR_CLOCK_AHEAD"] = str(ahead)
    project.write(waits_for(flag))
    begun = time.monotonic()
    with project.started("run", "demo-PLAN.md", stdout=subprocess.DEVNULL) as engine:
        while not any(project.root.glob(".orchestrator/runs/*/*")):
            assert time.monotonic() - begun < DEADLINE_S
            time.sleep(0.05)
        ahead.write_text("7200")
        flag.touch()
        assert engine.wait(DEADLINE_S) == 0
    (one,) = read(folder).entries
    assert one.duration_seconds is not None
    assert 0 < one.duration_seconds < time.monotonic() - begun + 1


def test_s0_18_the_cost_can_be_computed_again_from_the_classes_of_tokens(folder: Path):
    used = Usage(
        input_tokens=1200,
        output_tokens=350,
        cache_read_tokens=9000,
        cache_write_tokens=800,
        reasoning_tokens=0,
        requests=1,
    )
    paid = prices.price(used, provider="anthropic", model="claude-haiku-4-5", own={})
    tokens = {name: getattr(paid, f"{name}_tokens") for name in TOKENS}
    append(folder, [line(cost=paid.cost_usd, tokens=tokens, model_version="claude-haiku-4-5")])
    (one,) = read(folder).entries
    again = Usage(requests=1, **{f"{name}_tokens": getattr(one.tokens, name) for name in TOKENS})
    found = prices.price(again, provider=one.provider, model=one.model_version, own={})
    assert one.cost_usd
    assert found.cost_usd == pytest.approx(one.cost_usd, abs=1e-6)


# --- learn ----------------------------------------------------------------------------------------


def settings(project: Project, text: str) -> None:
    (project.root / ".orchestrator" / "config.toml").write_text(text)


def test_s0_06_of_88_tasks_over_two_months_the_exact_rule_is_learned(
    project: Project, folder: Path
):
    settings(project, '[learning]\nconfidence = "seed"\n')
    append(folder, seed_sample(datetime.now(UTC)))
    told = project.told("learn")
    assert "Loaded 58 attempts" in told
    assert "Complexity 6: Use haiku (confidence: 89%, 16 samples)" in told
    document = json.loads((folder / "routing_heuristics.json").read_text())
    assert list(document["learned_recommendations"]) == ["6"]
    rule = document["learned_recommendations"]["6"]
    assert (rule["model"], rule["confidence"]) == ("haiku", 0.8912)
    assert rule["metrics"] == {
        "success_rate": 1.0,
        "avg_cost_usd": 0.00175,
        "avg_duration_sec": 275.0,
        "sample_size": 16,
    }
    assert (
        project.told("ledger", "export", "routing_heuristics.json")
        == (folder / "routing_heuristics.json").read_text()
    )


def test_s0_21_the_ledger_stays_as_it_is_and_a_rehearsal_writes_nothing(
    project: Project, folder: Path
):
    append(folder, seed_sample(datetime.now(UTC)))
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}
    assert "stays as it is (--dry-run)" in project.told("learn", "--dry-run")
    told = project.json("learn", "--dry-run")
    assert told["written"] is None
    assert list(told["learned_recommendations"]) == ["6"]
    assert before == {p.name: hashlib.sha256(p.read_bytes()).digest() for p in folder.iterdir()}
    project.told("learn")
    after = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}
    assert after.items() >= before.items()
    assert set(after) - set(before) == {"routing_heuristics.json"}


def test_s0_05_without_network_key_and_project_ten_thousand_lines_take_seconds(
    project: Project, folder: Path, tmp_path: Path
):
    """Offline: there is nobody at the proxy that all of it would have to ask."""
    now = datetime.now(UTC)
    entries = lines(("haiku", 4500, 5000, 0.002), ("sonnet", 4500, 5000, 0.02), at=now)
    append(folder, entries)
    empty = tmp_path / "empty"
    empty.mkdir()
    dead = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    began = os.times().children_user
    done = project.call("learn", cwd=empty, **dead)
    took = os.times().children_user - began
    assert done.returncode == 0, done.stderr
    assert "Loaded 10000 attempts" in done.stdout
    assert took < 5.0
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [("learn",), ("report", "routing"), ("stats",), ("ledger", "tail"), ("ledger", "check")],
    ids=" ".join,
)
def test_a_ledger_that_cannot_be_read_is_no_bug_of_ours(
    project: Project, folder: Path, words: tuple[str, ...]
):
    (folder / NAME).mkdir(parents=True)
    done = project.call(*words)
    assert done.returncode == 4
    assert done.stderr.startswith(f"error: {folder / NAME}: cannot be read (Is a directory)")
    assert "next: it is a folder; move it away: mv " in done.stderr
    assert "Traceback" not in done.stderr


def test_tail_does_not_say_that_a_damaged_ledger_is_empty(project: Project, folder: Path):
    append(folder, [line()])
    path = folder / NAME
    path.write_bytes(path.read_bytes().replace(b'"attempt":1', b'"attempt":2'))
    done = project.call("ledger", "tail")
    assert done.returncode == 4
    assert f"no outcome can be read in {path}" in done.stdout
    assert "1 line is damaged" in done.stderr
    assert "next: orchestrator ledger check" in done.stderr
    assert project.json("ledger", "tail", code=4) == {
        "version": 1,
        "outcomes": [],
        "damaged_lines": 1,
    }
    append(folder, [line(number=2)])
    done = project.call("ledger", "tail")
    assert (done.returncode, "1 line is damaged" in done.stderr) == (0, True)


def test_learn_says_what_is_damaged_and_goes_on(project: Project, folder: Path):
    append(
        folder, lines(("haiku", 16, 16, 0.00175), ("sonnet", 9, 10, 0.018), at=datetime.now(UTC))
    )
    with (folder / NAME).open("ab") as file:
        file.write(b"\x00\x00\n")
    done = project.call("learn")
    assert done.returncode == 0
    assert "1 line is damaged" in done.stderr
    assert "next: orchestrator ledger check" in done.stderr
    assert "Complexity 6: Use haiku" in done.stdout


def test_without_a_ledger_nothing_is_learned_and_that_is_no_error(project: Project, folder: Path):
    assert "Loaded 0 attempts" in project.told("learn")
    assert (
        json.loads((folder / "routing_heuristics.json").read_text())["learned_recommendations"]
        == {}
    )


def test_an_amended_outcome_is_learned_from_as_it_is_now(project: Project, folder: Path):
    now = datetime.now(UTC) - timedelta(hours=1)
    append(folder, lines(("haiku", 16, 16, 0.00175), ("sonnet", 9, 10, 0.018), at=now))
    assert list(project.json("learn")["learned_recommendations"]) == ["6"]
    for number in range(6):
        name = f"haiku-{number}-{number}"
        project.told("ledger", "amend", "r1", name, "--outcome", "failed", "--by", "CI")
    assert project.json("learn")["learned_recommendations"] == {}
