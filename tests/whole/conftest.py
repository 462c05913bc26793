"""Who calls the command on scratch repositories: somebody with a home of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import Project
from tests.workspace import repos
from tests.workspace.repos import Person


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    made = Person(tmp_path)
    repos.isolate(monkeypatch, made.home)
    return made


@pytest.fixture
def root(tmp_path: Path, person: Person) -> Path:
    return repos.begin(tmp_path / "project")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Its programs tell what they saw outside of it, so they are in no sandbox."""
    made = Project(tmp_path)
    made.environment["ORCHESTRATOR_SANDBOX__MODE"] = "none"
    return made
