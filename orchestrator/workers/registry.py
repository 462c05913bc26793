"""Which workers there are and which one does a task: one line per worker; it refuses a task that nobody can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from orchestrator.errors import WorkerNotInstalled
from orchestrator.model import Task
from orchestrator.workers import Worker
from orchestrator.workers.shell import ShellWorker


def installed() -> dict[str, Worker]:
    """By name, in the order in which they are asked."""
    workers: list[Worker] = [
        ShellWorker(),
    ]
    return {worker.name: worker for worker in workers}


def choose(task: Task, workers: Mapping[str, Worker]) -> Worker:
    """The first that can do it; one named by the task is the only one asked. Raises WorkerNotInstalled."""
    asked = [task.worker] if task.worker else list(workers)
    reasons = {name: explain(task, workers.get(name)) for name in asked}
    for name, reason in reasons.items():
        if reason is None:
            return workers[name]
    raise WorkerNotInstalled(refuse(task, reasons, workers))


def unable(tasks: Iterable[Task], workers: Mapping[str, Worker]) -> list[str]:
    """One message for each task that nobody can do: all at once, before anything starts."""
    messages = []
    for task in tasks:
        if task.is_checkpoint:
            continue
        try:
            choose(task, workers)
        except WorkerNotInstalled as error:
            messages.append(str(error))
    return messages


def explain(task: Task, worker: Worker | None) -> str | None:
    if worker is None:
        return "there is no worker of that name"
    return worker.refuses(task) or worker.missing()


def refuse(task: Task, reasons: Mapping[str, str | None], workers: Mapping[str, Worker]) -> str:
    because = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    head = f'{task.id} "{task.title}": no installed worker can do it'
    return f"{head} ({because or 'none is installed'}). {suggest(task, workers)}"


def suggest(task: Task, workers: Mapping[str, Worker]) -> str:
    known = ", ".join(workers) or "none"
    if task.worker and task.worker not in workers:
        close = get_close_matches(task.worker, workers, n=1)
        hint = f'did you mean worker="{close[0]}"? ' if close else ""
        return f"Next: {hint}installed workers: {known}."
    return (
        "Next: install a worker that can (installed: "
        f'{known}), or give the task subagent="bash" and a fenced ```bash block in its <action>.'
    )
