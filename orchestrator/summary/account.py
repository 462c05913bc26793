"""One plan's part of a run, as the sections ask for it. It only looks: the history stays as it was given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator import redact
from orchestrator.budget import Budget
from orchestrator.graph import TaskGraph
from orchestrator.history import History, TaskHistory, Tried, are_green
from orchestrator.model import (
    Answer,
    Check,
    DoneBefore,
    Limits,
    Outcome,
    Plan,
    RunId,
    Task,
    TaskId,
    TaskState,
    Verified,
    Work,
)
from orchestrator.model.outloop import Context
from orchestrator.summary.figures import Pace, Span, Spending, pace, spans, spend
from orchestrator.summary.text import one_line

UNFINISHED = (TaskState.WAITING, TaskState.RUNNING, TaskState.PAUSED)
NAME = 90  # characters of a plan's name in its title


@dataclass(frozen=True, slots=True)
class Account:
    plan: Plan
    run: RunId
    graph: TaskGraph
    states: Mapping[TaskId, TaskState]
    history: History
    artifacts: Mapping[str, str]  # what is wrong with each file that must be there; "": nothing
    context: Context | None = None  # what its agents read
    before: Mapping[TaskId, DoneBefore] = field(default_factory=dict)  # done by earlier runs
    saved: str | None = None  # by tools, in words
    tools_off: Mapping[str, str] = field(default_factory=dict)  # why it may not work any more

    # --- what it is called ------------------------------------------------------------------------

    def label(self, key: str) -> str:
        """`phase` or `plan` of the frontmatter, as written."""
        value = self.plan.frontmatter.get(key)
        return one_line(value) if isinstance(value, str) and value.strip() else self.plan.id

    @property
    def name(self) -> str:
        told = self.plan.section("objective").strip() or self.plan.frontmatter.get("title")
        first = one_line(told.strip().split("\n")[0], 1000) if isinstance(told, str) else ""
        if len(first) > NAME:  # the first clause, if there is one
            first = one_line(re.split(r"[:.;](?= )", first)[0], NAME)
        return first.rstrip(".:") or self.plan.id

    # --- its tasks --------------------------------------------------------------------------------

    def having(self, *states: TaskState) -> list[Task]:
        return [task for task in self.plan.tasks if self.states.get(task.id) in states]

    @property
    def succeeded(self) -> list[Task]:
        return self.having(TaskState.SUCCEEDED)

    @property
    def not_selected(self) -> list[Task]:
        return [task for task in self.plan.tasks if task.id not in self.states]

    @property
    def done_before(self) -> list[Task]:
        return [task for task in self.plan.tasks if task.id in self.before]

    def past(self, task: Task) -> TaskHistory:
        """Of this run."""
        return self.history.tasks.get(task.id) or TaskHistory()

    def answer(self, task: Task) -> Answer | None:
        before = self.before.get(task.id)
        return before.answer if before else self.past(task).answer

    def commit(self, task: Task) -> str | None:
        """Its own on the result branch, of this run or of the one that did it."""
        before = self.before.get(task.id)
        landed = before.work.landed if before and before.work else None
        return landed if before else self.past(task).commit

    def last(self, task: Task) -> Outcome | None:
        return self.past(task).last

    def last_tried(self, task: Task) -> Tried | None:
        """The attempt that `last` is the outcome of."""
        told = [one for one in self.past(task).tried if one.outcome and not one.interrupted]
        return told[-1] if told else None

    def judged(self, task: Task) -> bool:
        """A command has looked at it, here or before."""
        before, last = self.before.get(task.id), self.last(task)
        if before is not None:
            return before.result is not None
        return last is not None and last.verdict is not None and bool(last.verdict.checks)

    def is_partial(self, task: Task) -> bool:
        last, before = self.last(task), self.before.get(task.id)
        if before is not None:
            return before.verified is Verified.HUMAN and not task.is_checkpoint
        done = self.states.get(task.id) is TaskState.SUCCEEDED
        return done and last is not None and last.partial

    def causes(self, task: Task) -> list[TaskId]:
        """Failed tasks that this one is skipped for; they may be of another plan."""
        before = self.graph.all_before(task.id) if task.id in self.graph.tasks else set()
        return [t for t in self.graph if t in before and self.states.get(t) is TaskState.FAILED]

    # --- the whole --------------------------------------------------------------------------------

    @property
    def all_succeeded(self) -> bool:
        return len(self.succeeded) == len(self.plan.tasks)

    @property
    def plan_checks(self) -> list[Check] | None:
        """None: not run yet."""
        return self.history.plan_checks.get(self.plan.id)

    @property
    def result_checks(self) -> list[Check] | None:
        """Of this plan, on the result branch. None: not run yet, or there is no such branch."""
        return result_checks(self.plan, self.history)

    @property
    def is_complete(self) -> bool:
        """Every task succeeded, and what was checked of the whole is green."""
        return is_complete(self.plan, self.states, self.history)

    @property
    def tries(self) -> list[Tried]:
        return [one for task in self.plan.tasks for one in self.past(task).tried]

    @property
    def works(self) -> list[Work]:
        """What landed, in the order in which it did; earlier runs came first."""
        ids = {task.id for task in self.plan.tasks}
        told = (one.work for one in self.before.values() if one.task in ids)
        earlier = [work for work in told if work is not None]
        works = [one.outcome.work for one in self.tries if one.outcome and one.outcome.work]
        mine = {work.landed: work for work in works if work.landed}
        return earlier + [mine[commit] for commit in self.history.landed if commit in mine]

    @property
    def budget(self) -> Budget:
        """Of the whole run: plans share it."""
        plans = {plan.id: plan.budget for plan in self.graph.plans.values()}
        return Budget(
            self.history.limits or Limits(),
            self.history,
            lambda task: self.graph.plan_of(task).id,
            {},
            plans,
        )

    @property
    def spending(self) -> Spending:
        return spend(self.tries)

    def spans(self, *tasks: Task) -> list[Span]:
        """Of the attempts of these tasks; of all without one."""
        chosen = [one for task in tasks or self.plan.tasks for one in self.past(task).tried]
        return [part for one in chosen for part in spans(one, self.history.resumed_at)]

    @property
    def pace(self) -> Pace:
        return pace(self.spans())

    @property
    def moments(self) -> list[datetime]:
        """All that is dated in this plan: its first is the start, its last the end."""
        spans = self.spans()
        seen = [one.start for one in spans] + [one.end for one in spans if one.end]
        pasts = [self.past(task) for task in self.plan.tasks]
        told = [at for past in pasts for at in (past.asked_at, past.answered_at) if at]
        return sorted(seen + [datetime.fromisoformat(at) for at in told])

    @property
    def duration_s(self) -> float | None:
        """While an engine lived and did not only wait for a person: a night between two sessions is no work."""
        moments = self.moments
        if not moments:
            return None
        first, last = moments[0], moments[-1]
        away = 0.0
        for pause in (*self.history.pauses, *self.history.waits.over):
            start, end = map(datetime.fromisoformat, pause)
            away += max(0.0, (min(end, last) - max(start, first)).total_seconds())
        return max(0.0, (last - first).total_seconds() - away)

    @property
    def batches(self) -> list[list[Task]]:
        mine = {task.id: task for task in self.plan.tasks}
        found = [[mine[t] for t in batch if t in mine] for batch in self.graph.batches()]
        return [batch for batch in found if batch]


def is_complete(plan: Plan, states: Mapping[TaskId, TaskState], history: History) -> bool:
    """Every task succeeded; the plan's own commands are green, and so is the result where there is one."""
    succeeded = all(states.get(task.id) is TaskState.SUCCEEDED for task in plan.tasks)
    own = history.plan_checks.get(plan.id, None if plan.commands else [])
    together = [] if history.ground is None else result_checks(plan, history)
    return succeeded and all(checks is not None and are_green(checks) for checks in (own, together))


def result_checks(plan: Plan, history: History) -> list[Check] | None:
    if history.result_checks is None:
        return None
    mine = {*plan.commands, *(command for task in plan.tasks for command in task.commands)}
    mine |= set(map(redact.text, mine))  # as the journal has them
    return [check for check in history.result_checks if check.command in mine]
