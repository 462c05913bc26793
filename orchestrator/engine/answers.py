"""What counts as an answer: to a checkpoint by --yes, and to the run by letter. Refuses answers that fit no question."""

from __future__ import annotations

from orchestrator.graph import TaskGraph
from orchestrator.history import TaskHistory
from orchestrator.inbox import Letter
from orchestrator.model import Answer, Element, Gate, Task, TaskState
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
            Answer(approved=True, option=task.options[0].id, by="--yes") if task.options else None
        )
    if task.type == "checkpoint:human-verify" or task.gate is Gate.ADVISORY:
        return Answer(approved=True, by="--yes")
    return None


def misfit(task: Task, answer: Answer) -> str | None:
    """Why this answer does not fit the question; None if it does."""
    known = [option.id for option in task.options]
    if not answer.approved or not known:
        wrong = answer.option is not None and answer.approved
        return f"{task.id} has no options; leave --option out" if wrong else None
    if answer.option not in known:
        return f"{task.id} is a choice: approve it with --option and one of {', '.join(known)}"
    return None


def misplaced(letter: Letter, graph: TaskGraph, tracker: Tracker) -> str | None:
    """Why this letter cannot be followed now; None if it can."""
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
        return f"{task.id} is {state} and waits for no answer"
    return misfit(task, letter.answer)
