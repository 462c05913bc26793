"""Seed 002's .token-stats.json: its figures, and what its own code could not write (D-05)."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.ledger import Entry
from orchestrator.ledger.token_stats import Key, Stats, dumps, fold, loads, report
from tests.ledger.outcomes import line

HISTORY = (
    line("sonnet", tokens_total=8000, duration_seconds=100.0, number=1),
    line("sonnet", "failed", tokens_total=12000, duration_seconds=200.0, number=2),
    line("haiku", tokens_total=9000, number=3),
    line("haiku", tokens_total=None, number=4),
    line("haiku", tokens_total=100, lower_bound=True, number=5),
)


def test_s2_54_by_kind_complexity_and_tier():
    assert fold(HISTORY) == {
        Key("api-impl", 6, "haiku"): Stats(1, 9000, 9000, 9000, 275.0, 1.0),
        Key("api-impl", 6, "sonnet"): Stats(2, 20000, 8000, 12000, 150.0, 0.5),
    }


def test_what_a_review_has_used_is_not_what_the_work_takes():
    tokens = dict.fromkeys(("input", "output", "cache_read", "cache_write", "reasoning"))
    review = {
        "model": "opus-9",
        "approved": True,
        "tokens_total": 3000,
        "cost_usd": 0.1,
        "tokens": tokens,
    }
    (one,) = fold([line(tokens_total=8000, review=review)]).values()
    assert (one.total_tokens, one.max_tokens) == (5000, 5000)


def test_partial_is_no_success_here_either():
    (one,) = fold([line(number=1), line(outcome="partial", number=2)]).values()
    assert one.success_rate == 0.5


def test_d_05_the_file_is_json_and_comes_back_the_same():
    """The seed's code raised TypeError at its first save (tuples as keys), and wrote Infinity."""
    text = dumps(fold(HISTORY))
    assert list(json.loads(text)) == ["api-impl/6/haiku", "api-impl/6/sonnet"]
    assert "Infinity" not in text
    assert loads(text) == fold(HISTORY)
    assert list(report(loads(text)))  # the seed's own report could not unpack what it had loaded
    assert loads(dumps({})) == {}


ENTRIES = st.builds(
    line,
    model=st.sampled_from(["haiku", "opus"]),
    outcome=st.sampled_from(["success", "partial", "failed"]),
    task_type=st.text(max_size=8),
    complexity_estimated=st.integers(1, 10),
    tokens_total=st.none() | st.integers(0, 10**12),
    duration_seconds=st.none() | st.floats(0, 1e6),
)


@given(entries=st.lists(ENTRIES, max_size=20))
@example(entries=[line(task_type="a/b"), line("haiku", "partial", task_type="")])
def test_any_statistics_come_back_the_same(entries: Iterable[Entry]):
    stats = fold(entries)
    assert loads(dumps(stats)) == stats


@pytest.mark.parametrize("text", ["", "[]", '{"a": {}}', '{"a/6/haiku": {"count": 1}}'])
def test_what_is_no_such_file_is_refused(text: str):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        loads(text)


def test_s2_57_the_report():
    assert "\n".join(report(fold(HISTORY))) == (
        "=== Token Cost Analysis ===\n"
        "\n"
        "api-impl (complexity 6, haiku):\n"
        "  Executions: 1\n"
        "  Avg tokens: 9000\n"
        "  Range: 9000 - 9000\n"
        "  Success rate: 100.0%\n"
        "  Avg duration: 275.0s\n"
        "\n"
        "api-impl (complexity 6, sonnet):\n"
        "  Executions: 2\n"
        "  Avg tokens: 10000\n"
        "  Range: 8000 - 12000\n"
        "  Success rate: 50.0%\n"
        "  Avg duration: 150.0s"
    )
