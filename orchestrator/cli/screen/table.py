"""The live table of a run: what runs now, below the lines of what is over. Refuses to grow taller than the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import anyio
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.screen import asking
from orchestrator.cli.screen.forecast import left_s
from orchestrator.cli.screen.plain import PlainScreen
from orchestrator.cli.terminal import out, told
from orchestrator.model import Answer, Event, EventKind, Task, TaskId, TaskState
from orchestrator.views import money, waiting
from orchestrator.views.text import cost, counted, duration, plain, tokens
from orchestrator.views.watched import seconds
from orchestrator.views.words import ASKED, STARTED, Line, Words, sums, who

FRESH_S = 0.125
NARROW = 100  # below this many columns the name of a task gives way
SILENT_S = 30.0
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class LiveScreen(PlainScreen):
    def __init__(self, words: Words, *, can_ask: bool) -> None:
        super().__init__(words, can_ask=can_ask)
        self._doing: dict[TaskId, str] = {}
        self._heard: dict[TaskId, float] = {}  # when each said its last word
        self._late: list[Line] = []  # said while a question is open
        self._asking = False
        self._question: anyio.CancelScope | None = None
        self._draining = False
        self._shown_otherwise = {STARTED, ASKED} if can_ask else {STARTED}
        self._live = Live(console=out(), auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._live.update(Text(""))
        self._live.stop()
        self._say_late()

    async def keep_fresh(self) -> None:
        while True:
            self._draw()
            await anyio.sleep(FRESH_S)

    def happened(self, event: Event) -> None:
        if event.task is not None and event.kind is EventKind.ATTEMPT_STARTED:
            self._doing.pop(event.task, None)
            self._heard[event.task] = time.monotonic()
        super().happened(event)
        if event.kind is EventKind.DRAINING:
            self._ask_no_more()

    def doing(self, task: TaskId, line: str) -> None:
        self._doing[task] = plain(line)
        self._heard[task] = time.monotonic()

    def warn(self, text: str) -> None:
        """Among the lines above the table; beside it they would tear it."""
        for mark, words in told("warning", text):
            self.say(Line(mark, words, "yellow"))

    def say(self, line: Line) -> None:
        if self._asking:
            self._late.append(line)
        elif line.mark not in self._shown_otherwise:
            out().print(_text(line), soft_wrap=True)

    async def ask(self, task: Task) -> Answer | None:
        async with self._one_at_a_time:
            if self._draining:
                return None
            self._asking = True
            self._live.update(Text(""))
            self._live.stop()
            try:
                with anyio.CancelScope() as self._question:
                    return await asking.ask(out(), task)
                return None
            finally:
                self._asking, self._question = False, None
                self._say_late()
                self._live.start()

    def _ask_no_more(self) -> None:
        """Who wants the run to end needs its table and its warnings back; the question stays open."""
        self._draining = True
        if self._question is not None:
            self._question.cancel()

    def _say_late(self) -> None:
        late, self._late = self._late, []
        for line in late:
            self.say(line)

    def _draw(self) -> None:
        if not self._asking:
            self._live.update(self._render(), refresh=True)

    def _render(self) -> Group:
        room = max(1, out().height - 4 - len(self.words.watched.tracker.closed))
        running = self.words.watched.in_state(TaskState.RUNNING)
        shown = running[:room] if len(running) <= room else running[: room - 1]
        rows: list[Table | Text] = [self._table(shown)] if shown else []
        if len(shown) < len(running):
            rows.append(Text(f"  and {len(running) - len(shown)} more", style="dim"))
        rows += [Text(row, style="yellow") for row in self._closed()]
        return Group(*rows, Text(self._totals(), style="bold", overflow="ellipsis", no_wrap=True))

    def _closed(self) -> Iterator[str]:
        """Whose limits hold tasks back, and for how long."""
        tracker = self.words.watched.tracker
        held = [gate for task in tracker.parked for gate in tracker.gates(task)]
        for gate in tracker.closed:
            behind = f", {counted(held.count(gate), 'task')} behind it" if gate in held else ""
            left = duration(waiting.opens_in_s(self.words.watched, gate))
            yield f"  … {gate} is closed, opens in {left}{behind}"

    def _table(self, tasks: list[TaskId]) -> Table:
        wide = out().width >= NARROW
        table = Table.grid(padding=(0, 2), expand=True)
        for ratio in (None, *([2] if wide else []), None, None, None, None, None, 3):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        for task in tasks:
            cells = list(self._cells(task))
            table.add_row(*cells if wide else [cells[0], *cells[2:]])
        return table

    def _cells(self, task: TaskId) -> Iterator[Text]:
        watched, now = self.words.watched, datetime.now(UTC)
        tried = watched.of(task).tried[-1]
        spent = watched.spent(task)
        turn = SPINNER[int(now.timestamp() / FRESH_S) % len(SPINNER)]
        yield Text(f"{turn} {task}", style="cyan")
        yield Text(plain(watched.graph.tasks[task].title))
        yield Text(who(tried.route))
        yield Text(f"try {tried.number}", style="" if tried.number > 1 else "dim")
        yield Text(duration(seconds(tried, now)))
        yield Text(f"{tokens(spent.tokens)} tok" if spent.attempts else "", style="dim")
        yield Text(cost(spent.cost_usd) if spent.attempts else "", style="dim")
        yield Text(self._silence(task) + self._doing.get(task, "starts"), style="dim")

    def _silence(self, task: TaskId) -> str:
        """For how long it has said nothing, where that is worth a word: its timers go by it."""
        silent_s = time.monotonic() - self._heard.get(task, time.monotonic())
        return f"silent {duration(silent_s)}: " if silent_s >= SILENT_S else ""

    def _totals(self) -> str:
        watched = self.words.watched
        ended = watched.in_state(TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED)
        parts = [f"{len(ended)} of {len(watched.graph.tasks)} done"]
        for state in (TaskState.RUNNING, TaskState.WAITING, TaskState.PAUSED):
            number = len(watched.in_state(state))
            parts += [f"{number} {STATE_WORDS[state]}"] if number else []
        parts.append(sums(watched.total(), watched.elapsed_s(datetime.now(UTC))))
        of_budget = money.total(watched)
        parts += [of_budget] if of_budget else []
        left = left_s(watched)
        parts += [f"about {duration(left)} left"] if left else []
        return "  " + " · ".join(parts)


STATE_WORDS = {
    TaskState.RUNNING: "running",
    TaskState.WAITING: "waiting",
    TaskState.PAUSED: "for you to answer",
}


def _text(line: Line) -> Text:
    text = Text(f"{line.mark} ", style=line.style)
    return text.append(line.text, style="" if line.style in ("green", "cyan") else line.style)
