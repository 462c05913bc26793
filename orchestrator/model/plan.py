"""What a plan says: Plan, Task and their parts, with the places where they stand. Frozen values that survive JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NewType

from pydantic import BaseModel, ConfigDict

from orchestrator.model.goals import MustHaves, Setup
from orchestrator.model.money import Limit

TaskId = NewType("TaskId", str)  # "08-02/4": plan label, slash, ordinal
PlanId = NewType("PlanId", str)  # "08-02", or the path without suffix where the label is not unique


class Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


SEPARATOR = re.compile("[:\u2014\u2013]| - ")  # behind "Task N"
NESTED = re.compile(
    r"(?:.*/)?(?P<phase>\d[\d.]*[A-Za-z]?)(?:-[^/]*)?/plans/PLAN-(?P<rest>\d.*)\.md"
)
SUFFIX = re.compile(r"(?:[-/]PLAN)?\.md\Z", re.I)


def stem(path: str) -> str:
    """A plan's name from its path: `01-02-auth` of `01-02-auth-PLAN.md` and of `01-x/plans/PLAN-02-auth.md`."""
    nested = NESTED.fullmatch(path)
    if nested is not None:
        return f"{nested['phase']}-{nested['rest']}"
    return SUFFIX.sub("", path.rpartition("/")[2])


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
    review: Tier | None = None  # a second worker of that tier judges what the checks let pass
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
    token_budget: int | None = None  # of all its tries, in work: what is read and written anew
    attributes: Mapping[str, str] = {}  # all, as written, `_` turned into `-`
    places: Mapping[str, Position] = {}  # of each attribute
    elements: tuple[Element, ...] = ()

    def place(self, name: str) -> Position:
        """Where the attribute or else the element of that name stands; the task itself without it."""
        found = next((one.position for one in self.elements if one.tag == name), self.position)
        return self.places.get(name, found)

    def text(self, tag: str) -> str:
        """The raw text of the first element of that name."""
        return next((one.text for one in self.elements if one.tag == tag), "")

    @property
    def is_checkpoint(self) -> bool:
        return self.type.startswith("checkpoint")

    @property
    def is_fresh(self) -> bool:
        """It starts without the conversation of those before it."""
        default = "fresh" if self.parallel == "can-parallelize" else "inherited"
        return (self.context_mode or default) == "fresh"

    @property
    def title(self) -> str:
        """The name without its "Task N:" prefix, on one line; a checkpoint without one shows what it asks."""
        text = " ".join(self.name.split())
        if self.label is not None:
            text = SEPARATOR.split(text, maxsplit=1)[-1].strip() or text
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
    budget: Limit = Limit()  # of all its tasks
    wave: int | None = None
    priority: int = 0  # among plans that wait to be run; higher goes first
    not_before: str | None = None  # ISO time; without a zone it is that of the machine
    commands: tuple[str, ...] = ()  # shell fences of <verification>: run once at the end
    must_haves: MustHaves = MustHaves()
    requirements: tuple[str, ...] = ()
    user_setup: tuple[Setup, ...] = ()
    places: Mapping[str, Position] = {}  # of each key of the frontmatter, `_` for `-`

    def place(self, key: str) -> Position:
        """Where a key of the frontmatter stands; the top of the file without it."""
        return self.places.get(key.replace("-", "_"), Position(line=1, column=1))

    def section(self, tag: str) -> str:
        return next((section.text for section in self.sections if section.tag == tag), "")
