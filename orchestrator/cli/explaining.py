"""Every decision about one task, with the reason that was recorded when it was made. Refuses to reason anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile, zip_longest
from typing import Any

from orchestrator import answers
from orchestrator.cli import drawing
from orchestrator.cli.ending import transcript
from orchestrator.cli.past import Past
from orchestrator.cli.terminal import out
from orchestrator.clock import at
from orchestrator.history import Tried
from orchestrator.model import (
    Check,
    Event,
    EventKind,
    Outcome,
    Review,
    Route,
    Step,
    Task,
    TaskState,
)
from orchestrator.views import asking, money, waiting
from orchestrator.views.text import columns, cost, duration, lines, plain, tokens, when
from orchestrator.views.watched import seconds
from orchestrator.views.words import followed, lasted, reason, said, weakness, who

Row = tuple[str, str]
OUTPUT_ROWS = 8
SAID_ROWS = 40
BEGINS = (EventKind.RUN_STARTED, EventKind.RUN_RESUMED)
STEP_ROWS = 12  # the latest; all of them are in show --events


def explain(found: Past, task: Task) -> None:
    out().print(f"{task.id}  {plain(task.title)}", style="bold")
    for row in columns([*_before(found, task), *_tries(found, task), *_after(found, task)]):
        out().print(f"  {row}".rstrip())


def _before(found: Past, task: Task) -> Iterator[Row]:
    plan, states = found.graph.plan_of(task.id), found.watched.states
    yield "run", f"{found.row.id}, started {when(found.row.started_at)}"
    yield "plan", f"{plan.path}:{task.position.line}"
    yield "state", _state(found, task)
    edges = [edge for edge in found.graph.edges() if edge.after == task.id]
    for edge in edges:
        yield "waits for", f"{drawing.because(edge)}: {states[edge.before]}"
    if not edges:
        yield "waits for", "nothing"
    past = found.watched.of(task.id)
    if past.tried:
        score = past.tried[-1].score
        why = ", ".join(score.reasons) or "nothing in the text moved it"
        yield "complexity", f"{score.value}: {why}"
    if stays := _in_force(found, task).get("stays", {}).get(task.id):
        yield "no tool", f"a model does it: {plain(stays, 300)}"


def _in_force(found: Past, task: Task, number: int | None = None) -> Mapping[str, Any]:
    """What the engine that made this try had told when it began; without a number the latest engine."""

    def is_before(event: Event) -> bool:
        mine = event.kind is EventKind.ATTEMPT_STARTED and event.task == task.id
        return number is None or not (mine and event.attempt == number)

    told = [one.data for one in takewhile(is_before, found.events) if one.kind in BEGINS]
    return told[-1] if told else {}


def _state(found: Past, task: Task) -> str:
    state = found.watched.states[task.id]
    if state is TaskState.SKIPPED:
        return f"skipped: behind {', '.join(found.watched.blockers(task.id))}, which failed"
    if state is TaskState.WAITING and found.watched.tracker.stopped:
        return f"waiting: {plain(found.watched.tracker.stopped)}"
    if short := money.waits(found.watched, task.id):
        return f"{found.state(task.id)}: {short}"
    closed = [
        f"{gate} is closed until {at(found.watched.tracker.closed[gate])}"
        for gate in waiting.behind(found.watched, task.id)
    ]
    return f"{found.state(task.id)}: {', '.join(closed)}" if closed else found.state(task.id)


def _tries(found: Past, task: Task) -> Iterator[Row]:
    every = found.watched.of(task.id).tried
    for tried, following in zip_longest(every, every[1:]):
        yield "", ""
        took = "" if seconds(tried) is None else f", {lasted(tried)}"
        yield f"try {tried.number}", f"{when(tried.started_at)}, {who(tried.route)}{took}"
        yield "  why", f"{tried.route.reason} ({_decided(tried.route)})"
        if tried.route.tool:
            yield "  tool", f"{tried.route.tool}, for the pattern {tried.route.pattern}"
        yield from (("  left out", f"{model}: {why}") for model, why in tried.route.left_out)
        yield from _named(found, task, tried)
        if expected := _expected(tried.route):
            yield "  expected", expected
        for check in tried.before:
            yield "  before", _check(check)
        yield from money.tried(tried)
        yield from _work(tried)
        yield from _made(tried)
        yield from _said(tried)
        yield from _result(tried)
        if tried.outcome and (failure := tried.outcome.failure):
            state = found.watched.states[task.id]
            yield "  follows", followed(state, failure, following, live=found.live)
        if file := transcript(found.root, found.row.id, tried):
            yield "  transcript", file


def _decided(route: Route) -> str:
    by = f"{route.strategy}, " if route.strategy else ""
    drawn = f", drawn with {route.propensity:g}" if route.propensity < 1 else ""
    floor = f", floor {route.floor}" if route.floor else ""
    return f"{by}confidence {route.confidence:g}{drawn}{floor}"


def _named(found: Past, task: Task, tried: Tried) -> Iterator[Row]:
    """Files of earlier tasks that its prompt named (context.profiles)."""
    files = _in_force(found, task, tried.number).get("needed", {}).get(task.id, ())
    if files and tried.route.asks_a_model:
        yield "  was told", f"that tasks like it needed {_files(files)}"


def _expected(route: Route) -> str:
    """What was estimated before it began."""
    if not route.estimated_tokens:
        return ""
    taken = duration(route.estimated_duration_s)
    return f"{tokens(route.estimated_tokens)} tokens, {cost(route.estimated_cost_usd)}, {taken}"


def _work(tried: Tried) -> Iterator[Row]:
    """What an agent did, as its client told it."""
    if tried.session:
        yield "  session", tried.session
    if tried.model and tried.model != tried.route.model:
        yield "  model", f"{tried.model} was what answered"
    usage = tried.latest.usage if tried.latest else tried.so_far
    if usage is not None and usage.tokens:
        least = "at least " if usage.lower_bound else ""
        basis = f" ({usage.cost_basis})" if usage.cost_usd is not None else ""
        yield "  used", f"{least}{tokens(usage.tokens)} tokens, {cost(usage.cost_usd)}{basis}"
    left_out = max(0, len(tried.steps) - STEP_ROWS)
    if left_out + tried.steps_left_out:
        yield "  did", f"{left_out + tried.steps_left_out} steps more, and then"
    yield from (("  did", _step(step)) for step in tried.steps[left_out:])


def _made(tried: Tried) -> Iterator[Row]:
    """In a git run: where it began, and where its work is."""
    if tried.base is None:
        return
    yield "  workspace", f"{plain(tried.workspace)}, from {tried.base[:9]}"
    work = (tried.outcome.work if tried.outcome else None) or tried.kept
    if work is None:
        return
    if work.commit is None:
        yield "  work", "it changed nothing that git would keep"
    elif work.landed:
        yield "  work", f"landed as {work.landed[:9]}: {_files(work.files)}"
    else:
        yield "  work", f"kept as {work.ref}: {_files(work.files)}"
    if tried.held:
        yield "  held", f"a person must look at {_files(tried.held)}"


def _files(files: Sequence[str]) -> str:
    named = ", ".join(plain(file, 60) for file in files[:STEP_ROWS])
    return f"{named} and {len(files) - STEP_ROWS} more" if len(files) > STEP_ROWS else named


def _said(tried: Tried) -> Iterator[Row]:
    """An agent's last words: the whole result of a task that only asks. Nobody checked them."""
    words = lines(tried.outcome.text) if tried.outcome else []
    for number, row in enumerate(words[:SAID_ROWS]):
        yield "  said" if number == 0 else "", row
    if len(words) > SAID_ROWS:
        yield "", f"[{len(words) - SAID_ROWS} more lines in the transcript]"


def _step(step: Step) -> str:
    failed = "" if step.ok in (True, None) and not step.exit_code else "  failed"
    code = f" (exit {step.exit_code})" if step.exit_code else ""
    return f"{step.tool}: {plain(step.target, 100)}{failed}{code}"


def _result(tried: Tried) -> Iterator[Row]:
    outcome = tried.outcome
    if outcome is None:
        yield "  result", _open(tried)
        return
    for check in tried.probed:
        yield "  without", _check(check)
    for check in outcome.verdict.checks if outcome.verdict else ():
        yield "  after", _check(check)
        yield from (("", f"  {row}") for row in lines(check.output)[-OUTPUT_ROWS:])
    yield from _reviewed(outcome.review)
    for warning in outcome.verdict.warnings if outcome.verdict else ():
        yield "  warning", plain(warning)
    yield "  result", _ending(outcome)
    if outcome.failure is not None:
        yield from (("", f"  {row}") for row in lines(outcome.detail)[1:][-OUTPUT_ROWS:])


def _reviewed(review: Review | None) -> Iterator[Row]:
    """A second worker's verdict, what of the cost was for it, and its words."""
    if review is None:
        return
    usage = review.usage
    spent = f"{tokens(usage.tokens)} tokens, {cost(usage.cost_usd)} of its cost" if usage else ""
    word = "accepted" if review.approved else "not accepted"
    yield "  review", f"{word} by {review.model or review.worker}, {spent}"
    words = lines(review.text)
    yield from (("", f"  {row}") for row in words[:SAID_ROWS])
    if len(words) > SAID_ROWS:
        yield "", f"  [{len(words) - SAID_ROWS} more lines in its transcript]"


def _open(tried: Tried) -> str:
    if tried.in_review:
        return "its checks were green; a second worker looks at it, or the engine died in that"
    if tried.verified is not None:
        waits = "it waits for a person" if tried.held else "it has only to land"
        return f"its checks were green; {waits}"
    return "none is recorded: it runs, or the engine died in it"


def _ending(outcome: Outcome) -> str:
    if outcome.failure is not None:
        return reason(outcome)
    verdict = outcome.verdict
    proof = f", verified by {verdict.verified}, strength {verdict.strength:g}" if verdict else ""
    doubt = weakness(outcome)
    return f"succeeded{proof}{f': {doubt}' if doubt else ''}"


def _check(check: Check) -> str:
    code = f"exit {check.exit_code}" if check.exit_code is not None else "ended by a signal"
    return f"{check.result} ({code}, {duration(check.duration_s)})  {plain(check.command, 100)}"


def _after(found: Past, task: Task) -> Iterator[Row]:
    past = found.watched.of(task.id)
    if past.asked_at:
        yield "", ""
        yield "asked", when(past.asked_at)
        if past.expiry and past.answer is None:
            yield "", waiting.expires(past.expiry)
        yield from (("", row) for row in asking.question(answers.asked(task, past)))
    if past.answer and past.answered_at:
        yield "answered", f"{when(past.answered_at)}, {said(past.answer)}"
    for event in found.events:
        if event.kind is EventKind.RETRY_ASKED and event.task == task.id:
            yield "retry", f"{when(event.at)}, a person asked to try again"
    behind = [
        one
        for one in found.watched.in_state(TaskState.SKIPPED)
        if task.id in found.watched.blockers(one)
    ]
    if behind:
        yield "skipped", f"{', '.join(behind)}: behind this task"
