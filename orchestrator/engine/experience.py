"""What the ledger knows before a run: what attempts like these used, and the rules that were learned. Refuses to stop a run."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from orchestrator import clock, estimates, ledger, prices
from orchestrator.engine.proof import Strengths
from orchestrator.errors import RecordError
from orchestrator.estimates import Expected, Past, asked
from orchestrator.ledger import Attempted, Briefs, Window, heuristics
from orchestrator.model import Estimate, Failure, RunId, Score, Task, Tier, Usage
from orchestrator.model.learned import OF_THE_MODEL, RETROACTIVE, Rule
from orchestrator.routing import Forecast, lineage
from orchestrator.routing.evidence import Audit, Evidence, Trial, Trust
from orchestrator.settings import Settings, ledger_folder


class Foreseen(NamedTuple):
    """Of one try: what is expected, and all that it would be billed, low and high. None is unknown."""

    expected: Expected
    tokens: Estimate
    anew: Estimate  # of these, what is not read from a cache: budgets of tokens count it
    cost_usd: Estimate | None

    @property
    def forecast(self) -> Forecast:
        """The middle of each range, and the upper ends of what budgets count."""
        cost = self.cost_usd
        return Forecast(
            tokens=round(_middle(self.tokens)),
            cost_usd=None if cost is None else _middle(cost),
            duration_s=_middle(self.expected.duration_s),
            cost_usd_high=None if cost is None else cost.high,
            fresh_tokens_high=round(self.anew.high),
        )


Home = tuple[Tier | None, str | None]  # a tier of a provider: there one model id replaces another


class Seat(NamedTuple):
    """Who would do a try."""

    worker: str
    provider: str | None
    tier: Tier | None
    model: str | None  # None: no model is asked

    @property
    def home(self) -> Home:
        return self.tier, self.provider or self.worker


@dataclass(frozen=True)
class Experience:
    """An empty one knows the tables of the settings."""

    settings: Settings
    past: Past = field(default_factory=Past)
    rules: Mapping[int, Rule] = field(default_factory=dict)
    # of models, and of checks by their strength
    evidence: Evidence = field(default_factory=Evidence)
    newest: Mapping[Home, str] = field(default_factory=dict)  # the model id that was seen last
    notes: tuple[str, ...] = ()  # what was wrong with what it was read from
    _priced: dict[tuple[float, bool, Seat], Usage] = field(default_factory=dict)

    def foresee(self, task: Task, score: Score, seat: Seat, *, fresh: bool) -> Foreseen:
        """`fresh`: it starts without the conversation of a task before it."""
        worker, _, tier, model = seat
        kind = ledger.task_type(task)
        learned = self.past.find(kind, score.value, worker=worker, model=model)
        expected = estimates.expect(task, score, tier, self.settings.estimate, learned)
        if expected.billed is not None:
            return Foreseen(expected, expected.billed, expected.tokens, expected.cost_usd)
        ends = (expected.tokens.low, expected.tokens.high)
        low, high = (self._bill(work, seat, fresh=fresh) for work in ends)
        tokens = Estimate(low=low.tokens or 0, high=high.tokens or 0)
        anew = Estimate(low=low.fresh_tokens or 0, high=high.fresh_tokens or 0)
        if low.cost_usd is None or high.cost_usd is None:
            return Foreseen(expected, tokens, anew, None)
        return Foreseen(expected, tokens, anew, Estimate(low=low.cost_usd, high=high.cost_usd))

    def trust(self, strength: float) -> Trust:
        """What the word of a check of this strength is worth, by what was found out later of such checks."""
        return self.evidence.trust(strength)

    def ids(self, worker: str, models: Mapping[Tier, str]) -> dict[Tier, str]:
        """The names that a worker is given, as the ids that answer to them: outcomes are kept by those."""
        return {tier: self.past.names.resolve(worker, name) for tier, name in models.items()}

    def facing(self, seats: Sequence[Seat]) -> Experience:
        """With who was before them, of ids that have done nothing here yet."""
        found = {
            model: older
            for seat in seats
            if seat.model and (older := self.newest.get(seat.home))
            if (model := self.past.names.resolve(seat.worker, seat.model)) != older
            if model not in self.evidence.tallies and model not in self.evidence.predecessors
        }
        if not found:
            return self
        known = {**self.evidence.predecessors, **found}
        return replace(self, evidence=replace(self.evidence, predecessors=known))

    def _bill(self, work: float, seat: Seat, *, fresh: bool) -> Usage:
        if seat.model is None:
            return Usage.nothing()
        key = (work, fresh, seat)
        if key not in self._priced:  # many tasks have the same figures, and prices are looked up
            usage = estimates.bill(work, self.settings.estimate, fresh=fresh)
            self._priced[key] = prices.price(
                usage, provider=seat.provider, model=seat.model, own=self.settings.prices
            )
        return self._priced[key]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Attempts know nothing of each other: to look for circles among so many costs more than to read them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_uncollected()
def gather(settings: Settings, run: RunId | None = None) -> Experience:
    """Of the last days. What cannot be read is as if nothing were there, with a note. `run`: what it did says nothing yet
    of models, as whoever goes on with it counts that from its journal, and nothing of costs: who was refused for one
    is refused again as long as nothing else is known."""
    days = timedelta(days=settings.learning.window_days)
    since = datetime.fromtimestamp(clock.wall(), UTC) - days
    folder, table, notes = ledger_folder(), settings.estimate, list[str]()
    window = ledger.Briefs()
    try:
        window = ledger.skim(folder, since.isoformat())
    except (OSError, RecordError) as refused:
        notes.append(f"the ledger cannot be read, so estimates are those of tables: {refused}")
    foreign = [one for one in window.entries if one.run_id != run]
    past = Past(map(estimates.used, foreign), table.min_samples, table.complexity_step)
    rules, trouble = lessons(settings)
    if trouble:
        notes.append(trouble)
    own = named(one for one in window.entries if one.origin != RETROACTIVE)
    seen = ages(own)
    others = [one for one in foreign if one.origin != RETROACTIVE]
    # names are told apart by what is counted: only where all is, it is the same
    models = own if len(others) == len(window.entries) else named(others)
    evidence = Evidence.of(_trials(models, Strengths(others)), lineage.predecessors(seen))
    return Experience(
        settings,
        past,
        rules,
        replace(evidence, audits=audits(window)),
        {home: spans[-1].model for home, spans in seen.items()},
        tuple(notes),
    )


def named(entries: Iterable[Attempted]) -> list[tuple[Attempted, str]]:
    """Each with the id of its model."""
    asking = [(one, model) for one in entries if (model := one.model_version or one.model_routed)]
    ids, _ = estimates.settle([(one.worker, asked(one), model) for one, model in asking])
    return [(one, model) for (one, _), model in zip(asking, ids, strict=True)]


def ages(entries: Iterable[tuple[Attempted, str]]) -> Mapping[Home, list[lineage.Span]]:
    """When each model id was seen in its home."""
    return lineage.ages(
        ((one.model_routed, one.provider or one.worker), model, one.timestamp, one.timestamp)
        for one, model in entries
    )


def trials(entries: Sequence[Attempted]) -> Iterator[Trial]:
    """In the order in which they were tried: each knows whose work on the same task had not passed before it."""
    return _trials(named(entries), Strengths(entries))


def _trials(entries: Iterable[tuple[Attempted, str]], strengths: Strengths) -> Iterator[Trial]:
    failed = defaultdict[tuple[str, str], list[str]](list)
    for one, model in entries:
        before = failed[one.run_id, one.task_id]
        passed = one.outcome != "failed"
        yield Trial(
            model=model,
            passed=passed,
            cost_usd=None if one.lower_bound else one.cost_usd,
            complexity=one.complexity_estimated,
            after=tuple(dict.fromkeys(before)),
            strength=strengths.weight(one),
            failure=one.failure,
            retroactive=one.origin == RETROACTIVE,
        )
        if not passed and one.failure in OF_THE_MODEL:
            before.append(model)


def audits(window: Window | Briefs) -> Mapping[Audit, int]:
    """Of each attempt that was looked at again: what its check had said, and what was right.

    A check that is not green has often no strength of its own on record: it is that of the same task's check where it passed.
    Work that such checks rejected, and nobody defended, counts as wrong: else all wrong work that is known would be accepted.
    """
    strengths = Strengths(window.entries)
    amended = {one.identity for one in window.amendments}
    turned = window.false_accepts | window.false_rejects
    found, rejected = Counter[Audit](), Counter[float]()
    for one in window.entries:
        strength = strengths.known(one)
        if strength and one.identity in amended:
            right = one.outcome != "failed"
            # by a person: the check had let it pass
            rejected_later = one.failure == Failure.REJECTED
            accepted = right is not (one.identity in turned) or rejected_later
            found[Audit(strength, accepted=accepted, right=right)] += 1
        elif strength and one.failure == Failure.VERIFY:
            rejected[strength] += 1
    for strength in {audit.strength for audit in found}:
        if rejected[strength]:
            found[Audit(strength, accepted=False, right=False)] += rejected[strength]
    return found


def lessons(settings: Settings) -> tuple[Mapping[int, Rule], str]:
    """The rules that were learned, by complexity, and what is wrong with their file. None where they are not to be used."""
    if not settings.learning.use_rules:
        return {}, ""
    found = heuristics.read(ledger_folder())
    return found.rules, found.trouble


def _middle(found: Estimate) -> float:
    return (found.low + found.high) / 2
