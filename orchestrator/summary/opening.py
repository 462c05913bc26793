"""The title and the one line that a hurried person reads. It refuses to say "done" of what was only partly done."""

from __future__ import annotations

from orchestrator.history.spans import duration
from orchestrator.model import CheckResult, Task, TaskState, Verified
from orchestrator.summary.account import Account
from orchestrator.summary.front import verified
from orchestrator.summary.text import listed, plural, prose


def title(account: Account) -> str:
    phase, plan = prose(account.label("phase")), prose(account.label("plan"))
    return f"# Phase {phase} Plan {plan}: {prose(account.name)} Summary"


def one_liner(account: Account) -> str:
    return f"**{_done(account) if account.is_complete else _halted(account)}**"


def _done(account: Account) -> str:
    weak, most = unproven(account), account.pace.max_parallel
    before = len(account.done_before)
    here = plural(len(account.plan.tasks) - before, "task")
    told = [f"{here} done in {duration(account.duration_s)}"]
    if before:
        told.append(f"{before} done before")
    if most > 1:
        told.append(f"up to {most} at once")
    told.append(f"{len(weak)} without proof" if weak else "every check green")
    if partial := [task for task in account.plan.tasks if account.is_partial(task)]:
        told.append(f"{len(partial)} for a person to look at")
    return ", ".join(told) + "."


def unproven(account: Account) -> list[Task]:
    """Succeeded, and nothing but the worker's word says so: no check, or one that was green before."""
    return [task for task in account.succeeded if not _is_proven(account, task)]


def _is_proven(account: Account, task: Task) -> bool:
    if verified(account, task) in (None, Verified.NONE):
        return False
    if (before := account.before.get(task.id)) is not None:
        return before.strength is None or before.strength > 0
    last = account.last(task)
    return last is None or last.verdict is None or last.verdict.strength > 0


def _halted(account: Account) -> str:
    counts = {
        "failed": len(account.having(TaskState.FAILED)),
        "skipped": len(account.having(TaskState.SKIPPED)),
        "waiting for a person": len(account.having(TaskState.PAUSED)),
        "not done yet": len(account.having(TaskState.WAITING, TaskState.RUNNING)),
        "not selected": len(account.not_selected),
    }
    rest = [f"{number} {word}" for word, number in counts.items() if number]
    rest = rest or [_plan_trouble(account)]
    done = f"{len(account.succeeded)} of {plural(len(account.plan.tasks), 'task')} done"
    by = f" ({prose(account.history.cancelled)})" if account.history.cancelled else ""
    return f"Halted{by}: {done}, {listed(rest)}."


def _plan_trouble(account: Account) -> str:
    if account.plan_checks is None and account.plan.commands:
        return "the plan's own check is still to be run"
    if all(check.result is CheckResult.GREEN for check in account.plan_checks or ()):
        return _result_trouble(account)
    reds = any(check.result is CheckResult.RED for check in account.plan_checks or ())
    return f"the plan's own check {'is red' if reds else 'could not be judged'}"


def _result_trouble(account: Account) -> str:
    if account.result_checks is None:
        return "nobody has looked at the result as a whole"
    return "a check that was green by itself is not where all is together"
