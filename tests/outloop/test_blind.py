"""A client that reports text only: that nothing of it can be counted is said, and of no other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.model import Attempt, Outcome, Step, StepKind
from orchestrator.outloop import blind
from orchestrator.workers import Progress, Report
from tests.cli.projects import Project
from tests.engine import runs
from tests.engine.runs import TieredAgent
from tests.engine.test_offloading import task


@dataclass
class Agent(TieredAgent):
    script: str = "true"
    tells: bool = False

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        if self.tells:
            report(Progress(step=Step(kind=StepKind.RUN, tool="Bash", target="pytest -q", ok=True)))
        return await super().run(attempt, report)


async def test_a_worker_that_never_told_of_a_step_is_named_until_it_tells_of_one(tmp_path: Path):
    project = Project(tmp_path)
    root = project.root
    assert list(blind.notes(root)) == []  # there is no journal
    runs.write_plan(root, task("Write it"), task("Write more"))
    (root / "pytest").write_text("#!/bin/sh\n")
    (root / "pytest").chmod(0o755)
    await runs.run(root, workers={"agent": Agent()})
    (said,) = blind.notes(root)
    assert said == (
        "what agent runs cannot be seen, so nothing of it is counted: none of its 2 attempts told what it did"
    )
    assert f"note: {said}\n" in project.told("patterns", "analyze")
    await runs.run(root, workers={"agent": Agent(tells=True)})
    assert list(blind.notes(root)) == []
    assert "cannot be seen" not in project.told("patterns", "analyze")
