"""What attempts used, by kind of task, complexity and model: means with ranges and how many they are of. Pure; it refuses what says nothing of the work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.estimates.names import settle
from orchestrator.model import Tier
from orchestrator.model.learned import OF_THE_MODEL, RETROACTIVE

if TYPE_CHECKING:
    from orchestrator.ledger import Attempted
    from orchestrator.ledger.brief import Anew
    from orchestrator.ledger.line import Tokens

MOST_SURE, ENOUGH = 0.95, 10  # the confidence of so many samples and more (S2-55)
TAIL = 0.1  # of more than ten samples a tenth at each end is left out of the range


class Measured(NamedTuple):
    """Of one figure: how often it is known, its mean and its range."""

    n: int
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Measured | None:
        known = sorted(value for value in values if value is not None)
        if not known:
            return None
        out = int(TAIL * (len(known) - 1))
        mean = sum(known) / len(known)
        return cls(len(known), mean, known[out], known[len(known) - 1 - out])


class Used(NamedTuple):
    """One attempt. `work` is what was read and written anew, `tokens` all that were billed."""

    kind: str
    complexity: int
    model: str
    worker: str
    tier: Tier | None
    ok: bool
    work: int | None
    tokens: int | None
    cost_usd: float | None
    duration_s: float | None
    asked: str | None = None  # the name that its worker was given; None: it is not on record
    expected_tokens: int | None = None
    expected_cost_usd: float | None = None
    expected_duration_s: float | None = None


class Group(NamedTuple):
    """Attempts of one kind, complexity and model. `whole` is False where other complexities were taken, too."""

    kind: str
    complexity: int
    model: str
    n: int
    success_rate: float
    work: Measured | None
    tokens: Measured | None
    cost_usd: Measured | None
    duration_s: Measured | None
    whole: bool = True

    @property
    def confidence(self) -> float:
        return min(MOST_SURE, self.n / ENOUGH)


def _work(tokens: Tokens | Anew) -> int | None:
    """What was read and written anew."""
    parts = (tokens.input, tokens.output, tokens.cache_write)
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _less(whole: int | None, of_review: int | None) -> int | None:
    """A review is no part of what the work takes."""
    return whole if whole is None or of_review is None else max(0, whole - of_review)


def used(entry: Attempted) -> Used | None:
    """None for what somebody else told us, and where something else than the work ended it."""
    failed = entry.failure is not None and entry.failure not in OF_THE_MODEL
    if failed or entry.origin == RETROACTIVE:
        return None
    work, looked = _work(entry.tokens), _work(entry.review.tokens) if entry.review else None
    whole = not entry.lower_bound
    return Used(
        kind=entry.task_type,
        complexity=entry.complexity_estimated,
        model=entry.model_version or entry.worker,
        worker=entry.worker,
        tier=entry.model_routed,
        ok=entry.outcome == "success",
        work=_less(work, looked) if whole else None,
        tokens=_less(entry.tokens_total, entry.review.tokens_total if entry.review else None)
        if whole
        else None,
        cost_usd=entry.own_cost_usd if whole else None,
        duration_s=entry.duration_seconds,
        asked=asked(entry),
        expected_tokens=entry.route.estimated_tokens,
        expected_cost_usd=entry.route.estimated_cost_usd,
        expected_duration_s=entry.route.estimated_duration_s,
    )


def asked(entry: Attempted) -> str | None:
    """Of a worker that chooses its model itself: its own name."""
    return entry.worker if entry.model_routed is None else entry.route.model


class Past:
    """All attempts of a window. `step` is what a point of complexity adds, where other complexities must do."""

    def __init__(
        self, entries: Iterable[Used | None] = (), min_samples: int = 5, step: float = 0.15
    ) -> None:
        self._least, self._step = min_samples, step
        self._exact: dict[tuple[str, int, str], list[Used]] = defaultdict(list)
        self._near: dict[tuple[str, str], list[Used]] = defaultdict(list)
        every = [one for one in entries if one is not None]
        ids, self.names = settle([(one.worker, one.asked, one.model) for one in every])
        self.every = [
            one if one.model == model else one._replace(model=model)
            for one, model in zip(every, ids, strict=True)
        ]
        for one in self.every:
            self._exact[one.kind, one.complexity, one.model].append(one)
            self._near[one.kind, one.model].append(one)

    def groups(self) -> list[Group]:
        return [_group(*key, those) for key, those in sorted(self._exact.items())]

    def find(self, kind: str, complexity: int, *, worker: str, model: str | None) -> Group | None:
        """The attempts that tell most about one to come; None if there are too few to tell anything."""
        name = self.names.resolve(worker, model or worker)
        exact = self._exact.get((kind, complexity, name), [])
        if len(exact) >= self._least:
            return _group(kind, complexity, name, exact)
        near = self._near.get((kind, name), [])
        if len(near) < self._least:
            return None
        scaled = [self._scaled(one, complexity) for one in near]
        return _group(kind, complexity, name, scaled)._replace(whole=False)

    def cost_usd(self, worker: str, model: str | None) -> Measured | None:
        """Of all attempts of a model, whatever they did: better than nothing where nobody has a price."""
        name = self.names.resolve(worker, model or worker)
        return Measured.of(
            one.cost_usd for one in self.every if (one.worker, one.model) == (worker, name)
        )

    def _scaled(self, one: Used, complexity: int) -> Used:
        factor = (1 + (complexity - 5) * self._step) / (1 + (one.complexity - 5) * self._step)
        return one._replace(
            work=_times(one.work, factor),
            tokens=_times(one.tokens, factor),
            cost_usd=None if one.cost_usd is None else one.cost_usd * factor,
            duration_s=None if one.duration_s is None else one.duration_s * factor,
        )


def _times(count: int | None, factor: float) -> int | None:
    return None if count is None else round(count * factor)


def _group(kind: str, complexity: int, model: str, those: Sequence[Used]) -> Group:
    return Group(
        kind,
        complexity,
        model,
        len(those),
        sum(one.ok for one in those) / len(those),
        Measured.of(one.work for one in those),
        Measured.of(one.tokens for one in those),
        Measured.of(one.cost_usd for one in those),
        Measured.of(one.duration_s for one in those),
    )


# --- how good earlier estimates were --------------------------------------------------------------


class Calibration(NamedTuple):
    """Actual over estimated, of all attempts of a kind together; above 1 more was used than was expected."""

    n: int
    ratio: float


FIGURES = {
    "tokens": ("tokens", "expected_tokens"),
    "cost": ("cost_usd", "expected_cost_usd"),
    "time": ("duration_s", "expected_duration_s"),
}


def calibration(past: Past) -> Mapping[str, Mapping[str, Calibration]]:
    """By kind, then by figure; only where both are known."""
    by_kind: dict[str, list[Used]] = defaultdict(list)
    for one in past.every:
        by_kind[one.kind].append(one)
    found = {
        kind: {
            name: ratio
            for name, (actual, expected) in FIGURES.items()
            if (ratio := _ratio(those, actual, expected)) is not None
        }
        for kind, those in sorted(by_kind.items())
    }
    return {kind: told for kind, told in found.items() if told}


def _ratio(those: Iterable[Used], actual: str, expected: str) -> Calibration | None:
    pairs = [(getattr(one, actual), getattr(one, expected)) for one in those]
    known = [(a, e) for a, e in pairs if a is not None and e]
    if not known:
        return None
    return Calibration(len(known), sum(a for a, _ in known) / sum(e for _, e in known))
