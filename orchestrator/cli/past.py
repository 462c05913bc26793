"""The runs of the project that one stands in, with what is missing of them told on stderr. Refuses to change them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType

import anyio

from orchestrator import journal, settings, workspace
from orchestrator.cli.terminal import tell
from orchestrator.errors import UnknownRun
from orchestrator.history import fold
from orchestrator.journal import RunRow
from orchestrator.model import DoneBefore, Plan, RunId, TaskId
from orchestrator.order import Order
from orchestrator.reader.discover import project_root
from orchestrator.settings import Settings
from orchestrator.views import before
from orchestrator.views.past import INTERRUPTED, Past, expiries, learn_secrets, names, open_run
from orchestrator.views.watched import Watched

__all__ = ["INTERRUPTED", "Past", "expiries", "learn_secrets", "names", "reopen"]


def here() -> Path:
    """The project of the folder one stands in."""
    return project_root(Path.cwd())


def settled() -> tuple[Path, Settings]:
    """The same with its settings: SettingsError before anything of it is shown or changed."""
    root = here()
    return root, settings.load(root)


def reopen(
    root: Path, name: str | None, changes: Mapping[str, object] = MappingProxyType({})
) -> Past:
    """The run of that name, else the newest; what is missing of it is told. `changes` are new words of its Order."""
    found = open_run(root, name, changes)
    if found.trouble:
        tell("warning", found.trouble, "yellow")
    return found


def tell_of_loss(root: Path) -> None:
    """What the journal had once, and has not any more."""
    with suppress(UnknownRun), journal.reading(root) as book:
        if book.trouble:
            tell("warning", book.trouble, "yellow")


def waiting_results(root: Path, plans: Sequence[str]) -> dict[str, str]:
    """Of each plan that a run has done whose result nobody has taken: the branch that holds it."""
    newest = {plan: row for plan, row in _newest(root, plans).items() if row.exit_code == 0}
    held = ((plan, _held_by(root, row, plan)) for plan, row in newest.items())
    return {plan: branch for plan, branch in held if branch is not None}


def _held_by(root: Path, row: RunRow, plan: str) -> str | None:
    """Only if that run had all of the plan, as it is today."""
    order = Order.model_validate(row.asked)
    with journal.reading(root) as book:
        told = fold(book.events(row.id)).delivery
        stored = {one.path: one.content for one in book.plans(row.id)}
    same = stored.get(plan) == (root / plan).read_bytes()
    whole = not (order.only or order.start or order.skip)
    if told is None or told["why"] is None or not (same and whole):
        return None
    return anyio.run(workspace.untaken, root, told["branch"])


def not_done(root: Path, plans: Sequence[str]) -> dict[str, RunRow]:
    """Of each plan its newest run, if that is not done."""
    newest = _newest(root, plans)
    return {plan: row for plan, row in newest.items() if row.exit_code != 0}


def _newest(root: Path, plans: Sequence[str]) -> dict[str, RunRow]:
    rows = names(root)
    if not rows:
        return {}
    with journal.reading(root) as book:

        @cache
        def held(run: RunId) -> set[str]:
            return {one.path for one in book.plans(run)}

        newest = {
            plan: next((row for row in rows if plan in row.paths and plan in held(row.id)), None)
            for plan in plans
        }
    return {plan: row for plan, row in newest.items() if row is not None}


def had_this_text(root: Path, plans: Sequence[str]) -> dict[str, RunRow]:
    """Of each plan whose newest run had it as it is today: that run."""
    found = {}
    for plan, row in _newest(root, plans).items():
        with journal.reading(root) as book:
            stored = {one.path: one.content for one in book.plans(row.id)}
        if stored.get(plan) == (root / plan).read_bytes():
            found[plan] = row
    return found


def done_before(
    root: Path, plans: Sequence[Plan], chosen: Collection[TaskId]
) -> tuple[DoneBefore, ...]:
    """What --only, --from and --skip leave out, and the plan's newest run has done with the same text."""
    partly = [plan for plan in plans if any(task.id not in chosen for task in plan.tasks)]
    newest = _newest(root, [plan.path for plan in partly])
    if not newest:
        return ()
    with journal.reading(root) as book:
        every = [
            before.done_before(book, newest[plan.path].id, plan)
            for plan in partly
            if plan.path in newest
        ]
    return tuple(one for told in every for one in told if one.task not in chosen)


def can_be_had(watched: Watched, root: Path) -> bool:
    """Nobody has taken the result, and what stood in the way of it can be away by now."""
    told = watched.history.delivery
    if told is None or told["why"] is None or not told.get("passes"):
        return False
    return anyio.run(workspace.untaken, root, told["branch"]) is not None
