"""What the API gives, as types: its answers, its OpenAPI and its checks are all made of these. Refuse keys that they do not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from orchestrator.model import (
    Answer,
    Check,
    Diagnostic,
    Event,
    Limits,
    Noun,
    Outcome,
    Reserve,
    Review,
    Route,
    RunId,
    Score,
    Step,
    TaskId,
    Usage,
    Work,
)
from orchestrator.model.outloop import Pattern
from orchestrator.views.house import Health, State, Waiting
from orchestrator.web.files import Part


class Document(Noun):
    """Keys are only ever added to one version."""

    version: Literal[1] = 1


class Trouble(Noun):
    """Whatever is refused or breaks."""

    error: str
    next: str | None = Field(description="What to do about it.")
    diagnostics: tuple[Diagnostic, ...] = ()


class Done(Document):
    done: str = Field(description="What was done, in a person's words.")
    next: str | None = None


class Alive(Noun):
    """`health` is null to whom has no token."""

    status: Literal["ok", "degraded"]
    health: Health | None = None


class RunLine(Noun):
    run: RunId
    started_at: str
    ended_at: str | None
    exit_code: int | None
    state: str = Field(description="In words: running, done, broken off, waits for a person, ...")
    live: bool
    expires_at: str | None
    plans: tuple[str, ...]
    asked: Mapping[str, Any]
    states: Mapping[str, int] = Field(description="How many tasks are in which state.")
    attempts: int
    tokens: int | None
    cost_usd: float | None
    lower_bound: bool
    worked_s: float


class Runs(Document):
    runs: tuple[RunLine, ...]
    next: RunId | None = Field(description="`before` of the next page; null: that is all.")


class Option(Noun):
    id: str
    name: str


class Asks(Noun):
    type: str
    text: str
    options: tuple[Option, ...]
    gate: str
    asked_at: str | None
    expires_at: str | None


class Reviewed(Noun):
    approved: bool
    worker: str
    model: str | None
    text: str
    tokens: int | None
    cost_usd: float | None


class Task(Noun):
    id: TaskId
    name: str
    state: str
    attempts: int
    worker: str | None
    model: str | None
    route: Route | None
    failure: str | None
    detail: str
    budget: str | None
    tokens: int | None
    cost_usd: float | None
    lower_bound: bool
    duration_s: float | None
    verified: str | None
    verify_strength: float | None
    review: Reviewed | None
    commit: str | None
    work: str | None
    asks: Asks | None
    answer: Answer | None
    checks: tuple[Check, ...]
    context: Read | None


class Read(Noun):
    """Files that its agents read, and how many of them were needed."""

    files_loaded: int
    files_accessed: int
    efficiency: float
    waste_bytes: int


class Sum(Noun):
    usd: float
    tokens: int


class Short(Noun):
    task: TaskId
    stops: bool
    reason: str


class Budget(Noun):
    limits: Limits
    charged: Sum
    used: Sum
    short: tuple[Short, ...]


class Result(Noun):
    branch: str
    commit: str
    commits: int
    into: str | None
    delivered: bool
    why: str | None
    checks: tuple[Check, ...]


class Closed(Noun):
    gate: str
    failure: str
    until: str


class Run(Document):
    run: RunId
    state: str
    live: bool
    exit_code: int | None
    started_at: str
    ended_at: str | None
    last: int = Field(description="The number of its last event: a stream goes on `after` it.")
    trouble: str | None = Field(description="What is missing in the journal.")
    plans: tuple[str, ...]
    attempts: int
    tokens: int | None
    cost_usd: float | None
    lower_bound: bool
    budget: Budget | None
    result: Result | None
    closed: tuple[Closed, ...]
    doing: Mapping[TaskId, str] = Field(description="The latest line of each worker.")
    tasks: tuple[Task, ...]


class Tasks(Document):
    run: RunId
    tasks: tuple[Task, ...]


class OneTask(Document):
    run: RunId
    plan: str
    line: int
    waits_for: tuple[TaskId, ...]
    doing: str | None
    task: Task


class Try(Noun):
    """One attempt, as it was recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)

    number: int
    route: Route
    score: Score
    started_at: str
    finished_at: str | None
    died_at: str | None
    outcome: Outcome | None
    worked: Outcome | None
    before: tuple[Check, ...]
    probed: tuple[Check, ...]
    so_far: Usage | None
    reserve: Reserve | None
    review: Review | None
    in_review: bool
    reviewer: Route | None
    session: str | None
    model: str | None
    steps: tuple[Step, ...]
    steps_left_out: int
    workspace: str
    base: str | None
    kept: Work | None
    held: tuple[str, ...]


class Tries(Document):
    run: RunId
    task: TaskId
    attempts: tuple[Try, ...]


class Transcript(Document):
    run: RunId
    task: TaskId
    attempt: int
    part: Part
    text: str
    start: int = Field(alias="from")
    next: int = Field(description="`from` of the next piece.")
    size: int
    kept: bool = Field(description="false: it printed nothing, or run.retention_days are over.")


class Diff(Document):
    run: RunId
    task: TaskId
    attempt: int
    text: str
    cut: bool
    why: str | None = Field(description="Why there is no text.")


class Checks(Document):
    """`output` of each is its end; all of it: transcript?part=before or after."""

    run: RunId
    task: TaskId
    attempt: int
    before: tuple[Check, ...]
    after: tuple[Check, ...]
    probed: tuple[Check, ...] = Field(description="The same with its work undone.")


class Events(Document):
    run: RunId
    events: tuple[Event, ...] = Field(description="Long texts in `data` are cut.")
    next: int = Field(description="`after` of the next page.")
    more: bool


class Plans(Document):
    plans: tuple[Waiting, ...]
    states: Mapping[State, int]


class Figures(Document):
    """As the command prints it with --json (docs/json.md)."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Routing(Figures):
    """`report routing`, and the experiments as seed 001 names them, newest first."""

    report: Literal["routing"]
    window_days: int
    tasks: int
    attempts: int
    latest: tuple[Mapping[str, Any], ...]


class Stats(Figures):
    window_days: int
    damaged_lines: int
    kinds: tuple[Mapping[str, Any], ...]
    calibration: Mapping[str, Any]


class Patterns(Document):
    patterns: tuple[Pattern, ...] = Field(description="The one that would save most first.")


class Tools(Document):
    tools: tuple[Mapping[str, Any], ...]


class Quota(Figures):
    month: str
    current_month_tokens: int
    projected_total: int | None
    quota_limit: int | None
    risk_level: Literal["low", "medium", "high"]
    reason: str


class Savings(Figures):
    """Nothing that was not measured: null, and `missing` says so."""

    report: Literal["savings"]
    window_days: int | None
    tool_calls: Mapping[str, int]
    tasks: int
    tokens: Mapping[str, Any] | None
    cost_usd: Mapping[str, Any] | None
    by_pattern: tuple[Mapping[str, Any], ...]
    by_month: tuple[Mapping[str, Any], ...]
    missing: str | None


class Estimate(Figures):
    tasks: tuple[Mapping[str, Any], ...]
    total: Mapping[str, Any]
    budget: Mapping[str, Any]
    makespan_s: Mapping[str, Any]
    critical_path: tuple[TaskId, ...]
    calibration: Mapping[str, Any]
