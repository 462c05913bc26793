"""What an attempt tells while it works: at once where a resume needs it, else seldom, never twice, and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.engine.chronicle import MOST_STEPS, Chronicle
from orchestrator.model import EventKind, Progress, Step, StepKind, Usage


class Told:
    """What a chronicle records, shows, and whether it said that the model speaks."""

    def __init__(self) -> None:
        self.data: list[Mapping[str, Any]] = []
        self.lines: list[str] = []
        self.spoken = 0
        self.chronicle = Chronicle(self.record, self.lines.append, self.speak)

    def record(self, kind: EventKind, data: Mapping[str, Any]) -> None:
        assert kind is EventKind.WORKER_REPORTED
        self.data.append(data)

    def speak(self) -> None:
        self.spoken += 1

    def steps(self) -> list[str]:
        return [step["target"] for data in self.data for step in data.get("steps", ())]


def step(target: object) -> Progress:
    return Progress(step=Step(kind=StepKind.RUN, tool="Bash", target=str(target)))


def test_a_session_is_known_at_once_and_told_once():
    told = Told()
    told.chronicle(Progress(usage=Usage(input_tokens=1)))
    told.chronicle(Progress(session="s", model="m"))
    told.chronicle(Progress(session="s", model="m"))
    told.chronicle.flush()
    assert [data.get("session") for data in told.data] == [None, "s"]


def test_the_running_totals_are_known_at_once():
    told = Told()
    told.chronicle(Progress(doing="x"))
    told.chronicle(Progress(usage=Usage(input_tokens=1), totals=Usage(input_tokens=9)))
    assert told.data[-1]["totals"]["input_tokens"] == 9


def test_figures_and_steps_are_gathered_and_all_of_them_are_there_in_the_end():
    told = Told()
    for number in range(200):
        told.chronicle(Progress(usage=Usage(input_tokens=number)))
        told.chronicle(step(number))
    told.chronicle.flush()
    assert len(told.data) < 20
    assert told.data[-1]["usage"]["input_tokens"] == 199
    assert told.steps() == [str(number) for number in range(200)]


def test_nothing_new_is_no_event():
    told = Told()
    told.chronicle.flush()
    told.chronicle(Progress(usage=Usage(input_tokens=1)))
    told.chronicle.flush()
    told.chronicle.flush()
    assert len(told.data) == 1


def test_steps_are_bounded_and_what_is_left_out_is_counted():
    told = Told()
    for number in range(MOST_STEPS + 7):
        told.chronicle(step(number))
    told.chronicle.flush()
    assert len(told.steps()) == MOST_STEPS
    assert told.data[-1]["steps_left_out"] == 7


def test_lines_go_to_the_screen_only_and_a_usage_is_a_word_of_the_model():
    told = Told()
    told.chronicle(Progress(doing="reads a.py"))
    assert (told.lines, told.data, told.spoken) == (["reads a.py"], [], 0)
    told.chronicle(Progress(usage=Usage()))
    assert told.spoken == 1
