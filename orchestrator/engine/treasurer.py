"""Sets money aside before an attempt starts, and records who waits or is refused for want of it; budget.py decides, nobody is ended here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator import budget, clock, estimates, prices
from orchestrator.budget import NOTHING, Asked, Budget, Money, Offer, Verdict
from orchestrator.engine.crew import Crew
from orchestrator.engine.order import Order
from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import (
    Event,
    EventKind,
    Limit,
    Limits,
    PlanId,
    Reserve,
    Route,
    Strategy,
    Task,
    TaskId,
    TaskState,
    Tier,
    Usage,
)
from orchestrator.settings import Settings
from orchestrator.tracker import Start, Tracker
from orchestrator.workers import booking

OVER = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED)
Elsewhere = Callable[[str, float], Usage]  # since an ISO time; what counts where a cost is unknown


class Treasurer:
    """Of one run. `record` writes an event of the run; `elsewhere` looks into the ledger."""

    def __init__(
        self,
        graph: TaskGraph,
        tracker: Tracker,
        history: History,
        crew: Crew,
        order: Order,
        record: Callable[..., Event],
        elsewhere: Elsewhere,
        wall: Callable[[], float] = clock.wall,
    ) -> None:
        self._graph, self._tracker, self._history = graph, tracker, history
        self._crew, self._order, self._record = crew, order, record
        self._elsewhere, self._wall = elsewhere, wall
        self.limits = limits(crew.settings, order)

    @property
    def told(self) -> Mapping[str, Any]:
        """For the first event of an engine; and what was asked for on the command line, which a resumed run remembers."""
        since, elsewhere = self._today()
        asked = {"budget_usd": self._order.budget_usd, "budget_tokens": self._order.budget_tokens}
        today = {"since": since, "usd": elsewhere.usd, "tokens": elsewhere.tokens}
        given = {"limits": self.limits.model_dump(), "elsewhere": today, "asked": asked}
        return {"budget": given}

    def next(self) -> tuple[Start, Reserve | None] | None:
        """The most urgent attempt that may start now, with what is set aside for it. It is asked for until None comes."""
        ahead: list[Asked] = []
        while starts := self._tracker.ready({one.task for one in ahead}):
            start = self._cheapened(starts[0])
            if not start.route.asks_a_model:
                return start, None
            asked = self._asked(start)
            beside = [self._asked(one) for one in starts[1:] if one.route.asks_a_model]
            rivals = self._rivals(start.task.id)
            answer = budget.admit(self.now(), asked, ahead=ahead, beside=beside, rivals=rivals)
            if answer.verdict is Verdict.YES:
                return start, self._reserve(start, asked, answer.amount)
            self._tell(start, answer.reason, stops=answer.verdict is Verdict.STOP)
            if answer.verdict is Verdict.WAIT:
                ahead.append(asked)
        return None

    def now(self) -> Budget:
        since, elsewhere = self._today()
        return of_run(self.limits, self._graph, self._history, self._crew, elsewhere, since)

    def _today(self) -> tuple[str, Money]:
        """By the person's own clock; nobody looks where no day has a limit."""
        if self.limits.day.is_none:
            return "", NOTHING
        since = day_begins(self._wall())
        used = self._elsewhere(since, self._crew.settings.budget.unknown_usd)
        return since, Money(used.cost_usd or 0.0, used.fresh_tokens or 0)

    def _rivals(self, task: TaskId) -> int:
        """How many attempts could share what is left, with this one."""
        tracker, crew = self._tracker, self._crew
        slots = self._order.workers - len(tracker.running)
        later = [
            one
            for one, state in tracker.states.items()
            if state is TaskState.WAITING and one in crew.ladders and one not in tracker.refused
        ]
        asking = [one for one in later if tracker.route(one).asks_a_model]
        return max(1, min(slots, len({task, *asking})))

    def _tell(self, start: Start, reason: str, *, stops: bool) -> None:
        """Once, until something changes."""
        known = self._history.shortages.get(start.task.id)
        if known is None or known.stops is not stops:
            data = {"stops": stops, "reason": reason}
            self._record(EventKind.BUDGET_SHORT, data, task=start.task.id, attempt=start.number)

    # --- what an attempt may cost --------------------------------------------------------------------

    def _offer(self, task: Task, route: Route) -> Offer:
        usage = forecast(self._graph, task, route, self._crew)
        usage = booking.add((usage, self._look(task))) or usage
        return Offer(route, usage.cost_usd, usage.fresh_tokens or 0)

    def _look(self, task: Task) -> Usage:
        """What one review of it may use."""
        reviewer = self._crew.reviewers.get(task.id)
        if reviewer is None:
            return Usage.nothing()
        return forecast(self._graph, task, reviewer.route, self._crew)

    def _asked(self, start: Start) -> Asked:
        """Who can be priced needs what it may cost and may get all that one attempt may have."""
        settings, offer = self._crew.settings.budget, self._offer(start.task, start.route)
        cap = Money(self._most_usd(start), settings.attempt_tokens or math.inf)
        usd, most = offer.cost_usd, cap.usd
        if usd is None:
            usd = most = settings.unknown_usd
        need = Money(usd, offer.tokens).least(cap)
        return Asked(start.task.id, need, Money(most, cap.tokens))

    def _most_usd(self, start: Start) -> float:
        """Of one attempt with its review: the settings' word, or the sum after which the next try takes over."""
        most = self._crew.settings.budget.attempt_usd or math.inf
        if (cap := start.route.cap_usd) is not None:
            most = min(most, cap + (self._look(start.task).cost_usd or 0.0))
        return most

    def _reserve(self, start: Start, asked: Asked, amount: Money) -> Reserve:
        """Where nothing limits it, what it may cost is set aside all the same: the day's other runs count it."""
        usd = amount.usd if math.isfinite(amount.usd) else asked.need.usd
        tokens = amount.tokens if math.isfinite(amount.tokens) else asked.need.tokens
        offer = self._offer(start.task, start.route)
        return Reserve(
            usd=usd,
            tokens=math.floor(tokens),
            max_usd=self._cap_usd(offer, amount.usd),
            max_tokens=math.floor(tokens) if math.isfinite(amount.tokens) else None,
            unseen_tokens=math.ceil(asked.need.tokens) if offer.cost_usd is None else None,
        )

    def _cap_usd(self, offer: Offer, amount: float) -> float | None:
        """What nobody can price is not held to a guess."""
        if offer.cost_usd is None:
            return self._crew.settings.budget.attempt_usd or None
        return amount if math.isfinite(amount) else None

    # --- something cheaper ---------------------------------------------------------------------------

    def _cheapened(self, start: Start) -> Start:
        """A first try that may cost too much of what is left goes to a cheaper tier; a plan's own word stands."""
        task, route = start.task, start.route
        tried = self._history.of(task.id).tried
        if (
            task.model is not None
            or route.strategy is Strategy.QUALITY  # a person's word, as the plan's
            or route.tier is None
            or any(not one.interrupted for one in tried)
        ):
            return start
        now, share = self.now(), self._crew.settings.budget.dear_share
        cheaper = [self._offer(task, one) for one in self._below(route)]
        chosen, reason = budget.choose(
            self._offer(task, route), cheaper, [now.run(), now.day()], share
        )
        if not reason:
            return start
        ladder = [*self._tracker.ladder(task.id)]
        ladder.insert(
            self._tracker.rung(task.id), chosen.route.model_copy(update={"reason": reason})
        )
        data = {"ladder": [one.model_dump(mode="json") for one in ladder], "reason": reason}
        self._record(EventKind.REROUTED, data, task=task.id)
        return Start(task, start.number, self._tracker.route(task.id))

    def _below(self, route: Route) -> Iterable[Route]:
        """The same worker on its weaker tiers, the strongest of these first; never below a floor."""
        worker, order = self._crew.workers[route.worker], list(Tier)
        least = order.index(route.floor) if route.floor else 0
        for tier in reversed(order[least : order.index(route.tier or Tier.HAIKU)]):
            if tier in worker.tiers and (model := worker.models.get(tier)) is not None:
                update = {"tier": tier, "model": model, "provider": worker.provider(model)}
                nothing = {"estimated_cost_usd": None, "cap_usd": None}  # known of the dearer one
                yield route.model_copy(update={**update, **nothing})


# --- of everybody who asks ----------------------------------------------------------------------------


def limits(settings: Settings, order: Order) -> Limits:
    """The command line's word stands over the settings."""
    own = settings.budget
    usd = own.run_usd if order.budget_usd is None else order.budget_usd
    tokens = own.run_tokens if order.budget_tokens is None else order.budget_tokens
    return Limits(
        task=_limit(own.task_usd, own.task_tokens),
        plan=_limit(own.plan_usd, own.plan_tokens),
        run=_limit(usd, tokens),
        day=_limit(own.day_usd, own.day_tokens),
    )


def remembered(events: Iterable[Event]) -> Mapping[str, Any]:
    """The budget that the latest engine of a run was asked for on its command line."""
    told = [one.data["budget"]["asked"] for one in events if "budget" in one.data]
    return told[-1] if told else {}


def _limit(usd: float, tokens: int) -> Limit:
    return Limit(usd=usd or None, tokens=tokens or None)


def of_run(
    given: Limits,
    graph: TaskGraph,
    history: History,
    crew: Crew,
    elsewhere: Money = NOTHING,
    since: str = "",
) -> Budget:
    start = crew.settings.estimate.start_tokens
    own = {
        task.id: Limit(tokens=task.token_budget + start * (1 + len(history.of(task.id).tried)))
        for task in graph.tasks.values()
        if task.token_budget is not None
    }
    plans = {plan.id: plan.budget for plan in graph.plans.values()}

    def plan_of(task: TaskId) -> PlanId:
        return graph.plan_of(task).id

    return Budget(given, history, plan_of, own, plans, elsewhere, since)


def forecast(graph: TaskGraph, task: Task, route: Route, crew: Crew) -> Usage:
    """What one attempt may use: the upper end of its estimate."""
    settings = crew.settings
    if not route.asks_a_model:
        return Usage.nothing()
    score, tier = crew.scores[task.id], route.tier or Tier.SONNET
    work = estimates.expect(task, score, tier, settings.estimate).tokens.high
    usage = estimates.bill(work, settings.estimate, fresh=True)
    if route.estimated_cost_usd is not None:
        update = {"cost_usd": route.estimated_cost_usd, "cost_basis": "priced"}
        return usage.model_copy(update=update)
    return prices.price(usage, provider=route.provider, model=route.model, own=settings.prices)


def day_begins(wall: float) -> str:
    """Midnight before this Unix time, where the person is."""
    local = datetime.fromtimestamp(wall).astimezone()
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.astimezone(UTC).isoformat()
