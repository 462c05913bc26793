"""One execution as seed 004 names it, to and from a line of the ledger; refuses words that it does not know, and keeps nothing itself."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, SupportsFloat

from pydantic import ValidationError

from orchestrator import clock, ledger
from orchestrator.intelligence.words import Word
from orchestrator.ledger.line import VERSION, Entry, Execution, Route, Tokens
from orchestrator.model import Failure, Noun, Tier, Verified
from orchestrator.model.learned import LIVE, OF_THE_MODEL

SMALL, MEDIUM, LARGE = "small", "medium", "large"
BLOCKED = "blocked"
KNOWN = {one.value for one in Failure}
SHOULD = re.compile(r"^(Input|String) should")
# A line's own names for what `record_execution` is given under others.
GIVEN_AS = {
    **{
        "complexity_estimated": "task_complexity",
        "cost_usd": "total_cost_usd",
        "area": "task_area",
    },
    **{"worker": "implementer_provider", "provider": "implementer_provider"},
    "model_version": "implementer_model",
}


class TaskOutcome(Word):
    """How it ended. BLOCKED: something else kept the model from showing what it can (limits, outages, us)."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    BLOCKED = BLOCKED


class TaskRisk(Word):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class TaskComplexity(Word):
    """Three words for the scale of 1 to 10: small 1-3, medium 4-7, large 8-10."""

    SMALL = SMALL
    MEDIUM = MEDIUM
    LARGE = LARGE

    @property
    def bounds(self) -> tuple[int, int]:
        """Both inclusive."""
        return {SMALL: (1, 3), MEDIUM: (4, 7), LARGE: (8, 10)}[self.value]

    @property
    def score(self) -> int:
        """The middle of its bounds: what is recorded where only the word is known."""
        low, high = self.bounds
        return (low + high) // 2

    @classmethod
    def of(cls, score: int) -> TaskComplexity:
        """The word for a score of 1 to 10."""
        return next((one for one in cls if score <= one.bounds[1]), cls.LARGE)


class ExecutionRecord(Noun):
    """One attempt at a task. None is unknown, never 0."""

    record_id: str
    run_id: str
    task_id: str
    attempt: int
    timestamp: str
    task_area: str | None
    task_risk: str
    task_complexity: TaskComplexity
    complexity: int
    planner_model: str | None
    planner_provider: str | None
    implementer_model: str | None
    implementer_provider: str | None
    outcome: TaskOutcome
    duration_seconds: float | None
    total_cost_usd: float | None
    # of the total what the implementer took: a review is of who reviewed
    own_cost_usd: float | None
    # at least: of one that ended before it told everything, the total is unknown
    spent_usd: float | None
    num_steps: int | None
    num_retries: int
    quality_gate_passed: bool | None
    code_review_passed: bool | None
    plan_review_passed: bool | None
    error_type: str | None
    error_message: str | None
    failed_step: str | None
    imported: bool  # told by somebody else, later: shown, but no evidence

    @property
    def counts(self) -> bool:
        """Whether it says something about a model."""
        return self.outcome is not TaskOutcome.BLOCKED and not self.imported

    @property
    def ok(self) -> bool:
        """A partial success is none: it is told apart and counts as a failure in rates."""
        return self.outcome is TaskOutcome.SUCCESS


# --- a line of the ledger -> a record -------------------------------------------------------------


def read(entry: Entry) -> ExecutionRecord:
    """Of an attempt of a run or of what `record_execution` was told: both are lines of one ledger."""
    told = entry.execution
    return ExecutionRecord(
        record_id=f"{entry.run_id}/{entry.task_id}/{entry.attempt}",
        run_id=entry.run_id,
        task_id=entry.task_id,
        attempt=entry.attempt,
        timestamp=entry.timestamp,
        task_area=entry.area,
        task_risk=entry.risk,
        task_complexity=TaskComplexity.of(entry.complexity_estimated),
        complexity=entry.complexity_estimated,
        implementer_model=entry.model_version,
        implementer_provider=entry.provider,
        outcome=_outcome(entry),
        duration_seconds=entry.duration_seconds,
        total_cost_usd=None if entry.lower_bound else entry.cost_usd,
        own_cost_usd=None if entry.lower_bound else entry.own_cost_usd,
        spent_usd=entry.cost_usd,
        imported=entry.origin != LIVE,
        **(_of_an_attempt(entry) if told is None else told.model_dump()),
    )


def _of_an_attempt(entry: Entry) -> dict[str, Any]:
    """The plan of a run was written before it: it has no planner."""
    return {
        **dict.fromkeys(("planner_model", "planner_provider", "num_steps")),
        **dict.fromkeys(("plan_review_passed", "error_message", "failed_step")),
        "error_type": entry.failure,
        "num_retries": entry.attempt - 1,
        "quality_gate_passed": _passed(entry, Verified.COMMAND),
        "code_review_passed": _passed(entry, Verified.REVIEW),
    }


def _passed(entry: Entry, by: Verified) -> bool | None:
    return entry.outcome == "success" if entry.verified is by else None


def _outcome(entry: Entry) -> TaskOutcome:
    if entry.failure is not None and entry.failure not in OF_THE_MODEL:
        return TaskOutcome.BLOCKED
    return TaskOutcome(entry.outcome)


# --- what record_execution is told -> a line of the ledger ----------------------------------------


def write(told: Mapping[str, Any], tier: Tier | None = None) -> Entry:
    """A sealed line under an identity of its own; ValueError names every value that cannot be. `tier` is that of its model."""
    try:
        return _write(told, tier)
    except ValidationError as error:
        wrong = "\n".join(_explain(each) for each in error.errors())
        raise ValueError(wrong) from None


def _explain(detail: Any) -> str:
    """Under the name that the caller gave it."""
    name = str(detail["loc"][-1]) if detail["loc"] else "it"
    needed = SHOULD.sub("it must", detail["msg"].removeprefix("Value error, "))
    return f"record_execution: {GIVEN_AS.get(name, name)} = {detail['input']!r}: {needed}"


def _write(told: Mapping[str, Any], tier: Tier | None) -> Entry:
    now = datetime.fromtimestamp(clock.wall(), UTC)
    outcome, cost = TaskOutcome(told["outcome"]), told["total_cost_usd"]
    failure = _failure(outcome, told["error_type"])
    return ledger.seal(
        Entry(
            v=VERSION,
            run_id=f"record-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            project="",
            task_id=str(told["task_id"]),
            attempt=1,
            timestamp=now.isoformat(),
            duration_seconds=_number(told["duration_seconds"]),
            complexity_estimated=_score(told["task_complexity"]),
            worker=told["implementer_provider"],
            provider=told["implementer_provider"],
            model_routed=tier,
            model_version=told["implementer_model"],
            route=Route(tier=tier, confidence=1.0, reason="record_execution", propensity=None),
            escalated_from=None,
            area=told["task_area"],
            risk=str(TaskRisk(told["task_risk"])),
            task_type="other",
            outcome=_word(outcome),
            failure=failure,
            verified=_verified(told, failure),
            verify_strength=None,
            tokens_total=None,
            cost_usd=_number(cost),
            cost_basis="unknown" if cost is None else "reported",
            tokens=Tokens(**dict.fromkeys(Tokens.model_fields)),
            execution=Execution(**{name: told[name] for name in Execution.model_fields}),
            checksum="",
        )
    )


def _word(outcome: TaskOutcome) -> Literal["success", "partial", "failed"]:
    """The ledger's three."""
    match outcome:
        case TaskOutcome.SUCCESS:
            return "success"
        case TaskOutcome.PARTIAL:
            return "partial"
    return "failed"


def _verified(told: Mapping[str, Any], failure: str | None) -> Verified:
    """Who has judged it. NONE is a caller's bare word: learning takes it neither way."""
    if told["quality_gate_passed"] is not None or failure == Failure.VERIFY:
        return Verified.COMMAND
    return Verified.NONE if told["code_review_passed"] is None else Verified.REVIEW


def _failure(outcome: TaskOutcome, error: str | None) -> str | None:
    """In words that the ledger knows: the caller's own would not count as the model's, whatever they say."""
    match outcome:
        case TaskOutcome.FAILED:
            return error if error in KNOWN else Failure.EXIT.value
        case TaskOutcome.BLOCKED:
            return error if error in KNOWN - OF_THE_MODEL else BLOCKED
    return None


def _number(value: object) -> Any:
    """Also of a library of numbers; what is none is refused with the line."""
    return float(value) if isinstance(value, SupportsFloat) else value


def _score(complexity: str | int) -> int:
    return complexity if isinstance(complexity, int) else TaskComplexity(complexity).score


# --- attempts -> tasks ----------------------------------------------------------------------------


def tasks(records: Iterable[ExecutionRecord]) -> list[ExecutionRecord]:
    """One record per task of a run: how its last attempt ended, with the time and money of all of them."""
    groups: dict[tuple[str, str], list[ExecutionRecord]] = {}
    for record in records:
        groups.setdefault((record.run_id, record.task_id), []).append(record)
    return [_together(sorted(group, key=lambda one: one.attempt)) for group in groups.values()]


def _together(attempts: list[ExecutionRecord]) -> ExecutionRecord:
    last = attempts[-1]
    if len(attempts) == 1:
        return last
    changed = {
        "duration_seconds": _sum(one.duration_seconds for one in attempts),
        "total_cost_usd": _sum(one.total_cost_usd for one in attempts),
        "spent_usd": _sum(one.spent_usd for one in attempts),
        "num_retries": len(attempts) - 1,
    }
    return last.model_copy(update=changed)


def _sum(values: Iterable[float | None]) -> float | None:
    """Unknown if a part is."""
    found = list(values)
    known = [one for one in found if one is not None]
    return sum(known) if len(known) == len(found) else None
