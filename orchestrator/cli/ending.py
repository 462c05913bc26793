"""What a run came to and what to do next, for people and as JSON. Refuses to leave a task that is not done without a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli.diagnostics import near
from orchestrator.cli.screen import asking
from orchestrator.cli.screen.words import reason, sums, weakness, who
from orchestrator.cli.terminal import counted, lines, out, plain
from orchestrator.cli.watched import Watched, seconds
from orchestrator.engine import answers
from orchestrator.model import Answer, Check, CheckResult, PlanId, RunId, TaskId, TaskState
from orchestrator.reader.discover import project_root

if TYPE_CHECKING:
    from orchestrator.model import Outcome

MARKS = {
    TaskState.FAILED: ("✗", "red"),
    TaskState.SKIPPED: ("-", "dim"),
    TaskState.PAUSED: ("?", "cyan"),
    TaskState.WAITING: ("·", "yellow"),
    TaskState.RUNNING: ("·", "yellow"),
}
NOTHING: dict[str, Any] = {
    "version": 1,
    "run": None,
    "exit_code": 0,
    "summaries": [],
    "tasks": [],
}
DETAIL_ROWS = 6  # of what a failed attempt said; explain and the transcript have the rest


def report(watched: Watched, run: RunId, code: int, root: Path, summaries: Sequence[str]) -> None:
    """Each task that is not done with its reason and next step, the totals, the SUMMARY."""
    out().print()
    for task in watched.in_state(*MARKS):
        _report_task(watched, run, task)
    for plan, check in red_plan_checks(watched):
        out().print(f"✗ {plan}  its <verification> is not green", style="red")
        out().print(f"    {plain(check.command, 100)}")
        _indented(check.output)
        out().print(f"    next: put it right, then: orchestrator resume {run}")
    _totals(watched, run, code)
    for path in summaries:
        out().print(f"  summary: {near(root, path)}")
    for step in next_steps(watched, run, code):
        out().print(f"  next: {step}")
    if code != 0 and project_root(Path.cwd()) != root:
        out().print(f"  commands about this run work in {root}")


def document(watched: Watched, run: RunId, code: int, summaries: Sequence[str]) -> dict[str, Any]:
    return {
        "version": 1,
        "run": run,
        "exit_code": code,
        "summaries": list(summaries),
        "tasks": [task_document(watched, task) for task in watched.graph],
    }


def task_document(watched: Watched, task: TaskId) -> dict[str, Any]:
    past, spent = watched.of(task), watched.spent(task)
    last = past.last
    route = past.tried[-1].route if past.tried else None
    times = [taken for one in past.tried if (taken := seconds(one)) is not None]
    return {
        "id": task,
        "name": watched.graph.tasks[task].title,
        "state": watched.states[task],
        "attempts": spent.attempts,
        "worker": route.worker if route else None,
        "model": last.model if last and last.model else route.model if route else None,
        "failure": last.failure if last else None,
        "detail": last.detail if last else "",
        "tokens": spent.tokens if past.tried else None,
        "cost_usd": spent.cost_usd if past.tried else None,
        "duration_s": round(sum(times), 3) if times else None,
        **_verdict(last),
    }


def next_steps(watched: Watched, run: RunId, code: int) -> Iterator[str]:
    if code == 130 or (code != 5 and watched.in_state(TaskState.WAITING)):
        yield f"orchestrator resume {run}"
    if code == 5:
        yield f"answer, then: orchestrator resume {run}"
    if code == 3:
        yield f"put right what is missing, then: orchestrator retry {run} TASK"


def relative(root: Path, paths: Sequence[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def red_plan_checks(watched: Watched) -> Iterator[tuple[PlanId, Check]]:
    for plan, checks in watched.history.plan_checks.items():
        yield from ((plan, one) for one in checks if one.result is not CheckResult.GREEN)


def _verdict(last: Outcome | None) -> dict[str, Any]:
    verdict = last.verdict if last else None
    return {
        "verified": verdict.verified if verdict else None,
        "verify_strength": verdict.strength if verdict else None,
    }


def _report_task(watched: Watched, run: RunId, task: TaskId) -> None:
    state = watched.states[task]
    mark, style = MARKS[state]
    out().print(f"{mark} {task}  {plain(watched.graph.tasks[task].title)}", style=style)
    for row in REASONS[state](watched, run, task):
        out().print(f"    {row}")


def _failed(watched: Watched, run: RunId, task: TaskId) -> Iterator[str]:
    past, last = watched.of(task), watched.outcome(task)
    if past.answer is not None and not past.answer.approved:
        note = f": {plain(past.answer.note)}" if past.answer.note else ""
        yield f"rejected by {plain(past.answer.by) or 'a person'}{note}"
    elif last is not None and last.failure is not None:
        yield f"{reason(last)} ({who(past.tried[-1].route)}, {counted(len(past.tried), 'attempt')})"
        yield from (f"  {row}" for row in lines(last.detail)[1:][-DETAIL_ROWS:])
    yield f"next: orchestrator explain {run} {task}"
    yield f"      orchestrator retry {run} {task}"


def _skipped(watched: Watched, _run: RunId, task: TaskId) -> Iterator[str]:
    yield f"skipped: behind {', '.join(watched.blockers(task))}, which failed"


def _paused(watched: Watched, run: RunId, task: TaskId) -> Iterator[str]:
    """The question itself, and the very words that answer it."""
    asked = watched.graph.tasks[task]
    yield f"waits for a person ({asked.type.partition(':')[2] or asked.type})"
    yield from asking.question(asked)
    for option in asked.options or (None,):
        words = f" --option {option.id}" if option else ""
        if (
            answers.misfit(asked, Answer(approved=True, option=option.id if option else None))
            is None
        ):
            yield f"answer: orchestrator approve {run} {task}{words}"
    yield f"    or: orchestrator reject {run} {task} --note WHY"


def _open(watched: Watched, _run: RunId, task: TaskId) -> Iterator[str]:
    """Not begun, or stopped in the middle."""
    before = watched.graph.before(task)
    missing = [one for one in before if watched.states[one] is not TaskState.SUCCEEDED]
    if missing:
        yield f"not started: waits for {', '.join(missing)}"
    elif watched.of(task).tried:
        yield "stopped before it ended; it starts again at resume"
    else:
        yield f"not started: {plain(watched.tracker.stopped or 'the run ended before')}"


REASONS: dict[TaskState, Callable[[Watched, RunId, TaskId], Iterator[str]]] = {
    TaskState.FAILED: _failed,
    TaskState.SKIPPED: _skipped,
    TaskState.PAUSED: _paused,
    TaskState.WAITING: _open,
    TaskState.RUNNING: _open,
}


def _totals(watched: Watched, run: RunId, code: int) -> None:
    done = watched.in_state(TaskState.SUCCEEDED)
    mark, style = ("✓", "bold green") if code == 0 else ("✗", "bold red")
    if code == 5:
        mark, style = "?", "bold cyan"
    weak = sum(1 for task in done if _is_weak(watched, task))
    doubt = f" · {weak} of them not proven by a check" if weak else ""
    tasks = f"{len(done)} of {counted(len(watched.graph.tasks), 'task')} done{doubt}"
    spent = sums(watched.total(), watched.worked_s)
    out().print(f"{mark} run {run}: {tasks} · {spent}", style=style)


def _is_weak(watched: Watched, task: TaskId) -> bool:
    last = watched.outcome(task)
    return last is not None and weakness(last) is not None


def _indented(text: str) -> None:
    for row in lines(text)[-DETAIL_ROWS:]:
        out().print(f"      {row}")
