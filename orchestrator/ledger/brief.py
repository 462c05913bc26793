"""The ledger's window as what a run looks at before it starts: a hundred thousand attempts in little time and memory. Refuses to take on trust what `read` would refuse.

A line that this version wrote is taken apart by one pattern, which holds each value to its type as `Entry` does; what
stands at its end is nearly the same in all lines, and is read once for all of them. Any other line is read in full.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from orchestrator.ledger.amendment import Amendment, Identity, changes, latest
from orchestrator.ledger.line import VERSION, Entry, Reviewed, is_sealed, own
from orchestrator.ledger.window import (
    FIRST_KEY,
    in_window,
    is_surely_older,
    opened,
    parse,
    refuse_damage,
)
from orchestrator.model import Tier, Verified

COUNT, SHARE = rb"(?:0|[1-9]\d*)", rb"(?:0|1|0\.\d+|1\.0|[1-9](?:\.\d+)?e-\d+)"
AMOUNT = rb"(?:(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?)"
WORDS = {
    b"COUNT": COUNT,
    b"AMOUNT": AMOUNT,
    b"SHARE": SHARE,
    b"TEXT": rb'"[^"\\\x00-\x1f]*"',
    b"SOME": rb'"[^"\\\x00-\x1f]+"',
    b"ANY": rb'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"',
    b"TIER": rb'"(?:haiku|sonnet|opus)"',
    b"STAMP": rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z"',
    b"VERSION": b"%d" % VERSION,
}
# A group for each value that is kept.
PATTERN = (
    rb'\{"task_id":(SOME),"complexity_estimated":([1-9]|10),"model_routed":(TIER|null),"outcome":"(success|partial|failed)",'
    rb'"duration_seconds":(AMOUNT|null),"tokens_total":(COUNT|null),"cost_usd":(AMOUNT|null),"model_version":(TEXT|null),'
    rb'"timestamp":(STAMP),"v":VERSION,"attempt":([1-9]\d*),"run_id":(TEXT),"project":(TEXT),"worker":(TEXT),'
    rb'"provider":(TEXT|null),"route":\{"tier":(?:TIER|null),"confidence":SHARE,"reason":ANY,"propensity":(?:SHARE|null),'
    rb'"strategy":(?:TEXT|null),"model":(TEXT|null),"estimated_tokens":(COUNT|null),"estimated_cost_usd":(AMOUNT|null),'
    rb'"estimated_duration_s":(AMOUNT|null)\},"tokens":\{"input":(COUNT|null),"output":(COUNT|null),'
    rb'"cache_read":(?:COUNT|null),"cache_write":(COUNT|null),"reasoning":(?:COUNT|null)\},(?="lower_bound":)'
)
HEAD = re.compile(re.sub(rb"[A-Z]{3,}", lambda found: WORDS[found[0]], PATTERN))
END = len(b',"checksum":"0123456789abcdef"}\n')


class Asked(NamedTuple):
    """Of a route, what estimates are measured by."""

    model: str | None
    estimated_tokens: int | None
    estimated_cost_usd: float | None
    estimated_duration_s: float | None


class Anew(NamedTuple):
    """Tokens that were read or written anew."""

    input: int | None
    output: int | None
    cache_write: int | None


class Brief(NamedTuple):
    """Of one attempt what is needed, under the names that an Entry has for it."""

    task_id: str
    complexity_estimated: int
    model_routed: Tier | None
    outcome: str
    duration_seconds: float | None
    tokens_total: int | None
    cost_usd: float | None
    model_version: str | None
    timestamp: str
    attempt: int
    run_id: str
    project: str
    worker: str
    provider: str | None
    route: Asked
    tokens: Anew
    lower_bound: bool
    verified: Verified | None
    verify_strength: float | None
    failure: str | None
    check_strength: float | None
    task_type: str
    origin: str
    review: Reviewed | None

    @property
    def own_cost_usd(self) -> float | None:
        return self.cost_usd if self.review is None else own(self.cost_usd, self.review.cost_usd)

    @property
    def identity(self) -> Identity:
        return (self.run_id, self.task_id, self.attempt)


Attempted = Entry | Brief  # who asks what became of attempts takes either


class Briefs(NamedTuple):
    """What `read` would say of the same window, as far as a run asks."""

    entries: Sequence[Brief] = ()
    amendments: Sequence[Amendment] = ()
    false_accepts: frozenset[Identity] = frozenset()
    false_rejects: frozenset[Identity] = frozenset()


def skim(folder: Path, since: str) -> Briefs:
    """Attempts that ended from `since` on, as they count now; of two lines of one attempt the first. Damage is passed over."""
    start, second = in_window(since)
    begins = datetime.fromisoformat(start)
    found, amendments = dict[Identity, Brief](), list[Amendment]()
    with opened(folder) as (lines, _):
        for line in lines:
            if is_surely_older(line, second) and not line.startswith(FIRST_KEY):
                continue
            one = _of(line)
            if isinstance(one, Amendment):
                amendments.append(one)
            elif one is not None:
                found.setdefault(one.identity, one)
    now = latest(amendments)
    entries, turned = list[Brief](), dict[Identity, str]()
    for key, one in found.items():
        if datetime.fromisoformat(one.timestamp) < begins:
            continue
        update = changes(one.outcome, now[key]) if key in now else {}
        if update:
            turned[key] = update["outcome"]
        entries.append(one._replace(**update) if update else one)
    return Briefs(
        entries,
        amendments,
        frozenset(key for key, to in turned.items() if to == "failed"),
        frozenset(key for key, to in turned.items() if to == "success"),
    )


def _of(line: bytes) -> Brief | Amendment | None:
    """None of damage, and of what is none of ours."""
    try:
        if not is_sealed(line):
            refuse_damage(line)
        elif (head := HEAD.match(line)) and (one := _taken_apart(head, line)):
            return one
        whole = parse(line)
    except (ValueError, RecursionError):
        return None
    return brief(whole) if isinstance(whole, Entry) else whole


def brief(one: Entry) -> Brief:
    values = {name: getattr(one, name) for name in Brief._fields}
    route = Asked(*(getattr(one.route, name) for name in Asked._fields))
    return Brief(
        **{
            **values,
            "route": route,
            "tokens": Anew(*(getattr(one.tokens, name) for name in Anew._fields)),
        }
    )


NO = b"null"


def _taken_apart(head: re.Match[bytes], line: bytes) -> Brief | None:
    """None where something of it is not as it looks: then it is read in full, which says what is wrong."""
    with suppress(ValueError):
        if not line.isascii():
            line.decode()
        return _read(head, line[head.end() : -END])
    return None


def _read(head: re.Match[bytes], tail: bytes) -> Brief:
    task, level, tier, outcome, seconds, total, cost, version, stamp, attempt, *rest = head.groups()
    run, project, worker, provider, asked, tokens, usd, duration, read, written, cached = rest
    return Brief(
        _word(task),
        int(level),
        None if tier == NO else Tier(_word(tier)),
        _word(outcome),
        None if seconds == NO else _amount(seconds),
        None if total == NO else int(total),
        None if cost == NO else _amount(cost),
        None if version == NO else _word(version),
        _moment(stamp),
        int(attempt),
        _word(run),
        _word(project),
        _word(worker),
        None if provider == NO else _word(provider),
        _asked(asked, tokens, usd, duration),
        Anew(
            None if read == NO else int(read),
            None if written == NO else int(written),
            None if cached == NO else int(cached),
        ),
        *_tail(tail),
    )


@lru_cache(maxsize=4096)
def _word(text: bytes) -> str:
    """Many attempts share it."""
    return intern(text.strip(b'"').decode())


def _amount(text: bytes) -> float:
    found = float(text)
    if found == math.inf:
        raise ValueError("is too large")
    return found


def _moment(text: bytes) -> str:
    found = text[1:-1].decode()
    datetime.fromisoformat(found)
    if found.endswith(".000000Z"):  # `read` writes it without
        raise ValueError("is in another form")
    return found


@lru_cache(maxsize=4096)
def _asked(model: bytes, tokens: bytes, usd: bytes, duration: bytes) -> Asked:
    return Asked(
        None if model == NO else _word(model),
        None if tokens == NO else int(tokens),
        None if usd == NO else _amount(usd),
        None if duration == NO else _amount(duration),
    )


TAIL = (
    ("lower_bound", "verified", "verify_strength", "failure"),
    ("check_strength", "task_type", "origin", "review"),
)


@lru_cache(maxsize=4096)
def _tail(text: bytes) -> tuple[Any, ...]:
    """What stands behind the tokens, held to its types by an Entry with nothing else in it."""
    whole = Entry.model_validate_json(b"%s%s}" % (BEFORE, text))
    return tuple(getattr(whole, name) for names in TAIL for name in names)


_NOTHING = {
    **dict.fromkeys(("model_routed", "duration_seconds", "tokens_total", "cost_usd")),
    **dict.fromkeys(("model_version", "provider")),
    **dict.fromkeys(("run_id", "project", "worker", "checksum"), ""),
    **{"task_id": "x", "complexity_estimated": 1, "outcome": "success", "v": VERSION, "attempt": 1},
    "timestamp": "2026-01-01T00:00:00Z",
    "route": {"tier": None, "confidence": 1, "reason": "", "propensity": None},
    "tokens": dict.fromkeys(("input", "output", "cache_read", "cache_write", "reasoning")),
}
BEFORE = json.dumps(_NOTHING)[:-1].encode() + b","
