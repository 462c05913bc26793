"""Operations seen again and again, and what is made of them: frozen values that survive JSON. Refuses levels and scores that no pattern has."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from orchestrator.model.plan import Noun

Score = Annotated[float, Field(ge=0, le=100)]


class Operation(Noun):
    """One thing that a command does, without the words that change from one time to the next."""

    verb: str  # test, build, lint, format, install, read, search, edit, vcs, ...
    tool: str  # pytest, tsc, prettier, git-diff, ...
    scope: str | None = None  # where: the first folder, or `all`
    variant: str | None = None  # which: the one file, the script's name; only below a scope

    @property
    def signature(self) -> str:
        return self.levels[0]

    @property
    def levels(self) -> tuple[str, ...]:
        """The most specific signature first, then its parents down to `verb:tool`."""
        parts = [part for part in (self.verb, self.tool, self.scope, self.variant) if part]
        return tuple(":".join(parts[:size]) for size in range(len(parts), 1, -1))


class PatternStatus(StrEnum):
    """MOVES of outloop.patterns says what may follow what."""

    DETECTED = "detected"
    CANDIDATE = "candidate"
    APPROVED = "approved"  # a person's word
    IMPLEMENTED = "implemented"  # a tool can do it
    ACTIVE = "active"  # the tool does it
    DEPRECATED = "deprecated"


class Occurrence(Noun):
    """A workflow (an attempt, or a session of a client) in which an operation was seen."""

    workflow: str
    operation: Operation
    at: str  # ISO-8601 UTC
    times: int = 1  # how often in this workflow
    ok: bool | None = None  # None: its end was not seen
    similarity: Score = 0.0  # how well the words of the whole task say this operation and nothing else; 0: it did more
    tokens: int | None = (
        None  # what it used: of the whole task where it is nothing else, else its share by steps
    )
    cost_usd: float | None = None
    command: str = ""  # as it was run, bounded, without secrets
    live: bool = True  # False: imported; it is counted, and no baseline of savings


class Pattern(Noun):
    """One signature with its running figures. None is unknown, never 0."""

    id: int
    signature: str
    occurrences: int
    measured: int  # of these, with known tokens
    mean_tokens: float | None
    mean_cost_usd: float | None
    tool_tokens: float | None
    tool_cost_usd: float | None
    monthly_usd: float  # what the last 30 days would have saved
    status: PatternStatus
    confidence: Score
    command: str  # the one seen most
    first_seen: str
    last_seen: str
    tool: str | None = None
    decided_by: str | None = None
    why: str = ""
    issue: str | None = None  # where it is suggested to others


class ToolStatus(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


class Tool(Noun):
    """A script that does an operation without a model, by its manifest and its record."""

    name: str
    script: str  # absolute path
    does: tuple[str, ...]  # signatures, or beginnings of them: `test` serves `test:pytest:backend`
    phrases: tuple[str, ...]  # words of tasks that ask for it
    writes: tuple[str, ...] = ()  # globs of what it may change
    timeout_s: float
    shipped: bool = False
    status: ToolStatus = ToolStatus.ENABLED
    why: str = ""  # it is disabled
    digest: str = ""  # SHA-256 of the script as a person added it; empty: it ships
    calls: int = 0
    successes: int = 0
    calls_since: int = 0  # it was added or enabled: these may disable it
    successes_since: int = 0
    failed_in_a_row: int = 0  # of these, the last ones

    @property
    def success_rate(self) -> float | None:
        return self.successes / self.calls if self.calls else None


class Offload(Noun):
    """What a tool is started with, in place of a model."""

    tool: str
    script: str  # absolute path
    commands: tuple[str, ...]
    timeout_s: float
    writes: tuple[str, ...] = ()  # globs of what it may change
    digest: str = ""  # of the script; empty: nobody compares


class ToolCall(Noun):
    """One run of a tool in place of a model."""

    tool: str
    pattern: str  # signature
    workflow: str
    at: str
    duration_s: float
    ok: bool
    tokens_saved: int = 0
    cost_saved_usd: float = 0.0


class Optimization(StrEnum):
    TOOL_CALL = "tool_call"
    INPUT_SPLIT = "input_split"
    PATTERN_OFFLOAD = "pattern_offload"
    INVERTED_FLOW = "inverted_flow"


class Saving(Noun):
    """What was not spent, against what the same operation used before: a mean of `baseline` measured workflows."""

    at: str
    kind: Optimization
    workflow: str
    pattern: str | None
    tokens: int
    cost_usd: float
    baseline: Annotated[int, Field(ge=1)]


class HookKind(StrEnum):
    PRE_TOOL_USE = "PreToolUse"
    POST_TOOL_USE = "PostToolUse"
    USER_PROMPT_SUBMIT = "UserPromptSubmit"
    FILE_ACCESS = "FileAccess"


class HookEvent(Noun):
    """What a client's hook told, or a file that an attempt touched."""

    id: int = 0  # given by the store
    kind: HookKind
    session: str
    at: str
    payload: Mapping[str, Any]
    processed: bool = False


class Context(Noun):
    """What an attempt read, and what of it was needed, as far as its steps show."""

    loaded: Mapping[str, int | None]  # file -> its bytes; None: not known
    used: tuple[str, ...]  # of these, sorted
    waste_tokens: int = 0  # of the others, estimated

    @property
    def efficiency(self) -> float | None:
        """Percent of the files; None where none was read."""
        return round(100 * len(self.used) / len(self.loaded), 1) if self.loaded else None

    @property
    def unused(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.loaded) - set(self.used)))

    @property
    def waste_bytes(self) -> int:
        """Of the unused files whose size is known."""
        return sum(self.loaded[file] or 0 for file in self.unused)


class Profile(NamedTuple):
    """What tasks of a pattern needed."""

    signature: str
    attempts: int
    files: tuple[str, ...]  # used in at least half of them
    docs: tuple[str, ...]  # the same, of documents
    mean_loaded: float
    mean_efficiency: float | None
    mean_waste_tokens: float  # what reading only these would have left out
    globs: tuple[str, ...]
