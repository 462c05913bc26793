"""One project with a run that has ended, and its server, for all tests that change neither."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from orchestrator.model import RunId
from tests.engine.runs import Ran, bash, checkpoint, run, write_plan
from tests.web.houses import House, Served, served

LEDGER = "ORCHESTRATOR_INTELLIGENCE_DIR"
TITLE = "<img src=x onerror=alert(1)>"  # a plan's text is taken as it is


@dataclass(frozen=True)
class Scene:
    ran: Ran
    served: Served

    @property
    def run(self) -> RunId:
        return self.ran.run


def play(root: Path) -> Ran:
    """One task is done, one has failed, and one question is open."""
    plan = write_plan(
        root,
        bash(f"Task 1: {TITLE}", "printf 'one\\ntwo\\nthree\\n'; touch one", "test -f one", files="one", depends_on=""),
        checkpoint(depends_on="1"),
        bash("Task 3: fails", "echo no >&2; exit 3", files="three", depends_on=""),
    )  # fmt: skip
    return anyio.run(run, root, plan)


@pytest.fixture(scope="session")
def own_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("ledger")
    before = os.environ.get(LEDGER)
    os.environ[LEDGER] = str(folder)
    yield folder
    del os.environ[LEDGER]
    if before is not None:
        os.environ[LEDGER] = before


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, own_ledger: Path) -> Iterator[Scene]:
    """Nobody changes it."""
    ran = play(tmp_path_factory.mktemp("project"))
    with served(House(ran.root)) as one:
        yield Scene(ran, one)


@pytest.fixture
def fresh(tmp_path: Path, own_ledger: Path) -> Iterator[Scene]:
    """Of this test alone."""
    ran = play(tmp_path)
    with served(House(ran.root)) as one:
        yield Scene(ran, one)
