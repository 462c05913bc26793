"""Limits of money and what is set aside under them: dollars and tokens side by side. Frozen values; None is no limit."""

from __future__ import annotations

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


class Reserve(Money):
    """What is set aside for one attempt before it starts, and the caps that it is handed."""

    usd: Dollars = 0.0
    tokens: Tokens = 0
    max_usd: Dollars | None = None
    max_tokens: Tokens | None = None
    unseen_tokens: Tokens | None = (
        None  # charged in place of `tokens` where it tells none: nobody can price its model
    )


class Shortage(Money):
    """That money kept a try from starting: it waits, or it `stops`, as no release could be enough."""

    stops: bool
    reason: str
