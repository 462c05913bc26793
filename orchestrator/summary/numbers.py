"""The sections of numbers: time, parallel work, tokens, money. Each number is a sum over the journal; it refuses estimates as results."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from orchestrator.history.spans import duration
from orchestrator.model import Estimate, Route, Task
from orchestrator.model.outloop import Context
from orchestrator.summary.account import Account
from orchestrator.summary.figures import CLASSES, Spending, count_escalations, spend
from orchestrator.summary.front import model
from orchestrator.summary.text import cell, count, money, plural, prose

IDLE_S = 1.0  # a pause shorter than that is between two attempts


def performance(account: Account) -> Iterator[str]:
    moments, used = account.moments, account.spending
    done = len(account.succeeded)
    yield f"- **Duration:** {duration(account.duration_s)}"
    yield f"- **Started:** {_at(moments[0]) if moments else 'not started'}"
    if account.is_complete and moments:
        yield f"- **Completed:** {_at(moments[-1])}"
    else:
        yield f"- **Completed:** no{f', halted after {_at(moments[-1])}' if moments else ''}"
    before = f", {len(account.done_before)} of them before this run" if account.done_before else ""
    yield f"- **Tasks:** {done}/{len(account.plan.tasks)}{before}"
    yield f"- **Tokens:** {tokens(used)}"
    yield f"- **Cost:** {cost(used)}"
    yield from _budget(account)
    if account.history.resumed_at:
        yield f"- **Resumed:** {plural(len(account.history.resumed_at), 'time')}"


def _budget(account: Account) -> Iterator[str]:
    """Of the whole run, and of this plan where it has one."""
    limits, now = account.history.limits, account.budget
    if limits is None or not any(one.route.asks_a_model for one in account.tries):
        return
    for name, room in (
        ("run", now.run()),
        (
            "plan",
            now.rooms(next(one.id for one in account.plan.tasks if one.id in account.graph.tasks))[
                1
            ],
        ),
    ):
        if not math.isinf(room.limit.usd):
            sums = f"{money(room.known.usd)} used, {money(room.held.usd)} charged"
            yield f"- **Budget of the {name}:** {money(room.limit.usd)}: {sums}"
        if not math.isinf(room.limit.tokens):
            sums = (
                f"{count(round(room.known.tokens))} used, {count(round(room.held.tokens))} charged"
            )
            yield f"- **Budget of the {name}, new tokens:** {count(round(room.limit.tokens))}: {sums}"


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tokens(used: Spending) -> str:
    total = bounded(count(used.tokens), used.tokens, used.tokens_bound)
    if not used.tokens:
        return total
    known = [(name, used.by_class[name]) for name in CLASSES]
    parts = [f"{name.replace('_', ' ')} {count(number)}" for name, number in known if number]
    return f"{total} ({', '.join(parts)})"


def cost(used: Spending) -> str:
    basis = f" ({used.cost_basis})" if used.cost_usd else ""
    return bounded(money(used.cost_usd), used.cost_usd, used.cost_bound) + basis


def bounded(text: str, value: float | None, bound: bool) -> str:
    return f"at least {text}" if bound and value is not None else text


# --- parallel work ---------------------------------------------------------------------------------


def parallelization(account: Account) -> Iterator[str]:
    pace, batches = account.pace, account.batches
    groups = " ".join(f"[{', '.join(str(task.ordinal) for task in one)}]" for one in batches)
    yield f"- **Batches:** {len(batches)}{f': {groups}' if groups else ''}"
    yield f"- **Attempts started:** {_attempts(account)}"
    yield f"- **Completion order:** {', '.join(_completion(account)) or 'none finished'}"
    yield f"- **Most at once:** {pace.max_parallel}"
    if pace.speedup is None or pace.efficiency is None:
        yield "- **Speedup:** unknown"
        return
    cut = any(one.is_cut_off for one in account.tries)
    worked = bounded(duration(pace.worked_s), pace.worked_s, cut)
    most = "at most " if cut else ""
    idle = f", idle for {most}{duration(pace.idle_s)}" if pace.idle_s >= IDLE_S else ""
    speedup = bounded(f"{pace.speedup:.2f}x", pace.speedup, cut)
    efficiency = bounded(f"{pace.efficiency:.0%}", pace.efficiency, cut)
    yield f"- **Speedup:** {speedup} ({worked} of work in {duration(pace.makespan_s)}{idle})"
    yield f"- **Efficiency:** {efficiency} (speedup over most at once)"


def _attempts(account: Account) -> str:
    tries = account.tries
    tasks = sum(bool(account.past(task).tried) for task in account.plan.tasks)
    told = {
        "again": len(tries) - tasks,
        "one tier up": sum(
            count_escalations(account.past(task).tried) for task in account.plan.tasks
        ),
        "interrupted": sum(one.interrupted for one in tries),
    }
    parts = ", ".join(f"{number} {word}" for word, number in told.items() if number)
    return f"{len(tries)}{f' ({parts})' if parts else ''}"


def _completion(account: Account) -> list[str]:
    """Ordinals of the tasks that succeeded, the earliest first."""
    ended = []
    for place, task in enumerate(account.succeeded):
        tried = account.last_tried(task)
        at = tried.finished_at if tried else account.past(task).answered_at
        if at is not None:
            ended.append((datetime.fromisoformat(at), place, str(task.ordinal)))
    return [ordinal for _, _, ordinal in sorted(ended)]


# --- tokens ----------------------------------------------------------------------------------------


def token_efficiency(account: Account) -> Iterator[str]:
    rows = [task for task in account.plan.tasks if not task.is_checkpoint]
    if account.spending.tokens == 0 and not any(task.estimated_tokens for task in rows):
        yield f"0 tokens: no model was asked{_tools(account, rows)}."
        yield from _saved(account)
        return
    yield "| Task | Model | Tokens | Estimated | Result |"
    yield "| --- | --- | ---: | ---: | --- |"
    yield from (_row(account, task) for task in rows)
    used = account.spending
    total = bounded(count(used.tokens), used.tokens, used.tokens_bound)
    yield f"| **All** | | **{total}** | {_estimated_sum(rows)} | |"
    if account.context is not None and account.context.loaded:
        yield f"\n{_read(account.context)}"
    yield from _saved(account)


def _saved(account: Account) -> Iterator[str]:
    if account.saved:
        yield f"\nSaved by tools: {prose(account.saved, 400)}."


def _read(context: Context) -> str:
    files = plural(len(context.loaded), "file")
    told = f"Agents read {files} and needed {len(context.used)} ({context.efficiency}%), as far as their steps show"
    return f"{told}; the others are about {count(context.waste_tokens)} tokens."


def _tools(account: Account, tasks: list[Task]) -> str:
    last = ((task, account.past(task).tried[-1:]) for task in tasks)
    done = [
        f"{task.ordinal} {_by(tried[0].route)}"
        for task, tried in last
        if tried and tried[0].route.tool
    ]
    return f" (task {', '.join(done)})" if done else ""


def _row(account: Account, task: Task) -> str:
    tries, before = account.past(task).tried, account.before.get(task.id)
    used = spend(tries)
    actual = bounded(count(used.tokens), used.tokens, used.tokens_bound) if tries else "not run"
    plan = say_estimate(task.estimated_tokens)
    result = _compare(used, task.estimated_tokens) if tries else ""
    if before is not None:  # its tokens are no part of the sum
        actual, result = f"in run {before.run}", ""
    name = cell(f"{task.ordinal} {task.title}")
    who = model(account, task) or (_by(tries[-1].route) if tries else "-")
    return f"| {name} | {cell(who)} | {actual} | {plan} | {result} |"


def _by(route: Route) -> str:
    return f"by tool {route.tool}" if route.tool else route.worker


def say_estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "not given"
    low, high = count(estimate.low), count(estimate.high)
    return low if low == high else f"{low}-{high}"


def _compare(used: Spending, estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    if used.tokens is None or (used.tokens_bound and used.tokens <= estimate.high):
        return "unknown"
    if used.tokens > estimate.high:
        return _over(used.tokens, estimate.high)
    if used.tokens < estimate.low:
        return f"{1 - used.tokens / estimate.low:.0%} under"
    return "as estimated"


def _over(actual: int, limit: float) -> str:
    if actual >= 2 * limit:
        return f"{actual / limit:.1f} times" if limit > 0 else "over"
    return f"{actual / limit - 1:.0%} over"


def _estimated_sum(tasks: list[Task]) -> str:
    """Of all or of nothing: a sum of some would be compared with the sum of all."""
    told = [task.estimated_tokens for task in tasks]
    known = [one for one in told if one is not None]
    if not known or len(known) < len(told):
        return ""
    return say_estimate(
        Estimate(low=sum(one.low for one in known), high=sum(one.high for one in known))
    )
