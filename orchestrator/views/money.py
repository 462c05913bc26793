"""A run's budget in a person's words: limits, what was used and set aside, who was kept from starting. Refuses to decide anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator import budget
from orchestrator.history import Tried
from orchestrator.model import Event, Limit, Limits, RunId, TaskId
from orchestrator.settings import BudgetSettings
from orchestrator.views.text import command, cost, plain, tokens
from orchestrator.views.watched import Watched

OF_THE_TASK = "its <token-budget>"
CHANGE = "change it with --budget-usd, --budget-tokens, or [budget] in .orchestrator/config.toml"


def opening(event: Event) -> str | None:
    """Of an engine that begins. None where no task asks a model."""
    told = event.data.get("budget")
    routes = [route for ladder in event.data.get("ladders", {}).values() for route in ladder]
    if told is None or not any(route.get("model") for route in routes):
        return None
    limits, today = Limits.model_validate(told["limits"]), told["elsewhere"]
    parts = [
        f"{shown(limits.run)} for this run" if not limits.run.is_none else "no limit for this run"
    ]
    if not limits.day.is_none:
        used = f" ({cost(today['usd'])} of it used by other runs)" if today["usd"] else ""
        parts.append(f"{shown(limits.day)} a day{used}")
    parts += _of_parts(limits, told.get("plans", {}))
    least = "" if limits.run.is_none else "up to "
    own = ", --plan-budget-usd" if told.get("plans") else ""
    return f"budget: {least}{', '.join(parts)}; {CHANGE.replace(',', f'{own},', 1)}"


def _of_parts(limits: Limits, plans: Mapping[str, Any]) -> Iterator[str]:
    if not limits.plan.is_none and limits.instead.is_none:
        yield f"{shown(limits.plan)} for each plan"
    for plan, own in plans.items():
        of_it = _limit(budget.of_plan(limits, Limit.model_validate(own)))
        why = "its own budget:" if limits.instead.is_none else "as asked for, not its own budget:"
        yield f"{'no limit' if of_it.is_none else shown(of_it)} for the plan {plain(plan)} ({why})"
    if not plans and not limits.instead.is_none:
        yield f"{shown(_limit(budget.of_plan(limits, Limit()))) or 'no limit'} for each plan"
    if not limits.task.is_none:
        yield f"{shown(limits.task)} for each task"


def _limit(most: budget.Money) -> Limit:
    usd, tokens = most.usd, most.tokens
    return Limit(
        usd=usd if math.isfinite(usd) else None,
        tokens=int(tokens) if math.isfinite(tokens) else None,
    )


def shown(limit: Limit) -> str:
    usd = [cost(limit.usd)] if limit.usd is not None else []
    count = [f"{tokens(limit.tokens)} new tokens"] if limit.tokens is not None else []
    return " and ".join([*usd, *count])


def rooms(watched: Watched) -> budget.Room | None:
    """Of the run. None: it was recorded before there were budgets."""
    limits = watched.history.limits
    if limits is None:
        return None
    now = budget.Budget(limits, watched.history, lambda t: watched.graph.plan_of(t).id, {}, {})
    return now.run()


def total(watched: Watched) -> str | None:
    """For the line of totals: how much of the run's dollars or tokens is gone or set aside."""
    room, limits = rooms(watched), watched.history.limits
    if room is None or limits is None or limits.run.is_none or not _has_asked(watched):
        return None
    parts = []
    if limits.run.usd is not None:
        parts.append(f"{cost(round(room.held.usd, 6))} of {cost(limits.run.usd)}")
    if limits.run.tokens is not None:
        parts.append(f"{tokens(round(room.held.tokens))} of {tokens(limits.run.tokens)} new tokens")
    return f"budget: {', '.join(parts)} used or set aside"


def _has_asked(watched: Watched) -> bool:
    every = (one for past in watched.history.tasks.values() for one in past.tried)
    return any(one.route.asks_a_model for one in every)


def waits(watched: Watched, task: TaskId) -> str | None:
    """Why money keeps a task from starting."""
    short = watched.history.shortages.get(task)
    if short is None:
        return None
    return f"{'refused' if short.stops else 'waits'}: {plain(short.reason, 300)}"


def refused(watched: Watched) -> list[TaskId]:
    return [task for task, one in watched.history.shortages.items() if one.stops]


def steps(watched: Watched, run: RunId) -> Iterator[str]:
    """What a person can do for the tasks that were refused: for each limit exactly what raises it."""
    raising = dict[str, TaskId]()
    for task in refused(watched):
        raising.setdefault(watched.history.shortages[task].raising, task)
    options = [one for one in raising if one.startswith("--")]
    settings = [one for one in raising if one.startswith("budget.")]
    words = [word for one in options for word in (one, "N")]
    if settings:
        where = f"{' and '.join(settings)} in .orchestrator/config.toml"
        yield f"raise {where}, then: {command('resume', run, *words)}"
    elif options or "" in raising:  # "": it was recorded before this
        yield f"raise the budget: {command('resume', run, *(words or ['--budget-usd', 'N']))}"
    if OF_THE_TASK in raising:
        task = raising[OF_THE_TASK]
        path = watched.graph.plan_of(task).path
        yield f"raise {OF_THE_TASK} in {path}, then: {command('run', '--from', task, path)}"


def tried(one: Tried) -> Iterator[tuple[str, str]]:
    """What was set aside for a try, and what stayed charged."""
    if one.reserve is None:
        return
    charged = budget.charge(one)
    aside = f"{cost(round(one.reserve.usd, 6))} and {tokens(one.reserve.tokens)} new tokens were set aside"
    kept = (
        f", {cost(round(charged.held.usd, 6))} and {tokens(round(charged.held.tokens))} are charged"
    )
    yield "  budget", aside + (kept if one.outcome or one.worked else "")


def document(watched: Watched) -> dict[str, Any] | None:
    room, limits = rooms(watched), watched.history.limits
    if room is None or limits is None:
        return None
    return {
        "limits": limits.model_dump(mode="json"),
        "charged": {"usd": round(room.held.usd, 6), "tokens": round(room.held.tokens)},
        "used": {"usd": round(room.known.usd, 6), "tokens": round(room.known.tokens)},
        "short": [
            {"task": task, "stops": one.stops, "reason": one.reason}
            for task, one in watched.history.shortages.items()
        ],
    }


# --- before a run -----------------------------------------------------------------------------------


def compared(usd: float | None, fresh: int, limits: BudgetSettings) -> Iterator[str]:
    """Where first tries alone may be more than a run or a day may use."""
    rule = "tasks that do not fit will not start: run --budget-usd, --budget-tokens, or [budget] in the settings"
    for name, most in (("run", limits.run_usd), ("day", limits.day_usd)):
        if usd is not None and most and usd > most:
            yield f"warning: up to {cost(usd)}, and the budget of a {name} is {cost(most)}; {rule}"
    for name, count in (("run", limits.run_tokens), ("day", limits.day_tokens)):
        if count and fresh > count:
            told = (
                f"up to {tokens(fresh)} new tokens, and the budget of a {name} is {tokens(count)}"
            )
            yield f"warning: {told}; {rule}"


def compared_document(usd: float | None, fresh: int, limits: BudgetSettings) -> dict[str, Any]:
    return {
        "run_usd": limits.run_usd or None,
        "run_tokens": limits.run_tokens or None,
        "new_tokens": fresh,
        "warnings": list(compared(usd, fresh, limits)),
    }
