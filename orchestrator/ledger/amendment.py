"""A line that says of an attempt what turned out later: CI, a person or a later check knows better. Refuses to touch the line it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from orchestrator.ledger.line import VERSION, Entry, Line, in_utc
from orchestrator.model.learned import AMENDED

KIND: Literal["amendment"] = "amendment"
Identity = tuple[str, str, int]


class Amendment(Line):
    """`kind` is the first key of the line: a line of an attempt has none, and readers pass over kinds that they do not know."""

    kind: Literal["amendment"] = KIND
    run_id: str
    task_id: Annotated[str, Field(min_length=1)]
    attempt: Annotated[int, Field(ge=1)]
    outcome: Literal["success", "failed"]
    by: Annotated[str, Field(min_length=1)]
    note: str = ""
    timestamp: Annotated[str, AfterValidator(in_utc)]
    v: Annotated[int, Field(ge=1)] = VERSION

    @property
    def identity(self) -> Identity:
        return (self.run_id, self.task_id, self.attempt)


def latest(amendments: Iterable[Amendment]) -> dict[Identity, Amendment]:
    """Of several about one attempt the last one counts."""
    return {one.identity: one for one in amendments}


def changes(outcome: str, amendment: Amendment) -> Mapping[str, Any]:
    """What is otherwise than written, of a line with that outcome."""
    good = outcome != "failed"
    if good == (amendment.outcome == "success"):
        return {}
    return {"outcome": amendment.outcome, "failure": AMENDED if good else None}


def applied(each: Entry, amendment: Amendment | None) -> Entry:
    """As it counts now."""
    return each.model_copy(update=changes(each.outcome, amendment)) if amendment else each
