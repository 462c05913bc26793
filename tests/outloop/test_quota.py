"""What the forecast is made of: every project's live tokens from the ledger, and the last word of agents on their quotas from the journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orchestrator import journal, ledger, settings
from orchestrator.engine.chronicle import Chronicle
from orchestrator.ledger import Entry
from orchestrator.model import EventKind, Progress, QuotaWindow, TaskId
from orchestrator.outloop import quota
from orchestrator.settings import QuotaSettings, ledger_folder
from tests.ledger.outcomes import line

NOW = datetime(2026, 4, 16, 12, tzinfo=UTC)
SETTINGS = QuotaSettings(throttle=True, month_tokens=300)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def used(at: datetime, tokens: int, number: int, **more: object) -> Entry:
    told = {"input": tokens, "output": 1, "cache_read": 10**9, "cache_write": 2, "reasoning": None}
    return line(at=at, number=number, tokens=told, **more)


def test_the_month_is_that_of_all_projects_without_what_was_read_from_caches(root: Path):
    ledger.append(
        ledger_folder(),
        [
            used(NOW - timedelta(days=1), 7, 1),
            used(NOW, 17, 2, project="other"),
            used(NOW, 1000, 3, origin="retroactive"),
            used(datetime(2026, 3, 31, 21, 59, tzinfo=UTC), 500, 4),
            used(datetime(2026, 3, 31, 22, 30, tzinfo=UTC), 97, 5),  # in Berlin it is April
        ],
    )
    found = quota.look(root, SETTINGS, NOW.timestamp(), ZoneInfo("Europe/Berlin"))
    assert found.current_month_tokens == 10 + 20 + 100
    in_utc = quota.look(root, SETTINGS, NOW.timestamp(), ZoneInfo("UTC"))
    assert in_utc.current_month_tokens == 10 + 20


def test_the_last_word_on_each_window_is_that_of_the_journal(root: Path):
    assert quota.windows(root) == []
    with journal.writing(root) as book:
        run = book.begin({}, [])

        def record(kind: EventKind, data: Mapping[str, Any]) -> None:
            book.append(run, kind, data, task=TaskId("p/1"), attempt=1)

        chronicle = Chronicle(record, lambda _: None, lambda: None)
        for used_ in (0.2, 0.91):
            told = [QuotaWindow(provider="anthropic", name=n, utilization=used_) for n in "ab"]
            chronicle(Progress(windows=tuple(told)))
            chronicle.flush()
        chronicle(Progress(windows=(told[0].model_copy(update={"utilization": 0.95}),)))
        chronicle.flush()
    found = {one.window.name: one.window.utilization for one in quota.windows(root)}
    assert found == {"a": 0.95, "b": 0.91}
    assert (
        quota.risk(
            root, SETTINGS.model_copy(update={"month_tokens": 0}), NOW.timestamp()
        ).risk_level
        == "high"
    )


def test_the_defaults_know_no_limit(root: Path):
    assert settings.load(root).quota == QuotaSettings(throttle=True, month_tokens=0)
