"""Questions to people and what they answer: on the terminal, by letter, by --yes. Refuses answers that fit no question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectSendStream

from orchestrator import inbox
from orchestrator.engine import answers, mail
from orchestrator.engine.order import Order, Screen
from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import Answer, Event, EventKind, RunId, Task, TaskId, TaskState
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
        order: Order,
        screen: Screen,
        record: Callable[..., Event],
        retry: Callable[[TaskId], None],
        send: MemoryObjectSendStream[mail.Mail],
    ) -> None:
        self._run, self._root, self._graph = run, root, graph
        self._tracker, self._history = tracker, history
        self._order, self._screen = order, screen
        self._record, self._retry, self._send = record, retry, send
        self._asking: dict[TaskId, anyio.CancelScope] = {}

    @property
    def is_asking(self) -> bool:
        return bool(self._asking)

    @property
    def has_letters(self) -> bool:
        return any(letter.run == self._run for _, letter in inbox.look(self._root))

    def ask_again(self, group: anyio.abc.TaskGroup) -> None:
        """What an engine that is gone had asked."""
        for task in self._tracker.paused:
            self.ask(task, group)

    def ask_due(self, group: anyio.abc.TaskGroup) -> None:
        while due := self._tracker.due():  # an answer can make the next one due
            for task in due:
                self._record(EventKind.CHECKPOINT_ASKED, {"type": task.type}, task=task.id)
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
        if task in self._asking:
            self._asking.pop(task).cancel()

    def read_inbox(self) -> None:
        for path, letter in inbox.look(self._root):
            if letter.run != self._run:
                continue  # it waits for the resume of its own run
            trouble = answers.misplaced(letter, self._graph, self._tracker)
            if trouble:
                self._screen.warn(trouble)
            elif letter.do == "retry":
                self._retry(letter.task)
            else:
                self.take(letter.task, letter.answer)
            inbox.discard(path)
