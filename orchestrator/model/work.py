"""What we do about a plan: Route, Attempt, Outcome and what they are made of. Frozen values that survive JSON."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePath
from typing import Annotated, Literal, NewType

from pydantic import ConfigDict, Field

from orchestrator.model.plan import Noun, TaskId, Tier
from orchestrator.model.sandbox import Sandbox

RunId = NewType("RunId", str)


class TaskState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"  # a checkpoint that waits for a person
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"  # something before it failed


class Failure(StrEnum):
    """Why an attempt did not succeed. reactions.REACTIONS says what follows from each."""

    VERIFY = "verify"  # the check is red
    INCONCLUSIVE = "inconclusive"  # the check could not be run: neither red nor green
    EXIT = "exit"  # the worker gave up
    TIMEOUT = "timeout"
    STALLED = "stalled"  # no output, or no output and no CPU, for too long
    NO_RESULT = "no-result"  # ended without a readable answer
    KILLED = "killed"  # ended by a signal that was not ours
    MAX_TURNS = "max-turns"  # it reached its cap of turns
    BUDGET = "budget"  # it reached its own cap of money or of tokens
    SHORTAGE = "shortage"  # it reached one below its own, for want of budget; no try is spent
    DENIED = "denied"  # it was not allowed to do what it wanted, and nothing proves the rest
    RATE_LIMIT = "rate-limit"
    QUOTA = "quota"  # used up; `reset_at` says until when, where it is known
    OVERLOADED = "overloaded"
    SERVER = "server"  # the provider's own error
    NETWORK = "network"
    UNAVAILABLE = "unavailable"  # backed off for too long
    AUTH = "auth"
    MISSING = "missing"  # the worker's program is not there
    UNKNOWN_MODEL = "unknown-model"
    CONTEXT = "context"  # too long for this model
    REFUSED = "refused"  # the model would not do it
    REJECTED = "rejected"  # a person said no at a checkpoint
    CONFLICT = "conflict"  # its work does not fit to what has landed meanwhile
    SCOPE = "scope"  # it wrote outside of its <files>, and the settings refuse that
    SECRET = "secret"  # noqa: S105 - a file that it made has the value of a secret variable
    WORKSPACE = "workspace"  # git could not make its workspace, or keep its work
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

    @property
    def fresh_tokens(self) -> int | None:
        """What was read and written anew: all but what came from a cache. Budgets of tokens count these."""
        parts = (self.input_tokens, self.output_tokens, self.cache_write_tokens)
        known = [part for part in parts if part is not None]
        return sum(known) if known else None

    def beyond(self, before: Usage | None) -> tuple[float, int]:
        """Dollars and fresh tokens that came on top of an earlier report; 0 where one of them does not tell."""
        then = before or Usage()
        usd = (self.cost_usd or 0.0) - (then.cost_usd or 0.0)
        return usd, (self.fresh_tokens or 0) - (then.fresh_tokens or 0)


class StepKind(StrEnum):
    READ = "read"
    WRITE = "write"
    RUN = "run"  # a command
    SEARCH = "search"
    OTHER = "other"


class Step(Noun):
    """One call of a tool by an agent, as it was seen."""

    kind: StepKind
    tool: str  # the client's own name of it
    target: str = ""  # the path, the command, the pattern; bounded
    ok: bool | None = None  # None: its result was not seen
    exit_code: int | None = None  # of a command, where the client tells it
    size: int | None = None  # bytes of the file that it read


class QuotaWindow(Noun):
    """How much of a provider's quota is used, as a client tells it."""

    provider: str
    name: str  # the provider's own: five_hour, seven_day
    utilization: float  # 1.0: all of it
    resets_at: float | None = None  # Unix seconds
    is_refused: bool = False


class Progress(Noun):
    """What a worker tells while it works. `usage` is all until now, never a difference."""

    doing: str = ""  # one short line for a person
    step: Step | None = None
    usage: Usage | None = None
    session: str | None = None
    model: str | None = None  # the resolved id
    totals: Usage | None = None  # the client's running totals of the session, where it keeps them
    windows: tuple[QuotaWindow, ...] = ()


class Session(Noun):
    """An agent's conversation that an attempt goes on with."""

    id: str
    fork: bool  # a copy: the original stays as it is for others
    booked: Usage | None = None  # the client's running totals that are booked already


Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(Noun):
    """Dollars per million tokens. A cache price that is not given is that of input."""

    model_config = ConfigDict(strict=True)

    input: Dollars
    output: Dollars
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None


class Score(Noun):
    """Complexity 1..10 with its reasons, one per indicator that moved it."""

    value: int
    reasons: tuple[str, ...]


class Strategy(StrEnum):
    """What decided a route: the first of these that has something to say."""

    WORKER = "worker"  # there is nothing to choose: a script, or an agent that chooses itself
    EXPLICIT = "explicit"
    QUALITY = "quality"
    LABEL = "complexity-label"
    PATTERN = "pattern"
    LEARNED = "learned"
    DEFAULT = "default"
    CASCADE = "cascade"  # the tries of least expected cost, by what their models did
    FLOOR = "floor"  # what any other wanted was too weak for it
    BUDGET = "budget"  # what any other wanted was too dear for what is left
    OFFLOAD = "offload"  # it is an operation that a tool does without a model


class Quality(StrEnum):
    """What a person asks of a whole run."""

    BASIC = "basic"  # the cheapest model that may, first
    SHINY = "shiny"
    CHROME = "chrome"  # the strongest first, and a review of each task


class Route(Noun):
    """Who does an attempt, and why. A worker that asks no model has tier, model and provider None."""

    worker: str
    provider: str | None = None  # whose limits count: its gate can be closed
    tier: Tier | None = None
    model: str | None = None  # the id given to the worker; its own name where it chooses itself
    confidence: float
    reason: str
    strategy: Strategy | None = None  # None: it was recorded before strategies were
    propensity: float = 1.0  # how likely this choice was; below 1 only if it was drawn
    left_out: tuple[tuple[str, str], ...] = ()  # of a first try: models that do not try, and why
    floor: Tier | None = None  # nothing but the plan's own word goes below it
    cap_usd: float | None = (
        None  # one that has spent so much seldom passes: the next try takes over
    )
    estimated_tokens: int | None = None  # all that are billed
    estimated_cost_usd: float | None = None
    estimated_duration_s: float | None = None
    estimated_cost_usd_high: float | None = None  # upper ends: what is set aside for it
    estimated_fresh_tokens_high: int | None = None
    tool: str | None = None  # of a try by a registered tool, and the signature that it does
    pattern: str | None = None

    @property
    def usd_per_token(self) -> float | None:
        """By its estimate."""
        if self.estimated_cost_usd is None or not self.estimated_tokens:
            return None
        return self.estimated_cost_usd / self.estimated_tokens

    @property
    def asks_a_model(self) -> bool:
        return self.model is not None

    @property
    def gates(self) -> tuple[str, ...]:
        """All that must be open for it: its provider's, and its tier's there."""
        name = self.provider or self.worker
        return (name, f"{name}/{self.tier}") if self.tier else (name,)


class Attempt(Noun):
    """One try of one task: all that a worker is handed."""

    run: RunId
    task: TaskId
    name: str
    number: int
    action: str
    system: str = ""  # what all attempts of a plan are told alike: the part that a cache can keep
    prompt: str
    route: Route
    workspace: str  # absolute path where it works
    timeout_s: float
    stall_s: float
    silent_s: float | None = None
    max_usd: float | None = None  # caps for clients that can stop themselves
    max_tokens: int | None = None  # read and written anew; the engine's drivers look to it
    max_turns: int | None = None
    session: Session | None = None  # None: it starts a new one
    transcript: str  # absolute path of the file that gets the output
    environment: Mapping[str, str]
    sandbox: Sandbox | None = None  # None: its programs see and write what we can

    @property
    def conversation(self) -> str:
        """What no other conversation is called: a review has its attempt's number, and is known by its transcript."""
        review = " review" if ".review" in PurePath(self.transcript).suffixes else ""
        return f"{self.run} {self.task} {self.number}{review}"


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


class Work(Noun):
    """What an attempt has made, kept by git. `commit` None: nothing differs from the base."""

    base: str  # the commit that it was made on
    commit: str | None
    ref: str | None = None  # holds the commit until it has landed
    begin: str | None = None  # the tree that counts as found, where the base has moved since
    tree: str | None = None  # all that was in the workspace when it was kept
    steering: Mapping[str, str] = {}  # git's own files that changed meanwhile, with their digests
    landed: str | None = None  # the commit on the result branch
    created: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()  # outside of the task's <files>
    control: tuple[str, ...] = ()  # what steers agents, git and CI: a person must look
    # files with values of secret variables; the commit has names instead
    secrets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what was odd in keeping it

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(sorted((*self.created, *self.modified, *self.deleted)))


class Review(Noun):
    """What a second worker says of a try whose own checks did not object."""

    approved: bool
    worker: str
    model: str | None
    text: str  # its last words: what the next try is told
    touched: tuple[str, ...] = ()  # files that it changed, though it was not to
    usage: Usage | None
    duration_s: float = 0.0
    failure: Failure | None = None  # why it could not judge


class Outcome(Noun):
    """How one attempt ended. No `failure` means success; `verdict` is ours, never the worker's."""

    failure: Failure | None = None
    detail: str = ""
    exit_code: int | None = None
    signal: int | None = None
    usage: Usage | None = None  # of this attempt alone, with its review
    totals: Usage | None = None  # the client's running totals of the session, where it keeps them
    model: str | None = None  # the resolved id that really ran
    session: str | None = None
    turns: int | None = None
    text: str = ""  # its last words; recorded, never believed
    denials: tuple[str, ...] = ()  # what it was not allowed to do
    tail: str = ""  # of a failed one, the last of its raw output
    retry_after_s: float | None = None
    reset_at: float | None = None  # Unix seconds: when a used up quota opens again
    window: str | None = None  # the provider's name of the quota that is used up
    warnings: tuple[str, ...] = ()  # what a person should know of it, though it failed nothing
    duration_s: float = 0.0
    verdict: Verdict | None = None
    work: Work | None = None  # None: in the plain directory, or nothing was kept
    conflicts: tuple[str, ...] = ()  # files in which its work does not fit to the result
    review: Review | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None

    @property
    def partial(self) -> bool:
        return self.ok and self.verdict is not None and self.verdict.verified is Verified.HUMAN
