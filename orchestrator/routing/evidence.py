"""What outcomes say of models: how often each passes and what an attempt costs, alone and after others failed. A pure fold; it refuses what is not the model's doing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from orchestrator.model.learned import OF_THE_MODEL

Failed = tuple[str, ...]  # ids of the models whose work on the same task did not pass, as tried
BANDS = (2, 4, 8, 10)  # the last complexity of trivial, simple, standard, complex


class Trial(NamedTuple):
    """One attempt, as far as it says something about its model."""

    model: str  # the resolved id that ran, not an alias
    passed: bool
    cost_usd: float | None = None  # None: unknown, and never counted as 0
    complexity: int = 5
    after: Failed = ()  # its own id: this was the second try, with the failure's text
    strength: float = 1.0  # of the check that decided; 0 proves nothing
    failure: str | None = None  # why it did not pass
    retroactive: bool = False  # imported: what was logged afterwards is not all that happened

    @property
    def counts(self) -> bool:
        excused = not self.passed and self.failure is not None and self.failure not in OF_THE_MODEL
        return not (self.retroactive or excused) and self.strength > 0


class Tally(NamedTuple):
    """Sums over attempts; those of a weak check count for less."""

    samples: float = 0.0
    passed: float = 0.0
    priced: float = 0.0
    cost: float = 0.0
    wins: float = 0.0  # attempts that passed and have a known cost
    won: float = 0.0  # what those cost

    def plus(self, trial: Trial) -> Tally:
        known = trial.cost_usd is not None
        return Tally(
            self.samples + trial.strength,
            self.passed + trial.strength * trial.passed,
            self.priced + known,
            self.cost + (trial.cost_usd or 0.0),
            self.wins + (known and trial.passed),
            self.won + (trial.cost_usd or 0.0) * trial.passed,
        )


class Trust(NamedTuple):
    """What a check's word is worth."""

    strength: float
    accepts_wrong: float  # P(it passes | the work is wrong)
    rejects_right: float  # P(it fails | the work is right)


PERFECT = Trust(1.0, 0.0, 0.0)
TRUSTED = 10.0  # pseudo-samples of the stated rates below
LEAST_WRONG = 0.05  # even a check that was red before lets so much through
REJECTS_RIGHT = 0.05


class Audit(NamedTuple):
    """What was found later about a check's word: a later task's check, a person, CI."""

    strength: float
    accepted: bool
    right: bool  # was the work right after all?


@dataclass(frozen=True)
class Evidence:
    """All that is known. `learn` gives a new one; the order of outcomes does not matter."""

    tallies: Mapping[str, Mapping[tuple[Failed, int], Tally]] = field(default_factory=dict)
    predecessors: Mapping[str, str] = field(default_factory=dict)  # new id -> the one it replaces
    audits: Mapping[Audit, int] = field(default_factory=dict)

    @classmethod
    def of(cls, trials: Iterable[Trial], predecessors: Mapping[str, str] | None = None) -> Evidence:
        tallies = defaultdict[str, dict[tuple[Failed, int], Tally]](dict)
        for trial in trials:
            if trial.counts:
                place = (trial.after, band(trial.complexity))
                of_model = tallies[trial.model]
                of_model[place] = of_model.get(place, Tally()).plus(trial)
        return cls(tallies=dict(tallies), predecessors=predecessors or {})

    def learn(self, trial: Trial) -> Evidence:
        if not trial.counts:
            return self
        of_model = dict(self.tallies.get(trial.model, {}))
        place = (trial.after, band(trial.complexity))
        of_model[place] = of_model.get(place, Tally()).plus(trial)
        return replace(self, tallies={**self.tallies, trial.model: of_model})

    def amend(self, audit: Audit) -> Evidence:
        return replace(self, audits={**self.audits, audit: self.audits.get(audit, 0) + 1})

    def attempts(self, model: str) -> float:
        return sum(tally.samples for tally in self.tallies.get(model, {}).values())

    def cost_of_passing(self, model: str) -> tuple[float, float]:
        """How many attempts passed, and what they cost on average; 0 where none did."""
        tallies = self.tallies.get(model, {}).values()
        wins = sum(tally.wins for tally in tallies)
        return wins, sum(tally.won for tally in tallies) / wins if wins else 0.0

    def before(self, model: str) -> tuple[str, Mapping[tuple[Failed, int], Tally]]:
        """What the nearest predecessor with outcomes did: an id that replaces another starts from there."""
        seen = {model}
        while (model := self.predecessors.get(model, "")) and model not in seen:
            if self.tallies.get(model):
                return model, self.tallies[model]
            seen.add(model)
        return model, {}

    def trust(self, strength: float) -> Trust:
        """The stated rates of a check of this strength, moved by what was found of such checks."""
        wrong = TRUSTED * max(LEAST_WRONG, 1 - strength)
        right = TRUSTED * REJECTS_RIGHT
        return Trust(
            strength,
            (wrong + self._found(strength, True, False)) / (TRUSTED + self._work(strength, False)),
            (right + self._found(strength, False, True)) / (TRUSTED + self._work(strength, True)),
        )

    def _found(self, strength: float, accepted: bool, right: bool) -> int:
        return self.audits.get(Audit(strength, accepted, right), 0)

    def _work(self, strength: float, right: bool) -> int:
        return sum(self._found(strength, accepted, right) for accepted in (True, False))


def band(complexity: int) -> int:
    """Which of BANDS; what lies outside of 1..10 belongs to the nearest."""
    return next((number for number, last in enumerate(BANDS) if complexity <= last), len(BANDS) - 1)
