"""What a run came to and what to do next. Refuses to leave a task that is not done without a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import answers, journal
from orchestrator.cli.terminal import out
from orchestrator.clock import at
from orchestrator.history import Tried
from orchestrator.model import Answer, Check, CheckResult, PlanId, RunId, TaskId, TaskState
from orchestrator.outloop import gained
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.reader.discover import project_root
from orchestrator.views import asking, handover, money, waiting
from orchestrator.views.text import command, counted, lines, plain
from orchestrator.views.watched import Watched
from orchestrator.views.words import reason, sums, weakness, who

MARKS = {
    TaskState.FAILED: ("✗", "red"),
    TaskState.SKIPPED: ("-", "dim"),
    TaskState.PAUSED: ("?", "cyan"),
}
WAITS = "not started: waits for "
STOPPED = "stopped before it ended; it starts again at resume"
DETAIL_ROWS = 6  # of what a failed attempt said; explain and the transcript have the rest


@dataclass(frozen=True, slots=True)
class End:
    """A run that is over, for now."""

    watched: Watched
    run: RunId
    code: int
    root: Path


def report(end: End, summaries: Sequence[str]) -> None:
    """Each task that is not done with its reason and next step, the totals, the SUMMARY."""
    out().print()
    report_tasks(end, *REASONS)
    _report_open(end)
    for plan, check in red_plan_checks(end.watched):
        out().print(f"✗ {plan}  its <verification> is not green", style="red")
        out().print(f"    {plain(check.command, 100)}")
        _indented(check.output)
        out().print(f"    next: put it right, then: {command('resume', end.run)}")
    for check, owners in handover.red_checks(end.watched):
        told = f"✗ {', '.join(owners)}  not green on the result, where all is together"
        out().print(told, style="red")
        out().print(f"    {plain(check.command, 100)}")
        _indented(check.output)
        branch = f"orchestrator/{end.run}"
        out().print(
            f"    next: git switch {branch}, put it right, commit, git switch back; then: {command('resume', end.run)}"
        )
    _totals(end)
    if of_budget := money.total(end.watched):
        out().print(f"  {of_budget}")
    if saved := gained.of_run(end.root, end.run, end.watched.history, end.watched.graph):
        out().print(f"  saved by tools: {saved}")
    for row in handover.rows(end.watched, end.root, summaries):
        out().print(f"  {row}")
    show_steps(end)
    if end.code != 0 and project_root(Path.cwd()) != end.root:
        out().print(f"  commands about this run work in {end.root}")


def report_tasks(end: End, *states: TaskState) -> None:
    for task in end.watched.in_state(*states):
        state = end.watched.states[task]
        mark, style = MARKS[state]
        out().print(f"{mark} {task}  {plain(end.watched.graph.tasks[task].title)}", style=style)
        for row in REASONS[state](end, task):
            out().print(f"    {row}")


def show_steps(end: End) -> None:
    for step in next_steps(end.watched, end.run, end.code):
        out().print(f"  next: {step}")


def next_steps(watched: Watched, run: RunId, code: int) -> Iterator[str]:
    if money.refused(watched) and code != 130:
        yield from money.steps(watched, run)
        return
    if code == 4 and not watched.in_state(TaskState.WAITING):
        yield f"free some room, or put right what is said above, then: {command('resume', run)}"
    if code == 130 or (code != 5 and watched.in_state(TaskState.WAITING)):
        right = "put right what is missing, then: " if code == 3 else ""
        yield f"{right}{command('resume', run)}"
    if code == 5:
        yield f"answer, then: {command('resume', run)}"


def transcript(root: Path, run: RunId, tried: Tried) -> str | None:
    """The file with what an attempt said; None if it said nothing, or is not kept any more."""
    name = f"{journal.HOME}/runs/{run}/{tried.transcript}"
    return name if tried.transcript and (root / name).exists() else None


def relative(root: Path, paths: Sequence[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def red_plan_checks(watched: Watched) -> Iterator[tuple[PlanId, Check]]:
    for plan, checks in watched.history.plan_checks.items():
        yield from ((plan, one) for one in checks if one.result is not CheckResult.GREEN)


def _failed(end: End, task: TaskId) -> Iterator[str]:
    past, last = end.watched.of(task), end.watched.outcome(task)
    if past.answer is not None and not past.answer.approved:
        note = f": {plain(past.answer.note)}" if past.answer.note else ""
        by = plain(past.answer.by) or "a person"
        yield (
            f"rejected by {by}{note}"
            if past.answer.is_of_a_person
            else f"expired, so rejected{note}"
        )
        if last is not None and last.work is not None and last.work.ref:
            yield f"its work is kept: git show {last.work.ref}"
    elif last is not None and last.failure is not None:
        yield f"{reason(last)} ({who(past.tried[-1].route)}, {counted(len(past.tried), 'attempt')})"
        yield from (f"  {row}" for row in lines(last.detail)[1:][-DETAIL_ROWS:])
        if file := transcript(end.root, end.run, past.tried[-1]):
            yield f"transcript: {file}"
        if last.work is not None and last.work.ref:
            yield f"its work is kept: git show {last.work.ref}"
    yield f"next: {command('explain', end.run, task)}"
    yield f"      {command('retry', end.run, task)}"


def _skipped(end: End, task: TaskId) -> Iterator[str]:
    yield f"skipped: behind {', '.join(end.watched.blockers(task))}, which failed"


def _paused(end: End, task: TaskId) -> Iterator[str]:
    """The question itself, and the very words that answer it."""
    asked = answers.asked(end.watched.graph.tasks[task], end.watched.of(task))
    yield f"waits for a person ({asked.type.partition(':')[2] or asked.type})"
    given = waiting.letter(end.root, end.run, end.watched, task)
    if given is not None:
        yield f"answered: {given}; it counts when the run goes on"
        return
    yield from waiting.question(end.watched, task)
    yield from asking.question(asked)
    for option in asked.options or (None,):
        answer = Answer(approved=True, option=option.id if option else None)
        if answers.misfit(asked, answer) is None:
            choice = ("--option", option.id) if option else ()
            yield f"answer: {command('approve', end.run, task, *choice)}"
    yield f"    or: {command('reject', end.run, task, '--note', 'WHY')}"


REASONS: dict[TaskState, Callable[[End, TaskId], Iterator[str]]] = {
    TaskState.FAILED: _failed,
    TaskState.SKIPPED: _skipped,
    TaskState.PAUSED: _paused,
}


def _report_open(end: End) -> None:
    """Not begun, or stopped in the middle; what is the same for many is said once."""
    alike: dict[str, list[TaskId]] = defaultdict(list)
    for task in end.watched.in_state(TaskState.WAITING, TaskState.RUNNING):
        alike[_open(end.watched, task)].append(task)
    for why, tasks in alike.items():
        if len(tasks) > 1:
            out().print(f"· {len(tasks)} tasks {_of_many(why)}", style="yellow")
            continue
        title = plain(end.watched.graph.tasks[tasks[0]].title)
        out().print(f"· {tasks[0]}  {title}", style="yellow")
        out().print(f"    {why}")


def _open(watched: Watched, task: TaskId) -> str:
    before = watched.graph.before(task)
    missing = [one for one in before if watched.states[one] is not TaskState.SUCCEEDED]
    if missing:
        return f"{WAITS}{', '.join(missing)}"
    if task in money.refused(watched):
        return f"refused by its budget: {watched.history.shortages[task].limit or 'see above'}"
    if short := money.waits(watched, task):
        return short
    last = watched.outcome(task)
    if last and last.failure and REACTIONS[last.failure] is Reaction.STOP:
        return reason(last)
    if closed := waiting.behind(watched, task):
        until = ", ".join(
            f"{gate}, closed until {at(watched.tracker.closed[gate])}" for gate in closed
        )
        return f"waits for {until}: no try is spent"
    if watched.of(task).tried:
        return STOPPED
    return f"not started: {plain(watched.tracker.stopped or 'the run ended before')}"


def _of_many(why: str) -> str:
    if why == STOPPED:
        return "stopped before they ended; they start again at resume"
    return why.replace(WAITS, "not started: they wait for ", 1)


def _totals(end: End) -> None:
    watched, code = end.watched, end.code
    done = watched.in_state(TaskState.SUCCEEDED)
    mark, style = ("✓", "bold green") if code == 0 else ("✗", "bold red")
    if code == 5:
        mark, style = "?", "bold cyan"
    weak = sum(1 for task in done if _is_weak(watched, task))
    doubt = f" · {weak} of them not proven by a check" if weak else ""
    tasks = f"{len(done)} of {counted(len(watched.graph.tasks), 'task')} done{doubt}"
    if code in (4, 130) and len(done) == len(watched.graph.tasks):
        tasks += _unended(watched, code)
    spent = sums(watched.total(), watched.worked_s)
    out().print(f"{mark} run {end.run}: {tasks} · {spent}", style=style)


def _unended(watched: Watched, code: int) -> str:
    """Whoever reads that all tasks are done must know what is missing still."""
    history = watched.history
    if history.ground is not None and history.result_checks is None:
        return ", and the result is not checked and handed over yet"
    is_open = any(plan not in history.plan_checks for plan in watched.graph.plans)
    return ", and the plan's own check was not run yet" if is_open and code == 130 else ""


def _is_weak(watched: Watched, task: TaskId) -> bool:
    last = watched.outcome(task)
    return last is not None and weakness(last) is not None


def _indented(text: str) -> None:
    for row in lines(text)[-DETAIL_ROWS:]:
        out().print(f"      {row}")
