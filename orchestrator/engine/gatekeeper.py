"""Closes, opens and goes around the gates of a run, and records each; what a trouble means is decided in gates.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from orchestrator import clock, gates, redact
from orchestrator.clock import Moment
from orchestrator.engine.crew import Crew
from orchestrator.gates import TRANSIENT, Countdown, Gates
from orchestrator.history import History
from orchestrator.model import Event, EventKind, Failure, Outcome, Route, TaskId, TaskState, Usage
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.tracker import Tracker


class Gatekeeper:
    """Of one run. `record` writes an event of the run; `now` looks at the clocks."""

    def __init__(
        self, crew: Crew, record: Callable[..., Event], now: Callable[[], Moment] = clock.now
    ) -> None:
        self._crew, self._record, self._now = crew, record, now
        self.gates = Gates(crew.settings.run.provider_wait_max_s)
        self.stopped = False  # a quota is used up, and the settings say to stop then
        self._unfit: set[str] = set()  # workers that took over and cannot work here
        # closed for longer than is waited for: until when, by the steady clock
        self._given_up: dict[str, tuple[float, Outcome]] = {}
        self._countdowns: dict[str, Countdown] = {}

    def meet(self, task: TaskId, route: Route, outcome: Outcome) -> Outcome:
        """Closes the gate that a trouble is about. `unavailable`: it has been closed for too long."""
        if outcome.failure not in TRANSIENT:
            self._send_back(task, route, outcome)
            return outcome
        if outcome.review is not None:  # the work itself had passed: it is the reviewer's trouble
            route = self._crew.reviewers[task].route
        gate, now = gates.gate_of(route, outcome), self._now().wall
        pause = self.gates.pause_s(gate, outcome, now)
        if pause is None:
            return self._give_up(gate, outcome)
        if pause > 0:
            self._close(gate, outcome, now, pause)
        if outcome.failure is Failure.QUOTA and self._crew.settings.run.on_quota == "stop":
            self._stop(gate, gates.reset_at(outcome, now))
        return outcome

    def refuses(self, task: TaskId, route: Route) -> Outcome | None:
        """What an attempt meets, or its reviewer, that would only find out again what was given up on."""
        reviewer = self._crew.reviewers.get(task)
        needed = (*route.gates, *(reviewer.route.gates if reviewer else ()))
        known = [self._given_up[gate] for gate in needed if gate in self._given_up]
        return next((outcome for until, outcome in known if self._now().steady < until), None)

    def _give_up(self, gate: str, outcome: Outcome) -> Outcome:
        detail = (
            f"{gate} stayed unavailable ({outcome.failure}: {outcome.detail}) beyond "
            f"provider_wait_max_s = {self._crew.settings.run.provider_wait_max_s:g}; later: orchestrator retry"
        )
        update = {"failure": Failure.UNAVAILABLE, "detail": detail}
        same = Outcome(failure=Failure.UNAVAILABLE, detail=detail, usage=Usage.nothing())
        self._given_up[gate] = (self._now().steady + (outcome.retry_after_s or 0.0), same)
        return outcome.model_copy(update=update)

    def _send_back(self, task: TaskId, route: Route, outcome: Outcome) -> None:
        """Who took over and cannot work stops nobody: the task waits for its own worker."""
        own = self._crew.ladders[task]
        stops = outcome.failure is not None and REACTIONS[outcome.failure] is Reaction.STOP
        stops = stops and outcome.review is None  # the trouble of a reviewer is not the worker's
        if stops and route.worker != own[-1].worker:  # a tool may stand before it
            self._unfit.add(route.worker)
            self._reroute(task, own)

    def _close(self, gate: str, outcome: Outcome, now: float, pause: float) -> None:
        data = {
            "gate": gate,
            "failure": outcome.failure,
            "detail": redact.text(outcome.detail).partition("\n")[0][:300],
            "pause_s": pause,
            "until": now + pause,
            "known": gates.reset_at(outcome, now) is not None,
        }
        self._record(EventKind.GATE_CLOSED, data)

    def stop_again(self, tracker: Tracker, history: History) -> None:
        """A run that goes on before its quota opens, and that is to stop then, stops at once."""
        if self._crew.settings.run.on_quota == "stop" and tracker.parked:
            for gate in used_up(tracker, history):
                self._stop(gate, tracker.closed[gate])

    def _stop(self, gate: str, reset: float | None) -> None:
        if self.stopped:
            return
        self.stopped = True
        opens = f" until {at(reset)}" if reset else ""
        reason = f'the quota of {gate} is used up{opens}, and run.on_quota is "stop"'
        self._record(EventKind.DRAINING, {"reason": reason})

    def is_due(self, tracker: Tracker) -> bool:
        return bool(self._due(tracker))

    def open_due(self, tracker: Tracker) -> None:
        for gate in self._due(tracker):
            del self._countdowns[gate]
            self._record(EventKind.GATE_OPENED, {"gate": gate})

    def _due(self, tracker: Tracker) -> list[str]:
        """A countdown begins when a closed gate is first seen: now, or where an engine that is gone had closed it."""
        now = self._now()
        for gate, until in tracker.closed.items():
            known = self._countdowns.get(gate)
            if known is None or known.until != until:
                self._countdowns[gate] = Countdown.begin(until, self.gates.pauses_s[gate], now)
        return [gate for gate in tracker.closed if not self._countdowns[gate].left_s(now)]

    def reroute(self, tracker: Tracker, history: History) -> None:
        """Tasks behind a used up quota go to the next worker whose gate is open, if the settings say so."""
        if self._crew.settings.run.on_quota != "fallback":
            return
        for task, own in self._crew.ladders.items():
            waits = tracker.states[task] is TaskState.WAITING
            if waits and tracker.route(task).worker in self._unfit - {own[-1].worker}:
                self._reroute(task, own)
        closed = used_up(tracker, history)
        for task in tracker.parked:
            here = tracker.route(task)
            if closed.intersection(here.gates):
                every = (self._crew.ladders[task], *self._crew.others.get(task, ()))
                free = self._free(every, here, tracker, tracker.rung(task))
                if free is not None:
                    self._reroute(task, free)

    def _free(
        self, ladders: Iterable[tuple[Route, ...]], here: Route, tracker: Tracker, rung: int
    ) -> tuple[Route, ...] | None:
        for ladder in ladders:
            then = ladder[min(rung, len(ladder) - 1)]
            fit = then.worker != here.worker and then.worker not in self._unfit
            if fit and not any(gate in tracker.closed for gate in then.gates):
                return ladder
        return None

    def _reroute(self, task: TaskId, ladder: tuple[Route, ...]) -> None:
        data = {"ladder": [route.model_dump(mode="json") for route in ladder]}
        self._record(EventKind.REROUTED, data, task=task)


def used_up(tracker: Tracker, history: History) -> set[str]:
    """The gates that are closed now because of a quota."""
    latest = {one.gate: one.failure for one in history.closings}
    return {gate for gate in tracker.closed if latest.get(gate) is Failure.QUOTA}


def at(unix_s: float) -> str:
    """In the person's own time zone, with the day where it is not today's."""
    moment, now = datetime.fromtimestamp(unix_s).astimezone(), datetime.now().astimezone()
    return moment.strftime("%H:%M" if moment.date() == now.date() else "%Y-%m-%d %H:%M")
