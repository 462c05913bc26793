"""git sees a home of each test's own, runs write a ledger of its own, and each test gets a repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspace import repos


@pytest.fixture(autouse=True)
def own_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    repos.isolate(monkeypatch, tmp_path_factory.mktemp("home"))
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path_factory.mktemp("ledger")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repos.begin(tmp_path / "project")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where scripts tell what they saw."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
