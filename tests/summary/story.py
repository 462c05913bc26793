"""A run told in events: every word goes through the real tracker and the real history, and comes out as a SUMMARY."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import yaml
from markdown_it import MarkdownIt

from orchestrator import summary
from orchestrator.graph import build
from orchestrator.history import History
from orchestrator.model import (
    Answer,
    Check,
    Element,
    Event,
    EventKind,
    Failure,
    Outcome,
    Plan,
    Position,
    Route,
    RunId,
    Score,
    TaskId,
    Tier,
    Usage,
    Verdict,
    Verified,
)
from orchestrator.tracker import Tracker

RUN = RunId("r-7")
BEGAN = datetime(2026, 4, 16, 17, 36, 16, tzinfo=UTC)
SCORE = Score(value=1, reasons=())
SHELL = Route(worker="shell", confidence=1, reason="a script")
AGENT = tuple(
    Route(worker="claude", tier=tier, model=f"claude-{tier}", confidence=1, reason="a rung")
    for tier in (Tier.HAIKU, Tier.HAIKU, Tier.SONNET, Tier.OPUS)
)
FREE = Usage(input_tokens=0, output_tokens=0, cost_usd=0.0, cost_basis="reported")
HEADINGS = [
    "Performance",
    "Parallelization",
    "Token Efficiency",
    "Accomplishments",
    "Task Commits",
    "Files Created/Modified",
    "Checks",
    "Tries",
    "Decisions Made",
    "Deviations from Plan",
    "Issues Encountered",
    "Verification Checklist",
    "User Setup Required",
    "Next Phase Readiness",
]


class Story:
    """Times are seconds after the run began; names of tasks are ordinals of the first plan, or whole ids."""

    def __init__(
        self,
        *plans: Plan,
        keep: set[str] | None = None,
        ladder: tuple[Route, ...] = AGENT,
        capacity: int = 5,
    ) -> None:
        graph, said = build(plans)
        assert graph is not None, said
        self.plans = {plan.id: plan for plan in plans}
        self.first = plans[0]
        self.graph = graph.restricted({TaskId(t) for t in keep}) if keep else graph
        self.tracker = Tracker(self.graph, capacity=capacity)
        self.history, self.events = History(), list[Event]()
        self.ladders = {task: [dump(route) for route in ladder] for task in self.graph}
        self.tell(EventKind.RUN_STARTED, 0, {"ladders": self.ladders})

    def tell(
        self,
        kind: EventKind,
        at: float,
        data: Mapping[str, Any],
        task: int | str | None = None,
        attempt: int | None = None,
    ) -> None:
        moment = (BEGAN + timedelta(seconds=at)).isoformat(timespec="milliseconds")
        event = Event(
            seq=len(self.events) + 1,
            run=RUN,
            at=moment.replace("+00:00", "Z"),
            kind=kind,
            task=None if task is None else self.id(task),
            attempt=attempt,
            data=data,
        )
        self.events.append(event)
        self.tracker.apply(event)
        self.history.add(event)

    def id(self, task: int | str) -> TaskId:
        return TaskId(task if isinstance(task, str) else f"{self.first.id}/{task}")

    def start(self, task: int | str, at: float, before: Sequence[Check] = ()) -> None:
        start = next(one for one in self.tracker.ready() if one.task.id == self.id(task))
        data = {"route": dump(start.route), "score": dump(SCORE)}
        self.tell(EventKind.ATTEMPT_STARTED, at, data, task, start.number)
        for check in before:
            told = {"stage": "before", "check": dump(check)}
            self.tell(EventKind.CHECK_FINISHED, at, told, task, start.number)

    def finish(self, task: int | str, at: float, outcome: Outcome) -> None:
        number = self.tracker.attempts(self.id(task))
        self.tell(EventKind.ATTEMPT_FINISHED, at, {"outcome": dump(outcome)}, task, number)

    def work(
        self,
        task: int | str,
        start: float,
        end: float,
        outcome: Outcome,
        before: Sequence[Check] = (),
    ) -> None:
        self.start(task, start, before)
        self.finish(task, end, outcome)

    def ask(self, task: int | str, at: float) -> None:
        assert self.id(task) in [one.id for one in self.tracker.due()]
        self.tell(EventKind.CHECKPOINT_ASKED, at, {"type": "checkpoint"}, task)

    def answer(self, task: int | str, at: float, **words: Any) -> None:
        data = {"answer": dump(Answer(**words))}
        self.tell(EventKind.CHECKPOINT_ANSWERED, at, data, task)

    def resume(self, at: float) -> None:
        self.tell(EventKind.RUN_RESUMED, at, {"ladders": self.ladders})

    def check_plan(self, at: float, *checks: Check) -> None:
        data = {"plan": self.first.id, "checks": [dump(check) for check in checks]}
        self.tell(EventKind.PLAN_CHECKED, at, data)

    def end(self, at: float, exit_code: int = 0) -> None:
        self.tell(EventKind.RUN_FINISHED, at, {"exit_code": exit_code})

    def render(
        self,
        plan: Plan | None = None,
        saved: str | None = None,
        tools_off: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        return summary.render(
            plan or self.first,
            run=RUN,
            graph=self.graph,
            states=self.tracker.states,
            history=self.history,
            saved=saved,
            tools_off=tools_off,
        )


def dump(value: Any) -> Any:
    return value.model_dump(mode="json")


def element(tag: str, text: str) -> Element:
    return Element(tag=tag, text=text, position=Position(line=1, column=1))


def green(command: str, output: str = "") -> Check:
    return Check(command=command, result="green", exit_code=0, output=output, duration_s=0.1)


def red(command: str, output: str = "boom") -> Check:
    return Check(command=command, result="red", exit_code=1, output=output, duration_s=0.1)


def passed(*checks: Check, strength: float = 1.0, **values: Any) -> Outcome:
    by = Verified.COMMAND if checks else Verified.NONE
    verdict = Verdict(verified=by, strength=strength if checks else 0.0, checks=checks)
    return Outcome(**({"verdict": verdict, "usage": FREE} | values))


def failed(failure: Failure = Failure.VERIFY, detail: str = "boom", **values: Any) -> Outcome:
    return Outcome(**({"failure": failure, "detail": detail, "usage": FREE} | values))


def spent(tokens: int, cost: float | None = None, **values: Any) -> Usage:
    basis = "unknown" if cost is None else "priced"
    return Usage(input_tokens=tokens, cost_usd=cost, cost_basis=basis, **values)


# --- a SUMMARY read back ------------------------------------------------------------------------------


def front(text: str) -> dict[str, Any]:
    match = re.match(r"---\n(.*?)\n---\n", text, re.S)
    assert match is not None
    loaded = yaml.safe_load(match[1])
    assert isinstance(loaded, dict)
    return loaded


def body(text: str) -> str:
    return text.partition("\n---\n")[2]


def headings(text: str) -> list[str]:
    """As a Markdown reader sees them, at any depth of the document."""
    tokens = MarkdownIt("commonmark").enable("table").parse(body(text))
    pairs = pairwise(tokens)
    return [b.content for a, b in pairs if a.type == "heading_open" and a.tag == "h2"]


def section(text: str, heading: str) -> str:
    return body(text).partition(f"\n## {heading}\n\n")[2].partition("\n\n## ")[0]
