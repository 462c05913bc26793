"""What the tasks of a run tell its hub; one stream, so that everything happens in one order."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.model import Answer, Check, Outcome, PlanId, TaskId


class Finished(NamedTuple):
    task: TaskId
    number: int
    outcome: Outcome


class Told(NamedTuple):
    """A person's answer on the terminal; None: they left it open."""

    task: TaskId
    answer: Answer | None


class PlanChecked(NamedTuple):
    plan: PlanId
    checks: tuple[Check, ...]


class Look(NamedTuple):
    """Letters are in the inbox, or a gate is due."""


class Drain(NamedTuple):
    """Start nothing new."""


Mail = Finished | Told | PlanChecked | Look | Drain
