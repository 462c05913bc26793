"""Worktrees or the plain directory, for a whole run: by its plans, the settings, and what the repository can have. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from orchestrator.errors import SettingsError, UsageError
from orchestrator.model import Plan
from orchestrator.workspace.repository import Unfit


class Choice(NamedTuple):
    """`why` the plain directory, where nobody asked for it."""

    isolated: bool
    why: str | None = None


def choose(plans: Iterable[Plan], mode: str, unfit: Unfit | None) -> Choice:
    """`unfit`: why there can be no worktrees. SettingsError where they are asked for all the same, or git is in trouble."""
    wanted = {plan.path: plan.workspace or mode for plan in plans}
    plain = sorted(path for path, kind in wanted.items() if kind == "directory")
    if plain and len(plain) < len(wanted):
        others = sorted(set(wanted) - set(plain))
        raise UsageError(
            f"{plain[0]} says workspace: directory and {others[0]} does not; a run has one kind. Next: run them one by one"
        )
    if plain:
        return Choice(False)
    if unfit is None:
        return Choice(True)
    if unfit.grave or "worktree" in wanted.values():
        raise SettingsError(
            f"no worktrees here: {unfit.why}. Next: put that right, or work in the plain directory with --workspace directory"
        )
    return Choice(False, unfit.why)
