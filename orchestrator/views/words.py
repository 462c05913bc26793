"""An event of a run -> the line that people read, or none. Refuses to decide: what a line says was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator.gates import TRANSIENT
from orchestrator.history import Tried
from orchestrator.model import (
    Answer,
    Event,
    EventKind,
    Failure,
    Outcome,
    Route,
    TaskId,
    TaskState,
    Verified,
)
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.views import money
from orchestrator.views.text import cost, counted, duration, plain, tokens
from orchestrator.views.watched import Spent, Watched, seconds

STARTED, ASKED = "▸", "?"
SIGPIPE = " (SIGPIPE: a pipe's reader ended early, and scripts run with pipefail)"
LEFT_SHOWN = 2  # of what a task left running; explain has the rest
TITLE = 44  # longer names are cut, so that the columns stay
FREE = TRANSIENT | {Failure.SHORTAGE}  # no try is spent for them


class Line(NamedTuple):
    mark: str
    text: str
    style: str = ""

    def __str__(self) -> str:
        return f"{self.mark} {self.text}"


class Words:
    """Speaks of one run; columns are as wide as its names."""

    def __init__(self, watched: Watched, root: Path, notes: Sequence[str] = ()) -> None:
        self.watched = watched
        self._notes = [Line("note:", text, "dim") for text in notes]  # of where it works
        self._where = "" if root == Path.cwd() else f" in {plain(str(root))}"
        titles = {task.id: plain(task.title, TITLE) for task in watched.graph.tasks.values()}
        self._titles = titles
        self._id_width = max(map(len, titles))
        self._title_width = max(map(len, titles.values()))

    def lines(self, event: Event) -> list[Line]:
        """What to say of an event; the event itself is applied first."""
        skipped = self.watched.apply(event)
        found = TELL.get(event.kind, _nothing)(self, event)
        notes = self._notes if event.kind is EventKind.RUN_STARTED else []
        notes = [*notes, *_budget(event), *_unprotected(event)]
        return [*([found] if found else []), *notes, *map(self._skipped, skipped)]

    def named(self, task: TaskId) -> str:
        return f"{task:<{self._id_width}}  {self._titles[task]:<{self._title_width}}"

    def route(self, task: TaskId) -> Route:
        return self.watched.of(task).tried[-1].route

    def _skipped(self, task: TaskId) -> Line:
        behind = ", ".join(self.watched.blockers(task))
        return Line("-", f"{self.named(task)}  skipped: behind {behind}", "dim")

    def run_started(self, event: Event) -> Line | None:
        graph, at_once = self.watched.graph, self.watched.order.workers
        size = f"{counted(len(graph.plans), 'plan')}, {counted(len(graph.tasks), 'task')}"
        return Line("▶", f"run {event.run}: {size}, up to {at_once} at once{self._where}", "bold")

    def run_resumed(self, event: Event) -> Line | None:
        done = len(self.watched.in_state(TaskState.SUCCEEDED))
        whole = counted(len(self.watched.graph.tasks), "task")
        return Line("▶", f"run {event.run} goes on: {done} of {whole} done{self._where}", "bold")

    def started(self, event: Event) -> Line | None:
        assert event.task is not None
        number = f"  try {event.attempt}" if (event.attempt or 1) > 1 else ""
        return Line(
            STARTED, f"{self.named(event.task)}  {who(self.route(event.task))}{number}", "dim"
        )

    def finished(self, event: Event) -> Line | None:
        assert event.task is not None
        tried = self.watched.of(event.task).tried[-1]
        assert tried.outcome is not None
        took = f"{who(tried.route)}  {lasted(tried)}{_used(tried.outcome)}"
        text = f"{self.named(event.task)}  {took}"
        if tried.outcome.ok:
            doubts = [weakness(tried.outcome), *left_over(tried.outcome)]
            told = "".join(f"  {doubt}" for doubt in doubts if doubt)
            return Line("✓", text + told, "yellow" if told else "green")
        again = self.watched.states[event.task] is TaskState.WAITING
        if again and tried.outcome.failure in FREE:
            return Line("…", f"{text}  {reason(tried.outcome)}; no try is spent", "yellow")
        if tried.outcome.failure is Failure.INTERRUPTED:
            return Line("-", f"{text}  interrupted: {plain(tried.outcome.detail, 80)}", "yellow")
        failure = tried.outcome.failure
        if again and failure and REACTIONS[failure] is Reaction.STOP:
            return Line("✗", f"{text}  {failure}: nothing new starts", "red")
        tries = counted(len(self.tries(event.task)), "try", "tries")
        end = "tries again" if again else f"failed after {tries}"
        why = f"{reason(tried.outcome)}; {end}"
        return Line("↻" if again else "✗", f"{text}  {why}", "yellow" if again else "red")

    def tries(self, task: TaskId) -> list[int]:
        return [one.number for one in self.watched.of(task).tried if not one.interrupted]

    def gate_closed(self, event: Event) -> Line | None:
        data = event.data
        detail = plain(data["detail"], 80)
        text = (
            f"{data['gate']} is closed for {duration(data['pause_s'])}, {data['failure']}: {detail}"
        )
        return Line("…", text, "yellow")

    def gate_opened(self, event: Event) -> Line | None:
        return Line("…", f"{event.data['gate']} is open again", "yellow")

    def rerouted(self, event: Event) -> Line | None:
        assert event.task is not None
        if event.data.get("reason") == "":  # the same tries, by newer figures
            return None
        route = self.watched.tracker.route(event.task)
        why = f": {plain(event.data['reason'], 200)}" if event.data.get("reason") else ""
        return Line("…", f"{self.named(event.task)}  goes on with {who(route)}{why}", "yellow")

    def short(self, event: Event) -> Line | None:
        assert event.task is not None
        mark, word = ("✗", "not started, budget") if event.data["stops"] else ("…", "budget")
        reason = plain(event.data["reason"], 300)
        return Line(mark, f"{self.named(event.task)}  {word}: {reason}", "yellow")

    def asked(self, event: Event) -> Line | None:
        assert event.task is not None
        return Line(ASKED, f"{self.named(event.task)}  waits for a person", "cyan")

    def answered(self, event: Event) -> Line | None:
        assert event.task is not None
        answer = Answer.model_validate(event.data["answer"])
        mark, style = ("✓", "green") if answer.approved else ("✗", "red")
        return Line(mark, f"{self.named(event.task)}  {said(answer)}", style)

    def retried(self, event: Event) -> Line | None:
        assert event.task is not None
        return Line("↻", f"{self.named(event.task)}  a person asked to try again", "yellow")

    def foreseen(self, event: Event) -> Line | None:
        assert event.task is not None
        files = ", ".join(plain(name, 60) for name in event.data["files"])
        other = event.data["with"]
        text = f"{self.named(event.task)}  will not fit to {other}, in {files}: who lands later tries again"
        return Line("…", text, "yellow")

    def held(self, event: Event) -> Line | None:
        assert event.task is not None
        files = ", ".join(plain(name, 60) for name in event.data["files"])
        return Line(
            ASKED, f"{self.named(event.task)}  waits for a person: it changed {files}", "cyan"
        )

    def draining(self, event: Event) -> Line | None:
        return Line("-", f"nothing new starts: {plain(event.data['reason'])}", "yellow")

    def plan_checked(self, event: Event) -> Line | None:
        red = [one for one in event.data["checks"] if one["result"] != "green"]
        if not red:
            return None
        names = ", ".join(f"`{plain(one['command'], 60)}`" for one in red)
        return Line("✗", f"{event.data['plan']}  its <verification> is not green: {names}", "red")

    def result_checked(self, event: Event) -> Line | None:
        red = [one for one in event.data["checks"] if one["result"] != "green"]
        if not red:
            return None
        names = ", ".join(f"`{plain(one['command'], 60)}`" for one in red)
        return Line("✗", f"not green on the result, where all is together: {names}", "red")


TELL: dict[EventKind, Callable[[Words, Event], Line | None]] = {
    EventKind.RUN_STARTED: Words.run_started,
    EventKind.RUN_RESUMED: Words.run_resumed,
    EventKind.ATTEMPT_STARTED: Words.started,
    EventKind.ATTEMPT_FINISHED: Words.finished,
    EventKind.GATE_CLOSED: Words.gate_closed,
    EventKind.GATE_OPENED: Words.gate_opened,
    EventKind.REROUTED: Words.rerouted,
    EventKind.BUDGET_SHORT: Words.short,
    EventKind.CHECKPOINT_ASKED: Words.asked,
    EventKind.CHECKPOINT_ANSWERED: Words.answered,
    EventKind.RETRY_ASKED: Words.retried,
    EventKind.DRAINING: Words.draining,
    EventKind.CONFLICT_FORESEEN: Words.foreseen,
    EventKind.HELD: Words.held,
    EventKind.PLAN_CHECKED: Words.plan_checked,
    EventKind.RESULT_CHECKED: Words.result_checked,
}


def _budget(event: Event) -> list[Line]:
    """What an engine that begins may spend: nobody is to find out by the bill."""
    begins = event.kind in (EventKind.RUN_STARTED, EventKind.RUN_RESUMED)
    text = money.opening(event) if begins else None
    return [Line("note:", text, "dim")] if text else []


def _unprotected(event: Event) -> list[Line]:
    """Of an engine that begins: that nothing stands between its programs and the person's things."""
    around = event.data.get("sandbox", {})
    if event.kind not in (EventKind.RUN_STARTED, EventKind.RUN_RESUMED) or not around:
        return []
    if around["kind"] != "none":
        return []
    text = (
        f"no sandbox: workers and checks see and write what you can ({plain(around['why'], 300)})"
    )
    return [Line("note:", text, "yellow")]


def _nothing(_words: Words, _event: Event) -> Line | None:
    return None


def _used(outcome: Outcome) -> str:
    """Only where it is worth a word: shell tasks use nothing."""
    usage = outcome.usage
    if usage is None or not usage.tokens:
        return ""
    return f"  {tokens(usage.tokens)} tokens  {cost(usage.cost_usd)}"


def who(route: Route) -> str:
    if route.tool:
        return f"{route.tool} (tool)"
    return f"{route.worker}/{route.model or route.tier}" if route.tier else route.worker


def by(route: Route) -> str:
    """Shorter: a model's own name says enough, a tool's says that no model is asked."""
    return route.model or (who(route) if route.tool else route.worker)


def said(answer: Answer) -> str:
    word = "approved" if answer.approved else "rejected"
    option = f" with {answer.option}" if answer.option else ""
    note = f": {plain(answer.note, 80)}" if answer.note else ""
    return f"{word}{option}{f' by {plain(answer.by)}' if answer.by else ''}{note}"


def reason(outcome: Outcome) -> str:
    """The kind of failure and its first words."""
    assert outcome.failure is not None
    detail = next((row for row in outcome.detail.splitlines() if row.strip()), "")
    kind, first = str(outcome.failure), plain(detail, 240)
    if outcome.failure is Failure.EXIT and first == f"{kind} 141":
        return first + SIGPIPE
    if first.startswith(f"{kind} "):
        return first
    return f"{kind}: {first}" if first else kind


def weakness(outcome: Outcome) -> str | None:
    """Why a success proves less than it seems; None if it does not."""
    verdict = outcome.verdict
    if verdict is None or verdict.verified is Verified.NONE:
        return "not verified: it has no check to run"
    if verdict.verified is Verified.HUMAN:
        return "partial: a person still has to look"
    if not verdict.strength:
        return "its check was green before the work"
    return None


def left_over(outcome: Outcome) -> list[str]:
    return [plain(words, 100) for words in outcome.warnings[:LEFT_SHOWN]]


def followed(state: TaskState, failure: Failure, following: Tried | None, *, live: bool) -> str:
    """What a failed try led to; `state` is what the task is in now, `following` its next try."""
    if following is not None:
        free = REACTIONS[failure] in (Reaction.SAME_TRY, Reaction.ONCE_MORE)
        return f"try {following.number}{', and no try was spent' if free else ''}"
    match state, REACTIONS[failure]:
        case TaskState.WAITING, _:
            return "another try" if live else "another try, once the run goes on"
        case _, Reaction.STOP:
            return "failed, and nothing new started: an operator must act"
        case _, Reaction.FAIL:
            return "failed: another try would have ended the same way"
        case _:
            return "failed: no try was left"


def lasted(tried: Tried) -> str:
    least = "at least " if tried.is_cut_off else ""
    return f"{least}{duration(seconds(tried))}"


def sums(spent: Spent, worked_s: float | None) -> str:
    if not spent.attempts:
        return duration(worked_s)
    least = "" if spent.whole else "at least "
    parts = [
        counted(spent.attempts, "attempt"),
        f"{least}{tokens(spent.tokens)} tokens" if spent.tokens is not None else "tokens unknown",
        f"{least}{cost(spent.cost_usd)}" if spent.cost_usd is not None else "cost unknown",
        duration(worked_s),
    ]
    return " · ".join(parts)
