"""Questions to people and what becomes of them: answered on the terminal, by letter, by --yes, or expired. Refuses answers that fit no question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectSendStream

from orchestrator import answers, clock, inbox
from orchestrator.engine import hindsight, mail
from orchestrator.engine.books import Books
from orchestrator.engine.screen import Screen
from orchestrator.graph import TaskGraph
from orchestrator.history import Expiry, History
from orchestrator.model import Answer, Event, EventKind, RunId, Task, TaskId, TaskState
from orchestrator.order import Order
from orchestrator.settings import CheckpointSettings
from orchestrator.tracker import Tracker


class Desk:
    """Of one run. `record` writes an event of the run, `retry` takes a failed task up again."""

    def __init__(
        self,
        *,
        run: RunId,
        root: Path,
        graph: TaskGraph,
        tracker: Tracker,
        history: History,
        books: Books,
        order: Order,
        screen: Screen,
        settings: CheckpointSettings,
        record: Callable[..., Event],
        retry: Callable[[TaskId], None],
        stop: Callable[[], None],
        send: MemoryObjectSendStream[mail.Mail],
    ) -> None:
        self._run, self._root, self._graph = run, root, graph
        self._tracker, self._history, self._books = tracker, history, books
        self._order, self._screen, self._settings = order, screen, settings
        self._record, self._retry, self._stop, self._send = record, retry, stop, send
        # before the run is announced: who writes to this engine does it later
        self._began = inbox.now()
        self._read = set[Path]()  # also those that could not be removed
        self._asking: dict[TaskId, anyio.CancelScope] = {}

    @property
    def is_asking(self) -> bool:
        return bool(self._asking)

    @property
    def is_due(self) -> bool:
        """Letters are there, or a question is too old."""
        return bool(self._letters() or self._expired())

    def ask_again(self, group: anyio.abc.TaskGroup) -> None:
        """What an engine that is gone had asked."""
        for task in self._tracker.paused:
            self.ask(task, group)

    def ask_due(self, group: anyio.abc.TaskGroup) -> None:
        while due := self._tracker.due():  # an answer can make the next one due
            for task in due:
                data = {"type": task.type, **self._settings.model_dump(mode="json")}
                self._record(EventKind.CHECKPOINT_ASKED, data, task=task.id)
                self.ask(task.id, group)

    def ask(self, task: TaskId, group: anyio.abc.TaskGroup) -> None:
        question = answers.asked(self._graph.tasks[task], self._history.of(task))
        answer = answers.standing(question) if self._order.yes else None
        if answer is not None:
            self.take(task, answer)
        elif self._screen.can_ask:
            self._asking[task] = anyio.CancelScope()
            group.start_soon(self._ask, question)

    async def _ask(self, task: Task) -> None:
        with self._asking[task.id]:
            answer = await self._screen.ask(task)
            await self._send.send(mail.Told(task.id, answer))

    def told(self, task: TaskId, answer: Answer | None) -> None:
        self._asking.pop(task, None)
        self.take(task, answer)

    def take(self, task: TaskId, answer: Answer | None) -> None:
        if answer is None or self._tracker.states[task] is not TaskState.PAUSED:
            return  # left open, or somebody else was faster
        data = {"answer": answer.model_dump(mode="json")}
        self._record(EventKind.CHECKPOINT_ANSWERED, data, task=task)
        if not answer.approved and answer.is_of_a_person:
            found = hindsight.rejected(task, self._graph, self._history)
            if trouble := found and self._books.amend(*found, "a person"):
                self._screen.warn(trouble)
        if task in self._asking:
            self._asking.pop(task).cancel()

    def look(self) -> None:
        """What people wrote counts before the clock: they had been asked first."""
        self._read_inbox()
        for task, expiry in self._expired().items():
            self.take(task, answers.expired(self._graph.tasks[task], expiry))

    def _expired(self) -> dict[TaskId, Expiry]:
        """By the clock on the wall, and so also for an engine that comes later."""
        now = clock.wall()
        every = {task: self._history.of(task).expiry for task in self._tracker.paused}
        return {task: one for task, one in every.items() if one is not None and one.at <= now}

    def _letters(self) -> list[tuple[Path, inbox.Letter]]:
        """Others wait for the resume of their own run."""
        found = inbox.look(self._root)
        return [one for one in found if one[1].run == self._run and one[0] not in self._read]

    def _read_inbox(self) -> None:
        for path, letter in self._letters():
            self._read.add(path)
            trouble = answers.misplaced(letter, self._graph, self._tracker, self._history)
            if self._is_taken(letter):
                pass  # an engine that is gone took it, and had no time to put it away
            elif trouble:
                self._screen.warn(trouble)
            elif letter.task is None:
                self._cancel(letter, inbox.sent_at(path))
            elif letter.do == "retry":
                self._retry(letter.task)
            else:
                self.take(letter.task, letter.answer)
            inbox.discard(path)

    def _cancel(self, letter: inbox.Letter, sent_at: int) -> None:
        """One that was sent before this engine began was meant for the one before it."""
        if sent_at >= self._began:
            self._record(EventKind.DRAINING, letter.cancels)
            self._stop()

    def _is_taken(self, letter: inbox.Letter) -> bool:
        past = self._history.tasks.get(letter.task) if letter.task else None
        return past is not None and letter.answer is not None and past.answer == letter.answer
