"""A finished or halted run -> the SUMMARY.md of one plan. Pure; it refuses to claim what the records do not show."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import DoneBefore, Plan, RunId, TaskId, TaskState
from orchestrator.model.outloop import Context
from orchestrator.summary import end, front, numbers, opening, work
from orchestrator.summary.account import Account, is_complete

__all__ = ["is_complete", "render"]

SECTIONS = {
    "Performance": numbers.performance,
    "Parallelization": numbers.parallelization,
    "Token Efficiency": numbers.token_efficiency,
    "Accomplishments": work.accomplishments,
    "Task Commits": work.task_commits,
    "Files Created/Modified": work.files,
    "Checks": work.checks,
    "Tries": work.tries,
    "Decisions Made": work.decisions_made,
    "Deviations from Plan": end.deviations,
    "Issues Encountered": end.issues,
    "Verification Checklist": end.checklist,
    "User Setup Required": end.setup,
    "Next Phase Readiness": end.readiness,
}


def render(
    plan: Plan,
    *,
    run: RunId,
    graph: TaskGraph,
    states: Mapping[TaskId, TaskState],
    history: History,
    before: Mapping[TaskId, DoneBefore] = MappingProxyType({}),
    artifacts: Mapping[str, str] | None = None,
    context: Context | None = None,
    saved: str | None = None,
    tools_off: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """`artifacts`: what is wrong with each file that must be there, "" for nothing. `context`: what its agents read. `saved`: by its tools, in words. `tools_off`: why each of those may not work any more. `graph`, `states` and `history` are of the whole run; a task without a state was not selected. `before`: what this run did not do again, in the order in which it landed; its state is succeeded."""
    account = Account(
        plan, run, graph, states, history, artifacts or {}, context, before, saved, tools_off
    )
    blocks = [opening.title(account), opening.one_liner(account)]
    for heading, say in SECTIONS.items():
        blocks += [f"## {heading}", "\n".join(say(account)).strip("\n")]
    verdict = "PASSED" if account.is_complete else "FAILED"
    blocks += [f"## Self-Check: {verdict}", end.self_check(account)]
    return front.render(account) + "\n" + "\n\n".join(blocks) + "\n"
