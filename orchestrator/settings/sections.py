"""The sections of the settings, each a frozen type; refuses values out of range, unknown keys, and words for numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from orchestrator.model import Tier
from orchestrator.settings import own

Count = Annotated[int, Field(ge=1)]
YEARS_S = 10 * 366 * 86400  # beyond it dates run out
Seconds = Annotated[float, Field(gt=0, le=YEARS_S, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0)]
OnQuota = Literal["wait", "fallback", "stop"]
OnExpiry = Literal["reject", "pass-advisory"]
Share = Annotated[float, Field(ge=0, lt=1)]
Certainty = Annotated[float, Field(ge=0, le=1)]
Complexity = Annotated[int, Field(ge=0, le=10)]
Word = Annotated[str, Field(min_length=1)]
Words = Annotated[tuple[Word, ...], Field(strict=False)]
Tiers = Annotated[tuple[Annotated[Tier, Field(strict=False)], ...], Field(strict=False)]


def refuse_lists_and_tables(value: object) -> object:
    if not isinstance(value, str | int | bool):
        raise ValueError("should be text, a whole number, true or false")
    return value


Scalar = Annotated[str | int | bool, BeforeValidator(refuse_lists_and_tables)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RunSettings(Section):
    workers: Annotated[int, Field(ge=1, le=64)]
    timeout_s: Seconds
    stall_s: Seconds
    silent_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    provider_wait_max_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    on_quota: OnQuota
    agents: Words
    share_prompt_cache_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    retention_days: Annotated[int, Field(ge=0)]
    min_free_mb: Annotated[int, Field(ge=0)]


class CheckpointSettings(Section):
    """When a question is too old, and what becomes of it then."""

    expire_s: Annotated[float, Field(ge=0, le=YEARS_S, allow_inf_nan=False)]
    on_expiry: OnExpiry


class VerifySettings(Section):
    timeout_s: Seconds
    output_bytes: Count
    red_first: bool
    probe: bool


class RoutingSettings(Section):
    bands: Literal["default", "conservative"]
    haiku_max: Complexity
    sonnet_max: Complexity
    security_floor: Annotated[Tier, Field(strict=False)]
    risk_floor: Annotated[Tier, Field(strict=False)]
    cascade: bool
    explore: bool

    @model_validator(mode="after")
    def refuse_crossed_bands(self) -> RoutingSettings:
        if self.haiku_max > self.sonnet_max:
            raise ValueError(
                f"haiku_max ({self.haiku_max}) is above sonnet_max ({self.sonnet_max})"
            )
        return self

    @property
    def ends(self) -> tuple[int, int]:
        """The last complexity that starts on haiku, and on sonnet."""
        return (3, 8) if self.bands == "conservative" else (self.haiku_max, self.sonnet_max)


class LearningSettings(Section):
    """What `learn` makes a rule of. The shares are of certainty, `margin` is of success."""

    use_rules: bool
    window_days: Annotated[int, Field(ge=1, le=36_500)]
    confidence: Literal["noninferiority", "wilson", "seed"]
    min_confidence: Certainty
    adoption_confidence: Certainty
    cost_confidence: Certainty
    margin: Share
    min_samples: Count


class ReaderSettings(Section):
    max_bytes: Count
    max_tasks: Count


class ComplexitySettings(Section):
    start: Complexity
    reading: int
    simple_fix: int
    addition: int
    architecture: int
    refactoring: int
    novel: int


class EstimateSettings(Section):
    tokens: Mapping[str, Annotated[float, Field(gt=0)]]
    tier_factor: Mapping[str, Annotated[float, Field(gt=0)]]
    complexity_step: Share
    spread: Share
    start_tokens: Annotated[int, Field(ge=0)]
    request_tokens: Count
    cache_read_share: Share
    output_share: Share
    min_samples: Count
    task_s: Seconds
    time_spread: Annotated[float, Field(ge=1)]


class LintSettings(Section):
    select: Words
    ignore: Words


class WorkspaceSettings(Section):
    mode: Literal["auto", "worktree", "directory"]
    env_pass: Words
    env_files: Words
    public_env: Words
    link: Words
    clone: Words
    setup: str
    setup_timeout_s: Seconds
    scope: Literal["record", "serialise", "refuse"]
    control_files: Literal["ask", "declared", "allow"]
    final_checks: Literal["all", "none"]
    look_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SandboxSettings(Section):
    """What workers and checks see and may write. Names are absolute, below `~`, or below the project's root."""

    mode: Literal["auto", "bubblewrap", "none"]
    network: bool
    writable: Words
    read_only: Words
    caches: Words
    hidden: Words


class BudgetSettings(Section):
    """How much may be used, in dollars and in tokens; 0: no limit. docs/budgets.md has the rules."""

    attempt_usd: Dollars
    attempt_turns: Count
    attempt_tokens: Tokens
    task_usd: Dollars
    task_tokens: Tokens
    plan_usd: Dollars
    plan_tokens: Tokens
    run_usd: Dollars
    run_tokens: Tokens
    ask_usd: Dollars
    day_usd: Dollars
    day_tokens: Tokens
    unknown_usd: Dollars
    dear_share: Annotated[float, Field(ge=0, le=1)]


class ModelsSettings(Section):
    """For each tier: worker -> model id."""

    haiku: dict[str, Word]
    sonnet: dict[str, Word]
    opus: dict[str, Word]

    def of(self, worker: str) -> dict[Tier, str]:
        """Only the tiers that are mapped for this worker."""
        tables = {Tier.HAIKU: self.haiku, Tier.SONNET: self.sonnet, Tier.OPUS: self.opus}
        return {tier: table[worker] for tier, table in tables.items() if worker in table}

    def tier(self, model: str) -> Tier | None:
        """The one to which anybody's model of this id, or a dated version of it, is mapped. None: none, or not only one."""
        bare = re.sub(r"[-@]\d{8}$", "", model.rpartition("/")[2])
        tables = {Tier.HAIKU: self.haiku, Tier.SONNET: self.sonnet, Tier.OPUS: self.opus}
        mapped = {
            tier
            for tier, table in tables.items()
            for one in table.values()
            if one == model or one.rpartition("/")[2] == bare
        }
        return mapped.pop() if len(mapped) == 1 else None


class Paths(Section):
    """Where an agent's JSON holds what: keys with dots between them. None: it does not tell."""

    text: Word | None = None
    session: Word | None = None
    model: Word | None = None
    error: Word | None = None
    denials: Word | None = None
    turns: Word | None = None
    cost_usd: Word | None = None
    input_tokens: Word | None = None
    output_tokens: Word | None = None
    cache_read_tokens: Word | None = None
    cache_write_tokens: Word | None = None
    reasoning_tokens: Word | None = None


class WorkerSettings(Section):
    """`program` to `provider` are for every agent; `argv` and all below it make an agent of one's own."""

    program: str | None = None
    arguments: Words = ()
    env_pass: Words = ()
    lean: bool = True
    stall_s: Seconds | None = None
    base_url: str | None = None
    provider: str | None = None

    argv: Annotated[Words, AfterValidator(own.command_line)] = ()
    tiers: Tiers | None = None
    env: dict[str, Word] = {}
    stop: Literal["SIGINT", "SIGTERM"] = "SIGTERM"
    format: Literal["text", "json", "ndjson"] = "text"
    patterns: Annotated[Words, AfterValidator(own.patterns)] = ()
    paths: Paths = Paths()
    end: Mapping[str, Scalar] = {}
    success: Annotated[Mapping[str, Scalar], Field(validate_default=True)] = {}
    usage: Literal["last", "sum"] = "last"
    input_includes_cache: bool = False
    resume: Annotated[Words, AfterValidator(own.resuming)] = ()
    fork: Annotated[Words, AfterValidator(own.resuming)] = ()
    totals: bool = False

    @field_validator(*own.NAMES)
    @classmethod
    def refuse_what_does_not_go_together(cls, value: object, info: ValidationInfo) -> object:
        """Of what stands above this key only: fields are read in their order."""
        own.check(info.field_name or "", value, info.data)
        return value
