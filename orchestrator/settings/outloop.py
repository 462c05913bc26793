"""The sections of the settings that take work out of a model's hands; refuses shares that no pattern can have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.settings.sections import Count, Dollars, Section, Tokens

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class PatternSettings(Section):
    """What is learned of operations, and what is done with it. docs/outloop.md has the rules."""

    detect: bool
    offload: bool
    discover: bool
    auto_activate: bool
    min_occurrences: Count
    min_confidence: Percent
    min_monthly_usd: Dollars
    match: Percent
    margin: Percent


class ContextSettings(Section):
    """What agents are told of the files that such tasks need."""

    profiles: Literal["on", "off"]
    tokens_per_file: Count


class QuotaSettings(Section):
    """The month's limit, and whether plans wait for it."""

    throttle: bool
    month_tokens: Tokens
