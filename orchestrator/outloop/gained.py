"""What the tools of one run saved, out of the store, in a line. Refuses to read anything where no tool was asked, and to fail a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestrator.errors import OrchestratorError
from orchestrator.history import History
from orchestrator.model import RunId, TaskId
from orchestrator.model.outloop import Saving, ToolCall
from orchestrator.outloop import store
from orchestrator.outloop.offload import workflow


def of_run(root: Path, run: RunId, history: History, tasks: Iterable[TaskId]) -> str | None:
    """Of these tasks; None where no tool did one."""
    mine = set(_workflows(run, history, tasks))
    if not mine:
        return None
    try:
        with store.reading(root) as book:
            calls = [one for one in book.calls() if one.workflow in mine] if book else []
            savings = [one for one in book.savings() if one.workflow in mine] if book else []
    except (OrchestratorError, OSError) as trouble:
        return f"not known: {trouble}"
    return line(calls, savings)


def _workflows(run: RunId, history: History, tasks: Iterable[TaskId]) -> Sequence[str]:
    """Of their tries by tools."""
    past = [(task, history.tasks[task]) for task in tasks if task in history.tasks]
    return [
        workflow(run, task, tried.number)
        for task, told in past
        for tried in told.tried
        if tried.route.tool
    ]


def line(calls: Sequence[ToolCall], savings: Sequence[Saving]) -> str | None:
    """Of these calls, in a line for people; None where no tool did a task."""
    done = {one.workflow for one in calls if one.ok}
    booked = [one for one in savings if one.workflow in done]
    if not done:
        return None
    rest = len(done) - len(booked)
    unknown = f"{_tasks(rest)}, as no task of a model that was only this was measured before"
    if not booked:
        return f"not measured: {unknown}"
    sizes = sorted({one.baseline for one in booked})
    n = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    usd = sum(one.cost_usd for one in booked)
    told = f"about {sum(one.tokens for one in booked):,} tokens" + (
        f" and ${usd:.2f}" if usd else ""
    )
    by = f"by {_tasks(len(booked))}, against the mean of n={n} that a model did"
    return f"{told} {by}" + (f"; not measured: {unknown}" if rest else "")


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
