"""What the ledger knows before a run: what attempts like these used, and the rules that were learned. Refuses to stop a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from orchestrator import clock, estimates, ledger, prices
from orchestrator.errors import RecordError
from orchestrator.estimates import Expected, Past
from orchestrator.ledger import Entry, heuristics
from orchestrator.model import Estimate, Failure, Score, Task, Tier, Usage
from orchestrator.model.learned import OF_THE_MODEL, RETROACTIVE, Rule
from orchestrator.routing import Forecast
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
        """The middle of each range."""
        cost = None if self.cost_usd is None else _middle(self.cost_usd)
        return Forecast(round(_middle(self.tokens)), cost, _middle(self.expected.duration_s))


class Seat(NamedTuple):
    """Who would do a try."""

    worker: str
    provider: str | None
    tier: Tier | None
    model: str | None  # None: no model is asked


@dataclass(frozen=True)
class Experience:
    """An empty one knows the tables of the settings."""

    settings: Settings
    past: Past = field(default_factory=Past)
    rules: Mapping[int, Rule] = field(default_factory=dict)
    evidence: Evidence = field(
        default_factory=Evidence
    )  # of models, and of checks by their strength
    notes: tuple[str, ...] = ()  # what was wrong with what it was read from
    _priced: dict[tuple[float, bool, Seat], Usage] = field(default_factory=dict)

    def foresee(self, task: Task, score: Score, seat: Seat, *, fresh: bool) -> Foreseen:
        """`fresh`: it starts without the conversation of a task before it."""
        worker, _, tier, model = seat
        kind = ledger.task_type(task)
        learned = self.past.find(kind, score.value, worker=worker, tier=tier, model=model)
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


def gather(settings: Settings) -> Experience:
    """Of the last days. What cannot be read is as if nothing were there, with a note."""
    days = timedelta(days=settings.learning.window_days)
    since = datetime.fromtimestamp(clock.wall(), UTC) - days
    folder, table, notes = ledger_folder(), settings.estimate, list[str]()
    window = ledger.Window()
    try:
        window = ledger.read(folder, since.isoformat())
    except (OSError, RecordError) as refused:
        notes.append(f"the ledger cannot be read, so estimates are those of tables: {refused}")
    past = Past(map(estimates.used, window.entries), table.min_samples, table.complexity_step)
    rules, trouble = lessons(settings)
    if trouble:
        notes.append(trouble)
    evidence = replace(Evidence.of(trials(window.entries)), audits=audits(window))
    return Experience(settings, past, rules, evidence, tuple(notes))


def trials(entries: Iterable[Entry]) -> Iterator[Trial]:
    """In the order in which they were tried: each knows whose work on the same task had not passed before it."""
    failed = defaultdict[tuple[str, str], list[str]](list)
    for one in entries:
        model = one.model_version or one.model_routed
        if model is None:
            continue
        before = failed[one.run_id, one.task_id]
        passed = one.outcome != "failed"
        yield Trial(
            model=model,
            passed=passed,
            cost_usd=None if one.lower_bound else one.cost_usd,
            complexity=one.complexity_estimated,
            after=tuple(dict.fromkeys(before)),
            strength=(one.verify_strength or 0.0) if passed else 1.0,
            failure=one.failure,
            retroactive=one.origin == RETROACTIVE,
        )
        if not passed and one.failure in OF_THE_MODEL:
            before.append(model)


def audits(window: ledger.Window) -> Mapping[Audit, int]:
    """Of each attempt that was looked at again: what its check had said, and what was right.

    A check that is not green has no strength of its own on record: it is that of the same task's check where it passed.
    Work that such checks rejected, and nobody defended, counts as wrong: else all wrong work that is known would be accepted.
    """
    every = (((one.run_id, one.task_id), one.verify_strength) for one in window.entries)
    strengths = {task: strength for task, strength in every if strength}
    amended = {one.identity for one in window.amendments}
    turned = window.false_accepts | window.false_rejects
    found, rejected = Counter[Audit](), Counter[float]()
    for one in window.entries:
        strength = one.verify_strength or strengths.get((one.run_id, one.task_id))
        if strength and one.identity in amended:
            right = one.outcome != "failed"
            accepted = right is not (one.identity in turned)
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
