"""Whole runs write a ledger: each test has its own."""

from __future__ import annotations

import pytest

from orchestrator import clock
from tests.engine.runs import Time


@pytest.fixture(autouse=True)
def own_ledger(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path_factory.mktemp("ledger")))


@pytest.fixture
def hour(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Time:
    """For what lasts longer than any machine is slow, and is over when the test wants it."""
    file = tmp_path_factory.mktemp("clock") / "ahead"
    monkeypatch.setenv(clock.AHEAD, str(file))
    return Time(file)
