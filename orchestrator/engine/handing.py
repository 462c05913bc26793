"""What an attempt is handed: prompt, caps, environment, and the conversation that it goes on with. Decides, and does nothing."""

from __future__ import annotations

from pathlib import Path

from orchestrator import redact
from orchestrator.engine.crew import Crew
from orchestrator.engine.places import CLEAN
from orchestrator.engine.review import both, cut_off
from orchestrator.graph import TaskGraph
from orchestrator.history import History, Tried
from orchestrator.model import (
    Attempt,
    Failure,
    Outcome,
    Reserve,
    RunId,
    Score,
    Session,
    StepKind,
    TaskId,
    Usage,
)
from orchestrator.prompt import Before, introduce, tell
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.tracker import Start
from orchestrator.verify import move_root
from orchestrator.workers import booking

BY_ITS_WORK = {
    Failure.VERIFY,
    Failure.INCONCLUSIVE,
    Failure.EXIT,
    Failure.TIMEOUT,
    Failure.SECRET,
}
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
    place: Path,
    graph: TaskGraph,
    history: History,
    crew: Crew,
    transcript: Path,
    reserve: Reserve | None = None,
) -> Attempt:
    """Without a `reserve` only the settings' own caps hold: it asks no model, or has only to land."""
    task, plan = start.task, graph.plan_of(start.task.id)
    session, known = continued(start, graph, history, crew, place)
    before, isolated = _all_before(task.id, known, graph, history), place != root
    needed = crew.needed.get(task.id, ())
    told = tell(plan, task, before, history.of(task.id).last, needed)
    limits = crew.settings.run
    return Attempt(
        run=run,
        task=task.id,
        name=task.title,
        number=start.number,
        action=moved(task.action, root, place),  # exact: it may be a script
        system=redact.text(moved(introduce(plan, task, isolated=isolated), root, place)),
        prompt=redact.text(moved(told, root, place)),
        route=start.route,
        workspace=str(place),
        timeout_s=task.timeout_s or limits.timeout_s,
        stall_s=limits.stall_s,
        silent_s=limits.silent_s or None,
        max_usd=reserve.max_usd if reserve else crew.settings.budget.attempt_usd or None,
        max_tokens=reserve.max_tokens if reserve else None,
        max_turns=crew.settings.budget.attempt_turns,
        session=session,
        transcript=str(transcript),
        environment={**crew.environment, **_names(run, start)},
    )


def started(
    attempt: Attempt, score: Score, base: str | None, reserve: Reserve | None
) -> dict[str, object]:
    """What its first event says of it."""
    return {
        "route": attempt.route.model_dump(mode="json"),
        "score": score.model_dump(mode="json"),
        "system": attempt.system,
        "prompt": attempt.prompt,
        "session": attempt.session and attempt.session.model_dump(mode="json"),
        "transcript": Path(attempt.transcript).name,
        "workspace": attempt.workspace,
        "base": base,
        "reserve": reserve and reserve.model_dump(mode="json"),
    }


def _names(run: RunId, start: Start) -> dict[str, str]:
    return {
        "ORCHESTRATOR_RUN": run,
        "ORCHESTRATOR_TASK": start.task.id,
        "ORCHESTRATOR_ATTEMPT": str(start.number),
    }


def _all_before(
    task: TaskId, known: TaskId | None, graph: TaskGraph, history: History
) -> list[Before]:
    """What it waited for; and what people said farther up, unless the conversation of `known` has it already."""
    near = [one for one in graph.before(task) if one != known]
    heard = graph.all_before(known) if known else set()
    far = graph.all_before(task) - heard - {*near, known}
    said = [
        Before(task=graph.tasks[one], answer=history.of(one).answer)
        for one in graph
        if one in far and history.of(one).answer is not None
    ]
    return said + [_before(one, graph, history) for one in near]


def _before(task: TaskId, graph: TaskGraph, history: History) -> Before:
    past = history.of(task)
    return Before(task=graph.tasks[task], outcome=past.last, answer=past.answer)


def moved(text: str, root: Path, place: Path) -> str:
    """Who is told of the project by its absolute path means the workspace."""
    return move_root(text, str(root), str(place))


def continued(
    start: Start, graph: TaskGraph, history: History, crew: Crew, place: Path
) -> tuple[Session | None, TaskId | None]:
    """The session to go on with, and the task whose result is therefore known to it.

    Its own, where the last try was cut off; else a copy of its one predecessor's, if it inherits. Only with the same
    worker and model: another model would have to read all of it anew. And only in the same place, with the files that it knows.
    """
    able, own = crew.workers[start.route.worker].sessions, history.of(start.task.id).tried
    goes_on = own and was_cut_off(own[-1]) and not starts_clean(own[-1])
    if "resume" in able and goes_on and _fits(own[-1], start, place):
        return resumed(own[-1], fork=False), None
    if "fork" not in able or start.task.is_fresh:
        return None, None
    plan = graph.plan_of(start.task.id).id
    near = [t for t in graph.before(start.task.id) if graph.plan_of(t).id == plan]
    known = [t for t in near if (past := history.of(t).tried) and _fits(past[-1], start, place)]
    if len(known) != 1:
        return None, None
    return resumed(history.of(known[0]).tried[-1], fork=True), known[0]


def starts_clean(last: Tried) -> bool:
    """In a worktree what was interrupted begins anew: its conversation would speak of files that are not there."""
    return last.base is not None and (last.outcome is None or last.outcome.failure in CLEAN)


def has_worked(tried: Tried) -> bool:
    """It may have written something: it was seen at it, or failed by its work. Some clients tell no steps."""
    failure = tried.outcome.failure if tried.outcome else Failure.INTERRUPTED
    return failure in BY_ITS_WORK or any(
        step.kind in (StepKind.WRITE, StepKind.RUN) for step in tried.steps
    )


def was_cut_off(tried: Tried) -> bool:
    """It ended for no fault of its work."""
    failure = tried.outcome.failure if tried.outcome else Failure.INTERRUPTED
    return failure is not None and (failure in GOES_ON or REACTIONS[failure] is Reaction.SAME_TRY)


def _fits(tried: Tried, start: Start, place: Path) -> bool:
    was = tried.route
    if tried.workspace not in ("", str(place)):
        return False
    same = (was.worker, was.model) == (start.route.worker, start.route.model)
    return same and tried.session is not None


def interrupted(tried: Tried, why: str) -> Outcome:
    """Of a try that was stopped. What its model used by then is known only as far as it had told: the next request may be out."""
    used = (tried.so_far or Usage()).model_copy(update={"lower_bound": True})
    if not tried.route.asks_a_model:
        used = Usage.nothing()
    if tried.worked is not None and tried.worked.usage is not None:
        used = tried.worked.usage  # it was stopped in its check
    review = cut_off(tried.reviewer, tried.reviewing, why) if tried.in_review else tried.review
    if review is not None and review.usage is not None:
        used = both(used, review.usage)
    return Outcome(
        failure=Failure.INTERRUPTED,
        detail=why,
        usage=used,
        totals=tried.totals,
        model=tried.model,
        session=tried.session,
        work=tried.kept,
        review=review,
    )


def resumed(last: Tried, *, fork: bool) -> Session:
    """Without its last totals, what is booked is what was booked before it and what it told while it worked."""
    assert last.session is not None
    told = (last.booked, last.so_far)
    booked = last.totals or booking.add(one for one in told if one is not None)
    return Session(id=last.session, fork=fork, booked=booked)
