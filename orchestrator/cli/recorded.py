"""Runs as tables and as JSON. Refuses to show an unknown number as 0."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator import journal
from orchestrator.cli import ending, past, planned, reverting
from orchestrator.cli.past import Past
from orchestrator.cli.terminal import out, show_json
from orchestrator.errors import OrchestratorError
from orchestrator.history import History
from orchestrator.journal import RunRow
from orchestrator.model import Event, Task, TaskState
from orchestrator.outloop import gained
from orchestrator.views import handover, money, waiting, waste
from orchestrator.views.documents import past_document, run_document
from orchestrator.views.past import ended, open_run, outcomes
from orchestrator.views.text import columns, cost, duration, plain, tokens, when
from orchestrator.views.watched import seconds
from orchestrator.views.words import by, left_over, said, sums

INTERRUPTED = 130
STYLES = {
    TaskState.SUCCEEDED: "green",
    TaskState.FAILED: "red",
    TaskState.PAUSED: "cyan",
    TaskState.SKIPPED: "dim",
}


def show_runs(root: Path, rows: Sequence[RunRow], *, as_json: bool) -> None:
    if as_json:
        open_ = past.expiries(root, rows)
        show_json({"version": 1, "runs": [run_document(row, open_.get(row.id)) for row in rows]})
    elif not rows:
        out().print(f"no run yet in {root}; start one with: orchestrator run PLAN.md")
    else:
        live, open_ = journal.live_runs(root), past.expiries(root, rows)
        known = outcomes(root, rows)
        table = [
            (
                row.id,
                when(row.started_at),
                _ended(root, row, known.get(row.id), live=row.id in (live or ()))
                + (f", a question {waiting.expires(open_[row.id])}" if row.id in open_ else ""),
                plain(", ".join(row.paths), 80),
            )
            for row in rows
        ]
        for line in columns([("RUN", "STARTED", "END", "PLANS"), *table]):
            out().print(line)


def _ended(root: Path, row: RunRow, history: History | None, *, live: bool) -> str:
    waits = None
    if live and row.exit_code is None:
        with suppress(OrchestratorError):  # also the run whose plans cannot be read any more
            waits = waiting.alone_until(open_run(root, row.id).watched)
    return ended(row, live=live, history=history, waits=waits)


def show_run(found: Past, *, as_json: bool) -> None:
    watched, row = found.watched, found.row
    if as_json:
        show_json(past_document(found))
        return
    waits = waiting.alone_until(watched) if found.live else None
    state = ended(row, live=found.live, history=watched.history, waits=waits)
    out().print(f"run {row.id}  started {when(row.started_at)}  {state}", style="bold")
    for stored in found.stored:
        out().print(f"  {stored.path}")
    out().print()
    head = ("TASK", "STATE", "TRIES", "CHECK", "TOKENS", "COST", "TIME", "BY", "NAME")
    lines = columns([head, *(_row(found, task) for task in found.graph.tasks.values())])
    out().print(lines[0], style="dim")
    for task, line in zip(found.graph, lines[1:], strict=True):
        out().print(line, style=STYLES.get(watched.states[task], ""))
    _show_notes(found)
    out().print()
    out().print(sums(watched.total(), watched.worked_s))
    if told := money.total(watched):
        out().print(told)
    if told := waste.total(watched):
        out().print(told)
    if told := gained.of_run(found.root, row.id, watched.history, found.graph):
        out().print(f"saved by tools: {told}")
    for told in waiting.closed(watched) if row.exit_code != 0 else ():
        out().print(told, style="yellow")
    _show_result(found)
    if row.exit_code != 0:
        _show_rest(found)


def _show_result(found: Past) -> None:
    for told in handover.lines(found.watched, found.root):
        out().print(told)
    if undone := reverting.taken_back(found.root, found.row.id, found.watched.history):
        out().print(undone, style="yellow")


def _show_notes(found: Past) -> None:
    """Answers of people, plans whose own check is not green, what plans promise."""
    watched = found.watched
    for task in found.graph:
        answer = watched.of(task).answer
        if answer is not None:
            out().print(f"  {task}  {said(answer)}")
        last = watched.outcome(task)
        for words in left_over(last) if last is not None and last.ok else ():
            out().print(f"  {task}  {words}", style="yellow")
    for plan, check in ending.red_plan_checks(watched):
        out().print(f"  {plan}  its <verification> is {check.result}: {plain(check.command, 80)}")
    for one in found.graph.plans.values():
        for name, promised in planned.promises(one):
            out().print(f"  {one.id}  {name}: {promised}", style="dim")


def _show_rest(found: Past) -> None:
    """Open questions, failures and what to do, as `run` says them at its end."""
    code = INTERRUPTED if found.row.exit_code is None else found.row.exit_code
    end = ending.End(found.watched, found.row.id, code, found.root)
    if not found.live or found.watched.in_state(TaskState.PAUSED):
        out().print()
    ending.report_tasks(end, *([] if found.live else [TaskState.FAILED]), TaskState.PAUSED)
    if not found.live:
        ending.show_steps(end)


def show_events(found: Past, *, as_json: bool) -> None:
    if as_json:
        listed = [event.model_dump(mode="json") for event in found.events]
        show_json({"version": 1, "run": found.row.id, "events": listed})
        return
    for line in columns([_event(event) for event in found.events]):
        out().print(line)


def last_check(found: Past, task: Task) -> str:
    last = found.watched.outcome(task.id)
    checks = last.verdict.checks if last and last.verdict else ()
    if last is None:
        return "-"
    if checks:
        return str(checks[-1].result)
    return "not run" if task.commands else "none"


def _row(found: Past, task: Task) -> tuple[str, ...]:
    every, spent = found.watched.of(task.id).tried, found.watched.spent(task.id)
    times = [taken for one in every if (taken := seconds(one)) is not None]
    tried = bool(every)
    return (
        task.id,
        found.state(task.id),
        str(len(every)) if tried else "-",
        last_check(found, task),
        tokens(spent.tokens) if tried else "-",
        cost(spent.cost_usd) if tried else "-",
        duration(sum(times)) if times else "-",
        plain(every[-1].model or by(every[-1].route), 40) if tried else "-",
        plain(task.title, 50),
    )


def _event(event: Event) -> tuple[str, ...]:
    number = f"{event.task}.{event.attempt}" if event.attempt else event.task or ""
    data = {key: value for key, value in event.data.items() if key != "prompt"}
    return (str(event.seq), when(event.at), event.kind, number, plain(str(data or ""), 100))
