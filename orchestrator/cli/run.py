"""run, resume, retry: words -> an engine that works, a screen that watches. Refuses before anything starts what cannot end."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import (
    Again,
    AskUsd,
    BudgetTokens,
    BudgetUsd,
    FailFast,
    IncludeDirty,
    Json,
    Level,
    NewestRun,
    Paths,
    PlanBudgetTokens,
    PlanBudgetUsd,
    Quality,
    Run,
    Sandbox,
    TaskName,
    Wait,
    Workers,
    Workspace,
    Yes,
)


def _tasks(name: str, text: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(
        name, metavar="TASK", help=f"{text} May stand more than once.", show_default=False
    )
    return found


Only = Annotated[list[str] | None, _tasks("--only", "Only this task.")]
From = Annotated[list[str] | None, _tasks("--from", "This task and what depends on it.")]
Skip = Annotated[list[str] | None, _tasks("--skip", "All but this task.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and touch nothing.")
]
IgnoreDeps = Annotated[
    bool, typer.Option("--ignore-deps", help="Take plans outside of this run as finished.")
]


def run(
    paths: Paths,
    dry_run: DryRun = False,
    workers: Workers = None,
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    plan_budget_usd: PlanBudgetUsd = None,
    plan_budget_tokens: PlanBudgetTokens = None,
    ask_usd: AskUsd = None,
    quality: Quality = Level.SHINY,
    only: Only = None,
    start: From = None,
    skip: Skip = None,
    again: Again = False,
    yes: Yes = False,
    wait: Wait = False,
    fail_fast: FailFast = False,
    ignore_deps: IgnoreDeps = False,
    workspace: Workspace = None,
    sandbox: Sandbox = None,
    include_dirty: IncludeDirty = False,
    as_json: Json = False,
) -> int:
    """Run plan files, and what is unfinished in folders."""
    from orchestrator.cli import starting

    flags = {"again": again, "yes": yes, "wait": wait, "fail_fast": fail_fast}
    flags |= {"ignore_deps": ignore_deps, "include_dirty": include_dirty, "as_json": as_json}
    asked = starting.Asked(
        paths=tuple(paths),
        chosen=(_split(only), _split(start), _split(skip)),
        workers=workers,
        budget=(budget_usd, budget_tokens),
        ask_usd=ask_usd,
        plan_budget=(plan_budget_usd, plan_budget_tokens),
        quality=quality.value,
        modes=(workspace, sandbox),
        **flags,
    )
    return starting.preview(asked) if dry_run else starting.run(asked)


def resume(
    name: NewestRun = None,
    workers: Workers = None,
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    plan_budget_usd: PlanBudgetUsd = None,
    plan_budget_tokens: PlanBudgetTokens = None,
    yes: Yes = False,
    wait: Wait = False,
    fail_fast: FailFast = False,
    sandbox: Sandbox = None,
    as_json: Json = False,
) -> int:
    """Go on with a run.

    With the plan as it was when the run began. What is done stays done; what was interrupted starts
    again.
    """
    from orchestrator.cli import resuming

    changes = {"workers": workers, "yes": yes, "wait": wait, "fail_fast": fail_fast}
    # of a budget 0 is a word, too
    budget = {"budget_usd": budget_usd, "budget_tokens": budget_tokens}
    budget |= {"plan_budget_usd": plan_budget_usd, "plan_budget_tokens": plan_budget_tokens}
    given: dict[str, object] = {key: value for key, value in changes.items() if value}
    given |= {key: value for key, value in budget.items() if value is not None}
    return resuming.resume(name, given, sandbox, as_json=as_json)


def retry(name: Run, task: TaskName, as_json: Json = False) -> int:
    """Try a failed task again.

    With the plan as it was when the run began, from its first try, together with what was skipped for
    it. A running engine takes it over.
    """
    from orchestrator.cli import resuming

    return resuming.retry(name, task, as_json=as_json)


def _split(words: list[str] | None) -> tuple[str, ...]:
    """`--only 1,2 --only 3` are three tasks."""
    return tuple(part.strip() for word in words or () for part in word.split(",") if part.strip())
