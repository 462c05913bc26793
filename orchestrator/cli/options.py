"""The words that several commands share, each declared once; refuses values that no command could use."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

Paths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH", help="Plan files, or folders with plans.", show_default=False),
]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="The run, or the beginning or end of its name.")
]
NewestRun = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="The run, or the beginning or end of its name; without it the newest. Or a PLAN.md.",
        show_default=False,
    ),
]
TaskName = Annotated[str, typer.Argument(metavar="TASK", help="Like 4, or 08-02/4.")]
Json = Annotated[bool, typer.Option("--json", help="Nothing on stdout but one JSON document.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, max=64, help="Attempts at once.", show_default=False
    ),
]
BudgetUsd = Annotated[
    float | None,
    typer.Option(
        "--budget-usd",
        metavar="N",
        min=0,
        help="Dollars that the whole run may use; 0: no limit. Resumed with it, also a run that had another.",
        show_default=False,
    ),
]
BudgetTokens = Annotated[
    int | None,
    typer.Option(
        "--budget-tokens",
        metavar="N",
        min=0,
        help="The same in tokens that are read and written anew.",
        show_default=False,
    ),
]


PlanBudgetUsd = Annotated[
    float | None,
    typer.Option(
        "--plan-budget-usd",
        metavar="N",
        min=0,
        help="Dollars that each plan may use, in place of its own `budget:` and of the settings; 0: no limit.",
        show_default=False,
    ),
]
PlanBudgetTokens = Annotated[
    int | None,
    typer.Option(
        "--plan-budget-tokens",
        metavar="N",
        min=0,
        help="The same in tokens that are read and written anew.",
        show_default=False,
    ),
]


AskUsd = Annotated[
    float | None,
    typer.Option(
        "--ask-usd",
        metavar="N",
        min=0,
        help="Ask before it starts if it is expected to cost more dollars, in place of budget.ask_usd; 0: never.",
        show_default=False,
    ),
]


class Level(StrEnum):
    """The engine's own Quality; `--help` must not wait for what that needs."""

    BASIC = "basic"
    SHINY = "shiny"
    CHROME = "chrome"


Quality = Annotated[
    Level,
    typer.Option(
        "--quality",
        help="basic: the cheapest model that may, first; shiny: as ever; chrome: the strongest, and a review of each task.",
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        help="Approve what it is expected to cost, and checkpoints, but for blocking-human gates and human actions; a decision gets its first option.",
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Stay when only answers of people are missing.")]
FailFast = Annotated[
    bool, typer.Option("--fail-fast", help="Start nothing new after the first failed task.")
]
Workspace = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        metavar="KIND",
        help="worktree: each task in a git worktree; directory: all in place. Plans that say it are not overruled.",
        show_default=False,
    ),
]
Sandbox = Annotated[
    Literal["auto", "bubblewrap", "none"] | None,
    typer.Option(
        "--sandbox",
        metavar="KIND",
        help="bubblewrap: in a sandbox, or nothing starts; none: as you; auto: bubblewrap where it works.",
        show_default=False,
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Run also what is finished, anew.")]
IncludeDirty = Annotated[
    bool, typer.Option("--include-dirty", help="Begin with what is not committed, too.")
]
Note = Annotated[
    str, typer.Option("--note", metavar="TEXT", help="For the tasks that follow and the SUMMARY.")
]
