"""The nouns. Frozen values that survive JSON; no I/O, nothing of ours imported; every other file speaks in these words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NewType

from pydantic import BaseModel, ConfigDict

TaskId = NewType("TaskId", str)  # "08-02/4": plan label, slash, ordinal
PlanId = NewType("PlanId", str)  # "08-02", or the path without suffix where the label is not unique
RunId = NewType("RunId", str)


class Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- what the plan says -------------------------------------------------------------------------


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Position(Noun):
    """1-based; columns count characters."""

    line: int
    column: int


class Diagnostic(Noun):
    """Something to say about a place in a file. `code` is stable; `message` names the next step."""

    file: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity} {self.code} {self.message}"


class Tier(StrEnum):
    """The three model tiers, weakest first; settings map each to a model id per worker."""

    HAIKU = "haiku"
    SONNET = "sonnet"
    OPUS = "opus"


class Element(Noun):
    """One element of the plan as written. `text` is raw: entities are not decoded, CRLF is kept."""

    tag: str
    text: str
    position: Position
    attributes: Mapping[str, str] = {}
    children: tuple[Element, ...] = ()


class Gate(StrEnum):
    BLOCKING = "blocking"
    BLOCKING_HUMAN = "blocking-human"
    ADVISORY = "advisory"


class Option(Noun):
    """One choice of a checkpoint:decision."""

    id: str
    name: str


class Estimate(Noun):
    """A range from `<metrics>`; a single value has low == high."""

    low: float
    high: float


QUESTIONS = ("decision", "what-built", "action", "instructions", "how-to-verify")


class Task(Noun):
    """One `<task>`. Attributes that the plan does not give are None; `elements` keeps all as read."""

    id: TaskId
    ordinal: int  # 1-based place in the plan: the identity
    position: Position
    type: str = "auto"
    name: str = ""
    label: str | None = None  # "4" of "Task 4: ...": an alias
    alias: str | None = None  # the id= attribute
    action: str = ""
    done: str = ""
    files: tuple[str, ...] | None = None  # declared write set; None = unknown
    commands: tuple[str, ...] = ()  # the checks to run, in order; empty = prose only
    verify: str = ""  # the raw text of <verify>
    human_checks: tuple[str, ...] = ()
    depends_on: tuple[str, ...] | None = None  # as written; None = attribute absent
    parallel: Literal["sequential", "can-parallelize"] | None = None
    subagent: str | None = None
    worker: str | None = None
    model: Tier | None = None
    model_lock: bool = False
    context_mode: Literal["fresh", "inherited"] | None = None
    complexity: int | None = None  # estimated-complexity, 1..10
    timeout_s: float | None = None
    resources: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    gate: Gate = Gate.BLOCKING
    tdd: bool = False
    risk: str | None = None
    area: str | None = None
    options: tuple[Option, ...] = ()
    estimated_tokens: Estimate | None = None
    estimated_duration_s: Estimate | None = None
    attributes: Mapping[str, str] = {}  # all, as written, `_` turned into `-`
    elements: tuple[Element, ...] = ()

    @property
    def is_checkpoint(self) -> bool:
        return self.type.startswith("checkpoint")

    @property
    def title(self) -> str:
        """The name without its "Task N:" prefix, on one line; a checkpoint without one shows what it asks."""
        text = " ".join(self.name.split())
        if self.label is not None:
            text = text.partition(":")[2].strip() or text
        return text or self._question() or f"{self.type} {self.ordinal}"

    def _question(self) -> str:
        texts = {element.tag: element.text.strip() for element in self.elements}
        asked = next((texts[tag] for tag in QUESTIONS if texts.get(tag)), "")
        return " ".join(asked.partition("\n")[0].split())


class Plan(Noun):
    """One PLAN.md as read. `path` is relative to the project root, with `/`."""

    id: PlanId
    path: str
    tasks: tuple[Task, ...]
    frontmatter: Mapping[str, Any] = {}  # scalars as strings, lists and maps kept
    sections: tuple[Element, ...] = ()  # top-level sections but <tasks>, in order
    workspace: Literal["directory", "worktree"] | None = None
    depends_on: tuple[str, ...] | None = None  # None = key absent
    files_modified: tuple[str, ...] = ()
    wave: int | None = None
    commands: tuple[str, ...] = ()  # shell fences of <verification>: run once at the end

    def section(self, tag: str) -> str:
        return next((section.text for section in self.sections if section.tag == tag), "")


# --- what we do about it ------------------------------------------------------------------------


class TaskState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"  # a checkpoint that waits for a person
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"  # something before it failed


class Failure(StrEnum):
    """Why an attempt did not succeed. tracker.REACTIONS says what follows from each."""

    VERIFY = "verify"  # the check is red
    INCONCLUSIVE = "inconclusive"  # the check could not be run: neither red nor green
    EXIT = "exit"  # the worker gave up
    TIMEOUT = "timeout"
    STALLED = "stalled"  # no output and no CPU
    NO_RESULT = "no-result"  # ended without a readable answer
    RATE_LIMIT = "rate-limit"
    OVERLOADED = "overloaded"
    NETWORK = "network"
    UNAVAILABLE = "unavailable"  # backed off for too long
    AUTH = "auth"
    MISSING = "missing"  # the worker's program is not there
    UNKNOWN_MODEL = "unknown-model"
    CONTEXT = "context"  # too long for this model
    REFUSED = "refused"  # the model would not do it
    REJECTED = "rejected"  # a person said no at a checkpoint
    INTERRUPTED = "interrupted"  # we were stopped; no try is spent


class Usage(Noun):
    """What an attempt used. None is unknown, never 0; `lower_bound`: it died before it reported."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    requests: int | None = None
    cost_usd: float | None = None
    cost_basis: Literal["reported", "priced", "notional", "unknown"] = "unknown"
    lower_bound: bool = False

    @classmethod
    def nothing(cls) -> Usage:
        """Of a worker without models: all is known, and all is 0."""
        names = [name for name in cls.model_fields if name.endswith("_tokens")]
        return cls(**dict.fromkeys(names, 0), requests=0, cost_usd=0.0, cost_basis="reported")

    @property
    def tokens(self) -> int | None:
        """Input, cache and output together (reasoning is part of output); None if all are unknown."""
        parts = (
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
        )
        known = [part for part in parts if part is not None]
        return sum(known) if known else None


class Score(Noun):
    """Complexity 1..10 with its reasons, one per indicator that moved it."""

    value: int
    reasons: tuple[str, ...]


class Route(Noun):
    """Who does an attempt, and why. A worker without models has tier and model None."""

    worker: str
    tier: Tier | None = None
    model: str | None = None  # the id given to the worker
    confidence: float
    reason: str


class Attempt(Noun):
    """One try of one task: all that a worker is handed."""

    run: RunId
    task: TaskId
    name: str
    number: int
    action: str
    prompt: str
    route: Route
    workspace: str  # absolute path where it works
    timeout_s: float
    stall_s: float
    transcript: str  # absolute path of the file that gets the output
    environment: Mapping[str, str]


class CheckResult(StrEnum):
    GREEN = "green"
    RED = "red"
    INCONCLUSIVE = "inconclusive"  # 126, 127, timeout, no tests ran: neither


class Check(Noun):
    """One command, run once."""

    command: str
    result: CheckResult
    exit_code: int | None  # None: ended by a signal or the timeout
    output: str  # bounded tail
    duration_s: float


class Verified(StrEnum):
    COMMAND = "command"
    REVIEW = "review"
    HUMAN = "human"  # only human checks are left: partial
    NONE = "none"


class Verdict(Noun):
    """What our own checks say of an attempt. `strength` 0..1: how much a pass proves."""

    verified: Verified
    strength: float
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()


class Outcome(Noun):
    """How one attempt ended. No `failure` means success; `verdict` is ours, never the worker's."""

    failure: Failure | None = None
    detail: str = ""
    exit_code: int | None = None
    usage: Usage | None = None
    model: str | None = None  # the resolved id that really ran
    session: str | None = None
    retry_after_s: float | None = None
    duration_s: float = 0.0
    verdict: Verdict | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None

    @property
    def partial(self) -> bool:
        return self.ok and self.verdict is not None and self.verdict.verified is Verified.HUMAN


class Answer(Noun):
    """A person's word on a checkpoint."""

    approved: bool
    option: str | None = None
    note: str = ""
    by: str = ""


class EventKind(StrEnum):
    RUN_STARTED = "run_started"
    RUN_RESUMED = "run_resumed"
    ATTEMPT_STARTED = "attempt_started"
    CHECK_FINISHED = "check_finished"
    WORKER_FINISHED = "worker_finished"
    BACKED_OFF = "backed_off"
    ATTEMPT_FINISHED = "attempt_finished"
    CHECKPOINT_ASKED = "checkpoint_asked"
    CHECKPOINT_ANSWERED = "checkpoint_answered"
    RETRY_ASKED = "retry_asked"
    DRAINING = "draining"
    PLAN_CHECKING = "plan_checking"
    PLAN_CHECKED = "plan_checked"
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
