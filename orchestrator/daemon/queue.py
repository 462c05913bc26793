"""Which plans of the folder run now, and why the others wait. Pure; refuses a plan that is half written, done, not trusted, or run already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.model import Diagnostic, RunId
from orchestrator.views.house import State


@dataclass(frozen=True, slots=True)
class Found:
    """A plan file as it lies there. Times are Unix seconds."""

    path: str  # below the root
    sha256: str | None  # None: it changed while it was read
    changed_at: float  # when it was last seen to change, by this daemon
    phase: str  # the folder whose plans are one graph
    priority: int = 0
    not_before: float = 0.0
    errors: tuple[Diagnostic, ...] = ()
    doubts: str = ""  # its warnings in a person's words
    is_over: bool = False  # a SUMMARY stands beside it
    is_superseded: bool = False
    due: str = ""  # `not_before` in a person's words
    since: float = 0.0  # when it was really changed, or put there; the next daemon says the same


STEP_S = 3600.0  # a plan that is queued so long counts as one step more urgent: none waits for ever


class Revision(NamedTuple):
    """A text of a plan that a run has taken."""

    run: RunId
    sha256: str


class Refusal(NamedTuple):
    """Why a run of this plan could not begin."""

    why: str
    waits: bool  # for another plan; nothing is wrong with it
    until: float = 0.0  # Unix seconds: then it is tried again
    sha256: str = ""
    asks_usd: float = 0.0  # a person must say that it may cost so much


@dataclass(frozen=True, slots=True)
class Known:
    """What was before, and what the people said."""

    revisions: Mapping[str, Sequence[Revision]]  # path -> oldest first
    live: Collection[RunId]
    trusted: Collection[str]  # sha256
    trusts_all: bool = False
    asked: Collection[str] = ()  # paths that a person wants once more
    refused: Mapping[str, Refusal] = field(default_factory=dict)  # by path
    approved: Mapping[str, float] = field(default_factory=dict)  # sha256 -> dollars
    throttled: str = ""  # why plans with a priority below 0 wait; "": they need not
    queued: Mapping[str, float] = field(default_factory=dict)  # path -> since when, Unix seconds


class Standing(NamedTuple):
    """Of one plan that waits."""

    found: Found
    state: State
    why: str
    run: RunId | None = None  # that works on it, or on the text before
    asks_usd: float = 0.0


class Group(NamedTuple):
    """Plans that run as one graph."""

    paths: tuple[str, ...]
    priority: int


class Decision(NamedTuple):
    waiting: tuple[Standing, ...]
    starts: tuple[Group, ...]
    renamed: tuple[tuple[str, Revision], ...] = ()  # what a run has had under a name that is gone

    def queued(self, before: Mapping[str, float], now: float) -> dict[str, float]:
        """Since when each of the plans that could run waits for a place."""
        paths = (one.found.path for one in self.waiting if one.state == "queued")
        return {path: before.get(path, now) for path in paths}


def decide(
    plans: Sequence[Found], known: Known, *, now: float, settle_s: float, places: int
) -> Decision:
    """`places`: how many runs may begin now."""
    moved = _moved(plans, known)
    stands = [one for plan in plans if (one := _stand(plan, known, moved, now, settle_s))]
    groups = _groups([one.found for one in stands if one.state == "queued"])
    growing = {one.found.phase for one in stands if one.state == "arriving"}
    ready = sorted(
        (key for key in groups if key[0] not in growing),
        key=lambda key: (
            -_urgency(key[1], groups[key], known.queued, now),
            min(plan.changed_at for plan in groups[key]),
        ),
    )
    chosen = ready[: max(0, places)]
    starts = tuple(Group(tuple(plan.path for plan in groups[key]), key[1]) for key in chosen)
    begun = {path for group in starts for path in group.paths}
    waiting = (_queued(one, growing) for one in stands if one.found.path not in begun)
    return Decision(tuple(waiting), starts, tuple(_renamed(plans, known, moved)))


def _urgency(priority: int, plans: Sequence[Found], queued: Mapping[str, float], now: float) -> int:
    """Its priority, and a step for each STEP_S that one of them has waited."""
    since = min(queued.get(plan.path, now) for plan in plans)
    return priority + int(max(0.0, now - since) // STEP_S)


def _groups(plans: Sequence[Found]) -> dict[tuple[str, int], list[Found]]:
    groups = defaultdict[tuple[str, int], list[Found]](list)
    for plan in plans:
        groups[plan.phase, plan.priority].append(plan)
    return groups


def _queued(one: Standing, growing: Collection[str]) -> Standing:
    if one.state != "queued":
        return one
    if one.found.phase in growing:
        return one._replace(why=f"other plans in {one.found.phase} are still being written")
    return one._replace(why="as many runs go on as may")


def _moved(plans: Sequence[Found], known: Known) -> dict[str, Revision]:
    """Texts that a run has taken from a file that is gone: under a new name it is the same plan."""
    here = {plan.path for plan in plans}
    return {
        one.sha256: one
        for path, every in known.revisions.items()
        if path not in here
        for one in every[-1:]
    }


def _renamed(
    plans: Sequence[Found], known: Known, moved: Mapping[str, Revision]
) -> Iterator[tuple[str, Revision]]:
    for plan in plans:
        last = None if known.revisions.get(plan.path) else moved.get(plan.sha256 or "")
        if last is not None and last.run not in known.live and plan.path not in known.asked:
            yield plan.path, last


def _stand(
    plan: Found, known: Known, moved: Mapping[str, Revision], now: float, settle_s: float
) -> Standing | None:
    """None: there is nothing to wait for."""
    past = known.revisions.get(plan.path, ())
    last = past[-1] if past else moved.get(plan.sha256 or "")
    wanted = plan.path in known.asked
    if last is not None and last.run in known.live:
        if last.sha256 == plan.sha256:
            return Standing(plan, "running", f"run {last.run} works on it", last.run)
        return _behind(plan, known, last.run, is_whole=_is_whole(plan, now, settle_s))
    is_done = plan.is_over if last is None else last.sha256 == plan.sha256
    if (is_done or plan.is_superseded) and not wanted:
        return None  # a SUMMARY is of the text before, where there was one
    run = last.run if last else None
    if not _is_whole(plan, now, settle_s):
        return Standing(plan, "arriving", "it is being written", run)
    if plan.errors:
        first = plan.errors[0]
        more = f" (and {len(plan.errors) - 1} more)" if plan.errors[1:] else ""
        why = f"{first.file}:{first.line}:{first.column}: {first.message}{more}"
        return Standing(plan, "broken", why, run)
    if not _is_trusted(plan, known):
        why = "nobody has said yet that this text may run: orchestrator trust, or on its page"
        why += f"; it has {plan.doubts}" if plan.doubts else ""
        return Standing(plan, "untrusted", why, run)
    if plan.not_before > now:
        return Standing(plan, "later", f"its not-before has not come yet: {plan.due}", run)
    if known.throttled and plan.priority < 0:
        return Standing(plan, "later", known.throttled, run)
    refusal = known.refused.get(plan.path)
    if refusal is not None and _holds(refusal, plan, known, now):
        state: State = "behind" if refusal.waits else "broken"
        state = "unapproved" if refusal.asks_usd else state
        return Standing(plan, state, refusal.why, run, refusal.asks_usd)
    return Standing(plan, "queued", "", run)


def _holds(refusal: Refusal, plan: Found, known: Known, now: float) -> bool:
    """A word on its cost ends it at once."""
    given = known.approved.get(plan.sha256 or "", 0.0)
    is_heard = 0 < refusal.asks_usd <= given
    return refusal.sha256 == plan.sha256 and refusal.until > now and not is_heard


def _behind(plan: Found, known: Known, run: RunId, *, is_whole: bool) -> Standing:
    """A person can read and trust it meanwhile, so that it need not wait for them afterwards."""
    why = f"run {run} works on the text before this one; this one starts after it"
    if not is_whole or plan.errors or _is_trusted(plan, known):
        return Standing(plan, "behind", why, run)
    why += ", once somebody has said that it may run: orchestrator trust, or on its page"
    return Standing(plan, "untrusted", why, run)


def _is_trusted(plan: Found, known: Known) -> bool:
    return known.trusts_all or plan.sha256 in known.trusted


def _is_whole(plan: Found, now: float, settle_s: float) -> bool:
    """Clocks are set back, too."""
    return plan.sha256 is not None and abs(now - plan.changed_at) >= settle_s
