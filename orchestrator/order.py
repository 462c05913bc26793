"""What a run is asked to do; refuses nothing itself: who runs it does."""

from __future__ import annotations

from orchestrator.graph import KnownPlan
from orchestrator.model import DoneBefore, Noun, Quality


class Order(Noun):
    """The words of the command line that a resumed run must remember."""

    only: tuple[str, ...] = ()
    start: tuple[str, ...] = ()  # --from
    skip: tuple[str, ...] = ()
    yes: bool = False
    wait: bool = False
    fail_fast: bool = False
    workers: int = 5
    budget_usd: float | None = None  # of this run, over the settings; 0: no limit
    budget_tokens: int | None = None
    plan_budget_usd: float | None = None  # of each plan, over the settings and its own; 0: no limit
    plan_budget_tokens: int | None = None
    quality: Quality = Quality.SHINY
    isolated: bool = False  # each attempt in a git worktree
    include_dirty: bool = False  # what is not committed is part of the base
    priority: int = 0  # among the runs of one daemon
    unattended: bool = False  # a daemon began it, and goes on with it by itself
    # Not words, but found with them: what depends_on could name, and what need not be done again.
    beside: tuple[KnownPlan, ...] = ()
    done_before: tuple[DoneBefore, ...] = ()  # in the order in which their work landed

    @property
    def left_out(self) -> tuple[str, ...]:
        """What has no place in the graph of this run."""
        return (*self.skip, *(one.task for one in self.done_before))
