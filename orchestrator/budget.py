"""May this attempt start: yes with how much, wait, or stop, with the reason. Pure; refuses to give the same dollar to two attempts.

What is charged for an attempt, of dollars and of tokens each:

* while it runs or may still be reviewed, what was set aside for it, or what it has told if that is more;
* once it has told all, what it used; what of it nobody knows stays charged as it was set aside;
* one whose reviewer told nothing of its cost: all dollars that were set aside;
* one that ended before it told everything: what it told and one turn more, the largest that was seen of it, as long as that
  is less than what was set aside; one that told nothing: all that was set aside, but only what such an attempt may need if
  nobody can price its model, as its client may be one that never tells, or if its client gave up within BRIEF_S, before a
  second turn, however long its workspace and its checks took;
* one that a provider refused, or that never began: what it told, as refusals are not billed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from orchestrator.amounts import dollars
from orchestrator.history import History, Tried
from orchestrator.model import Failure, Limit, Limits, Outcome, PlanId, Reserve, TaskId, Usage

BRIEF_S = 5.0  # no client has an answer of its model and asks a second time within that
UNBILLED = {  # the provider refused it, or it never began
    Failure.RATE_LIMIT,
    Failure.QUOTA,
    Failure.OVERLOADED,
    Failure.SERVER,
    Failure.NETWORK,
    Failure.UNAVAILABLE,
    Failure.AUTH,
    Failure.MISSING,
    Failure.UNKNOWN_MODEL,
    Failure.WORKSPACE,
}
CENT = 1e-9  # sums of floats are compared with so much slack
UNSURE = 0.5  # of a tier that money alone has chosen: nobody has said that it is enough


@dataclass(frozen=True, slots=True)
class Money:
    """Dollars and tokens; inf is no limit."""

    usd: float = 0.0
    tokens: float = 0.0

    def __add__(self, other: Money) -> Money:
        return Money(self.usd + other.usd, self.tokens + other.tokens)

    def __sub__(self, other: Money) -> Money:
        return Money(self.usd - other.usd, self.tokens - other.tokens)

    def fits(self, room: Money) -> bool:
        """What asks for nothing of one kind needs no room of that kind."""
        dollars = self.usd <= 0 or self.usd <= room.usd + CENT
        return dollars and (self.tokens <= 0 or self.tokens <= room.tokens + CENT)

    def least(self, other: Money) -> Money:
        return Money(min(self.usd, other.usd), min(self.tokens, other.tokens))

    def most(self, other: Money) -> Money:
        return Money(max(self.usd, other.usd), max(self.tokens, other.tokens))


NOTHING, ENDLESS = Money(), Money(math.inf, math.inf)


def money(limit: Limit) -> Money:
    usd, tokens = limit.usd, limit.tokens
    return Money(math.inf if usd is None else usd, math.inf if tokens is None else tokens)


def of_plan(limits: Limits, own: Limit) -> Money:
    """The stricter of the settings' word and the plan's own, if nobody has asked for another instead."""
    found, other = money(limits.plan).least(money(own)), limits.instead
    return Money(
        found.usd if other.usd is None else other.usd or math.inf,
        found.tokens if other.tokens is None else other.tokens or math.inf,
    )


# --- what was charged -------------------------------------------------------------------------------


class Charge(NamedTuple):
    """`held` may be given to nobody else; `sure` of it is gone for good; `known` was used, as was told."""

    held: Money
    sure: Money
    known: Money

    def plus(self, other: Charge) -> Charge:
        return Charge(*(one + more for one, more in zip(self, other, strict=True)))


FREE = Charge(NOTHING, NOTHING, NOTHING)


def charge(tried: Tried) -> Charge:
    if not tried.route.asks_a_model:
        return FREE
    set_aside = Money(tried.reserve.usd, tried.reserve.tokens) if tried.reserve else NOTHING
    outcome = tried.latest
    told = (outcome.usage if outcome else None) or tried.so_far
    known = known_of(told)
    if tried.in_review and tried.outcome is None:
        known += known_of(tried.reviewing)
    if outcome is None or _may_cost_more(tried):
        return Charge(set_aside.most(known), known, known)
    if (outcome.failure in UNBILLED and not _had_worked(tried)) or _never_began(tried):
        return Charge(known, known, known)
    whole = outcome.usage is not None and not outcome.usage.lower_bound
    one_more = known + Money(*tried.leap)
    usd, tokens = (told.cost_usd, told.fresh_tokens) if told else (None, None)
    if _has_silent_review(tried):
        usd = None
    unseen = _unseen(tried, outcome, set_aside, usd, tokens)
    held = Money(
        _settle(usd, whole, unseen.usd, one_more.usd),
        _settle(tokens, whole, unseen.tokens, one_more.tokens),
    )
    return Charge(held, held, known)


def _unseen(
    tried: Tried, ended: Outcome, set_aside: Money, usd: float | None, tokens: int | None
) -> Money:
    """What stands for that which it did not tell."""
    own = tried.reserve or Reserve()
    least = own.unseen_usd, own.unseen_tokens
    client_s = tried.worked.duration_s if tried.worked else 0.0
    if ended.failure is Failure.EXIT and 0 < client_s < BRIEF_S and not (usd or tokens):
        least = own.brief_usd, own.brief_tokens
    return Money(
        set_aside.usd if usd or least[0] is None else least[0],
        set_aside.tokens if tokens or least[1] is None else least[1],
    )


def _settle(told: float | None, whole: bool, set_aside: float, one_more: float) -> float:
    if told is None:
        return set_aside
    if whole:
        return told
    return max(told, min(set_aside, one_more)) if told > 0 else set_aside


def known_of(usage: Usage | None) -> Money:
    return Money(usage.cost_usd or 0.0, usage.fresh_tokens or 0) if usage else NOTHING


def _may_cost_more(tried: Tried) -> bool:
    """Its reviewer is paid out of what was set aside for it."""
    open_yet = tried.outcome is None and tried.verified is None
    return open_yet and tried.reserve is not None and tried.reserve.with_review


def _has_silent_review(tried: Tried) -> bool:
    """A reviewer was asked, and nobody knows what it has cost: its client may be one that never tells."""
    told = tried.review.usage if tried.review else tried.reviewing
    was_asked = tried.in_review or tried.review is not None
    return was_asked and (told is None or told.cost_usd is None)


def _had_worked(tried: Tried) -> bool:
    """And only then git could not keep its work, or not land it: what is not known of its cost is no less unknown."""
    outcome, worked = tried.latest, tried.worked
    is_git = outcome is not None and outcome.failure is Failure.WORKSPACE
    return is_git and worked is not None and worked.failure not in UNBILLED


def _never_began(tried: Tried) -> bool:
    """It was stopped while its worktree was made."""
    return tried.base is not None and tried.begin is None and tried.worked is None


# --- what is left ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Room:
    """One limit, and what it was used for. `covers`: whose attempts stand under it, too."""

    name: str
    limit: Money
    held: Money
    sure: Money
    known: Money
    covers: Callable[[TaskId], bool]
    raising: tuple[str, str]  # what to do about it, in dollars and in tokens

    @property
    def free(self) -> Money:
        """To be given now."""
        return self.limit - self.held

    @property
    def left(self) -> Money:
        """To be given at most: if all that runs used no more than it has told by now."""
        return self.limit - self.sure


class Budget:
    """Of one run at one moment. `elsewhere`: what others used `since` the day began, an ISO time, and hold now."""

    def __init__(
        self,
        limits: Limits,
        history: History,
        plan_of: Callable[[TaskId], PlanId],
        tasks: Mapping[TaskId, Limit],
        plans: Mapping[PlanId, Limit],
        elsewhere: Charge = FREE,
        since: str = "",
    ) -> None:
        """`tasks` and `plans` have limits of their own."""
        self._limits, self._plan_of = limits, plan_of
        self._tasks, self._plans, self._elsewhere = tasks, plans, elsewhere
        self._since = datetime.fromisoformat(since) if since else None
        self._charges = [
            (task, tried, charge(tried))
            for task, past in history.tasks.items()
            for tried in past.tried
        ]

    def rooms(self, task: TaskId) -> list[Room]:
        """All limits that an attempt of this task stands under, the narrowest first."""
        plan, own = self._plan_of(task), self._tasks.get(task, Limit())
        is_wide = money(self._limits.task).tokens < money(own).tokens
        return [
            self._room(
                f"the task {task}",
                money(self._limits.task).least(money(own)),
                lambda one: one == task,
                ("budget.task_usd", "budget.task_tokens" if is_wide else "its <token-budget>"),
            ),
            self._room(
                f"the plan {plan}",
                of_plan(self._limits, self._plans.get(plan, Limit())),
                lambda one: self._plan_of(one) == plan,
                ("--plan-budget-usd", "--plan-budget-tokens"),
            ),
            self.run(),
            self.day(),
        ]

    def run(self) -> Room:
        return self._room(
            "this run", money(self._limits.run), _all, ("--budget-usd", "--budget-tokens")
        )

    def day(self) -> Room:
        """With what other runs used; of this one what ended before the day began is not of it."""
        raising = ("budget.day_usd", "budget.day_tokens")
        room = self._room("today", money(self._limits.day), _all, raising, self._since)
        held, sure, known = Charge(room.held, room.sure, room.known).plus(self._elsewhere)
        return Room(room.name, room.limit, held, sure, known, _all, raising)

    def _room(
        self,
        name: str,
        limit: Money,
        covers: Callable[[TaskId], bool],
        raising: tuple[str, str],
        since: datetime | None = None,
    ) -> Room:
        mine = [
            one for task, tried, one in self._charges if covers(task) and _is_after(tried, since)
        ]
        held, sure, known = (
            (sum(part, NOTHING) for part in zip(*mine, strict=True)) if mine else (NOTHING,) * 3
        )
        return Room(name, limit, held, sure, known, covers, raising)


def _all(_task: TaskId) -> bool:
    return True


def _is_after(tried: Tried, since: datetime | None) -> bool:
    if since is None or tried.finished_at is None:
        return True
    return datetime.fromisoformat(tried.finished_at) >= since


# --- may it start ------------------------------------------------------------------------------------


class Verdict(Enum):
    YES = auto()
    WAIT = auto()  # what runs may release enough
    STOP = auto()  # it never can


class Asked(NamedTuple):
    """An attempt that could start: the least that makes sense to give it, and the most."""

    task: TaskId
    need: Money
    want: Money
    why: str = ""  # where its dollars come from, if not from a price


class Admission(NamedTuple):
    """`amount` is set aside if it may start; inf where nothing limits it."""

    verdict: Verdict
    amount: Money = NOTHING
    reason: str = ""
    limit: str = ""
    raising: str = ""

    def put_off(self) -> Admission:
        """It cannot start, and what runs may change that."""
        told = self.reason.partition("; raise ")[0]
        return Admission(Verdict.WAIT, NOTHING, f"{told}: it waits for what runs", self.limit)


def admit(
    budget: Budget,
    asked: Asked,
    *,
    ahead: Sequence[Asked] = (),
    beside: Sequence[Asked] = (),
    rivals: int = 1,
) -> Admission:
    """`ahead` wait for money already, and what they need is theirs; `beside` could start, too, right after it, or once more.

    What is left over of each limit is shared with so many `rivals` as could still run at the same time: one long attempt
    does not keep all others waiting.
    """
    if asked.need == NOTHING:
        return Admission(Verdict.YES)
    amount, rooms = asked.want, budget.rooms(asked.task)
    for room in rooms:
        if not asked.need.fits(room.left):
            return _refusal(room, asked)
    for room in rooms:
        free = room.free - _needs(ahead, room)
        if not asked.need.fits(free):
            return _waiting(room, asked, free)
        alone = room.name.startswith("the task")
        spare = (free - asked.need - _needs(() if alone else beside, room)).most(NOTHING)
        share = 1 if alone else max(1, rivals)
        amount = amount.least(asked.need + Money(spare.usd / share, spare.tokens / share))
    return Admission(Verdict.YES, amount)


def _needs(others: Sequence[Asked], room: Room) -> Money:
    return sum((one.need for one in others if room.covers(one.task)), NOTHING)


def _refusal(room: Room, asked: Asked) -> Admission:
    usd = not Money(asked.need.usd).fits(room.left)
    raising = room.raising[0 if usd else 1]
    told = _told(room, asked, room.left, "left", usd)
    return Admission(Verdict.STOP, NOTHING, f"{told}; raise {raising}", room.name, raising)


def _waiting(room: Room, asked: Asked, free: Money) -> Admission:
    usd = not Money(asked.need.usd).fits(free)
    told = _told(room, asked, free, "neither used nor set aside", usd)
    told += ": it waits for what runs" + (" in all projects" if room.name == "today" else "")
    return Admission(Verdict.WAIT, NOTHING, told, room.name)


def _told(room: Room, asked: Asked, rest: Money, how: str, usd: bool) -> str:
    need, limit, some = _shown(usd, asked.need, room.limit, rest)
    need += f" ({asked.why})" if usd and asked.why else ""
    known = f"{room.name} may use {limit}, {some} of it is {how}"
    return f"{known}, and {asked.task} may need {need}"


def _shown(usd: bool, *amounts: Money) -> list[str]:
    return [
        dollars(max(0.0, round(one.usd, 6))) if usd else f"{max(0.0, one.tokens):,.0f} tokens"
        for one in amounts
    ]
