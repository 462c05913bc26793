"""Runs as tables and as JSON. Refuses to show an unknown number as 0."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator import journal
from orchestrator.cli import documents, ending, handover, money, past, planned, waiting
from orchestrator.cli.past import Past
from orchestrator.cli.screen.words import left_over, said, sums
from orchestrator.cli.terminal import columns, cost, duration, out, plain, show_json, tokens
from orchestrator.cli.watched import seconds
from orchestrator.history import Expiry
from orchestrator.journal import RunRow
from orchestrator.model import Check, Event, Task, TaskState

INTERRUPTED = 130
ENDS = {
    None: "not ended",
    0: "done",
    1: "tasks failed",
    3: "settings or workers",
    4: "no room, or a SUMMARY is not written",
    5: "waits for a person",
    INTERRUPTED: "interrupted",
}
STYLES = {
    TaskState.SUCCEEDED: "green",
    TaskState.FAILED: "red",
    TaskState.PAUSED: "cyan",
    TaskState.SKIPPED: "dim",
}


def show_runs(root: Path, rows: Sequence[RunRow], *, as_json: bool) -> None:
    if as_json:
        open_ = past.expiries(root, rows)
        show_json({"version": 1, "runs": [_run(row, open_.get(row.id)) for row in rows]})
    elif not rows:
        out().print(f"no run yet in {root}; start one with: orchestrator run PLAN.md")
    else:
        live, open_ = journal.live_runs(root), past.expiries(root, rows)
        table = [
            (
                row.id,
                when(row.started_at),
                ended(row, live=row.id in (live or ()))
                + (f", a question {waiting.expires(open_[row.id])}" if row.id in open_ else ""),
                plain(row.paths, 80),
            )
            for row in rows
        ]
        for line in columns([("RUN", "STARTED", "END", "PLANS"), *table]):
            out().print(line)


def show_run(found: Past, *, as_json: bool) -> None:
    watched, row = found.watched, found.row
    if as_json:
        show_json(_document(found))
        return
    state = ended(row, live=found.live)
    out().print(f"run {row.id}  started {when(row.started_at)}  {state}", style="bold")
    for stored in found.stored:
        out().print(f"  {stored.path}")
    out().print()
    head = ("TASK", "STATE", "TRIES", "CHECK", "TOKENS", "COST", "TIME", "NAME")
    lines = columns([head, *(_row(found, task) for task in found.graph.tasks.values())])
    out().print(lines[0], style="dim")
    for task, line in zip(found.graph, lines[1:], strict=True):
        out().print(line, style=STYLES.get(watched.states[task], ""))
    _show_notes(found)
    out().print()
    out().print(sums(watched.total(), watched.worked_s))
    if told := money.total(watched):
        out().print(told)
    for told in waiting.closed(watched) if row.exit_code != 0 else ():
        out().print(told, style="yellow")
    for told in handover.lines(watched, found.root):
        out().print(told)
    if row.exit_code != 0:
        _show_rest(found)


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


def when(at: str) -> str:
    """Here and now people read their own clock."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ended(row: RunRow, *, live: bool) -> str:
    if row.exit_code is None:
        return "running" if live else "broken off"
    return f"{ENDS.get(row.exit_code, 'ended')} (exit {row.exit_code})"


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
        plain(task.title, 50),
    )


def _run(row: RunRow, expiry: Expiry | None) -> dict[str, Any]:
    return {
        "run": row.id,
        "started_at": row.started_at,
        "exit_code": row.exit_code,
        "expires_at": waiting.iso(expiry.at) if expiry else None,
        "plans": row.paths.split(" "),
        "asked": dict(row.asked),
    }


def _document(found: Past) -> dict[str, Any]:
    watched = found.watched
    total = watched.total()
    tasks = [
        {
            **documents.task_document(watched, task),
            "state": found.state(task),
            "checks": _checks(watched.outcome(task)),
        }
        for task in found.graph
    ]
    return {
        "version": 1,
        "run": found.row.id,
        "exit_code": found.row.exit_code,
        "started_at": found.row.started_at,
        "ended_at": watched.history.ended_at,
        "plans": [one.path for one in found.stored],
        "attempts": total.attempts,
        "tokens": total.tokens,
        "cost_usd": total.cost_usd,
        "lower_bound": not total.whole,
        "budget": money.document(watched),
        "result": handover.document(watched),
        "closed": waiting.documents(watched),
        "tasks": tasks,
    }


def _checks(last: Any) -> list[dict[str, Any]]:
    checks: tuple[Check, ...] = last.verdict.checks if last and last.verdict else ()
    return [check.model_dump(mode="json") for check in checks]


def _event(event: Event) -> tuple[str, ...]:
    number = f"{event.task}.{event.attempt}" if event.attempt else event.task or ""
    data = {key: value for key, value in event.data.items() if key != "prompt"}
    return (str(event.seq), when(event.at), event.kind, number, plain(str(data or ""), 100))
