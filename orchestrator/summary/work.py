"""The sections of what was done: tasks, files, checks, tries, decisions. A worker's own word is quoted and never taken for a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from orchestrator.history import Tried
from orchestrator.history.spans import duration
from orchestrator.model import (
    STANDING,
    Check,
    CheckResult,
    Failure,
    Outcome,
    Task,
    TaskState,
    Verified,
)
from orchestrator.summary.account import Account
from orchestrator.summary.front import (
    changed_files,
    decisions,
    declared_files,
    verified,
)
from orchestrator.summary.text import code, listed, money, plural, prose, quoted

REVIEW = 2000  # characters of a reviewer's words


def heading(task: Task) -> str:
    return f"**Task {task.ordinal}: {prose(task.title)}**"


def ordinals(tasks: list[Task]) -> str:
    word = "Task" if len(tasks) == 1 else "Tasks"
    return f"{word} {listed(task.ordinal for task in tasks)}"


def accomplishments(account: Account) -> Iterator[str]:
    if not account.succeeded:
        yield "None."
    for task in account.succeeded:
        rest = " (a person must still look)" if account.is_partial(task) else ""
        yield f"- {heading(task)}{rest}{by_run(account, task)}"


def by_run(account: Account, task: Task) -> str:
    before = account.before.get(task.id)
    return f" (done in run {code(before.run)})" if before else ""


def task_commits(account: Account) -> Iterator[str]:
    if account.history.ground is None:
        yield "None: the tasks worked in the plain directory, and nothing is committed there."
        return
    done = [task for task in account.succeeded if not task.is_checkpoint]
    for number, task in enumerate(done, 1):
        commit = account.commit(task)
        told = f"`{commit[:9]}`" if commit else "no commit, it changed nothing that git keeps"
        yield f"{number}. {heading(task)} - {told}{by_run(account, task)}"
    if not done:
        yield "None."


def files(account: Account) -> Iterator[str]:
    if account.history.ground is not None:
        yield from _real_files(account)
        return
    declared = declared_files(account)
    silent = [t for t in account.succeeded if t.files is None and not t.is_checkpoint]
    if not declared and not silent:
        yield "None declared."
    if declared:
        yield "As declared by the tasks that succeeded; nobody compared them with the disk.\n"
        yield from (f"- {code(file)}" for file in declared)
        yield ""
    if silent:
        yield f"{ordinals(silent)}: no `<files>` declared."


def _real_files(account: Account) -> Iterator[str]:
    """As the commits have them."""
    changed = changed_files(account)
    for word, names in changed.items():
        yield from (f"- {code(name)} - {word}" for name in names)
    if not any(changed.values()):
        yield "None."


# --- checks ----------------------------------------------------------------------------------------


def checks(account: Account) -> Iterator[str]:
    judged = [(task, tried) for task in account.plan.tasks if (tried := _judged(account, task))]
    prose_only = [
        task
        for task in account.succeeded
        if not task.is_checkpoint and verified(account, task) in (None, Verified.NONE)
    ]
    yield from _before(account)
    for task, tried in judged:
        yield from _task_checks(task, tried, account.past(task).base)
    yield from _reviews(account)
    if prose_only:
        yield f"- **{ordinals(prose_only)}:** prose only, no command: verified=none, strength 0"
    for check in account.plan_checks or ():
        yield f"- **Plan:** {_result(check)}: {code(check.command)}"
    for check in account.result_checks or ():
        yield f"- **Result:** {_result(check)}, once more where all is together: {code(check.command)}"
    if account.plan.commands and account.plan_checks is None:
        yield f"- **Plan:** {plural(len(account.plan.commands), 'command')}, not run: the plan is not done"
    reviewed = any(one.review for task in account.plan.tasks for one in account.past(task).tried)
    if not (judged or reviewed or prose_only or account.plan.commands or account.plan_checks):
        yield "None."


def _before(account: Account) -> Iterator[str]:
    """What earlier runs saw; where all is together it is looked at once more."""
    for task in account.done_before:
        before = account.before[task.id]
        if before.result is not None:
            yield f"- **Task {task.ordinal}:** {before.result} in run {code(before.run)}"


def _judged(account: Account, task: Task) -> Tried | None:
    tried = account.last_tried(task)
    verdict = tried.outcome.verdict if tried and tried.outcome else None
    return tried if verdict and verdict.checks else None


def _task_checks(task: Task, tried: Tried, base: Sequence[Check]) -> Iterator[str]:
    """`base`: how the checks stood before its first try."""
    assert tried.outcome is not None
    verdict = tried.outcome.verdict
    assert verdict is not None
    seen = {check.command: BEFORE[check.result] for check in (tried.before or base)}
    before = dict.fromkeys(task.commands, ALL_OF_IT) if tried.route.tool else seen
    before |= {check.command: WITHOUT[check.result] for check in tried.probed}
    strength = f"strength {verdict.strength:g}"
    human = ", a person must still look" if verdict.verified is Verified.HUMAN else ""
    label = f"- **Task {task.ordinal}:**"
    if len(verdict.checks) == 1:
        yield f"{label} {_told(verdict.checks[0], before, f', {strength}{human}')}"
        return
    yield f"{label} {strength}{human}"
    yield from (f"  - {_told(check, before, '')}" for check in verdict.checks)


BEFORE = {
    CheckResult.RED: ", red before",
    CheckResult.GREEN: ", **green before too, so it proves nothing**",
    CheckResult.INCONCLUSIVE: ", not to be judged before",
}
ALL_OF_IT = ", to be green is all that the task asks for"
WITHOUT = {
    CheckResult.RED: ", red without the work",
    CheckResult.GREEN: ", **green without the work too, so it proves nothing**",
    CheckResult.INCONCLUSIVE: ", not to be judged without the work",
}


def _reviews(account: Account) -> Iterator[str]:
    """What a second worker said of the last try of each, and what of its cost was for that."""
    for task in account.plan.tasks:
        tried = account.last_tried(task)
        review = tried.outcome.review if tried and tried.outcome else None
        if review is None:
            continue
        word = "accepted" if review.approved else "**not accepted**"
        cost = money(review.usage.cost_usd if review.usage else None)
        words, below = quoted(review.text[:REVIEW], "  ")
        yield f"- **Task {task.ordinal}:** {word} by a reviewer ({prose(review.model or review.worker)}, {cost}){words}"
        yield from below


def _told(check: Check, before: dict[str, str], rest: str) -> str:
    past = before.get(check.command, "") if check.result is CheckResult.GREEN else ""
    return f"{_result(check)}{past}{rest}: {code(check.command)}"


def _result(check: Check) -> str:
    how = "no exit code" if check.exit_code is None else f"exit {check.exit_code}"
    green = check.result is CheckResult.GREEN
    return f"{'green' if green else f'**{check.result}**'} ({how})"


def green_before(tried: Tried) -> list[str]:
    return [check.command for check in tried.before if check.result is CheckResult.GREEN]


# --- tries -----------------------------------------------------------------------------------------


def tries(account: Account) -> Iterator[str]:
    """All of every task that needed more than one, or failed."""
    shown = [task for task in account.plan.tasks if _is_worth_telling(account, task)]
    for task in shown:
        yield f"- {heading(task)}"
        for tried in account.past(task).tried:
            yield from _try(tried)
    if not shown:
        tried_tasks = any(account.past(task).tried for task in account.plan.tasks)
        yield "Every task passed at its first try." if tried_tasks else "None."


def _is_worth_telling(account: Account, task: Task) -> bool:
    tried = account.past(task).tried
    failed = account.states.get(task.id) is TaskState.FAILED and bool(tried)
    return (
        failed or len(tried) > 1 or any(one.outcome is None or not one.outcome.ok for one in tried)
    )


def _try(tried: Tried) -> Iterator[str]:
    outcome = tried.outcome
    by = ", ".join(filter(None, (tried.route.worker, _model(tried, outcome))))
    took = f" after {duration(outcome.duration_s)}" if outcome and outcome.duration_s else ""
    detail = outcome.detail if outcome and not outcome.ok else ""
    rest, below = quoted(detail, "    ")
    yield f"  - Try {tried.number} ({prose(by)}) {_ended(outcome)}{took}{_kind(outcome)}{rest}"
    yield from below


def _model(tried: Tried, outcome: Outcome | None) -> str | None:
    return (outcome and outcome.model) or tried.route.model or tried.route.tier


def _ended(outcome: Outcome | None) -> str:
    if outcome is None:
        return "has no end on record"
    if outcome.failure is Failure.INTERRUPTED:
        return "was interrupted"
    return "passed" if outcome.ok else "failed"


def _kind(outcome: Outcome | None) -> str:
    if outcome is None or outcome.failure in (None, Failure.INTERRUPTED):
        return ""
    return f" (**{outcome.failure}**)"


# --- decisions -------------------------------------------------------------------------------------


VIA = {"terminal": "on the terminal", "command": "by command", "dashboard": "on the dashboard"}


def _when(at: str | None) -> str:
    return f" on {datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC" if at else ""


def decisions_made(account: Account) -> Iterator[str]:
    made = decisions(account)
    if not made:
        yield "None."
    for task, answer in made:
        option = next((one for one in task.options if one.id == answer.option), None)
        named = f" ({prose(option.name)})" if option and option.name != option.id else ""
        chosen = f", option {code(answer.option)}{named}" if answer.option else ""
        by = f" by {code(STANDING)}" if answer.by == STANDING else f" by {prose(answer.by)}"
        via = f" ({VIA.get(answer.via, prose(answer.via))})" if answer.via else ""
        verdict = "approved" if answer.approved else "rejected"
        rest, below = quoted(answer.note, "  ")
        when = by_run(account, task) or _when(account.past(task).answered_at)
        told = f"{verdict}{by if answer.by else ''}{via}{when}"
        yield f"- {heading(task)} {told}{chosen}{rest}"
        yield from below
