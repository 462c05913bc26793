"""What an attempt is handed: prompt, caps, environment, and the conversation that it goes on with. Decides, and does nothing."""

from __future__ import annotations

from pathlib import Path

from orchestrator.engine.order import Crew
from orchestrator.graph import TaskGraph
from orchestrator.history import History, Tried
from orchestrator.model import Attempt, Failure, RunId, Session, StepKind, TaskId
from orchestrator.prompt import Before, introduce, tell
from orchestrator.tracker import REACTIONS, Reaction, Start
from orchestrator.workers import booking

GOES_ON = {
    Failure.STALLED,
    Failure.KILLED,
    Failure.MAX_TURNS,
    Failure.BUDGET,
}  # its work was not wrong


def hand(
    start: Start,
    *,
    run: RunId,
    root: Path,
    graph: TaskGraph,
    history: History,
    crew: Crew,
    transcript: Path,
) -> Attempt:
    task, plan = start.task, graph.plan_of(start.task.id)
    session, known = continued(start, graph, history, crew)
    before = [_before(one, graph, history) for one in graph.before(task.id) if one != known]
    return Attempt(
        run=run,
        task=task.id,
        name=task.title,
        number=start.number,
        action=task.action,
        system=introduce(plan, task),
        prompt=tell(plan, task, before, history.of(task.id).last),
        route=start.route,
        workspace=str(root),
        timeout_s=task.timeout_s or crew.timeout_s,
        stall_s=crew.stall_s,
        max_usd=crew.max_usd,
        max_turns=crew.max_turns,
        session=session,
        transcript=str(transcript),
        environment={
            **crew.environment,
            "ORCHESTRATOR_RUN": run,
            "ORCHESTRATOR_TASK": task.id,
            "ORCHESTRATOR_ATTEMPT": str(start.number),
        },
    )


def _before(task: TaskId, graph: TaskGraph, history: History) -> Before:
    past = history.of(task)
    return Before(task=graph.tasks[task], outcome=past.last, answer=past.answer)


def continued(
    start: Start, graph: TaskGraph, history: History, crew: Crew
) -> tuple[Session | None, TaskId | None]:
    """The session to go on with, and the task whose result is therefore known to it.

    Its own, where the last try was cut off; else a copy of its one predecessor's, if it inherits. Only with the same
    worker and model: another model would have to read all of it anew.
    """
    able, own = crew.workers[start.route.worker].sessions, history.of(start.task.id).tried
    if "resume" in able and own and was_cut_off(own[-1]) and _fits(own[-1], start):
        return resumed(own[-1], fork=False), None
    if "fork" not in able or start.task.is_fresh:
        return None, None
    plan = graph.plan_of(start.task.id).id
    near = [t for t in graph.before(start.task.id) if graph.plan_of(t).id == plan]
    known = [t for t in near if (past := history.of(t).tried) and _fits(past[-1], start)]
    if len(known) != 1:
        return None, None
    return resumed(history.of(known[0]).tried[-1], fork=True), known[0]


def has_worked(tried: Tried) -> bool:
    """It may have written something: it was seen at it, or failed by its work. Some clients tell no steps."""
    failure = tried.outcome.failure if tried.outcome else Failure.INTERRUPTED
    by_its_work = failure in (Failure.VERIFY, Failure.INCONCLUSIVE, Failure.EXIT, Failure.TIMEOUT)
    return by_its_work or any(step.kind in (StepKind.WRITE, StepKind.RUN) for step in tried.steps)


def was_cut_off(tried: Tried) -> bool:
    """It ended for no fault of its work."""
    failure = tried.outcome.failure if tried.outcome else Failure.INTERRUPTED
    return failure is not None and (failure in GOES_ON or REACTIONS[failure] is Reaction.SAME_TRY)


def _fits(tried: Tried, start: Start) -> bool:
    was = tried.route
    same = (was.worker, was.model) == (start.route.worker, start.route.model)
    return same and tried.session is not None


def resumed(last: Tried, *, fork: bool) -> Session:
    """Without its last totals, what is booked is what was booked before it and what it told while it worked."""
    assert last.session is not None
    told = (last.booked, last.so_far)
    booked = last.totals or booking.add(one for one in told if one is not None)
    return Session(id=last.session, fork=fork, booked=booked)
