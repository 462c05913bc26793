"""The loop where all of them meet: ask the tracker, start attempts, record what happens, until done. Decides nothing itself."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

from orchestrator import inbox
from orchestrator.engine import answers, closing, handing, mail
from orchestrator.engine.attempt import Means, Try
from orchestrator.engine.books import Books
from orchestrator.engine.gatekeeper import Gatekeeper
from orchestrator.engine.order import Crew, Order, Screen
from orchestrator.errors import RecordError, UsageError
from orchestrator.graph import TaskGraph
from orchestrator.history import History, are_green
from orchestrator.journal import Journal
from orchestrator.model import (
    Answer,
    Attempt,
    Check,
    Event,
    EventKind,
    Failure,
    Outcome,
    Plan,
    PlanId,
    RunId,
    Task,
    TaskId,
    TaskState,
    Usage,
)
from orchestrator.tracker import REACTIONS, Reaction, Start, Tracker

POLL_S = 0.25  # how often the inbox is looked at
INTERRUPTED = "interrupted by a signal"


class Hub:
    """One run in this process. `run` returns the exit code; the journal, SUMMARY and ledger are written."""

    def __init__(
        self,
        *,
        run: RunId,
        root: Path,
        plans: Mapping[PlanId, Plan],
        graph: TaskGraph,
        crew: Crew,
        order: Order,
        journal: Journal,
        screen: Screen,
        means: Means,
        books: Books,
    ) -> None:
        self.id, self.root, self.plans, self.graph = run, root, plans, graph
        self.crew, self.order, self.journal, self.screen = crew, order, journal, screen
        self.means, self.books = means, books
        self.history = History()
        self.gatekeeper = Gatekeeper(crew, self.record)
        self.tracker = Tracker(graph, capacity=order.workers, fail_fast=order.fail_fast)
        self.interrupted = False
        self._asking: dict[TaskId, anyio.CancelScope] = {}
        self._beside: dict[TaskId, set[str]] = {}  # files of those that ran beside a task's try
        self._unwritten: dict[PlanId, str] = {}  # SUMMARYs that could not be written
        self._closing: set[PlanId] = set()
        self._send, self._mail = anyio.create_memory_object_stream[mail.Mail](math.inf)

    def replay(self, event: Event) -> None:
        """An event of the past: the same code as for one of now, but for the journal and the screen."""
        self.tracker.apply(event)
        self.history.add(event)
        self.gatekeeper.gates.apply(event)

    def record(
        self,
        kind: EventKind,
        data: Mapping[str, Any],
        *,
        task: TaskId | None = None,
        attempt: int | None = None,
    ) -> Event:
        """On the disk, then known to everybody."""
        event = self.journal.append(self.id, kind, data, task=task, attempt=attempt)
        self.replay(event)
        self.screen.happened(event)
        return event

    def begin(self, kind: EventKind) -> None:
        """The first event of this engine: how many at once, and what each task's tries are."""
        ladders = {
            task: [route.model_dump(mode="json") for route in routes]
            for task, routes in self.crew.ladders.items()
        }
        self.journal.announce(self.id)
        self.record(kind, {"workers": self.order.workers, "ladders": ladders})

    def interrupt(self, why: str) -> None:
        """What is running is over; no try is spent. What a model used for it by now is unknown."""
        for task in self.tracker.running:
            tried = self.history.of(task).tried[-1]
            used = tried.so_far or Usage(lower_bound=True)
            if not tried.route.asks_a_model:
                used = Usage.nothing()
            if tried.worked is not None and tried.worked.usage is not None:
                used = tried.worked.usage  # it was stopped in its check
            outcome = Outcome(
                failure=Failure.INTERRUPTED,
                detail=why,
                usage=used,
                totals=tried.totals,
                model=tried.model,
                session=tried.session,
            )
            self.attempt_over(task, self.tracker.attempts(task), outcome)

    def retry(self, task: TaskId) -> None:
        """A person asks for a failed task once more, with all that was skipped for it."""
        state = self.tracker.states[task]
        if state is not TaskState.FAILED:
            raise UsageError(f"{task} is {state}; only a failed task can be tried again")
        self.record(EventKind.RETRY_ASKED, {}, task=task)

    async def run(self) -> int:
        with self._send, self._mail:
            async with anyio.create_task_group() as group:
                await group.start(self._watch_signals, group.cancel_scope)
                group.start_soon(self._look_around)
                await self._until_done(group)
                group.cancel_scope.cancel()
            self._take_finished()
        return self._finish()

    def _take_finished(self) -> None:
        """What had ended when everything was stopped did end."""
        while self._mail.statistics().current_buffer_used:
            message = self._mail.receive_nowait()
            if isinstance(message, mail.Finished):
                self._handle(message)

    async def _until_done(self, group: anyio.abc.TaskGroup) -> None:
        self._read_inbox()
        self.gatekeeper.open_due(self.tracker)
        self.gatekeeper.stop_again(self.tracker, self.history)
        for task in self.tracker.paused:  # asked by an engine that is gone
            self._put_question(self.graph.tasks[task], group)
        while True:
            self._ask_due(group)  # an answer of --yes can be the last event of a plan
            self._close_plans(group)
            if self.tracker.done and not self._closing:
                return
            self.gatekeeper.reroute(self.tracker, self.history)
            for start in self.tracker.ready():
                self._launch(start, group)
            if self._is_left_waiting():
                self._read_inbox()  # an answer may have come in the last moment
                if self._is_left_waiting():
                    return
                continue
            self._handle(await self._mail.receive())

    def _is_left_waiting(self) -> bool:
        waits = self.tracker.blocked and not (self._closing or self._asking or self.order.wait)
        return waits and not self._mail.statistics().current_buffer_used

    # --- attempts ---------------------------------------------------------------------------------

    def _launch(self, start: Start, group: anyio.abc.TaskGroup) -> None:
        task, attempt = start.task, self._attempt(start)
        data = {
            "route": start.route.model_dump(mode="json"),
            "score": self.crew.scores[task.id].model_dump(mode="json"),
            "system": attempt.system,
            "prompt": attempt.prompt,
            "session": attempt.session and attempt.session.model_dump(mode="json"),
            "transcript": Path(attempt.transcript).name,
        }
        self._introduce(task)
        self.record(EventKind.ATTEMPT_STARTED, data, task=task.id, attempt=start.number)
        group.start_soon(self._carry_out, attempt, task)

    def _introduce(self, task: Task) -> None:
        """Who runs at the same time may write what it declares; the guards must know, also later."""
        files = self._beside[task.id] = set()
        for other in self.tracker.running:
            files.update(self.graph.tasks[other].files or ())
            self._beside[other].update(task.files or ())

    def _attempt(self, start: Start) -> Attempt:
        place = list(self.crew.scores).index(start.task.id) + 1
        return handing.hand(
            start,
            run=self.id,
            root=self.root,
            graph=self.graph,
            history=self.history,
            crew=self.crew,
            transcript=self.books.folder / self.books.name(start.task.id, place, start.number),
        )

    async def _carry_out(self, attempt: Attempt, task: Task) -> None:
        past, outcome = self.history.of(task.id), self.gatekeeper.refuses(attempt.route)
        if outcome is None:
            outcome = await Try(
                attempt=attempt,
                task=task,
                worker=self.crew.workers[attempt.route.worker],
                means=self.means,
                base=past.base,
                is_first=not any(map(handing.has_worked, past.tried[:-1])),
                exempt=self._beside[task.id],
                record=partial(self.record, task=task.id, attempt=attempt.number),
                show=partial(self.screen.doing, task.id),
            ).carry_out()
        self._send.send_nowait(mail.Finished(task.id, attempt.number, outcome))

    def attempt_over(self, task: TaskId, number: int, outcome: Outcome) -> None:
        outcome = self.gatekeeper.meet(task, self.tracker.route(task), outcome)
        tried = self.history.of(task).tried[-1]
        if outcome.usage is None and tried.route.asks_a_model and tried.so_far is not None:
            used = tried.so_far.model_copy(update={"lower_bound": True})
            outcome = outcome.model_copy(update={"usage": used})
        data = {"outcome": outcome.model_dump(mode="json")}
        event = self.record(EventKind.ATTEMPT_FINISHED, data, task=task, attempt=number)
        trouble = self.books.note(
            self.graph.plan_of(task), self.graph.tasks[task], self.history, event
        )
        if trouble:
            self.screen.warn(trouble)

    # --- what others say --------------------------------------------------------------------------

    def _handle(self, message: mail.Mail) -> None:
        match message:
            case mail.Finished(task, number, outcome):
                self.attempt_over(task, number, outcome)
            case mail.Told(task, answer):
                self._asking.pop(task, None)
                self._take_answer(task, answer)
            case mail.PlanChecked(plan, checks):
                self._plan_over(self.plans[plan], checks)
                self._closing.discard(plan)
            case mail.Look():
                self._read_inbox()
                self.gatekeeper.open_due(self.tracker)
            case mail.Drain():
                self.record(EventKind.DRAINING, {"reason": INTERRUPTED})

    def _ask_due(self, group: anyio.abc.TaskGroup) -> None:
        while due := self.tracker.due():  # an answer can make the next one due
            for task in due:
                self.record(EventKind.CHECKPOINT_ASKED, {"type": task.type}, task=task.id)
                self._put_question(task, group)

    def _put_question(self, task: Task, group: anyio.abc.TaskGroup) -> None:
        answer = answers.standing(task) if self.order.yes else None
        if answer is not None:
            self._take_answer(task.id, answer)
        elif self.screen.can_ask:
            self._asking[task.id] = anyio.CancelScope()
            group.start_soon(self._ask, task)

    async def _ask(self, task: Task) -> None:
        with self._asking[task.id]:
            answer = await self.screen.ask(task)
            await self._send.send(mail.Told(task.id, answer))

    def _take_answer(self, task: TaskId, answer: Answer | None) -> None:
        if answer is None or self.tracker.states[task] is not TaskState.PAUSED:
            return  # left open, or somebody else was faster
        data = {"answer": answer.model_dump(mode="json")}
        self.record(EventKind.CHECKPOINT_ANSWERED, data, task=task)
        if task in self._asking:
            self._asking.pop(task).cancel()

    def _read_inbox(self) -> None:
        for path, letter in inbox.look(self.root):
            if letter.run != self.id:
                continue  # it waits for the resume of its own run
            trouble = answers.misplaced(letter, self.graph, self.tracker)
            if trouble:
                self.screen.warn(trouble)
            elif letter.do == "retry":
                self.retry(letter.task)
            else:
                self._take_answer(letter.task, letter.answer)
            inbox.discard(path)

    async def _look_around(self) -> None:
        """Letters, and gates whose time has come: by the clock on the wall, which goes on while the machine sleeps."""
        while True:
            await anyio.sleep(POLL_S)
            letters = any(letter.run == self.id for _, letter in inbox.look(self.root))
            if letters or self.gatekeeper.is_due(self.tracker):
                await self._send.send(mail.Look())

    async def _watch_signals(
        self, scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        """Ready before the first attempt: no signal may fall between."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if self.interrupted or number != signal.SIGINT:
                    self.interrupted = True
                    scope.cancel()
                    return
                self.interrupted = True
                self.screen.warn("finishing what runs; Ctrl-C again stops it at once")
                await self._send.send(mail.Drain())

    # --- the end ----------------------------------------------------------------------------------

    def _close_plans(self, group: anyio.abc.TaskGroup) -> None:
        """Plans whose tasks have all succeeded: their own commands are run, once."""
        for plan in self.plans.values():
            closed = plan.id in self._closing or plan.id in self.history.plan_checks
            if not closed and closing.is_done(plan, self.tracker.states):
                self._closing.add(plan.id)
                self.record(EventKind.PLAN_CHECKING, {"plan": plan.id})
                group.start_soon(self._check_plan, plan)

    async def _check_plan(self, plan: Plan) -> None:
        checks = await closing.check(plan, self.means, self.crew.environment, self.books.folder)
        self._send.send_nowait(mail.PlanChecked(plan.id, checks))

    def _plan_over(self, plan: Plan, checks: tuple[Check, ...]) -> None:
        data = {"plan": plan.id, "checks": [check.model_dump(mode="json") for check in checks]}
        self.record(EventKind.PLAN_CHECKED, data)
        self._summarise(plan)

    def _summarise(self, plan: Plan) -> None:
        """One that cannot be written must not end the work of others; the run says so at its end."""
        self._unwritten.pop(plan.id, None)
        try:
            path = closing.summarise(
                plan,
                root=self.root,
                run=self.id,
                graph=self.graph,
                states=self.tracker.states,
                history=self.history,
            )
            self.screen.wrote(path)
        except RecordError as refused:
            self._unwritten[plan.id] = str(refused)

    def _finish(self) -> int:
        self.interrupt(INTERRUPTED)
        for plan in self.graph.plans:  # those with a task in this run
            self._summarise(self.plans[plan])
        code = self.exit_code()
        self.record(EventKind.RUN_FINISHED, {"exit_code": code})
        for trouble in self._unwritten.values():
            self.screen.warn(trouble)
        return code

    def exit_code(self) -> int:
        """0 done, 4 a SUMMARY is not written, 130 interrupted, 3 an operator must act, 5 a person, 1 not all done."""
        if self._all_done():
            return RecordError.exit_code if self._unwritten else 0
        if self.interrupted:
            return 130
        states, open_ = self.tracker.states, {TaskState.FAILED, TaskState.WAITING}
        lost = [task for task in self.graph if states[task] in open_]
        failures = [past.failure for task in lost if (past := self.history.of(task).last)]
        stopped = any(failure and REACTIONS[failure] is Reaction.STOP for failure in failures)
        if stopped or self.gatekeeper.stopped:
            return 3
        return 5 if self.tracker.blocked else 1

    def _all_done(self) -> bool:
        states, checks = self.tracker.states, self.history.plan_checks
        done = [plan.id for plan in self.plans.values() if closing.is_done(plan, states)]
        succeeded = all(state is TaskState.SUCCEEDED for state in states.values())
        return succeeded and all(plan in checks and are_green(checks[plan]) for plan in done)
