"""The end of a plan and of a result: commands that are run once more, and the SUMMARY. Calls nothing complete that was not checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import anyio

from orchestrator import context, disk, redact, summary, verify
from orchestrator.engine.attempt import Means
from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import (
    Check,
    CheckResult,
    DoneBefore,
    Event,
    EventKind,
    Plan,
    RunId,
    Task,
    TaskId,
    TaskState,
)
from orchestrator.outloop import gained, offload
from orchestrator.reader.discover import summary_path
from orchestrator.workspace import GitRefused, Ground, Unprepared, message, result

RED_STEP = re.compile(r"\bRED\b")
NEEDS_IGNORED = "[green only with files that git ignores: a fresh clone has to make them first]\n"


def is_done(plan: Plan, states: Mapping[TaskId, TaskState]) -> bool:
    """Every task of it succeeded, here or before; one that was not selected did not."""
    return all(states.get(task.id) is TaskState.SUCCEEDED for task in plan.tasks)


async def check(
    plan: Plan, means: Means, environment: Mapping[str, str], folder: Path
) -> tuple[Check, ...]:
    """The shell blocks of `<verification>`, all of them."""
    if means.ground is None or not plan.commands:
        return await _run(
            plan.commands, means.root, means, environment, folder / "verification.log"
        )
    return await _check_together(plan.commands, means, environment, folder / "verification.log")


async def check_result(
    tasks: Sequence[Task],
    plans: Sequence[Plan],
    means: Means,
    environment: Mapping[str, str],
    folder: Path,
) -> tuple[Check, ...]:
    """Every distinct check of what succeeded, in a worktree of the result that nobody has worked in."""
    ground = means.ground
    assert ground is not None
    commands = [
        command for task in tasks for command in task.commands if not is_red_step(task, command)
    ]
    commands += [command for plan in plans for command in plan.commands]
    if means.settings.workspace.final_checks == "none" or not commands:
        return ()
    distinct = list(dict.fromkeys(commands))
    return await _check_together(distinct, means, environment, folder / "result.log")


async def _check_together(
    commands: Sequence[str], means: Means, environment: Mapping[str, str], log: Path
) -> tuple[Check, ...]:
    """On the result. Where its worktree cannot be made nothing can be judged."""
    assert means.ground is not None
    async with means.ground.result:
        try:
            tree = await means.ground.result_tree()
            return await _check_in(tree.path, commands, means, environment, log)
        except (GitRefused, Unprepared, OSError) as trouble:
            return tuple(_unjudged(command, str(trouble)) for command in commands)


def _unjudged(command: str, why: str) -> Check:
    result = CheckResult.INCONCLUSIVE
    return Check(command=command, result=result, exit_code=None, output=why, duration_s=0.0)


async def _check_in(
    place: Path, commands: Sequence[str], means: Means, environment: Mapping[str, str], log: Path
) -> tuple[Check, ...]:
    """What is not green there is run once more with what git ignores of the tasks' worktrees."""
    assert means.ground is not None
    moved = [verify.rewrite(command, str(means.root), str(place))[0] for command in commands]
    checks = list(await _run(moved, place, means, environment, log))
    bad = [number for number, one in enumerate(checks) if one.result is not CheckResult.GREEN]
    if bad and await means.ground.bring_ignored():
        again = await _run([moved[number] for number in bad], place, means, environment, log)
        for number, one in zip(bad, again, strict=True):
            if one.result is CheckResult.GREEN:
                one = one.model_copy(update={"output": NEEDS_IGNORED + one.output})
            checks[number] = one
        await means.ground.close(place)  # the next look is at a clean one again
    told = zip(commands, checks, strict=True)
    return tuple(one.model_copy(update={"command": command}) for command, one in told)


async def _run(
    commands: Iterable[str], place: Path, means: Means, environment: Mapping[str, str], log: Path
) -> tuple[Check, ...]:
    return await verify.run_checks(
        list(commands),
        cwd=place,
        env=environment,
        timeout_s=means.settings.verify.timeout_s,
        keep_bytes=means.settings.verify.output_bytes,
        transcript=log,
        all_of_them=True,
        sandbox=means.sandbox(place),
    )


def is_red_step(task: Task, command: str) -> bool:
    """It says that a test fails for now: the work that follows makes it untrue."""
    return task.tdd and (bool(RED_STEP.search(task.name)) or command.lstrip().startswith("!"))


def is_complete(plan: Plan, states: Mapping[TaskId, TaskState], history: History) -> bool:
    return summary.is_complete(plan, states, history)


def summarise(
    plan: Plan,
    *,
    root: Path,
    place: Path,
    run: RunId,
    graph: TaskGraph,
    states: Mapping[TaskId, TaskState],
    history: History,
    before: Mapping[TaskId, DoneBefore],
    per_file: int,
) -> str:
    """`per_file`: tokens of one that was read and whose size is not known. `place` is where the files are that the plan promised."""
    found = {one.path: disk.trouble(place, one) for one in plan.must_haves.artifacts}
    read = context.together(
        context.measure(task, history.tasks[task.id].tried, per_file)
        for task in plan.tasks
        if task.id in history.tasks
    )
    saved = gained.of_run(root, run, history, [task.id for task in plan.tasks])
    text = summary.render(
        plan,
        run=run,
        graph=graph,
        states=states,
        history=history,
        before=before,
        artifacts=found,
        context=read,
        saved=saved,
        tools_off=_tools_off(plan, root, history),
    )
    return redact.text(text)


def _tools_off(plan: Plan, root: Path, history: History) -> dict[str, str]:
    """Why a tool that did not do its task here may not work any more."""
    tried = [
        one for task in plan.tasks if (past := history.tasks.get(task.id)) for one in past.tried
    ]
    named = [
        one.route.tool for one in tried if one.route.tool and one.outcome and not one.outcome.ok
    ]
    return {name: why for name in dict.fromkeys(named) if (why := offload.disabled(root, name))}


def write(plan: Plan, root: Path, text: str) -> Path:
    path = root / summary_name(plan)
    disk.write_whole(path, text)
    return path


def write_aside(plan: Plan, folder: Path, text: str) -> Path:
    path = folder / summary_name(plan).replace("/", "-")
    disk.write_whole(path, text)
    return path


def summary_name(plan: Plan) -> str:
    """Relative to the root."""
    return summary_path(Path(plan.path)).as_posix()


async def summary_commit(
    plan: Plan, text: str, ground: Ground, run: RunId, complete: bool
) -> str | None:
    """A commit on the tip of the result; None where it stands there already, or git ignores it: then it goes beside the plan."""
    name = summary_name(plan)
    if await ground.repository.ignored([name]):
        write(plan, ground.root, text)
        return None
    words = message.of_summary(plan, run=run, complete=complete)
    return await result.with_file(ground, name, text, words)


async def is_handed_over(ground: Ground, history: History) -> bool:
    """An engine that is gone had come so far."""
    tip, start = history.handing_over, result.Start.model_validate(history.ground)
    there = await ground.repository.find(start.branch) if start.branch else None
    return bool(tip and there) and await ground.repository.contains(str(there), str(tip))


async def deliver(
    ground: Ground, history: History, obstacle: str | None, record: Callable[..., Event]
) -> None:
    """The person's branch gets the result, where that is safe; the event says what became of it."""
    assert history.ground is not None
    start = result.Start.model_validate(history.ground)
    plan = await result.plan(ground, start, obstacle)
    if plan.why is None:
        record(EventKind.DELIVERING, {"tip": ground.tip, "branch": start.branch})
        with anyio.CancelScope(shield=True):  # half a checkout is nobody's
            plan = await result.carry_out(ground, start, plan)
    data = {
        "why": plan.why,
        "passes": plan.passes,
        "failed": plan.failed,
        "unsafe": plan.unsafe,
        "branch": ground.branch.removeprefix("refs/heads/"),
        "into": start.branch and start.branch.removeprefix("refs/heads/"),
        "tip": ground.tip,
        "commits": plan.commits,
        "included": start.included,
        "unborn": start.head is None,
    }
    record(EventKind.DELIVERED, data)
