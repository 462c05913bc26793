"""What an agent has cost whose work git could not keep: it has worked, and what it did not tell stays set aside."""

from __future__ import annotations

import pytest

from orchestrator.budget import charge
from orchestrator.model import Failure, Outcome, Usage
from tests.test_budget import tried

LEAST = Usage(cost_usd=1.0, lower_bound=True)
UNKEPT = Failure.WORKSPACE


@pytest.mark.parametrize(
    ("worked", "usage", "usd"),
    [
        (Outcome(), None, 5.0),  # it never tells: all that was set aside
        (Outcome(failure=Failure.EXIT), None, 5.0),
        (None, Usage.nothing(), 0.0),  # its worktree could not be made
        (Outcome(failure=UNKEPT), None, 0.0),  # it could not be started: no room
    ],
)
def test_who_had_worked_is_charged(worked: Outcome | None, usage: Usage | None, usd: float):
    outcome = Outcome(failure=UNKEPT, usage=usage)
    assert charge(tried(outcome, worked=worked)).held.usd == usd


def test_what_it_told_at_least_is_no_upper_bound():
    unkept = tried(Outcome(failure=UNKEPT, usage=LEAST), worked=Outcome(usage=LEAST))
    failed = tried(Outcome(failure=Failure.EXIT, usage=LEAST), worked=Outcome(usage=LEAST))
    assert charge(unkept) == charge(failed)
