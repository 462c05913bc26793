"""What an attempt may cost before it begins: by its route, by what was learned, and where nobody can price its model by what that was seen to cost. Refuses to take a guess for a price."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator import estimates, prices
from orchestrator.budget import UNBILLED
from orchestrator.cheaper import Offer
from orchestrator.engine.crew import Crew
from orchestrator.engine.experience import Experience, Foreseen, Seat
from orchestrator.estimates import Measured
from orchestrator.graph import TaskGraph
from orchestrator.history import History, Tried
from orchestrator.model import Route, Task, Tier, Usage
from orchestrator.settings import Settings
from orchestrator.workers import booking


class Guess(NamedTuple):
    """Dollars, and why so many. `is_blind`: nothing of this model has told a cost yet."""

    usd: float
    why: str
    is_blind: bool


class Appraiser:
    """Of one run."""

    def __init__(self, graph: TaskGraph, history: History, crew: Crew) -> None:
        self._graph, self._history, self._crew = graph, history, crew
        self._learned = dict[tuple[str, str | None], Measured | None]()

    def offer(self, task: Task, route: Route) -> Offer:
        """With one review of it."""
        usage = forecast(self._graph, task, route, self._crew)
        usage = booking.add((usage, self.look(task))) or usage
        return Offer(route, usage.cost_usd, usage.fresh_tokens or 0)

    def look(self, task: Task) -> Usage:
        """What one review of it may use."""
        reviewer = self._crew.reviewers.get(task.id)
        if reviewer is None:
            return Usage.nothing()
        return forecast(self._graph, task, reviewer.route, self._crew)

    def guess(self, task: Task, route: Route) -> Guess:
        """Of an offer without a price: what is known of its parts, and a guess of each other."""
        reviewer = self._crew.reviewers.get(task.id)
        routes = [route, *([reviewer.route] if reviewer else [])]
        found = [self._part(task, one) for one in routes]
        why = next(one.why for one in found if one.why)
        return Guess(sum(one.usd for one in found), why, any(one.is_blind for one in found))

    def _part(self, task: Task, route: Route) -> Guess:
        usd = forecast(self._graph, task, route, self._crew).cost_usd
        if usd is not None:
            return Guess(usd, "", False)
        name = route.model or route.worker
        seen = self._seen(route)
        if seen is not None:
            return Guess(seen, f"as much as {name}, which has no price, was seen to cost", False)
        why = f"that is budget.unknown_usd, as {name} has no price: [prices] can name one"
        return Guess(self._crew.settings.budget.unknown_usd, why, True)

    def _seen(self, route: Route) -> float | None:
        """The most that this run saw it cost, and the upper end of what others did, on whatever task."""
        here = [
            usd
            for past in self._history.tasks.values()
            for one in past.tried
            if (one.route.worker, one.route.model) == (route.worker, route.model)
            if (usd := _told(one)) is not None
        ]
        before = self._before(route)
        return max([*here, *([before.high] if before else [])], default=None)

    def _before(self, route: Route) -> Measured | None:
        key = (route.worker, route.model)
        if key not in self._learned:
            known = self._crew.known
            self._learned[key] = known.past.cost_usd(*key) if known else None
        return self._learned[key]


def _told(tried: Tried) -> float | None:
    """What its worker used, where it has told all of it."""
    ended = tried.worked or tried.outcome
    if ended is None or ended.usage is None or ended.usage.lower_bound:
        return None
    return None if ended.failure in UNBILLED else ended.usage.cost_usd


def forecast(graph: TaskGraph, task: Task, route: Route, crew: Crew) -> Usage:
    """What one attempt may use: the upper end of what is known of attempts like it. Its tokens are fresh ones alone."""
    if not route.asks_a_model:
        return Usage.nothing()
    usd, tokens = route.estimated_cost_usd_high, route.estimated_fresh_tokens_high
    if usd is None or tokens is None or route.tier is None:  # who chooses itself is not foreseen
        known = crew.known or Experience(crew.settings)
        seat = Seat(route.worker, route.provider, route.tier or Tier.SONNET, route.model)
        found = known.foresee(task, crew.scores[task.id], seat, fresh=True)
        tokens = round(found.anew.high)
        if usd is None:
            usd = found.cost_usd.high if found.cost_usd else _priced(found, route, crew.settings)
    basis = "unknown" if usd is None else "priced"
    return Usage(input_tokens=tokens, output_tokens=0, cost_usd=usd, cost_basis=basis)


def _priced(found: Foreseen, route: Route, settings: Settings) -> float | None:
    """Where attempts like it had told no cost, there may be a price all the same."""
    usage = estimates.bill(found.expected.tokens.high, settings.estimate, fresh=True)
    own = settings.prices
    return prices.price(usage, provider=route.provider, model=route.model, own=own).cost_usd
