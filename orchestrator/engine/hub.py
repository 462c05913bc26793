"""The loop where all of them meet: ask the tracker, start attempts, record what happens, until done. Decides nothing itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

from orchestrator.engine import crediting, handing, mail
from orchestrator.engine.attempt import Means, Try
from orchestrator.engine.beside import Beside
from orchestrator.engine.books import Books
from orchestrator.engine.crew import Crew
from orchestrator.engine.desk import Desk
from orchestrator.engine.finale import Finale, Turn
from orchestrator.engine.gatekeeper import Gatekeeper
from orchestrator.engine.lookout import Lookout
from orchestrator.engine.renewal import Renewal
from orchestrator.engine.screen import Screen
from orchestrator.engine.site import Site
from orchestrator.engine.sites import Sites
from orchestrator.engine.slots import Slots
from orchestrator.engine.space import Space
from orchestrator.engine.treasurer import Treasurer
from orchestrator.errors import UsageError
from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import (
    Attempt,
    Event,
    EventKind,
    Failure,
    Outcome,
    Plan,
    PlanId,
    Reserve,
    RunId,
    TaskId,
    TaskState,
)
from orchestrator.order import Order
from orchestrator.tracker import Start, Tracker
from orchestrator.workspace.result import Start as GroundStart

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
        space: Space,
        screen: Screen,
        means: Means,
        books: Books,
        slots: Slots,
        turn: Turn,
    ) -> None:
        self.id, self.plans, self.graph = run, plans, graph
        self.crew, self.order, self.space, self.screen = crew, order, space, screen
        self.means, self.books, self._slots = means, books, slots
        self.history = History()
        self.gatekeeper = Gatekeeper(crew, self.record)
        self.tracker = Tracker(graph, capacity=order.workers, fail_fast=order.fail_fast)
        self.interrupted = self._checking_result = False
        self._cut = anyio.CancelScope()
        self._beside = Beside(graph, self.tracker)
        self._busy = set[TaskId]()  # tasks that something is being done for
        self._closing = set[PlanId]()
        self._send, self._mail = anyio.create_memory_object_stream[mail.Mail](math.inf)
        self._staff(root, turn)

    def _staff(self, root: Path, turn: Turn) -> None:
        """Who does the parts; each knows only what it is handed."""
        shared: dict[str, Any] = {
            "run": self.id,
            "graph": self.graph,
            "tracker": self.tracker,
            "history": self.history,
            "screen": self.screen,
            "books": self.books,
        }
        self._desk = Desk(
            **shared,
            root=root,
            order=self.order,
            settings=self.crew.settings.checkpoints,
            record=self.record,
            retry=self.retry,
            stop=self.stop,
            send=self._send,
        )
        self._finale = Finale(
            **shared,
            plans=self.plans,
            means=self.means,
            crew=self.crew,
            gatekeeper=self.gatekeeper,
            space=self.space,
            turn=turn,
            before=self.order.done_before,
            record=self.record,
        )
        self._sites = Sites(**shared, root=root, crew=self.crew, ground=self.means.ground)
        seen, others = (self.graph, self.tracker, self.history), self.books.neighbours
        renew = Renewal(*seen, self.crew, self.books, self.record)
        self.treasurer = Treasurer(*seen, self.crew, self.order, self.record, others, renew=renew)
        self._lookout = Lookout(*seen, self.means, self._send)

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
        event = self.space.append(self.id, kind, data, task=task, attempt=attempt)
        self.replay(event)
        self.screen.happened(event)
        return event

    def slug(self, task: TaskId) -> str:
        return self._sites.slug(task)

    def begin(self, kind: EventKind, ground: GroundStart | None = None) -> None:
        """The first event of this engine: how many at once, and what each task's tries are."""
        told = {**self.means.told, **self.crew.told, **self.treasurer.told}
        data: dict[str, Any] = {**self.order.model_dump(include={"workers", "unattended"}), **told}
        if ground is not None and kind is EventKind.RUN_STARTED:
            data["ground"] = ground.model_dump(mode="json")
        self.record(kind, data)

    def interrupt(self, why: str) -> None:
        """What is running is over; no try is spent. What a model used for it by now is unknown."""
        for task in self.tracker.running:
            tried = self.history.of(task).tried[-1]
            if tried.verified is not None:
                continue  # it has only to land, and does at resume
            outcome = handing.interrupted(tried, why)
            self.attempt_over(task, self.tracker.attempts(task), outcome)

    def retry(self, task: TaskId) -> None:
        """A person asks for a failed task once more, with all that was skipped for it."""
        state = self.tracker.states[task]
        if state is not TaskState.FAILED:
            raise UsageError(f"{task} is {state}; only a failed task can be tried again")
        self.record(EventKind.RETRY_ASKED, {}, task=task)

    async def run(self) -> int:
        """Whatever was cut off, its end is not: it is recorded, and handed over where that is safe."""
        with self._send, self._mail:
            self._slots.enter(
                self.id, lambda: self.tracker.running, self._look, self.order.priority
            )
            try:
                with self._cut:
                    await self._work()
                self._take_finished()
                self.interrupt(self.history.cancelled or INTERRUPTED)
            finally:
                self._slots.leave(self.id)
            return await self._finale.end(interrupted=self.interrupted)

    def drain(self) -> None:
        """What runs ends, and nothing more begins."""
        self.interrupted = True
        self._send.send_nowait(mail.Drain())

    def stop(self) -> None:
        """At once; no try is spent for it."""
        self.interrupted = True
        self._cut.cancel()
        self._finale.stop()

    def _look(self) -> None:
        self._send.send_nowait(mail.Look())

    async def _work(self) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._look_around)
            group.start_soon(self._lookout.keep_looking)
            await self._until_done(group)
            group.cancel_scope.cancel()

    def _take_finished(self) -> None:
        """What had ended when everything was stopped did end."""
        while self._mail.statistics().current_buffer_used:
            message = self._mail.receive_nowait()
            match message:
                case mail.Finished(task, number, outcome):
                    self._finished(task, number, outcome)
                case mail.Verified(task, number, outcome):
                    self._verified(task, number, outcome)

    async def _until_done(self, group: anyio.abc.TaskGroup) -> None:
        self._desk.look()
        self.gatekeeper.open_due(self.tracker)
        self.gatekeeper.stop_again(self.tracker, self.history)
        self._desk.ask_again(group)
        while True:
            await crediting.settle(self.crew, self.books, self.screen.warn)
            self.space.watch(self.tracker, self.record)
            self._desk.ask_due(group)  # an answer of --yes can be the last event of a plan
            self._close_plans(group)
            self.gatekeeper.reroute(self.tracker, self.history)
            self._land_open(group)
            while given := self._next():
                self._launch(*given, group)
            if self.tracker.done and not self._closing and self._is_checked(group):
                return  # also if the budget has just refused the last one
            if self._is_left_waiting():
                self._desk.look()  # an answer may have come in the last moment
                if self._is_left_waiting() and self._is_checked(group):
                    return
                if not self._checking_result:
                    continue
            self._handle(await self._mail.receive(), group)

    def _is_left_waiting(self) -> bool:
        stays = self._closing or self._desk.is_asking or self.order.wait
        has_mail = self._mail.statistics().current_buffer_used
        return self.tracker.blocked and not (stays or has_mail)

    def _is_checked(self, group: anyio.abc.TaskGroup) -> bool:
        """Nothing is left to be looked at on the result; else somebody looks now."""
        if not self._checking_result and self._finale.wants_result_check:
            self._checking_result = True
            tip = self._finale.tip
            self.record(EventKind.RESULT_CHECKING, {"tip": tip})
            group.start_soon(self._check_result, tip)
        return not self._checking_result

    async def _check_result(self, tip: str) -> None:
        self._send.send_nowait(mail.ResultChecked(tip, await self._finale.check_result()))

    # --- attempts ---------------------------------------------------------------------------------

    def _next(self) -> tuple[Start, Reserve | None] | None:
        """What may start now. Other runs have their part of the slots."""
        if self.tracker.ready() and not self._slots.may_start(self.id):
            return None
        given = self.treasurer.next()
        if given is None:
            self._slots.rest(self.id)
        return given

    def _launch(self, start: Start, reserve: Reserve | None, group: anyio.abc.TaskGroup) -> None:
        task = start.task
        attempt, site = self._sites.hand(start, reserve)
        base = site.place.base if site else None
        data = handing.started(attempt, self.crew.scores[task.id], base, reserve)
        self._beside.introduce(task.id)
        self.record(EventKind.ATTEMPT_STARTED, data, task=task.id, attempt=start.number)
        self._busy.add(task.id)
        group.start_soon(self._carry_out, self._trying(attempt, site))

    def _trying(self, attempt: Attempt, site: Site | None) -> Try:
        past = self.history.of(attempt.task)
        return Try(
            attempt=attempt,
            task=self.graph.tasks[attempt.task],
            reviewer=self.crew.reviewers.get(attempt.task),
            worker=self.crew.workers[attempt.route.worker],
            means=self.means,
            base=past.base,
            is_first=not any(map(handing.has_worked, past.tried[: attempt.number - 1])),
            exempt=() if site else self._beside.files(attempt.task),
            record=partial(self.record, task=attempt.task, attempt=attempt.number),
            show=partial(self.screen.doing, attempt.task),
            site=site,
        )

    async def _carry_out(self, trying: Try) -> None:
        attempt = trying.attempt
        outcome = self.gatekeeper.refuses(attempt.task, attempt.route) or await trying.carry_out()
        made = mail.Verified if outcome.ok and trying.site is not None else mail.Finished
        self._send.send_nowait(made(attempt.task, attempt.number, outcome))

    def _verified(self, task: TaskId, number: int, outcome: Outcome) -> None:
        data = {"outcome": outcome.model_dump(mode="json")}
        self.record(EventKind.VERIFIED, data, task=task, attempt=number)

    def _land_open(self, group: anyio.abc.TaskGroup) -> None:
        """What is verified and nobody lands: just now, or by an engine that is gone. Some of it a person must see first."""
        for task in self.tracker.running:
            past = self.history.of(task)
            if past.to_hold:
                data = {"files": past.to_hold}
                self.record(EventKind.HELD, data, task=task, attempt=self.tracker.attempts(task))
                self._desk.ask(task, group)
            outcome = past.unlanded
            if outcome is not None and task not in self._busy:
                self._busy.add(task)
                group.start_soon(self._land, task, outcome)

    async def _land(self, task: TaskId, outcome: Outcome) -> None:
        past = self.history.of(task)
        tried = past.tried[-1]
        if past.answer is not None and not past.answer.approved and tried.held:
            update = {"failure": Failure.REJECTED, "detail": past.answer.note or "a person said no"}
            outcome = outcome.model_copy(update=update)
        else:
            if self.means.ground is not None and outcome.work is not None:
                self.means.ground.accept(outcome.work.steering)  # by a person, or nothing of it
            trying = self._trying(*self._sites.again(self.graph.tasks[task], tried))
            outcome = await trying.land(outcome)
        self._send.send_nowait(mail.Finished(task, tried.number, outcome))

    def attempt_over(self, task: TaskId, number: int, outcome: Outcome) -> None:
        outcome = self.treasurer.excuse(task, self.space.excuse(outcome))
        outcome = self.gatekeeper.meet(task, self.tracker.route(task), outcome)
        tried = self.history.of(task).tried[-1]
        if outcome.usage is None and tried.route.asks_a_model and tried.so_far is not None:
            used = tried.so_far.model_copy(update={"lower_bound": True})
            outcome = outcome.model_copy(update={"usage": used})
        data = {"outcome": outcome.model_dump(mode="json")}
        event = self.record(EventKind.ATTEMPT_FINISHED, data, task=task, attempt=number)
        place = self.graph.plan_of(task), self.graph.tasks[task]
        if noted := self.books.note(*place, self.history, event):
            self.screen.warn(noted)

    # --- what others say --------------------------------------------------------------------------

    def _handle(self, message: mail.Mail, group: anyio.abc.TaskGroup) -> None:
        match message:
            case mail.Finished(task, number, outcome):
                self._finished(task, number, outcome)
                group.start_soon(self._sites.put_away, task)
            case mail.Verified(task, number, outcome):
                self._busy.discard(task)
                self._verified(task, number, outcome)
            case mail.Seen(kind, task, data):
                self._seen(kind, task, data)
            case mail.Told(task, answer):
                self._desk.told(task, answer)
            case mail.PlanChecked(plan, checks):
                self._finale.plan_over(self.plans[plan], checks)
                self._closing.discard(plan)
            case mail.ResultChecked(tip, checks):
                self._finale.result_over(tip, checks)
                self._checking_result = False
            case mail.Look():
                self._desk.look()
                self.gatekeeper.open_due(self.tracker)
            case mail.Drain():
                self.record(EventKind.DRAINING, {"reason": INTERRUPTED})

    def _finished(self, task: TaskId, number: int, outcome: Outcome) -> None:
        self._busy.discard(task)
        self.attempt_over(task, number, outcome)
        self._slots.freed()

    def _seen(self, kind: EventKind, task: TaskId, data: Mapping[str, Any]) -> None:
        if self.tracker.states[task] is TaskState.RUNNING:
            number = self.tracker.attempts(task)
            self.record(kind, data, task=task, attempt=number)

    async def _look_around(self) -> None:
        """Letters, and questions and gates whose time has come."""
        while True:
            await anyio.sleep(POLL_S)
            is_due = self._desk.is_due or self.treasurer.waits
            if is_due or self.gatekeeper.is_due(self.tracker):
                await self._send.send(mail.Look())

    # --- the end ----------------------------------------------------------------------------------

    def _close_plans(self, group: anyio.abc.TaskGroup) -> None:
        """Plans whose tasks have all succeeded: their own commands are run, once."""
        for plan in self._finale.to_check():
            if plan.id not in self._closing:
                self._closing.add(plan.id)
                self.record(EventKind.PLAN_CHECKING, {"plan": plan.id})
                group.start_soon(self._check_plan, plan)

    async def _check_plan(self, plan: Plan) -> None:
        self._send.send_nowait(mail.PlanChecked(plan.id, await self._finale.check(plan)))
