"""What a pattern may become, and how sure of it one may be. Refuses moves that skip a person, and knows no clock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from orchestrator.model.outloop import Occurrence, Pattern, PatternStatus

Z = 1.2816  # one-sided 90%
READ_ONLY = frozenset({"read", "search", "test", "build", "lint"})
# Below `verb:tool` these say only where: it is the same operation everywhere, and one script does it with the place as a word.
WHERE_ONLY = frozenset({"test", "build", "lint", "format"})
# What a model looks at and writes is its own work, and a failure is none: no script does these instead.
NO_SCRIPT = frozenset({"read", "search", "edit", "fail"})
AUTOMATIC = 90  # this sure, a pattern of these verbs may be used without a person's word, where settings allow it

_D, _C, _A = PatternStatus.DETECTED, PatternStatus.CANDIDATE, PatternStatus.APPROVED
_I, _U, _X = PatternStatus.IMPLEMENTED, PatternStatus.ACTIVE, PatternStatus.DEPRECATED
MOVES: Mapping[PatternStatus, frozenset[PatternStatus]] = MappingProxyType(
    {
        _D: frozenset({_C, _X}),
        _C: frozenset({_A, _X, _D}),
        _A: frozenset({_I, _X}),
        _I: frozenset({_U, _X}),
        _U: frozenset({_I, _X}),
        _X: frozenset({_D}),
    }
)


def may_become(now: PatternStatus, then: PatternStatus) -> bool:
    return then in MOVES[now]


def confidence(agreeing: int, seen: int) -> float:
    """0 to 100: the lower bound (Wilson, one-sided 90%) of the share that is the same operation with the same end."""
    return round(100 * wilson(agreeing, seen)[0], 1)


def same(one: Occurrence, signature: str) -> tuple[str, bool | None]:
    """What must be equal for two of a pattern to be the same operation with the same end."""
    is_same = verb(signature) in WHERE_ONLY
    return ("" if is_same else one.operation.signature, one.ok)


def verb(signature: str) -> str:
    return signature.partition(":")[0]


def wilson(successes: int, seen: int) -> tuple[float, float]:
    """Both one-sided 90% bounds of a share; (0, 1) where nothing was seen."""
    if not seen:
        return 0.0, 1.0
    share, square = successes / seen, Z * Z
    middle = share + square / (2 * seen)
    half = Z * math.sqrt(share * (1 - share) / seen + square / (4 * seen * seen))
    whole = 1 + square / seen
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def may_activate_itself(pattern: Pattern) -> bool:
    return verb(pattern.signature) in READ_ONLY and pattern.confidence >= AUTOMATIC
