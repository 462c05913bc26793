"""Whole runs write a ledger: each test has its own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_ledger(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path_factory.mktemp("ledger")))
