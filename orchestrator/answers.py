"""What counts as an answer: to a checkpoint by --yes or by its age, and to the run by letter. Refuses answers that fit no question."""

from __future__ import annotations

from datetime import datetime

from orchestrator.graph import TaskGraph
from orchestrator.history import Expiry, History, TaskHistory
from orchestrator.history.spans import duration
from orchestrator.inbox import Letter
from orchestrator.model import EXPIRY, STANDING, Answer, Element, Gate, Task, TaskState
from orchestrator.tracker import Tracker


def asked(task: Task, past: TaskHistory) -> Task:
    """What a person is asked: the checkpoint itself, or to look at what a task has changed before it lands."""
    last = past.tried[-1] if past.tried else None
    if task.is_checkpoint or last is None or not last.held:
        return task
    commit = last.kept.commit if last.kept else None
    live = any(file.startswith(".git/") for file in last.held)
    force = (
        " What is in .git/ is in force already, whoever wrote it: look at it there." if live else ""
    )
    look = f"Look at it with: git show {commit} ." if commit else "Look at these files themselves."
    told = {
        "what-built": f"It changed what steers git, agents or CI: {', '.join(last.held)}.",
        "how-to-verify": f"{look} Approved, it lands; rejected, the task fails and its work is kept.{force}",
    }
    elements = (Element(tag=tag, text=text, position=task.position) for tag, text in told.items())
    update = {
        "type": "checkpoint:human-verify",
        "gate": Gate.BLOCKING_HUMAN,
        "options": (),
        "elements": tuple(elements),
    }
    return task.model_copy(update=update)


def standing(task: Task) -> Answer | None:
    """What --yes says: never past blocking-human and human-action, the first option of a decision."""
    if task.gate is Gate.BLOCKING_HUMAN or task.type == "checkpoint:human-action":
        return None
    if task.type == "checkpoint:decision":
        return (
            Answer(approved=True, option=task.options[0].id, by=STANDING) if task.options else None
        )
    if task.type == "checkpoint:human-verify" or task.gate is Gate.ADVISORY:
        return Answer(approved=True, by=STANDING)
    return None


def expired(task: Task, expiry: Expiry) -> Answer:
    """What becomes of a question that is too old. A clock never passes a choice, blocking-human or human-action."""
    harmless = task.gate is Gate.ADVISORY and task.type != "checkpoint:human-action"
    passes = expiry.policy == "pass-advisory" and harmless and not task.options
    note = f"nobody answered within {duration(expiry.after_s)} (checkpoints.expire_s)"
    return Answer(approved=passes, note=note, by=EXPIRY)


def misfit(task: Task, answer: Answer) -> str | None:
    """Why this answer does not fit the question; None if it does."""
    known = [option.id for option in task.options]
    if not answer.approved or not known:
        wrong = answer.option is not None and answer.approved
        return f"{task.id} has no options; leave --option out" if wrong else None
    if answer.option not in known:
        return f"{task.id} is a choice: approve it with --option and one of {', '.join(known)}"
    return None


def misplaced(letter: Letter, graph: TaskGraph, tracker: Tracker, history: History) -> str | None:
    """Why this letter cannot be followed now; None if it can."""
    if letter.task is None:
        return None
    task, state = graph.tasks.get(letter.task), tracker.states.get(letter.task)
    if task is None:
        return f"{letter.task} is not part of run {letter.run}"
    if letter.do == "retry":
        return (
            None
            if state is TaskState.FAILED
            else f"{task.id} is {state}; only a failed task can be retried"
        )
    if state is not TaskState.PAUSED or letter.answer is None:
        return (
            f"{task.id} {_how_it_stands(state, history.tasks.get(task.id))} and waits for no answer"
        )
    return misfit(task, letter.answer)


def _how_it_stands(state: TaskState | None, past: TaskHistory | None) -> str:
    """Who is too late wants to know what was said, by whom and when."""
    if past is None or past.answer is None or past.answered_at is None:
        return f"is {state}"
    word = "approved" if past.answer.approved else "rejected"
    option = f" with {past.answer.option}" if past.answer.option else ""
    by = f" by {past.answer.by}" if past.answer.by else ""
    at = datetime.fromisoformat(past.answered_at).astimezone()
    return f"was {word}{option}{by} at {at:%Y-%m-%d %H:%M}"
