"""What is written down of a run: its events, and the answers of people. Frozen values that survive JSON."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from orchestrator.model.plan import Noun, TaskId
from orchestrator.model.work import CheckResult, RunId, Verified, Work

STANDING, EXPIRY = "--yes", "expiry"  # who answered, where nobody looked


class Answer(Noun):
    """A word on a checkpoint: a person's, or what was settled before."""

    approved: bool
    option: str | None = None
    note: str = ""
    by: str = ""  # a person, STANDING or EXPIRY; empty where it is not known
    via: str = ""  # how a person gave it: terminal, command or dashboard

    @property
    def is_of_a_person(self) -> bool:
        return bool(self.via) or self.by not in (STANDING, EXPIRY)


class DoneBefore(Noun):
    """A task that a run does not do again: an earlier one has, with the same text. What that one knows of it."""

    task: TaskId
    run: RunId
    worker: str | None = None
    model: str | None = None
    attempts: int = 0
    escalations: int = 0
    tokens: int | None = None
    cost_usd: float | None = None
    duration_s: float | None = None
    result: CheckResult | None = None  # of its check, the worst
    verified: Verified | None = None
    strength: float | None = None
    answer: Answer | None = None  # of a checkpoint
    work: Work | None = None


class EventKind(StrEnum):
    RUN_STARTED = "run_started"
    RUN_RESUMED = "run_resumed"
    ATTEMPT_STARTED = "attempt_started"
    WORKSPACE_READY = "workspace_ready"  # how it is before the worker begins
    CHECK_FINISHED = "check_finished"
    WORKER_REPORTED = "worker_reported"
    WORKER_FINISHED = "worker_finished"
    REVIEWING = "reviewing"  # a second worker looks at it: from now on it costs
    REVIEWED = "reviewed"
    WORK_KEPT = "work_kept"  # under a ref, whatever becomes of it
    TOUCHED = "touched"  # files outside of its <files>, seen while it works
    CONFLICT_FORESEEN = "conflict_foreseen"
    VERIFIED = "verified"  # nothing is left but to land
    HELD = "held"  # a person must look at what it changed before it lands
    LANDING = "landing"  # the result branch moves to its commit
    GATE_CLOSED = "gate_closed"
    GATE_OPENED = "gate_opened"
    REROUTED = "rerouted"
    BUDGET_SHORT = "budget_short"  # money keeps a task from starting: it waits, or it is refused
    ATTEMPT_FINISHED = "attempt_finished"
    CHECKPOINT_ASKED = "checkpoint_asked"
    CHECKPOINT_ANSWERED = "checkpoint_answered"
    RETRY_ASKED = "retry_asked"
    DRAINING = "draining"
    PLAN_CHECKING = "plan_checking"
    PLAN_CHECKED = "plan_checked"
    RESULT_CHECKING = "result_checking"
    RESULT_CHECKED = "result_checked"
    SUMMARISING = "summarising"  # the result branch moves to a SUMMARY
    DELIVERING = "delivering"  # the person's branch moves to the result
    DELIVERED = "delivered"  # it did, or why it stays where it is
    RUN_FINISHED = "run_finished"


class Event(Noun):
    """One line of the journal. `at` is ISO-8601 UTC; `data` is the kind's own JSON."""

    seq: int
    run: RunId
    at: str
    kind: EventKind
    task: TaskId | None = None
    attempt: int | None = None
    data: Mapping[str, Any] = {}
