"""What follows from each failure of an attempt. Refuses to leave one out: a failure that is not in the table is our bug."""

from __future__ import annotations

from enum import Enum, auto

from orchestrator.model import Failure


class Reaction(Enum):
    """What follows from a failure."""

    NEXT_TRY = auto()  # the next place on the ladder
    NEXT_RUNG = auto()  # the next stronger tier, never the same again
    ONCE_MORE = auto()  # the same try, on a new base; the second time it fails
    SAME_TRY = auto()  # nobody's fault: no try is spent
    FAIL = auto()  # another try would end the same way
    STOP = auto()  # no task can go on: an operator must act


REACTIONS = {
    Failure.VERIFY: Reaction.NEXT_TRY,
    Failure.INCONCLUSIVE: Reaction.NEXT_TRY,
    Failure.EXIT: Reaction.NEXT_TRY,
    Failure.TIMEOUT: Reaction.NEXT_TRY,
    Failure.STALLED: Reaction.NEXT_TRY,
    Failure.NO_RESULT: Reaction.NEXT_TRY,
    Failure.KILLED: Reaction.NEXT_TRY,
    Failure.MAX_TURNS: Reaction.NEXT_TRY,
    Failure.BUDGET: Reaction.NEXT_RUNG,  # the same model under the same cap would come no farther
    Failure.SHORTAGE: Reaction.SAME_TRY,  # as soon as its budget has more room than it had
    Failure.DENIED: Reaction.NEXT_TRY,
    Failure.SCOPE: Reaction.NEXT_TRY,
    Failure.SECRET: Reaction.NEXT_TRY,
    Failure.CONFLICT: Reaction.ONCE_MORE,
    Failure.CONTEXT: Reaction.NEXT_RUNG,
    Failure.REFUSED: Reaction.NEXT_RUNG,
    Failure.INTERRUPTED: Reaction.SAME_TRY,
    Failure.RATE_LIMIT: Reaction.SAME_TRY,  # behind a closed gate; gates.py says when it is too long
    Failure.QUOTA: Reaction.SAME_TRY,
    Failure.OVERLOADED: Reaction.SAME_TRY,
    Failure.SERVER: Reaction.SAME_TRY,
    Failure.NETWORK: Reaction.SAME_TRY,
    Failure.UNAVAILABLE: Reaction.FAIL,
    Failure.REJECTED: Reaction.FAIL,
    Failure.WORKSPACE: Reaction.FAIL,
    Failure.AUTH: Reaction.STOP,
    Failure.MISSING: Reaction.STOP,
    Failure.UNKNOWN_MODEL: Reaction.STOP,
}
OF_MODELS = {Reaction.NEXT_RUNG, Reaction.ONCE_MORE, Reaction.STOP}  # a tool is only followed
