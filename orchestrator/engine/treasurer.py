"""Sets money aside before an attempt starts, and records who waits or is refused for want of it; budget.py decides, nobody is ended here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator import budget, clock, ledger
from orchestrator.budget import FREE, NOTHING, Admission, Asked, Budget, Charge, Money, Verdict
from orchestrator.cheaper import choose
from orchestrator.engine import caps, offloading
from orchestrator.engine.appraisal import Appraiser
from orchestrator.engine.crew import Crew
from orchestrator.engine.neighbours import Neighbours
from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.ledger.held import Aside
from orchestrator.model import (
    Event,
    EventKind,
    Limit,
    Limits,
    Outcome,
    PlanId,
    Reserve,
    Route,
    Strategy,
    TaskId,
    TaskState,
    Tier,
)
from orchestrator.order import Order
from orchestrator.settings import Settings
from orchestrator.tracker import Start, Tracker

ASKED = ("budget_usd", "budget_tokens", "plan_budget_usd", "plan_budget_tokens")
SAID = {Strategy.EXPLICIT, Strategy.QUALITY}  # a person's word, not to be overridden for money


class Treasurer:
    """Of one run. `record` writes an event of the run; `neighbours` are its person's other runs."""

    def __init__(
        self,
        graph: TaskGraph,
        tracker: Tracker,
        history: History,
        crew: Crew,
        order: Order,
        record: Callable[..., Event],
        neighbours: Neighbours,
        wall: Callable[[], float] = clock.wall,
        renew: Callable[[TaskId], bool] = lambda _: False,
    ) -> None:
        self._graph, self._tracker, self._history = graph, tracker, history
        self._crew, self._order, self._record = crew, order, record
        self._neighbours, self._wall, self._renew = neighbours, wall, renew
        self.limits = limits(crew.settings, order)
        self._appraiser = Appraiser(graph, history, crew)
        self.waits = False  # for what another engine does: nobody says when that is

    @property
    def told(self) -> Mapping[str, Any]:
        """For the first event of an engine; and what was asked for on the command line, which a resumed run remembers."""
        since, elsewhere = self._today()
        asked = self._order.model_dump(include=set(ASKED))
        used = elsewhere.known
        today = {"since": since, "usd": used.usd, "tokens": used.tokens}
        plans = {
            plan.id: plan.budget.model_dump()
            for plan in self._graph.plans.values()
            if not plan.budget.is_none
        }
        limits = self.limits.model_dump()
        return {"budget": {"limits": limits, "plans": plans, "elsewhere": today, "asked": asked}}

    def next(self) -> tuple[Start, Reserve | None] | None:
        """The most urgent attempt that may start now, with what is set aside for it. It is asked for until None comes."""
        starts = self._tracker.ready()
        if not starts:
            self._settle()
            return None
        with self._neighbours.turn() as is_ours:
            self.waits = not is_ours
            given = self._admitted(starts) if is_ours else None
            if is_ours:
                self._neighbours.tell(self._asides(given))
        return given

    def _settle(self) -> None:
        """What other engines know of what this one holds is as it is now; at the next look, if it is not our turn."""
        self.waits, asides = False, self._asides()
        if self._neighbours.is_told(asides):
            return
        with self._neighbours.turn() as is_ours:
            self.waits = not is_ours
            if is_ours:
                self._neighbours.tell(asides)

    def _admitted(self, starts: Sequence[Start]) -> tuple[Start, Reserve | None] | None:
        ahead: list[Asked] = []
        while starts:
            # it may have other tries now, perhaps behind another gate
            if self._renew(starts[0].task.id):
                starts = self._tracker.ready({one.task for one in ahead})
                continue
            start = self._cheapened(starts[0])
            if not start.route.asks_a_model:
                return start, None
            asked = self._asked(start)
            beside = [self._asked(one) for one in starts[1:] if one.route.asks_a_model]
            beside += self._once_more(asked)
            rivals = self._rivals(start.task.id)
            answer = budget.admit(self.now(), asked, ahead=ahead, beside=beside, rivals=rivals)
            if answer.verdict is Verdict.YES:
                return start, self._reserve(start, asked, answer.amount)
            if answer.verdict is Verdict.STOP and self._may_learn(start):
                answer = answer.put_off()
            self._tell(start, answer, stops=answer.verdict is Verdict.STOP)
            if answer.verdict is Verdict.WAIT:
                ahead.append(asked)
            starts = self._tracker.ready({one.task for one in ahead})
        _, others = self._today()
        self.waits = bool(ahead) and others.held != others.sure
        return None

    def now(self) -> Budget:
        since, elsewhere = self._today()
        return of_run(self.limits, self._graph, self._history, self._crew, elsewhere, since)

    def _today(self) -> tuple[str, Charge]:
        """By the person's own clock; nobody looks where no day has a limit."""
        if self.limits.day.is_none:
            return "", FREE
        since = day_begins(self._wall())
        return since, self._neighbours.charge(since, self._crew.settings.budget.unknown_usd)

    def _asides(self, given: tuple[Start, Reserve | None] | None = None) -> list[Aside]:
        """Of all attempts that have no line on the ledger yet, with the one that starts now."""
        found = []
        for task in (*self._tracker.running, *self._tracker.paused):
            tried = self._history.of(task).tried
            if tried and tried[-1].outcome is None and tried[-1].route.asks_a_model:
                found.append(self._aside(task, tried[-1].number, budget.charge(tried[-1])))
        if given is not None and (reserve := given[1]) is not None:
            held = Money(reserve.usd, reserve.tokens)
            start = given[0]
            found.append(self._aside(start.task.id, start.number, Charge(held, NOTHING, NOTHING)))
        return found

    def _aside(self, task: TaskId, number: int, charge: Charge) -> Aside:
        plan, ordinal = self._graph.plan_of(task).id, self._graph.tasks[task].ordinal
        held, sure = charge.held, charge.sure
        name = ledger.normalise_id(f"{plan}/{ordinal}")
        return Aside(name, number, held.usd, held.tokens, sure.usd, sure.tokens)

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

    def _once_more(self, asked: Asked) -> list[Asked]:
        """What runs, and this one, may have to be tried again: of tokens, of which one attempt has no limit, so many are left for it."""
        tracker, tasks = self._tracker, self._graph.tasks
        running = (Start(tasks[one], 0, tracker.route(one)) for one in tracker.running)
        every = [asked, *(self._asked(one) for one in running if one.route.asks_a_model)]
        return [one._replace(need=Money(0.0, one.need.tokens)) for one in every]

    def _may_learn(self, start: Start) -> bool:
        """Nobody knows what its model costs, and one of it runs that may tell: its answer would be another a moment later."""
        if self._appraiser.offer(start.task, start.route).cost_usd is not None:
            return False
        own = (start.route.worker, start.route.model)
        runs = (self._history.of(task).tried[-1].route for task in self._tracker.running)
        blind = self._appraiser.guess(start.task, start.route).is_blind
        return blind and any((one.worker, one.model) == own for one in runs)

    def _tell(self, start: Start, answer: Admission, *, stops: bool) -> None:
        """Once, until something changes."""
        known = self._history.shortages.get(start.task.id)
        if known is None or known.stops is not stops:
            data = {"stops": stops, "reason": answer.reason, "limit": answer.limit}
            data["raising"] = answer.raising
            self._record(EventKind.BUDGET_SHORT, data, task=start.task.id, attempt=start.number)

    # --- how one ended -------------------------------------------------------------------------------

    def excuse(self, task: TaskId, outcome: Outcome) -> Outcome:
        """A share of a budget that was too little is no failure of a model."""
        return caps.excused(self._history.of(task).tried[-1].reserve, outcome)

    # --- what an attempt may cost --------------------------------------------------------------------

    def _asked(self, start: Start) -> Asked:
        """It needs what it may cost, and may get all that one attempt may have: a guess is no limit."""
        offer, why = self._appraiser.offer(start.task, start.route), ""
        settings = self._crew.settings.budget
        cap = Money(self._most_usd(start), settings.attempt_tokens or math.inf)
        usd = offer.cost_usd
        if usd is None:
            usd, why, _ = self._appraiser.guess(start.task, start.route)
        need = Money(usd, offer.tokens)
        for tried in self._history.of(start.task.id).tried:
            need = need.most(caps.least_after(tried, start.route))
        return Asked(start.task.id, need.least(cap), cap, why if need.usd == usd else "")

    def _most_usd(self, start: Start) -> float:
        """Of one attempt with its review: the settings' word, or the sum after which the next try takes over."""
        most = self._crew.settings.budget.attempt_usd or math.inf
        if (cap := start.route.cap_usd) is not None:
            most = min(most, cap + (self._appraiser.look(start.task).cost_usd or 0.0))
        return most

    def _reserve(self, start: Start, asked: Asked, amount: Money) -> Reserve:
        """Where nothing limits it, what it may cost is set aside all the same: the day's other runs count it."""
        usd = amount.usd if math.isfinite(amount.usd) else asked.need.usd
        tokens = amount.tokens if math.isfinite(amount.tokens) else asked.need.tokens
        max_usd = amount.usd if math.isfinite(amount.usd) else None
        is_guess = self._appraiser.offer(start.task, start.route).cost_usd is None
        return Reserve(
            usd=usd,
            tokens=math.floor(tokens),
            max_usd=max_usd,
            max_tokens=math.floor(tokens) if math.isfinite(amount.tokens) else None,
            usd_cap=caps.of_usd(max_usd, self._most_usd(start), start.route),
            tokens_cap=caps.of_tokens(amount.tokens, self._crew.settings.budget),
            unseen_usd=asked.need.usd if is_guess else None,
            unseen_tokens=math.ceil(asked.need.tokens) if is_guess else None,
            brief_usd=min(usd, asked.need.usd),
            brief_tokens=min(math.floor(tokens), math.ceil(asked.need.tokens)),
            with_review=start.task.id in self._crew.reviewers,
        )

    # --- something cheaper ---------------------------------------------------------------------------

    def _cheapened(self, start: Start) -> Start:
        """A first try that may cost too much of what is left goes to a cheaper tier; a plan's own word stands."""
        task, route = start.task, start.route
        tried = self._history.of(task.id).tried
        if (
            task.model is not None
            or route.strategy in SAID
            or route.tier is None
            or any(not one.interrupted for one in offloading.by_models(tried))
        ):
            return start
        now, share = self.now(), self._crew.settings.budget.dear_share
        cheaper = [self._appraiser.offer(task, one) for one in self._below(route)]
        chosen, reason = choose(
            self._appraiser.offer(task, route), cheaper, [now.run(), now.day()], share
        )
        if not reason:
            return start
        ladder = [*self._tracker.ladder(task.id)]
        ladder.insert(self._tracker.rung(task.id), _for_money(chosen.route, reason))
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
                yield route.model_copy(update={**update, **dict.fromkeys(OF_THE_DEARER)})


OF_THE_DEARER = (
    *("cap_usd", "estimated_cost_usd", "estimated_tokens", "estimated_duration_s"),
    *("estimated_cost_usd_high", "estimated_fresh_tokens_high"),
)


def _for_money(route: Route, reason: str) -> Route:
    """Nobody drew it, and nobody has said that it is enough for the task."""
    update = {"strategy": Strategy.BUDGET, "reason": reason, "propensity": 1.0}
    sure = min(route.confidence, budget.UNSURE)
    return route.model_copy(update={**update, "confidence": sure})


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
        instead=Limit(usd=order.plan_budget_usd, tokens=order.plan_budget_tokens),
    )


def remembered(events: Iterable[Event]) -> Mapping[str, Any]:
    """The budgets that the latest engine of a run was asked for on its command line."""
    told = [one.data["budget"]["asked"] for one in events if "budget" in one.data]
    return told[-1] if told else {}


def _limit(usd: float, tokens: int) -> Limit:
    return Limit(usd=usd or None, tokens=tokens or None)


def of_run(
    given: Limits,
    graph: TaskGraph,
    history: History,
    crew: Crew,
    elsewhere: Charge = FREE,
    since: str = "",
) -> Budget:
    start = crew.settings.estimate.start_tokens
    own = {
        task.id: Limit(
            tokens=task.token_budget
            + start * (1 + len(offloading.by_models(history.of(task.id).tried)))
        )
        for task in graph.tasks.values()
        if task.token_budget is not None
    }
    plans = {plan.id: plan.budget for plan in graph.plans.values()}

    def plan_of(task: TaskId) -> PlanId:
        return graph.plan_of(task).id

    return Budget(given, history, plan_of, own, plans, elsewhere, since)


def day_begins(wall: float) -> str:
    """Midnight before this Unix time, where the person is."""
    local = datetime.fromtimestamp(wall).astimezone()
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.astimezone(UTC).isoformat()
