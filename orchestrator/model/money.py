"""Limits of money and what is set aside under them: dollars and tokens side by side. Frozen values; None is no limit."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0)]


class Money(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limit(Money):
    """The stricter of the two wins. `tokens` are what is read and written anew: without reads from a cache."""

    usd: Dollars | None = None
    tokens: Tokens | None = None

    @property
    def is_none(self) -> bool:
        return self.usd is None and self.tokens is None


class Limits(Money):
    """Of every task, every plan, the run, and all runs of the user on one day."""

    task: Limit = Limit()
    plan: Limit = Limit()
    run: Limit = Limit()
    day: Limit = Limit()
    instead: Limit = Limit()  # of each plan, in place of its own and of `plan`; 0: no limit


class Cap(StrEnum):
    """What a cap of one attempt is of."""

    ROUTE = "route"  # the sum after which the next try takes over
    ATTEMPT = "attempt"  # all that the settings give to one attempt
    SHARE = "share"  # what a wider budget had for it: reaching it says nothing of the model


class Reserve(Money):
    """What is set aside for one attempt before it starts, and the caps that it is handed."""

    usd: Dollars = 0.0
    tokens: Tokens = 0
    max_usd: Dollars | None = None
    max_tokens: Tokens | None = None
    usd_cap: Cap | None = None  # of `max_usd`; None: there is none, or it was recorded before this
    tokens_cap: Cap | None = None
    unseen_usd: Dollars | None = None  # charged where it tells none: nobody can price its model
    unseen_tokens: Tokens | None = None
    brief_usd: Dollars | None = None  # charged where it gave up at once and told nothing
    brief_tokens: Tokens | None = None
    with_review: bool = False  # a second worker is paid from it, after the first


class Shortage(Money):
    """That money kept a try from starting: it waits, or it `stops`, as no release could be enough."""

    stops: bool
    reason: str
    limit: str = ""  # which one, in words
    raising: str = ""  # the option, the setting or the word of the plan that raises it
