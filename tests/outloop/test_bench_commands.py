"""The bench of commands: what it prints stands in the page, and it counts what it says."""

from __future__ import annotations

from pathlib import Path

from bench import commands
from bench.commands import Step, interval, patterns
from orchestrator.model.outloop import Operation
from tests.conftest import REPOSITORY


def step(run: int, variant: str, ok: bool | None = True, tokens: int = 1) -> Step:
    test = Operation(verb="test", tool="pytest", scope="tests", variant=variant)
    return Step(f"r{run}", test, ok, tokens)


def test_s3_37_the_page_has_what_was_measured_and_not_the_seeds_figure(shared: Path):
    page = (REPOSITORY / "docs" / "outloop.md").read_text("utf-8")
    for row in commands.tables(shared / "data/routing/commands.jsonl.gz"):
        assert row in page, row


def test_c_23_the_most_specific_level_with_five_runs_else_its_parent():
    often = [step(run, "a.py") for run in range(5)]
    rare = [step(run, "b.py") for run in range(4)]
    found = {one.signature: len(one.steps) for one in patterns([*often, *rare, *rare])}
    assert found == {"test:pytest:tests:a.py": 5}  # what is left below the parent are four runs
    rare.append(step(7, "c.py"))
    found = {one.signature: len(one.steps) for one in patterns([*often, *rare])}
    assert found == {"test:pytest:tests:a.py": 5, "test:pytest:tests": 5}


def test_confidence_is_of_the_ends_that_were_seen():
    ends: list[bool | None] = [True] * 9 + [False] + [None] * 5
    (found,) = patterns([step(run, "a.py", ok) for run, ok in enumerate(ends)])
    assert found.workflows == 15
    assert found.confidence == commands.confidence(9, 10)


def test_a_share_is_of_tokens_and_lies_within_its_interval():
    steps = [step(run, "a.py" if run % 4 else "b.py", tokens=run) for run in range(40)]
    share, low, high = interval(steps, lambda one: "b.py" in str(one.found))
    assert share == sum(range(0, 40, 4)) / sum(range(40))
    assert low < share < high
