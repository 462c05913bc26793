"""What a task's check proves: before it has run, and of attempts that it did not let pass. Refuses to weigh failures by another scale than passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from orchestrator.engine.review import STRENGTH as REVIEW
from orchestrator.ledger import Attempted
from orchestrator.model import Check, CheckResult, Route, Task, Verified
from orchestrator.model.learned import AMENDED
from orchestrator.settings import Settings
from orchestrator.verify import STRENGTH
from orchestrator.workers.tool import NAME as TOOL

# Of a kind of check that this project has no passes of yet.
STATED = {Verified.COMMAND: 1.0, Verified.REVIEW: REVIEW, Verified.NONE: 0.0}


def expected_strength(
    task: Task, settings: Settings, reviewed: bool, before: Sequence[Check] = ()
) -> float:
    """What a pass will prove. `before`: how its commands stood before the work, where somebody looked.

    A probe is not counted on: it is made in worktrees only, and where it can be.
    """
    by_review = REVIEW if reviewed else 0.0
    if not task.commands:
        return by_review
    usual = CheckResult.RED if settings.verify.red_first else CheckResult.INCONCLUSIVE
    found = min((STRENGTH[check.result] for check in before), default=STRENGTH[usual])
    return max(found, by_review)


def is_all_of_it(route: Route) -> bool:
    """To be green is all that its task asks for: it was given to a tool because its words want this operation and nothing else."""
    return route.tool is not None


class Strengths:
    """Of many attempts: the strength of the check that decided, or would have. A pass has it on record; a failure often has not. Of tools: none, theirs says nothing of what a model made."""

    def __init__(self, entries: Iterable[Attempted]) -> None:
        self._same_run: dict[tuple[str, str], float] = {}
        self._same_project: dict[tuple[str, str], float] = {}
        self._means: dict[tuple[str, Verified | None], _Mean] = defaultdict(_Mean)
        for one in entries:
            if is_red(one) or one.verify_strength is None or one.worker == TOOL:
                continue
            strength, task = one.verify_strength, (one.run_id, one.task_id)
            self._same_run[task] = max(strength, self._same_run.get(task, 0.0))
            self._same_project[one.project, one.task_id] = strength
            self._means[one.project, None].add(strength)
            if (kind := _kind(one)) is not None:
                self._means[one.project, kind].add(strength)

    def known(self, one: Attempted) -> float | None:
        """None: neither it nor another attempt at the same task tells."""
        if one.verify_strength:
            return one.verify_strength
        found = [self._same_run.get((one.run_id, one.task_id)), one.check_strength]
        if is_red(one):
            found.append(self._same_project.get((one.project, one.task_id)))
        return next((each for each in found if each is not None), None)

    def weight(self, one: Attempted) -> float:
        """A failure of which nothing is known counts as a pass of its kind does on average, else as any pass of its project."""
        found = self.known(one)
        if found is not None or not is_red(one):
            return found or 0.0
        kind = _kind(one)
        for key in ((one.project, kind), (one.project, None)):
            if key in self._means:
                return self._means[key].mean
            if kind in STATED:
                return STATED[kind]
        return 1.0


class _Mean:
    def __init__(self) -> None:
        self._sum, self._n = 0.0, 0

    def add(self, value: float) -> None:
        self._sum, self._n = self._sum + value, self._n + 1

    @property
    def mean(self) -> float:
        return self._sum / self._n


def is_red(one: Attempted) -> bool:
    """It did not pass when it was tried, whatever is known now."""
    if one.check_strength is not None:
        return True
    return one.outcome == "failed" and one.failure != AMENDED


def _kind(one: Attempted) -> Verified | None:
    """None: nothing had looked at it when it ended."""
    return Verified.REVIEW if one.review else one.verified
