"""Events folded into what happened to each task. Pure: the journal's view for SUMMARY, show, explain and the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.history.tries import Closing, Expiry, Landing, TaskHistory, Tried
from orchestrator.history.waits import Waits
from orchestrator.model import (
    Answer,
    Check,
    CheckResult,
    Event,
    EventKind,
    Failure,
    Limits,
    Outcome,
    PlanId,
    Reserve,
    Review,
    Route,
    Score,
    Session,
    Shortage,
    Step,
    TaskId,
    Usage,
    Work,
)

VIA = {"command": ", by command", "dashboard": ", on the dashboard"}

__all__ = ["Closing", "Expiry", "History", "Landing", "TaskHistory", "Tried", "are_green", "fold"]


@dataclass(slots=True)
class History:
    """All of one run. `ended_at`, `exit_code` are None while it runs or after a crash."""

    tasks: dict[TaskId, TaskHistory] = field(default_factory=dict)
    plan_checks: dict[PlanId, list[Check]] = field(default_factory=dict)
    result_checks: list[Check] | None = None  # once more, on the result; None: not run
    delivery: Mapping[str, Any] | None = None  # whether the person's branch has the result
    ground: Mapping[str, Any] | None = None  # where the worktrees began; None: the plain directory
    sandbox: str | None = None  # the weakest that stood around its programs; None: not recorded
    holders: dict[str, TaskId] = field(default_factory=dict)  # of each workspace, the latest task
    tips: list[str] = field(default_factory=list)  # to which the result branch was to move
    landed: list[str] = field(default_factory=list)  # commits of tasks, in their order
    handing_over: str | None = None  # the tip that the person's branch was to move to
    closings: list[Closing] = field(default_factory=list)
    limits: Limits | None = None  # of money, as they are now; None: recorded before there were any
    # money keeps these from starting
    shortages: dict[TaskId, Shortage] = field(default_factory=dict)
    started_at: str = ""
    resumed_at: list[str] = field(default_factory=list)
    pauses: list[tuple[str, str]] = field(default_factory=list)  # no engine lived: from, to
    waits: Waits = field(default_factory=Waits)  # for people, and for nothing else
    latest_at: str = ""  # of any event
    ended_at: str | None = None
    cancelled: str | None = None  # "cancelled by NAME", since an engine last began
    unattended: bool = False  # the engine that last began is a daemon's
    exit_code: int | None = None

    @property
    def summaries(self) -> list[str]:
        """Commits that the result branch was to move to and that are of no task."""
        return [commit for commit in self.tips if commit not in self.landed]

    @property
    def has_landed(self) -> bool:
        return bool(self.landed)

    def of(self, task: TaskId) -> TaskHistory:
        return self.tasks.setdefault(task, TaskHistory())

    def add(self, event: Event) -> None:
        FOLDS.get(event.kind, _ignore)(self, event)
        self.waits.add(event, self.latest_at or event.at)
        self.latest_at = event.at


def are_green(checks: Iterable[Check]) -> bool:
    return all(check.result is CheckResult.GREEN for check in checks)


def fold(events: Iterable[Event]) -> History:
    history = History()
    for event in events:
        history.add(event)
    return history


def _ignore(_history: History, _event: Event) -> None:
    """Kinds that say nothing about a task's past."""


def _run_started(history: History, event: Event) -> None:
    history.started_at = event.at
    history.ground = event.data.get("ground")
    _engine_began(history, event)


def _engine_began(history: History, event: Event) -> None:
    """One engine of a run can have a sandbox, and the next none."""
    history.unattended = bool(event.data.get("unattended"))
    if (told := event.data.get("budget")) is not None:
        history.limits = Limits.model_validate(told["limits"])
        history.shortages.clear()  # all are asked anew
    kind = event.data.get("sandbox", {}).get("kind")
    history.sandbox = "none" if "none" in (kind, history.sandbox) else kind or history.sandbox


def _run_resumed(history: History, event: Event) -> None:
    """A plan whose own commands were not green is checked again: something may be mended."""
    history.resumed_at.append(event.at)
    history.pauses.append((history.latest_at or event.at, event.at))
    for past in history.tasks.values():
        for tried in past.tried[-1:]:
            if tried.outcome is None:
                tried.died_at = tried.died_at or history.latest_at
    _engine_began(history, event)
    green = {plan: checks for plan, checks in history.plan_checks.items() if are_green(checks)}
    history.plan_checks = green
    history.result_checks = history.delivery = None
    history.ended_at = history.exit_code = history.cancelled = None


def _run_finished(history: History, event: Event) -> None:
    history.ended_at = event.at
    history.exit_code = event.data["exit_code"]


def _attempt_started(history: History, event: Event) -> None:
    assert event.task is not None
    assert event.attempt is not None
    session, reserve = event.data.get("session"), event.data.get("reserve")
    workspace = event.data.get("workspace", "")
    history.holders[workspace] = event.task
    history.result_checks = None  # the result is not what it was
    history.shortages.pop(event.task, None)
    history.of(event.task).tried.append(
        Tried(
            number=event.attempt,
            route=Route.model_validate(event.data["route"]),
            score=Score.model_validate(event.data["score"]),
            started_at=event.at,
            transcript=event.data.get("transcript", ""),
            booked=Session.model_validate(session).booked if session else None,
            workspace=workspace,
            base=event.data.get("base"),
            reserve=Reserve.model_validate(reserve) if reserve else None,
        )
    )


def _tried(history: History, event: Event) -> Tried:
    assert event.task is not None
    return next(t for t in history.of(event.task).tried if t.number == event.attempt)


def _workspace_ready(history: History, event: Event) -> None:
    _tried(history, event).begin = event.data["begin"]


def _work_kept(history: History, event: Event) -> None:
    _tried(history, event).kept = Work.model_validate(event.data["work"])


def _verified(history: History, event: Event) -> None:
    _tried(history, event).verified = Outcome.model_validate(event.data["outcome"])


def _held(history: History, event: Event) -> None:
    tried = _tried(history, event)
    tried.held, tried.held_at = tuple(event.data["files"]), event.at
    _asked(history, event)


def _landing(history: History, event: Event) -> None:
    outcome = Outcome.model_validate(event.data["outcome"])
    history.result_checks = history.handing_over = None
    history.tips.append(event.data["commit"])
    _tried(history, event).landing = Landing(event.data["commit"], event.data["tip"], outcome)


def _check_finished(history: History, event: Event) -> None:
    tried, check = _tried(history, event), Check.model_validate(event.data["check"])
    if event.data["stage"] == "before":
        tried.before.append(check)
    elif event.data["stage"] == "probe":
        tried.probed.append(check)


def _worker_finished(history: History, event: Event) -> None:
    tried = _tried(history, event)
    tried.worked = Outcome.model_validate(event.data["outcome"])
    _keep_session(tried, tried.worked)


def _reviewing(history: History, event: Event) -> None:
    """From now on something is spent that nobody knows."""
    tried, route = _tried(history, event), event.data.get("route")
    tried.in_review, tried.reviewer = True, Route.model_validate(route) if route else None


def _reviewed(history: History, event: Event) -> None:
    tried = _tried(history, event)
    tried.review, tried.in_review = Review.model_validate(event.data["review"]), False


def _worker_reported(history: History, event: Event) -> None:
    tried, data = _tried(history, event), event.data
    tried.session = data.get("session", tried.session)
    tried.model = data.get("model", tried.model)
    before = (tried.so_far, tried.reviewing)
    for key, name in {"usage": "so_far", "totals": "totals", "review": "reviewing"}.items():
        if key in data:
            setattr(tried, name, Usage.model_validate(data[key]))
    for now, then in zip((tried.so_far, tried.reviewing), before, strict=True):
        usd, tokens = (now or Usage()).beyond(then)
        tried.leap = max(tried.leap[0], usd), max(tried.leap[1], tokens)
    tried.steps += map(Step.model_validate, data.get("steps", ()))
    tried.steps_left_out = data.get("steps_left_out", tried.steps_left_out)


def _gate_closed(history: History, event: Event) -> None:
    data = event.data
    closing = Closing(data["gate"], Failure(data["failure"]), data["pause_s"], data["until"])
    last = next((one for one in reversed(history.closings) if one.gate == closing.gate), None)
    if last and last.failure is closing.failure and closing.until - closing.pause_s < last.until:
        history.closings.remove(last)  # it is closed already, and stays so for longer
        began = min(last.until - last.pause_s, closing.until - closing.pause_s)
        until = max(last.until, closing.until)
        closing = closing._replace(pause_s=until - began, until=until)
    history.closings.append(closing)


def _budget_short(history: History, event: Event) -> None:
    assert event.task is not None
    history.shortages[event.task] = Shortage.model_validate(event.data)


def _attempt_finished(history: History, event: Event) -> None:
    tried = _tried(history, event)
    tried.outcome = Outcome.model_validate(event.data["outcome"])
    tried.finished_at = (tried.died_at if tried.interrupted else None) or event.at
    if tried.outcome.work is not None and tried.outcome.work.landed:
        history.landed.append(tried.outcome.work.landed)
    _keep_session(tried, tried.outcome)


def _keep_session(tried: Tried, outcome: Outcome) -> None:
    tried.session = outcome.session or tried.session
    tried.totals = outcome.totals or tried.totals


def _asked(history: History, event: Event) -> None:
    """Whatever was answered before was an answer to something else."""
    assert event.task is not None
    past, after_s = history.of(event.task), event.data.get("expire_s")
    past.asked_at, past.answer, past.answered_at, past.expiry = event.at, None, None, None
    if after_s:
        at = datetime.fromisoformat(event.at).timestamp() + after_s
        past.expiry = Expiry(at, after_s, event.data["on_expiry"])


def _answered(history: History, event: Event) -> None:
    assert event.task is not None
    past = history.of(event.task)
    past.answer = Answer.model_validate(event.data["answer"])
    past.answered_at = event.at
    if past.tried and past.tried[-1].is_held:
        past.tried[-1].held_until = event.at


def _retry_asked(history: History, event: Event) -> None:
    """A checkpoint that is asked anew has no answer yet."""
    assert event.task is not None
    past = history.of(event.task)
    past.began = len(past.tried)
    past.answer = past.answered_at = past.asked_at = past.expiry = None


def _plan_checked(history: History, event: Event) -> None:
    checks = [Check.model_validate(check) for check in event.data["checks"]]
    history.plan_checks[PlanId(event.data["plan"])] = checks


def _result_checking(history: History, event: Event) -> None:
    """What was said of another tip says nothing of this one, also if nobody comes to an end with it."""
    history.result_checks = None


def _result_checked(history: History, event: Event) -> None:
    history.result_checks = [Check.model_validate(check) for check in event.data["checks"]]


def _summarising(history: History, event: Event) -> None:
    history.tips.append(event.data["commit"])


def _delivering(history: History, event: Event) -> None:
    history.handing_over = event.data["tip"]


def _delivered(history: History, event: Event) -> None:
    history.delivery = event.data


def _draining(history: History, event: Event) -> None:
    if event.data.get("cancelled"):
        via = VIA.get(event.data.get("via", ""), "")
        history.cancelled = f"{event.data['reason']}{via}"


FOLDS: dict[EventKind, Callable[[History, Event], None]] = {
    EventKind.RUN_STARTED: _run_started,
    EventKind.RUN_RESUMED: _run_resumed,
    EventKind.RUN_FINISHED: _run_finished,
    EventKind.DRAINING: _draining,
    EventKind.ATTEMPT_STARTED: _attempt_started,
    EventKind.WORKSPACE_READY: _workspace_ready,
    EventKind.WORK_KEPT: _work_kept,
    EventKind.VERIFIED: _verified,
    EventKind.HELD: _held,
    EventKind.LANDING: _landing,
    EventKind.RESULT_CHECKING: _result_checking,
    EventKind.RESULT_CHECKED: _result_checked,
    EventKind.SUMMARISING: _summarising,
    EventKind.DELIVERING: _delivering,
    EventKind.DELIVERED: _delivered,
    EventKind.CHECK_FINISHED: _check_finished,
    EventKind.WORKER_FINISHED: _worker_finished,
    EventKind.WORKER_REPORTED: _worker_reported,
    EventKind.REVIEWING: _reviewing,
    EventKind.REVIEWED: _reviewed,
    EventKind.GATE_CLOSED: _gate_closed,
    EventKind.BUDGET_SHORT: _budget_short,
    EventKind.ATTEMPT_FINISHED: _attempt_finished,
    EventKind.CHECKPOINT_ASKED: _asked,
    EventKind.CHECKPOINT_ANSWERED: _answered,
    EventKind.RETRY_ASKED: _retry_asked,
    EventKind.PLAN_CHECKED: _plan_checked,
}
