"""What is known of one task of a run: its tries, its question, its landing. Plain records; they refuse nothing and decide little."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.model import (
    Answer,
    Check,
    Failure,
    Outcome,
    Reserve,
    Review,
    Route,
    Score,
    Step,
    Usage,
    Work,
)


class Landing(NamedTuple):
    """The result branch was to move from `tip` to `commit`; then the attempt ends with `outcome`."""

    commit: str
    tip: str
    outcome: Outcome


@dataclass(slots=True)
class Tried:
    """One attempt as recorded. No `outcome`: it was running when the engine died."""

    number: int
    route: Route
    score: Score
    started_at: str
    finished_at: str | None = (
        None  # as far as anybody saw it: by then its engine may have been gone
    )
    died_at: str | None = None  # the last that an engine told which died in it; the rest is no work
    outcome: Outcome | None = None
    worked: Outcome | None = None  # what the worker said, before our check
    transcript: str = ""  # file name in the run's folder
    before: list[Check] = field(default_factory=list)  # the checks as they stood before the work
    probed: list[Check] = field(default_factory=list)  # the same when the work was undone
    so_far: Usage | None = None  # what it told while it worked
    booked: Usage | None = None  # of the session that it went on with
    totals: Usage | None = None  # the client's running totals of its session
    reserve: Reserve | None = None  # set aside for it before it started
    leap: tuple[float, int] = (0.0, 0)  # dollars and tokens: the most that came between two reports
    review: Review | None = None
    in_review: bool = False
    reviewer: Route | None = None  # of the second worker, from the moment in which it was asked
    reviewing: Usage | None = None  # what that one told while it looked
    session: str | None = None
    model: str | None = None  # the resolved id
    steps: list[Step] = field(default_factory=list)
    steps_left_out: int = 0
    workspace: str = ""  # absolute path where it worked
    base: str | None = None  # the commit that its workspace began at
    begin: str | None = None  # the tree that it found there
    kept: Work | None = None  # what it made, under a ref
    verified: Outcome | None = None  # it has only to land
    held: tuple[str, ...] = ()  # files that a person must look at first
    held_at: str | None = None  # since when it waits for that: no work
    held_until: str | None = None  # a person has answered
    landing: Landing | None = None  # its commit was about to land

    @property
    def latest(self) -> Outcome | None:
        """How it ended, or is to end once it has landed; else what its worker said."""
        return self.outcome or self.verified or self.worked

    @property
    def is_held(self) -> bool:
        """It waits for a person now."""
        return self.held_at is not None and self.held_until is None and self.outcome is None

    @property
    def is_cut_off(self) -> bool:
        """Its engine died while it worked: it worked until its last event, or longer."""
        return self.died_at is not None and self.held_at is None

    @property
    def interrupted(self) -> bool:
        return self.outcome is None or self.outcome.failure is Failure.INTERRUPTED


class Expiry(NamedTuple):
    """When a question is too old, as it was settled when it was asked."""

    at: float  # Unix seconds
    after_s: float
    policy: str


@dataclass(slots=True)
class TaskHistory:
    tried: list[Tried] = field(default_factory=list)
    began: int = 0  # index of the first try since a person asked for it once more
    asked_at: str | None = None
    expiry: Expiry | None = None  # of the question; None: it waits for ever
    answer: Answer | None = None
    answered_at: str | None = None

    @property
    def base(self) -> tuple[Check, ...]:
        """How the checks stood before the work began."""
        return tuple(self.tried[self.began].before) if len(self.tried) > self.began else ()

    @property
    def last(self) -> Outcome | None:
        """The latest outcome that says something about the task."""
        told = [one.outcome for one in self.tried if one.outcome and not one.interrupted]
        return told[-1] if told else None

    @property
    def open(self) -> Outcome | None:
        """Of a verified try that has not ended."""
        last = self.tried[-1] if self.tried else None
        return last.verified if last is not None and last.outcome is None else None

    @property
    def to_hold(self) -> tuple[str, ...]:
        """Files of it that a person must look at, and nobody was asked yet."""
        files = self.open.work.control if self.open is not None and self.open.work else ()
        return () if self.tried and self.tried[-1].held else files

    @property
    def unlanded(self) -> Outcome | None:
        """It has only to land; or to end, if a person said no."""
        held = bool(self.tried and self.tried[-1].held)
        return None if self.to_hold or (held and self.answer is None) else self.open

    @property
    def commit(self) -> str | None:
        """Its commit on the result branch."""
        works = [one.outcome.work for one in self.tried if one.outcome and one.outcome.work]
        return next((work.landed for work in reversed(works) if work.landed), None)


class Closing(NamedTuple):
    """A gate that was closed, Unix seconds."""

    gate: str
    failure: Failure
    pause_s: float
    until: float
