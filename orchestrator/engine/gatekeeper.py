"""Closes, opens and goes around the gates of a run, and records each; what a trouble means is decided in gates.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from orchestrator import gates
from orchestrator.engine.order import Crew
from orchestrator.gates import TRANSIENT, Gates
from orchestrator.history import History
from orchestrator.model import Event, EventKind, Failure, Outcome, Route
from orchestrator.tracker import Tracker


class Gatekeeper:
    """Of one run. `record` writes an event of the run."""

    def __init__(self, crew: Crew, record: Callable[..., Event]) -> None:
        self._crew, self._record = crew, record
        self.gates = Gates(crew.longest_wait_s)
        self.stopped = False  # a quota is used up, and the settings say to stop then

    def meet(self, route: Route, outcome: Outcome) -> Outcome:
        """Closes the gate that a trouble is about. `unavailable`: it has been closed for too long."""
        if outcome.failure not in TRANSIENT:
            return outcome
        gate, now = gates.gate_of(route, outcome), time.time()
        pause = self.gates.pause_s(gate, outcome, now)
        if pause is None:
            detail = (
                f"{gate} stayed unavailable ({outcome.failure}: {outcome.detail}) beyond "
                f"provider_wait_max_s = {self._crew.longest_wait_s:g}; later: orchestrator retry"
            )
            return outcome.model_copy(update={"failure": Failure.UNAVAILABLE, "detail": detail})
        if pause > 0:
            self._close(gate, outcome, now, pause)
        if outcome.failure is Failure.QUOTA and self._crew.on_quota == "stop":
            self._stop(gate, outcome)
        return outcome

    def _close(self, gate: str, outcome: Outcome, now: float, pause: float) -> None:
        data = {
            "gate": gate,
            "failure": outcome.failure,
            "detail": outcome.detail.partition("\n")[0][:300],
            "pause_s": pause,
            "until": now + pause,
            "known": gates.is_known(outcome, now),
        }
        self._record(EventKind.GATE_CLOSED, data)

    def _stop(self, gate: str, outcome: Outcome) -> None:
        if self.stopped:
            return
        self.stopped = True
        opens = f" until {at(outcome.reset_at)}" if outcome.reset_at else ""
        reason = f'the quota of {gate} is used up{opens}, and run.on_quota is "stop"'
        self._record(EventKind.DRAINING, {"reason": reason})

    def is_due(self, tracker: Tracker) -> bool:
        return any(until <= time.time() for until in tracker.closed.values())

    def open_due(self, tracker: Tracker) -> None:
        for gate, until in list(tracker.closed.items()):
            if until <= time.time():
                self._record(EventKind.GATE_OPENED, {"gate": gate})

    def reroute(self, tracker: Tracker, history: History) -> None:
        """Tasks behind a used up quota go to the next worker whose gate is open, if the settings say so."""
        if self._crew.on_quota != "fallback":
            return
        used_up = {one.gate for one in history.closings if one.failure is Failure.QUOTA}
        for task in tracker.parked:
            if not used_up.intersection(tracker.route(task).gates):
                continue
            for ladder in self._crew.others.get(task, ()):
                if not any(gate in tracker.closed for gate in ladder[0].gates):
                    data = {"ladder": [route.model_dump(mode="json") for route in ladder]}
                    self._record(EventKind.REROUTED, data, task=task)
                    break


def at(unix_s: float) -> str:
    """In the person's own time zone, with the day where it is not today's."""
    moment, now = datetime.fromtimestamp(unix_s).astimezone(), datetime.now().astimezone()
    return moment.strftime("%H:%M" if moment.date() == now.date() else "%Y-%m-%d %H:%M")
