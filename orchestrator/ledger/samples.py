"""The ledger as evidence for learning: a million lines one after the other, in bounded memory. Refuses to hold them all.

Most lines are as this version writes them. Of such a line, once its checksum fits, a pattern takes what is needed, and what
stands at its end, which is nearly the same in all lines, is parsed once for all of them. Any other line is parsed in full.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from orchestrator.ledger.amendment import Amendment, Identity, changes, latest
from orchestrator.ledger.line import VERSION, Entry, body, in_utc, is_sealed, own
from orchestrator.ledger.window import (
    FIRST_KEY,
    NAME,
    is_surely_older,
    is_whole,
    opened,
    refuse_damage,
    unreadable,
)
from orchestrator.model import Tier
from orchestrator.model.learned import Sample

BLOCK = 1 << 20
HEAD = re.compile(
    (
        rb'\{"task_id":TEXT,"complexity_estimated":(\d+),"model_routed":(?:"(\w+)"|null),"outcome":"(\w+)",'
        rb'"duration_seconds":NUMBER,"tokens_total":(?:\d+|null),"cost_usd":NUMBER,"model_version":(?:TEXT|null),'
        rb'"timestamp":TEXT,"v":VERSION,"attempt":(\d+),"run_id":TEXT,"project":"[^"\\]*","worker":TEXT,'
        rb'"provider":(?:TEXT|null),"route":\{"tier":(?:"\w+"|null),"confidence":[0-9.e+-]+,"reason":"(?:[^"\\]|\\.)*",'
        rb'"propensity":(?:[0-9.e+-]+|null),"strategy":(?:"[^"\\]*"|null),"model":(?:TEXT|null),'
    )
    .replace(b"TEXT", rb'"([^"\\]*)"')
    .replace(b"NUMBER", rb"(-?[0-9.e+-]+|null)")
    .replace(b"VERSION", b"%d" % VERSION)
)
TAIL = b',"lower_bound":'
TIERS = {None: None} | {tier.encode(): tier for tier in Tier}
OUTCOMES = {word.encode(): word for word in ("success", "partial", "failed")}
Judged = tuple[bool, str | None, float | None, str | None, str | None, str]
LEVELS = {str(level).encode(): level for level in range(1, 11)}


class Samples:
    """Attempts that ended from `since` on (ISO-8601 with its zone), as they count now.

    What was passed over is counted when it is at its end. Damage in older lines is not looked for: `check` does
    that. Of two lines of one attempt the first in the window counts.
    """

    def __init__(self, folder: Path, since: str) -> None:
        self._folder = folder
        self._since = datetime.fromisoformat(in_utc(since))
        self._second = in_utc(since)[:19].encode()
        self.others = 0  # lines that are not in the window, or not of an attempt
        self.damaged = self.repeated = 0

    def __iter__(self) -> Iterator[Sample]:
        now = _amendments(self._folder)
        seen = set[int]()  # of identities, only their hashes
        with opened(self._folder) as (lines, _):
            for line in lines:
                one = self._parse(line)
                if one is None:
                    continue
                before = len(seen)
                seen.add(hash(one.identity))
                if len(seen) == before:
                    self.repeated += 1
                elif now and (amendment := now.get(one.identity)):
                    yield one._replace(**changes(one.outcome, amendment))
                else:
                    yield one

    def _parse(self, line: bytes) -> Sample | None:
        if line.startswith(FIRST_KEY):
            if is_whole(line):
                self.others += 1
            else:
                self.damaged += 1
            return None
        if is_surely_older(line, self._second):
            self.others += 1
            return None
        try:
            one = read(line)
            moment = datetime.fromisoformat(one.timestamp)
            if moment >= self._since:
                return one
        except (ValueError, TypeError, RecursionError):
            self.damaged += 1
            return None
        self.others += 1
        return None


def read(line: bytes) -> Sample:
    """ValueError where it is damaged."""
    if not is_sealed(line):
        refuse_damage(line)
    elif (head := HEAD.match(line)) and (tail := line.rfind(TAIL)) > 0:
        try:
            return _read(head, body(line)[tail + 1 :])
        except (KeyError, ValueError, AttributeError):
            pass  # it has a word of a newer version
    return sample(Entry.model_validate_json(line))


def sample(one: Entry) -> Sample:
    values = {name: getattr(one, name) for name in Sample._fields if name != "asked"}
    return Sample(**{**values, "cost_usd": one.own_cost_usd, "asked": one.route.model})


def _read(head: re.Match[bytes], tail: bytes) -> Sample:
    task, level, tier, outcome, seconds, cost, model, stamp, attempt, run, *who = head.groups()
    worker, provider, asked = who
    judged, of_review = _tail(tail)
    return Sample(
        run.decode(),
        task.decode(),
        int(attempt),
        stamp.decode(),
        LEVELS[level],
        TIERS[tier],
        None if model is None else model.decode(),
        None if provider is None else provider.decode(),
        OUTCOMES[outcome],
        None if seconds == b"null" else float(seconds),
        own(None if cost == b"null" else float(cost), of_review),
        *judged,
        worker.decode(),
        None if asked is None else asked.decode(),
    )


@lru_cache(maxsize=1024)
def _tail(text: bytes) -> tuple[Judged, float | None]:
    """lower_bound and what comes behind it; and what a review of it has cost."""
    found = json.loads(b"{%s}" % text)
    of_review = (found.get("review") or {}).get("cost_usd")
    names = ("lower_bound", "verified", "verify_strength", "failure", "escalated_from", "origin")
    lower_bound, verified, strength, failure, escalated_from, origin = (found[n] for n in names)
    return (lower_bound, verified, strength, failure, escalated_from, origin), of_review


def _amendments(folder: Path) -> dict[Identity, Amendment]:
    """Found without reading the lines between: they are few, and each can be about any line before it."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            return latest(_found(file))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from error


def _found(file: BinaryIO) -> Iterator[Amendment]:
    while block := file.read(BLOCK) + file.readline():
        place = block.find(FIRST_KEY)
        while place >= 0:
            end = block.find(b"\n", place) + 1
            yield from _one(block[place:end])  # within a line it has no checksum that fits
            place = block.find(FIRST_KEY, max(place + 1, end))


def _one(line: bytes) -> Iterator[Amendment]:
    with suppress(ValueError, RecursionError):
        refuse_damage(line)
        yield Amendment.model_validate_json(line)
