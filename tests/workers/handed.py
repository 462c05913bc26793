"""What the unit tests of every client hand over, and how a program that went well ends."""

from __future__ import annotations

from typing import Any

from orchestrator.model import Attempt, Route, RunId, TaskId
from orchestrator.process import Ended


def attempt(worker: str, model: str, **more: Any) -> Attempt:
    given = {
        "run": RunId("r"),
        "task": TaskId("p/1"),
        "name": "say hello",
        "number": 1,
        "action": "",
        "system": "the rules",
        "prompt": "say hello",
        "route": Route(worker=worker, model=model, confidence=1.0, reason=""),
        "workspace": "/w",
        "timeout_s": 9.0,
        "stall_s": 9.0,
        "transcript": "/w/1.log",
        "environment": {},
    }
    return Attempt(**{**given, **more})


def ended(**more: Any) -> Ended:
    usual = {"exit_code": 0, "signal": None, "stdout": "", "stderr": "", "timed_out": False}
    return Ended(**{**usual, "stalled": False, "duration_s": 1.0, **more})
