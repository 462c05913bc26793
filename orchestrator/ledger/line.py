"""One outcome as a line of the ledger: its keys, its checksum, and how it comes from an attempt. Refuses no key of a newer version."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from orchestrator import redact
from orchestrator.model import Outcome, Plan, Review, RunId, Score, Task, Tier, Usage, Verified
from orchestrator.model import Route as Choice
from orchestrator.model.learned import LIVE

VERSION = 2  # 1: the checksum was over sorted keys; 2: it is over the bytes as written


def in_utc(text: str) -> str:
    """An ISO-8601 time with its zone, as UTC with a `Z`; ValueError without a zone."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(f"{text!r} names no time zone")
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]


class Line(BaseModel):
    """Unknown keys are ignored, so that lines of a newer version can be read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def replace_what_utf8_cannot_hold(cls, value: object) -> object:
        """Names of files can hold lone surrogates; a line cannot."""
        return value.encode(errors="replace").decode() if type(value) is str else value


class Route(Line):
    tier: Tier | None
    confidence: Share
    reason: str
    propensity: Share | None  # how likely this choice was, 1.0 unless it was drawn; None: not told
    strategy: str | None = None  # what decided; text, as a newer version may know more
    model: str | None = None  # the name that was asked for; `model_version` is what answered to it
    estimated_tokens: Count | None = None  # before it began: what estimates are measured by
    estimated_cost_usd: Amount | None = None
    estimated_duration_s: Amount | None = None


class Tokens(Line):
    input: Count | None
    output: Count | None
    cache_read: Count | None
    cache_write: Count | None
    reasoning: Count | None


class Reviewed(Line):
    """Of what an attempt used, the part of the second worker that looked at it."""

    model: str | None
    approved: bool
    tokens_total: Count | None
    cost_usd: Amount | None
    tokens: Tokens


class Execution(Line):
    """What only `record_execution` is told (docs/intelligence.md). Lines of runs have none."""

    planner_model: str | None
    planner_provider: str | None
    num_steps: Count | None
    num_retries: Count
    quality_gate_passed: bool | None
    code_review_passed: bool | None
    plan_review_passed: bool | None
    error_type: str | None
    error_message: str | None
    failed_step: str | None


class Entry(Line):
    """One attempt. None is unknown, never 0."""

    task_id: Annotated[str, Field(min_length=1)]
    complexity_estimated: Annotated[int, Field(ge=1, le=10)]
    model_routed: Tier | None
    outcome: Literal["success", "partial", "failed"]
    duration_seconds: Amount | None
    tokens_total: Count | None
    cost_usd: Amount | None
    model_version: str | None
    timestamp: Annotated[str, AfterValidator(in_utc)]
    v: Annotated[int, Field(ge=1)]
    attempt: Annotated[int, Field(ge=1)]
    run_id: str
    project: str
    worker: str
    provider: str | None
    route: Route
    tokens: Tokens
    lower_bound: bool = False  # it used at least this much: it ended before it told everything
    cost_basis: str = "unknown"
    verified: Verified | None
    verify_strength: Share | None
    failure: str | None  # text, as task_type: a word that only a newer version knows is no damage
    check_strength: Share | None = None  # of one that failed: what passing would have proved
    escalated_from: Tier | None
    area: str | None
    risk: str
    task_type: str
    origin: str = LIVE  # or retroactive: imported, told by somebody else, no evidence
    review: Reviewed | None = None
    execution: Execution | None = None
    checksum: str

    @model_serializer(mode="wrap")
    def leave_out_what_a_run_does_not_have(
        self, write: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        for key in ("review", "execution", "check_strength"):
            if values.get(key) is None:
                values.pop(key, None)
        return values

    @property
    def own_cost_usd(self) -> float | None:
        """Of the model that did the work: one that is cheap is not dear because a strong one has looked."""
        return own(self.cost_usd, self.review.cost_usd if self.review else None)

    @property
    def own_tokens(self) -> int | None:
        """The same of tokens."""
        of_review = self.review.tokens_total if self.review else None
        if self.tokens_total is None or of_review is None:
            return self.tokens_total
        return max(0, self.tokens_total - of_review)

    @property
    def identity(self) -> tuple[str, str, int]:
        return (self.run_id, self.task_id, self.attempt)


def own(whole: float | None, of_review: float | None) -> float | None:
    """What is left for the worker."""
    if whole is None or of_review is None:
        return whole
    return max(0.0, round(whole - of_review, 9))


# --- from what happened to a line -----------------------------------------------------------------


def entry(
    run: RunId,
    project: str,
    task: Task,
    plan: Plan,
    attempt: int,
    route: Choice,
    score: Score,
    outcome: Outcome,
    timestamp: str,
    escalated_from: Tier | None = None,
    check_strength: float | None = None,
) -> Entry:
    """`timestamp` is when the attempt ended, ISO-8601 with its zone; `check_strength` what its check proves if it passes."""
    return seal(
        Entry(
            v=VERSION,
            run_id=run,
            project=project,
            task_id=normalise_id(f"{plan.id}/{task.ordinal}"),
            attempt=attempt,
            timestamp=timestamp,
            duration_seconds=outcome.duration_s,
            complexity_estimated=score.value,
            worker=route.worker,
            provider=route.provider,
            model_routed=route.tier,
            model_version=outcome.model or route.model,
            route=_route(route),
            escalated_from=escalated_from,
            area=task.area or _area(task),
            risk=task.risk or "medium",
            task_type=task_type(task),
            review=_review(outcome.review),
            check_strength=None if outcome.ok else check_strength,
            checksum="",
            **_judge(outcome),
            **_account(outcome.usage or _usage_unreported(route)),
        )
    )


def _route(route: Choice) -> Route:
    return Route(
        tier=route.tier,
        confidence=route.confidence,
        reason=route.reason,
        propensity=route.propensity,
        strategy=route.strategy,
        model=route.model,
        estimated_tokens=route.estimated_tokens,
        estimated_cost_usd=route.estimated_cost_usd,
        estimated_duration_s=route.estimated_duration_s,
    )


def _judge(outcome: Outcome) -> dict[str, Any]:
    good = "partial" if outcome.partial else "success"
    return {
        "outcome": good if outcome.ok else "failed",
        "verified": outcome.verdict.verified if outcome.verdict else None,
        "verify_strength": outcome.verdict.strength if outcome.verdict else None,
        "failure": outcome.failure.value if outcome.failure else None,
    }


def _review(review: Review | None) -> Reviewed | None:
    if review is None:
        return None
    usage = review.usage or Usage()
    return Reviewed(
        model=review.model,
        approved=review.approved,
        tokens_total=usage.tokens,
        cost_usd=usage.cost_usd,
        tokens=_classes(usage),
    )


def _classes(usage: Usage) -> Tokens:
    return Tokens(**{name: getattr(usage, f"{name}_tokens") for name in Tokens.model_fields})


def _account(usage: Usage) -> dict[str, Any]:
    return {
        "tokens_total": usage.tokens,
        "cost_usd": usage.cost_usd,
        "lower_bound": usage.lower_bound,
        "cost_basis": usage.cost_basis,
        "tokens": _classes(usage),
    }


_NAMED = re.compile(r"phase-(\d+(?:\.\d+)*)-plan-(\d+)-task-(\d+)", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)-(\d+)(?:-task-|/)(\d+)", re.IGNORECASE)
_OTHER = re.compile(r"(.+)/(\d+)", re.DOTALL)


def normalise_id(text: str) -> str:
    """`08-02-task-4` for every spelling of it; `LABEL-task-4` for plans that are not numbered."""
    text = text.strip()
    numbered = _NAMED.fullmatch(text) or _NUMBERED.fullmatch(text)
    if numbered:
        phase, plan, ordinal = numbered.groups()
        whole, dot, rest = phase.partition(".")
        return f"{int(whole):02}{dot}{rest}-{int(plan):02}-task-{int(ordinal)}"
    other = _OTHER.fullmatch(text)
    return f"{other[1]}-task-{int(other[2])}" if other else text


def _usage_unreported(route: Choice) -> Usage:
    """A worker without a model used no tokens; of any other it is unknown."""
    return Usage() if route.asks_a_model else Usage.nothing()


def _area(task: Task) -> str | None:
    """The first folder of the first file; `.` for a file in the root itself."""
    if not task.files:
        return None
    parts = PurePosixPath(task.files[0]).parts
    return parts[0] if len(parts) > 1 else "."


# The first that is found in the title; the words are those of the learner (seed 002, 6.2).
_TYPES = {
    "test-write": r"tests?|testing|specs?|coverage",
    "complex-refactor": r"refactor(?:s|ing|ed)?",
    "architecture": r"architect(?:ure|ural)?|design",
    "api-impl": r"apis?|endpoints?|routes?|graphql",
    "file-read": r"read(?:ing)?(?!-only)|review(?:ing)?|understand(?:ing)?",
    "simple-impl": r"add|build|change|create|extend|fix|implement|remove|update|wire|write",
    "other": r"",
}


def task_type(task: Task) -> str:
    """What learning groups by, beside complexity and model."""
    own = task.attributes.get("task-type") or task.attributes.get("kind")
    if own in _TYPES:
        return own
    if task.tdd:
        return "test-write"
    return next(
        word
        for word, pattern in _TYPES.items()
        if not pattern or re.search(rf"\b(?:{pattern})\b", task.title, re.IGNORECASE)
    )


def seal(unsealed: Entry) -> Entry:
    """With its checksum."""
    line = sealed(unsealed.model_dump(mode="json"))
    return unsealed.model_copy(update={"checksum": line[_SUM].decode()})


def encode(each: Line) -> bytes:
    return sealed(redact.words(each.model_dump(mode="json")))


# --- the checksum: the last key, over all bytes before it ----------------------------------------

_KEY, _END = b',"checksum":"', b'"}\n'
_BODY, _SUM = slice(None, -(len(_KEY) + 16 + len(_END))), slice(-16 - len(_END), -len(_END))


def sealed(values: dict[str, Any]) -> bytes:
    """Its line, with a checksum of its own."""
    rest = {key: value for key, value in values.items() if key != "checksum"}
    body = json.dumps(rest, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
    return body + _KEY + _digest(body) + _END


def is_sealed(line: bytes) -> bool:
    """Whether it is as it was written. One that another program put in another form is not: look at its `checksum`."""
    keyed = line.endswith(_END) and line[: _SUM.start].endswith(_KEY)
    return keyed and line[_SUM] == _digest(line[_BODY])


def body(line: bytes) -> bytes:
    """All that the checksum is over."""
    return line[_BODY]


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def checksum(values: dict[str, Any]) -> str:
    """That of the first version, over sorted keys: it survives another order of keys, and costs ten times as much."""
    rest = {key: value for key, value in values.items() if key != "checksum"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
