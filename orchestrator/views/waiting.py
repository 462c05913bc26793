"""What a run waits for, in a person's words: questions and how old they are, providers that are closed. Refuses to decide anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from orchestrator import answers, clock, gates, inbox
from orchestrator.clock import at
from orchestrator.history import Expiry
from orchestrator.model import Failure, RunId, TaskId, TaskState
from orchestrator.views.text import counted, duration, plain
from orchestrator.views.watched import Watched
from orchestrator.views.words import said

QUOTA = {Failure.QUOTA, Failure.RATE_LIMIT}


def alone(watched: Watched) -> str | None:
    """For what alone a run waits that goes on. None: something of it runs, or is about to."""
    if watched.history.waits.since is not None:
        return "waits for a person"
    if watched.tracker.running or not (parked := watched.tracker.parked):
        return None
    why = {one.gate: one.failure for one in watched.history.closings}
    shut = {gate for task in parked for gate in behind(watched, task)}
    return "waits for a quota" if {why[gate] for gate in shut} & QUOTA else "waits for a provider"


def alone_until(watched: Watched) -> str | None:
    """With the time at which the first closed provider may be asked again."""
    words = alone(watched)
    shut = [watched.tracker.closed[g] for t in watched.tracker.parked for g in behind(watched, t)]
    return f"{words} until {at(min(shut))}" if words and shut and "person" not in words else words


def question(watched: Watched, task: TaskId) -> Iterator[str]:
    """Since when it is open, and until when."""
    past, now = watched.of(task), clock.wall()
    if past.asked_at is None:
        return
    asked = datetime.fromisoformat(past.asked_at).timestamp()
    old = f"asked {duration(max(0.0, now - asked))} ago, at {at(asked)}"
    if past.expiry is None:
        yield old
        return
    passes = answers.expired(watched.graph.tasks[task], past.expiry).approved
    end = "passes" if passes else "is rejected"
    if past.expiry.at > now:
        yield f"{old}; {expires(past.expiry)}, at {at(past.expiry.at)}: then it {end}"
    else:
        yield f"{old}; expired at {at(past.expiry.at)}: it {end} when the run goes on, unless it is answered first"


def expires(expiry: Expiry) -> str:
    """A clock that was set back makes no question younger than new."""
    left = gates.left_s(expiry.at, expiry.after_s, clock.wall())
    return f"expires in {duration(left)}" if left else "expired"


def letter(root: Path, run: RunId, watched: Watched, task: TaskId) -> str | None:
    """What a person has answered and no engine has taken yet."""
    for _, one in inbox.look(root):
        mine = one.do == "answer" and (one.run, one.task) == (run, task)
        wrong = answers.misplaced(one, watched.graph, watched.tracker, watched.history)
        if mine and wrong is None and one.answer is not None:
            return said(one.answer)
    return None


def opens_in_s(watched: Watched, gate: str) -> float:
    """As the engine counts it: by the wall, and never longer than the gate was closed for."""
    pauses = {one.gate: one.pause_s for one in watched.history.closings}
    return gates.left_s(watched.tracker.closed[gate], pauses[gate], clock.wall())


def closed(watched: Watched) -> Iterator[str]:
    """Providers whose limits hold tasks back, and for how long."""
    if not watched.tracker.closed:
        return
    why = {one.gate: one.failure for one in watched.history.closings}
    held = [gate for task in _startable(watched) for gate in behind(watched, task)]
    for gate, until in watched.tracker.closed.items():
        waiting = f", {counted(held.count(gate), 'task')} behind it" if gate in held else ""
        left = opens_in_s(watched, gate)
        when = f"opens in {duration(left)}, at {at(until)}" if left else "may be asked again now"
        yield f"… {plain(gate)} is closed ({why[gate]}), {when}{waiting}"


def behind(watched: Watched, task: TaskId) -> list[str]:
    """The closed gates that a task waits for."""
    if watched.states[task] is not TaskState.WAITING or watched.graph.tasks[task].is_checkpoint:
        return []
    return [gate for gate in watched.tracker.gates(task) if gate in watched.tracker.closed]


def documents(watched: Watched) -> list[dict[str, object]]:
    why = {one.gate: one.failure for one in watched.history.closings}
    return [
        {"gate": gate, "failure": why[gate], "until": iso(until)}
        for gate, until in watched.tracker.closed.items()
    ]


def iso(unix_s: float) -> str:
    told = datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


def _startable(watched: Watched) -> Iterator[TaskId]:
    """Also where nothing new starts: it would, when the run goes on."""
    for task in watched.graph:
        before = watched.graph.before(task)
        if all(watched.states[one] is TaskState.SUCCEEDED for one in before):
            yield task
