"""The engine ends as by `kill -9` around each event of a wait, with two checkpoints, held work and a used up quota at once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from orchestrator import inbox, journal
from orchestrator.model import EventKind, TaskState
from tests.whole.waiting import HOUR, Place, bash, limited, question

POINTS = {  # each as often as it comes
    EventKind.CHECKPOINT_ASKED: 2,
    EventKind.CHECKPOINT_ANSWERED: 3,
    EventKind.HELD: 1,
    EventKind.GATE_CLOSED: 1,
    EventKind.GATE_OPENED: 1,
    EventKind.DRAINING: 1,
}
ALL = [
    f"{side}:{kind}:{number}"
    for kind, times in POINTS.items()
    for number in range(1, times + 1)
    for side in ("before", "after")
]
SOME = ["after:checkpoint_asked:1", "before:checkpoint_answered:2", "after:gate_closed:1"]
MOST_STARTS = 8
ASKED = ("demo/1", "demo/3", "demo/4")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path, git=True)
    made.settle('[run]\non_quota = "stop"')
    made.plan(
        bash("Steer", "CLAUDE.md", made.out, ""),
        limited(""),
        question("Look at one", ""),
        question("Look at two", ""),
        bash("Join", "join", made.out, "1,2,3,4"),
    )
    return made


def play(place: Place, crash: str) -> bool:
    """A person who starts, answers all that is asked, and waits until the quota opens. Whether the engine crashed."""
    crashed, words, given = False, ["run", "demo-PLAN.md"], set[str]()
    for _ in range(MOST_STARTS):
        done = place.call(*words, **({} if crashed else {journal.CRASH_AT: crash}))
        crashed = crashed or done.returncode == -signal.SIGKILL
        if done.returncode == 0:
            return crashed
        assert done.returncode in (3, 5, -signal.SIGKILL), done.stdout + done.stderr
        if place.events():
            words = ["resume"]
            answer(place, given)
        if done.returncode == 3:
            place.set_ahead(HOUR + 60)
    pytest.fail("it never came to an end")


def answer(place: Place, given: set[str]) -> None:
    """What is asked, and only once: an engine that dies must not lose a letter."""
    for task, state in place.states().items():
        if state == TaskState.PAUSED and task not in given:
            place.told("approve", place.run, task)
            given.add(task)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("crash", ALL if os.environ.get("CI") else SOME)
def test_each_question_is_asked_once_and_answered_once_wherever_the_engine_dies(
    crash: str, place: Place
):
    assert play(place, crash), "the engine never came there"
    told = Counter((one.kind, one.task) for one in place.events())
    for task in ASKED:
        kind = EventKind.HELD if task == "demo/1" else EventKind.CHECKPOINT_ASKED
        assert (told[kind, task], told[EventKind.CHECKPOINT_ANSWERED, task]) == (1, 1)
    assert set(place.states().values()) == {TaskState.SUCCEEDED}
    for file in ("CLAUDE.md", "limited.txt", "join"):
        assert (place.root / file).exists()
    assert inbox.look(place.root) == []
    again = crash.startswith("before:gate_closed") or "held" in crash  # it died while it was asked
    assert place.calls() in ((2, 3) if again else (2,))
