"""What learning reads and what it says: one attempt as evidence, and one rule. Refuses to blame a model for what others did."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field

from orchestrator.model.plan import Noun, Tier
from orchestrator.model.work import Failure

LIVE, RETROACTIVE = "live", "retroactive"
AMENDED = "amended"  # the failure of an attempt whose pass was taken back later

# The model had its turn, and this is what came of it. All else is of providers, machines, or people who stopped us.
OF_THE_MODEL: frozenset[str] = frozenset(
    {
        *(Failure.VERIFY, Failure.EXIT, Failure.TIMEOUT, Failure.STALLED, Failure.NO_RESULT),
        *(Failure.MAX_TURNS, Failure.BUDGET, Failure.CONTEXT, Failure.REFUSED, Failure.REJECTED),
        *(Failure.SCOPE, Failure.SECRET, AMENDED),
    }
)

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]


class Sample(NamedTuple):
    """Of a line of the ledger, what learning looks at; made a million times, so it is small."""

    run_id: str
    task_id: str
    attempt: int
    timestamp: str
    complexity_estimated: int
    model_routed: Tier | None
    model_version: str | None
    provider: str | None
    outcome: str  # success, partial, failed
    duration_seconds: float | None
    cost_usd: float | None
    lower_bound: bool
    verified: str | None
    verify_strength: float | None
    failure: str | None
    escalated_from: str | None
    origin: str
    worker: str
    asked: str | None  # the name that its worker was given; `model_version` is what answered

    @property
    def identity(self) -> tuple[str, str, int]:
        return self[:3]


class Rule(Noun):
    """Of tasks of one complexity: this tier is as good as the usual one, and costs less."""

    complexity: Annotated[int, Field(ge=1, le=10)]
    tier: Tier
    confidence: Share
    reason: str
    success_rate: Share
    sample_size: Annotated[int, Field(ge=0)]
    adopt: bool  # sure enough to take the place of the usual tier without a verified escalation behind it
    model_id: str | None = None  # what the evidence is of
    avg_cost_usd: Amount | None = None
    avg_duration_s: Amount | None = None
