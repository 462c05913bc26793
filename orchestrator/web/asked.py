"""What clients say: words behind `?`, and bodies. Refuses keys that it does not know, and in bodies words for numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.model import Noun
from orchestrator.web.files import MOST, Part

Page = Annotated[int, Field(ge=1, le=500)]
Text = Annotated[str, Field(max_length=8000)]
Name = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]  # of a file


# --- asked for in the address


class Query(Noun):
    """Words behind `?`; all can be left out."""


class RunsQuery(Query):
    before: str | None = Field(None, description="The last run of the page before.")
    limit: Page = 50


class EventsQuery(Query):
    after: int = Field(0, ge=0, le=1 << 62, description="The number of the last event known.")
    limit: Page = 200


class StreamQuery(Query):
    after: int | None = Field(
        None,
        ge=0,
        le=1 << 62,
        description="Events behind this number; without it, those from now on. Last-Event-ID counts before it.",
    )


class TranscriptQuery(Query):
    part: Part = "work"
    start: int = Field(
        0,
        alias="from",
        ge=-(1 << 62),
        le=1 << 62,
        description="The first byte; negative: so many before the end.",
    )
    limit: int = Field(1 << 16, ge=16, le=MOST, description="Bytes, at most.")


class RoutingQuery(Query):
    days: int | None = Field(None, ge=1, le=36_500, description="Else learning.window_days.")
    against: Literal["haiku", "sonnet", "opus"] = Field(
        "sonnet", description="The tier that savings are measured against."
    )
    limit: Page = Field(50, description="The newest so many experiments.")


class StatsQuery(Query):
    days: int | None = Field(None, ge=1, le=36_500, description="Else learning.window_days.")


class SavingsQuery(Query):
    days: int | None = Field(None, ge=1, le=36_500, description="Else of all.")


# --- sent


class Sent(Noun):
    """A body; checked strictly: no words for numbers."""


class AnswerSent(Sent):
    approved: bool
    option: Annotated[str, Field(max_length=200)] | None = None
    note: Text = ""


class NothingSent(Sent):
    """An empty object."""


class NoteSent(Sent):
    note: Text = Field("", description="Why.")


Dollars = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0, le=1 << 53)]


class ResumeSent(Sent):
    """Each over what the run has; 0: no limit."""

    budget_usd: Dollars | None = None
    budget_tokens: Tokens | None = None
    plan_budget_usd: Dollars | None = Field(None, description="Of each plan.")
    plan_budget_tokens: Tokens | None = Field(None, description="Of each plan.")


class EnqueueSent(Sent):
    paths: Annotated[tuple[Name, ...], Field(min_length=1, max_length=500)]
    again: bool = Field(False, description="Also what is done.")


class TrustSent(Sent):
    path: Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    usd: Dollars | None = Field(None, description="It may be expected to cost so much.")


class EstimateSent(Sent):
    """Either `paths`, below the project's root, or the `text` of one plan."""

    paths: Annotated[tuple[Name, ...], Field(max_length=500)] = ()
    text: Annotated[str, Field(max_length=60_000)] | None = None


class LoginSent(Sent):
    token: Annotated[str, Field(max_length=200)]
