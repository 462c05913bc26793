"""The end of a plan: its own commands once, and its SUMMARY beside it. Calls nothing complete that was not checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator import summary, verify, workspace
from orchestrator.engine.attempt import Means
from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import Check, Plan, RunId, TaskId, TaskState
from orchestrator.reader.discover import summary_path


def is_done(plan: Plan, states: Mapping[TaskId, TaskState]) -> bool:
    """Every task of it succeeded in this run; one that was not selected did not."""
    return all(states.get(task.id) is TaskState.SUCCEEDED for task in plan.tasks)


async def check(
    plan: Plan, means: Means, environment: Mapping[str, str], folder: Path
) -> tuple[Check, ...]:
    """The shell blocks of `<verification>`, all of them."""
    return await verify.run_checks(
        plan.commands,
        cwd=means.root,
        env=environment,
        timeout_s=means.verify.timeout_s,
        keep_bytes=means.verify.output_bytes,
        transcript=folder / "verification.log",
        all_of_them=True,
    )


def summarise(
    plan: Plan,
    *,
    root: Path,
    run: RunId,
    graph: TaskGraph,
    states: Mapping[TaskId, TaskState],
    history: History,
) -> Path:
    path = summary_path(root / plan.path)
    found = {one.path: workspace.trouble(root, one) for one in plan.must_haves.artifacts}
    text = summary.render(
        plan, run=run, graph=graph, states=states, history=history, artifacts=found
    )
    workspace.write_whole(path, text)
    return path
