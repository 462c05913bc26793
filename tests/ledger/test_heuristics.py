"""Learned rules at run time: there, absent, damaged, or of the seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger import heuristics
from orchestrator.ledger.heuristics import NAME, Heuristics, read

SEEDS = {
    "learned_recommendations": {
        "6": {
            "model": "haiku",
            "confidence": 0.78,
            "reason": "Better than sonnet: 100% success, $0.0017 avg cost (16 samples)",
            "metrics": {
                "success_rate": 1.0,
                "avg_cost_usd": 0.00175,
                "avg_duration_sec": 275,
                "sample_size": 16,
            },
        }
    },
    "last_updated": "2026-01-16T07:44:08Z",
    "window_days": 30,
}


def written(folder: Path, document: Any) -> Heuristics:
    (folder / NAME).write_text(json.dumps(document))
    return read(folder)


def test_the_seeds_own_file_is_read(tmp_path: Path):
    found = written(tmp_path, SEEDS)
    assert found.trouble == ""
    rule = found.rules[6]
    assert (rule.tier, rule.confidence, rule.sample_size, rule.adopt) == ("haiku", 0.78, 16, True)


def test_whether_a_rule_stands_alone_and_what_its_evidence_is_of(tmp_path: Path):
    document = json.loads(json.dumps(SEEDS))
    document["learned_recommendations"]["6"]["evidence"] = {"adopt": False, "model_id": "haiku-4"}
    rule = written(tmp_path, document).rules[6]
    assert (rule.adopt, rule.model_id) == (False, "haiku-4")


def test_s0_03_no_file_is_no_rule_and_no_trouble(tmp_path: Path):
    assert read(tmp_path) == Heuristics()
    assert read(tmp_path / "nowhere") == Heuristics()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        '{"learned_recommendations": 3}',
        '{"learned_recommendations": {"six": {}}}',
        '{"learned_recommendations": {"6": {}}}',
        '{"learned_recommendations": {"6": 3}}',
        json.dumps(SEEDS).replace("haiku", "gpt"),
        json.dumps(SEEDS).replace("0.78", "78"),
        json.dumps(SEEDS).replace('"6"', '"66"'),
        "[" * 100_000,
        '{"learned_recommendations": ' + '{"a":' * 50_000,
    ],
)
def test_s0_03_a_damaged_file_is_one_warning_and_no_rule(tmp_path: Path, text: str):
    (tmp_path / NAME).write_text(text)
    found = read(tmp_path)
    assert found.rules == {}
    assert found.trouble.startswith(f"{tmp_path / NAME}: ")
    assert found.trouble.endswith("Next: orchestrator learn writes it anew")
    assert "\n" not in found.trouble


def test_what_is_no_text_or_no_file_is_a_warning_too(tmp_path: Path):
    (tmp_path / NAME).write_bytes(b"\xff\xfe\x00")
    assert heuristics.read(tmp_path).trouble
    (tmp_path / "b" / NAME).mkdir(parents=True)
    assert "cannot be read" in heuristics.read(tmp_path / "b").trouble
