"""What the tasks of a run tell its hub; one stream, so that everything happens in one order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orchestrator.model import Answer, Check, EventKind, Outcome, PlanId, TaskId


class Finished(NamedTuple):
    task: TaskId
    number: int
    outcome: Outcome


class Verified(NamedTuple):
    """It has only to land; the work is as it was when it was checked."""

    task: TaskId
    number: int
    outcome: Outcome


class Seen(NamedTuple):
    """What a look at the running worktrees found: an event about a task."""

    kind: EventKind
    task: TaskId
    data: Mapping[str, Any]


class Told(NamedTuple):
    """A person's answer on the terminal; None: they left it open."""

    task: TaskId
    answer: Answer | None


class PlanChecked(NamedTuple):
    plan: PlanId
    checks: tuple[Check, ...]


class ResultChecked(NamedTuple):
    tip: str  # of the result branch when it began
    checks: tuple[Check, ...]


class Look(NamedTuple):
    """Letters are in the inbox, a question is too old, or a gate is due."""


class Drain(NamedTuple):
    """Start nothing new."""


Mail = Finished | Verified | Seen | Told | PlanChecked | ResultChecked | Look | Drain
