"""The frontmatter: upstream's keys as they are, and ours under `execution` and `tasks`. It claims no savings and no commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.history.spans import duration
from orchestrator.model import (
    Answer,
    Check,
    CheckResult,
    DoneBefore,
    Estimate,
    Task,
    TaskState,
    Verified,
)
from orchestrator.reader import frontmatter
from orchestrator.summary.account import UNFINISHED, Account
from orchestrator.summary.figures import count_escalations, spend, worked
from orchestrator.summary.text import clean_all, count, one_line


def render(account: Account) -> str:
    values = {**_upstream(account), "execution": _execution(account), "tasks": _tasks(account)}
    return frontmatter.render(clean_all(values))


# --- upstream's keys -------------------------------------------------------------------------------


def _upstream(account: Account) -> dict[str, Any]:
    plan, done = account.plan, account.is_complete
    front: dict[str, Any] = {
        "phase": account.label("phase"),
        "plan": account.label("plan"),
        "subsystem": _subsystem(account),
        "tags": _as_list(plan.frontmatter.get("tags")),
    }
    for key in ("requires", "provides", "affects"):
        if given := _as_list(plan.frontmatter.get(key)):
            front[key] = given
    wanted = _as_list(plan.frontmatter.get("requirements"))
    front |= {
        "key-files": _key_files(account),
        "key-decisions": [say_decision(task, answer) for task, answer in decisions(account)],
        "requirements-completed": wanted if done else [],
        "duration": duration(account.duration_s),
    }
    if account.moments:  # upstream's check asks for it, also of a halted plan
        front["completed"] = account.moments[-1].date()
    return front | {"status": "complete" if done else "halted"}


def _subsystem(account: Account) -> str:
    given = account.plan.frontmatter
    areas = dict.fromkeys(task.area for task in account.plan.tasks if task.area)
    named = (given.get("subsystem"), given.get("area"), *areas)
    return next((one for one in named if isinstance(one, str) and one.strip()), "unknown")


def _as_list(value: Any) -> list[Any]:
    if value is None or (isinstance(value, str) and value.strip() in ("", "null", "~")):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _key_files(account: Account) -> dict[str, list[str]]:
    if account.history.ground is None:
        return {"created": [], "modified": declared_files(account)}
    changed = changed_files(account)
    return {"created": changed["created"], "modified": changed["modified"]}


def changed_files(account: Account) -> dict[str, list[str]]:
    """What the commits of this plan changed, in the end; in the plain directory nothing is known."""
    state: dict[str, str] = {}
    for work in account.works:
        for name in work.created:
            state[name] = "created"
        for name in work.modified:
            state.setdefault(name, "modified")
        for name in work.deleted:
            if state.get(name) == "created":
                del state[name]
            else:
                state[name] = "deleted"
    words = ("created", "modified", "deleted")
    return {word: sorted(n for n, now in state.items() if now == word) for word in words}


def declared_files(account: Account) -> list[str]:
    """Of the tasks that succeeded; nobody looked at what they really wrote."""
    return list(dict.fromkeys(f for task in account.succeeded for f in task.files or ()))


def decisions(account: Account) -> list[tuple[Task, Answer]]:
    """What was said to checkpoints, in the plan's order."""
    pairs = [(task, account.answer(task)) for task in account.plan.tasks]
    return [(task, answer) for task, answer in pairs if answer is not None]


def say_decision(task: Task, answer: Answer) -> str:
    option = next((one for one in task.options if one.id == answer.option), None)
    named = f" ({option.name})" if option and option.name != option.id else ""
    chosen = f": {answer.option}{named}" if answer.option else ""
    verdict = "approved" if answer.approved else "rejected"
    note = f" - {one_line(answer.note)}" if answer.note.strip() else ""
    unseen = "" if answer.is_of_a_person else f" ({answer.by})"
    return f"{task.title}{chosen or f': {verdict}'}{unseen}{note}"


# --- ours ------------------------------------------------------------------------------------------


def _execution(account: Account) -> dict[str, Any]:
    used, pace, tries = account.spending, account.pace, account.tries
    return {
        "run": account.run,
        "parallel_batches": len(account.batches),
        "subagent_spawns": sum(one.route.tool is None for one in tries),
        "attempts": len(tries),
        "escalations": sum(
            count_escalations(account.past(task).tried) for task in account.plan.tasks
        ),
        "total_subagent_tokens": used.tokens,
        "tokens": used.by_class,
        "lower_bound": used.tokens_bound,
        "cost_usd": _rounded(used.cost_usd, 6),
        "cost_basis": used.cost_basis,
        "cost_lower_bound": used.cost_bound,
        "main_context_tokens": 0,
        "max_parallel": pace.max_parallel,
        "speedup": _rounded(pace.speedup, 2),
        "parallelization_efficiency": _rounded(pace.efficiency, 2),
        "token_savings_vs_sequential": None,
        "sandbox": account.history.sandbox,
        "files": "declared" if account.history.ground is None else "committed",
        "result": _result(account),
        "tasks": _counts(account),
    }


def _result(account: Account) -> dict[str, Any] | None:
    """Where a git run began, and the branch that has its work. None in the plain directory."""
    ground = account.history.ground
    if ground is None:
        return None
    checks = account.result_checks
    return {
        "branch": f"orchestrator/{account.run}",
        "base": ground["base"],
        "checks": None if checks is None else worst(checks),
    }


def _counts(account: Account) -> dict[str, int]:
    return {
        "total": len(account.plan.tasks),
        "succeeded": len(account.succeeded),
        "failed": len(account.having(TaskState.FAILED)),
        "skipped": len(account.having(TaskState.SKIPPED)),
        "waiting": len(account.having(*UNFINISHED)),
        "not_selected": len(account.not_selected),
        "done_before": len(account.done_before),
        "partial": sum(account.is_partial(task) for task in account.plan.tasks),
    }


def _tasks(account: Account) -> list[dict[str, Any]]:
    return [_task(account, task) for task in account.plan.tasks]


def _task(account: Account, task: Task) -> dict[str, Any]:
    before = account.before.get(task.id)
    return _own(account, task) if before is None else _of_before(account, task, before)


def _of_before(account: Account, task: Task, before: DoneBefore) -> dict[str, Any]:
    """As the run told it that did the task; the sums of this run are without it."""
    return {
        "id": task.id,
        "name": one_line(task.title),
        "state": TaskState.SUCCEEDED,
        "run": before.run,
        "worker": before.worker,
        "model": before.model,
        "attempts": before.attempts,
        "escalations": before.escalations,
        "tokens": {"actual": before.tokens, "estimated": estimated(task.estimated_tokens)},
        "cost_usd": _rounded(before.cost_usd, 6),
        "duration_s": _rounded(before.duration_s, 3),
        "check": {"commands": list(task.commands), "result": before.result},
        "verified": before.verified,
        "verify_strength": before.strength,
        "commit": account.commit(task),
    }


def _own(account: Account, task: Task) -> dict[str, Any]:
    tries, last = account.past(task).tried, account.last(task)
    used, verdict = spend(tries), last.verdict if last else None
    return {
        "id": task.id,
        "name": one_line(task.title),
        "state": account.states.get(task.id, "not-selected"),
        "worker": tries[-1].route.worker if tries else None,
        "model": model(account, task),
        "attempts": len(tries),
        "escalations": count_escalations(tries),
        "tokens": {"actual": used.tokens, "estimated": estimated(task.estimated_tokens)},
        "cost_usd": _rounded(used.cost_usd, 6),
        "duration_s": _rounded(worked(account.spans(task)), 3),
        "check": {
            "commands": list(task.commands),
            "result": worst(verdict.checks if verdict else ()),
        },
        "verified": verified(account, task),
        "verify_strength": verdict.strength if verdict else None,
        "commit": account.commit(task),
    }


def model(account: Account, task: Task) -> str | None:
    """The resolved id of the latest attempt, else what it was routed to; None for the shell."""
    before, tries = account.before.get(task.id), account.past(task).tried
    if before is not None or not tries:
        return before.model if before else None
    told = tries[-1].outcome.model if tries[-1].outcome else None
    return told or tries[-1].route.model or tries[-1].route.tier


def estimated(estimate: Estimate | None) -> str | None:
    if estimate is None:
        return None
    low, high = count(estimate.low).replace(",", ""), count(estimate.high).replace(",", "")
    return low if low == high else f"{low}-{high}"


def worst(checks: Sequence[Check]) -> CheckResult | None:
    """What several checks say together; None if none was run."""
    results = {check.result for check in checks}
    order = (CheckResult.RED, CheckResult.INCONCLUSIVE, CheckResult.GREEN)
    return next((result for result in order if result in results), None)


def verified(account: Account, task: Task) -> Verified | None:
    """By whom; None before anybody looked. What --yes or a clock approved, no person saw."""
    if (before := account.before.get(task.id)) is not None:
        return before.verified
    answer, last = account.past(task).answer, account.last(task)
    if answer is not None and answer.approved and task.is_checkpoint:
        return Verified.HUMAN if answer.is_of_a_person else Verified.NONE
    return last.verdict.verified if last and last.verdict else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
