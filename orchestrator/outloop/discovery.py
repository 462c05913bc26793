"""Patterns that are worth a script -> candidates, and what a person makes of them. Refuses to use a tool that no person approved, but for what settings allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from orchestrator.amounts import cost
from orchestrator.errors import UsageError
from orchestrator.model.outloop import Occurrence, Pattern, PatternStatus, Tool, ToolStatus
from orchestrator.outloop import matching, patterns, toolbox
from orchestrator.outloop.store import Store

OURSELVES = "patterns.auto_activate"  # who decided, where no person did
NEW = (PatternStatus.DETECTED, PatternStatus.CANDIDATE)
DECIDED = frozenset(PatternStatus) - set(NEW)
IN_USE = (PatternStatus.APPROVED, PatternStatus.IMPLEMENTED, PatternStatus.ACTIVE)


class Thresholds(NamedTuple):
    """Each is enough when it is reached."""

    occurrences: int
    confidence: float
    monthly_usd: float


class Figures(NamedTuple):
    """Of what its more specific patterns leave."""

    occurrences: int
    confidence: float
    monthly_usd: float

    def reach(self, least: Thresholds) -> bool:
        return all(mine >= wanted for mine, wanted in zip(self, least, strict=True))


def choose(book: Store, least: Thresholds, since: str) -> list[str]:
    """Signatures that are worth a script; nothing is written. `since`: a month ago, ISO-8601 UTC.

    The most specific pattern that reaches the thresholds is one, and its parent only if it reaches them with the rest. What
    a person has decided is settled, with all that is below it.
    """
    every, monthly = book.patterns(), book.monthly(since)
    taken = {one.signature for one in every if one.status in DECIDED}
    found = []
    for one in sorted(every, key=lambda one: (-one.signature.count(":"), one.signature)):
        if _is_open(one, monthly.get(one.id, 0.0), least):
            own = [each for each in book.occurrences(one.id) if not _is_covered(each, taken)]
            if figures(one, own, since).reach(least):
                taken.add(one.signature)
                found.append(one.signature)
    return found


def nominate(book: Store, chosen: Iterable[str], since: str) -> list[Pattern]:
    """All of them that are candidates now, the one that would save most first."""
    book.foresee(since)
    wanted = set(chosen)
    for one in book.patterns():
        if one.status in DECIDED:
            _settle(book, one)  # also what was decided before its children were known
    for one in book.patterns():
        if one.signature in wanted and one.status is PatternStatus.DETECTED:
            book.move(one.signature, PatternStatus.CANDIDATE, "", _why(one))
    found = (one for one in book.patterns() if one.signature in wanted)
    return [one for one in found if one.status is PatternStatus.CANDIDATE]


def figures(pattern: Pattern, seen: Sequence[Occurrence], since: str) -> Figures:
    """As the store counts them, but that what mostly fails is sure to be nothing for a script."""
    alike = Counter(patterns.same(one, pattern.signature) for one in seen if one.ok is not False)
    less = pattern.tool_cost_usd or 0.0
    recent = [one.cost_usd - less for one in seen if one.cost_usd is not None and one.at >= since]
    confidence = patterns.confidence(max(alike.values(), default=0), len(seen))
    return Figures(len({one.workflow for one in seen}), confidence, max(0.0, round(sum(recent), 6)))


def approve(book: Store, name: str, by: str) -> Pattern:
    """A person's word, also on one that is no candidate, or was rejected. Where a tool does it, it is in use at once."""
    found = book.find(name)
    if found.status is PatternStatus.IMPLEMENTED and found.tool:
        off = next((one for one in toolbox.known(book) if one.name == found.tool), None)
        why = f": {off.why}" if off and off.why else ""
        text = f"{found.signature} is approved already, and its tool {found.tool} is disabled{why}"
        raise UsageError(f"{text}. Next: orchestrator tools enable {found.tool}")
    if found.status in IN_USE:
        text = f"{found.signature} is {found.status} already"
        step = f"orchestrator patterns propose {found.signature}"
        waits = f", and waits for a tool. Next: {step}" if found.tool is None else ""
        raise UsageError(f"{text}{waits}")
    refuse_unscriptable(found)
    way = (PatternStatus.DEPRECATED, *NEW, PatternStatus.APPROVED)
    for step in way[way.index(found.status) + 1 :]:
        found = book.move(found.signature, step, by)
    _settle(book, found)
    return serve(book, found, by)


def refuse_unscriptable(pattern: Pattern) -> None:
    """UsageError for what is a model's own work, or none."""
    verb = patterns.verb(pattern.signature)
    if verb == "fail":
        raise UsageError(f"{pattern.signature} is a failure: there is nothing that a tool could do")
    if verb in patterns.NO_SCRIPT:
        what = "writes" if verb == "edit" else "looks at"
        text = f"{pattern.signature} is no work for a tool: what a model {what} is its own work"
        raise UsageError(f"{text}. Next: orchestrator patterns analyze finds what could be one")


def _settle(book: Store, decided: Pattern) -> None:
    """What is below it waits for no word any more; it can still be approved by name."""
    below = f"{decided.signature}:"
    for one in book.patterns():
        if one.signature.startswith(below) and one.status is PatternStatus.CANDIDATE:
            why = f"decided with {decided.signature}"
            book.move(one.signature, PatternStatus.DETECTED, "", why)


def reject(book: Store, name: str, by: str, why: str = "") -> Pattern:
    """It is suggested no more."""
    found = book.find(name)
    if found.status in (PatternStatus.IMPLEMENTED, PatternStatus.ACTIVE):
        step = f"orchestrator patterns deprecate {found.signature}"
        raise UsageError(f"{found.signature} is {found.status}. Next: {step} ends that")
    return deprecate(book, name, by, why or "rejected")


def deprecate(book: Store, name: str, by: str, why: str = "") -> Pattern:
    """No tool does it, and nobody is asked whether one should."""
    found = book.find(name)
    if found.status is PatternStatus.DEPRECATED:
        ended = "deprecated" if found.tool else "rejected"
        said = f": {found.why}" if found.why not in ("", ended) else ""
        step = f"orchestrator patterns approve {found.signature} takes that back"
        raise UsageError(f"{found.signature} is {ended} already{said}. Next: {step}")
    moved = book.move(found.signature, PatternStatus.DEPRECATED, by, why or "deprecated")
    _settle(book, moved)
    return moved


def ended(pattern: Pattern, was: PatternStatus) -> str:
    """What that means for tasks."""
    means = "a model does it again" if was is PatternStatus.ACTIVE else "it is suggested no more"
    return f"{pattern.signature} is deprecated: {means}"


def serve_waiting(book: Store) -> list[Pattern]:
    """What a person approved before there was a tool for it, and is in use now."""
    waiting = [one for one in book.patterns() if one.status is PatternStatus.APPROVED]
    served = [serve(book, one, one.decided_by or "") for one in waiting]
    return [one for one in served if one.status is PatternStatus.ACTIVE]


def serve(book: Store, pattern: Pattern, by: str) -> Pattern:
    """One that is approved, with the tool that does it; as it is where there is none that is enabled."""
    tool = served_by(book, pattern)
    if pattern.status is not PatternStatus.APPROVED or tool is None:
        return pattern
    toolbox.register(book)
    why = f"{pattern.why}; done by {tool.name}" if pattern.why else f"done by {tool.name}"
    book.move(pattern.signature, PatternStatus.IMPLEMENTED, by, why, tool.name)
    return book.move(pattern.signature, PatternStatus.ACTIVE, by, why)


def served_by(book: Store, pattern: Pattern) -> Tool | None:
    tools = (one for one in toolbox.known(book) if one.status is ToolStatus.ENABLED)
    return matching.serving(pattern.signature, tools)


def activate_themselves(book: Store, candidates: Iterable[Pattern]) -> list[Pattern]:
    """Those that only read, test or build, and are sure enough, where a tool does them. For who has allowed it."""
    return list(_activated(book, candidates))


def _activated(book: Store, candidates: Iterable[Pattern]) -> Iterator[Pattern]:
    for one in candidates:
        if patterns.may_activate_itself(one) and served_by(book, one):
            moved = book.move(one.signature, PatternStatus.APPROVED, OURSELVES, _why(one))
            yield serve(book, moved, OURSELVES)


def _is_open(one: Pattern, monthly_usd: float, least: Thresholds) -> bool:
    """The rest of it can have no more than all of it."""
    enough = one.occurrences >= least.occurrences and monthly_usd >= least.monthly_usd
    return one.status in NEW and enough and patterns.verb(one.signature) not in patterns.NO_SCRIPT


def _is_covered(one: Occurrence, taken: Iterable[str]) -> bool:
    return any(level in taken for level in one.operation.levels)


def _why(one: Pattern) -> str:
    return f"seen {one.occurrences} times, {one.confidence:.0f} of 100 sure, {cost(one.monthly_usd)} in the last 30 days"
