"""What an attempt tells while it works -> journal and screen, bounded: a killed engine forgets at most two seconds of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio

from orchestrator.model import EventKind, Progress, Step, StepKind, Usage

Record = Callable[[EventKind, Mapping[str, Any]], object]  # an event of this attempt

OFTEN_S = 2.0
MOST_STEPS = 1000  # of one attempt; what comes after them is counted


class Chronicle:
    """Of one attempt. `show` gets lines for a person; `spoke` is called at the model's first word."""

    def __init__(
        self,
        record: Record,
        show: Callable[[str], None],
        spoke: Callable[[], None],
        workspace: str = "",
    ) -> None:
        self._record, self._show, self._spoke = record, show, spoke
        self._workspace = Path(workspace)
        self._prefix = f"{workspace}/"  # every path begins with it: it says nothing
        self._known: dict[str, Any] = {}  # as in the journal
        self._new: dict[str, Any] = {}
        self._steps: list[Step] = []
        self._kept = self._left_out = 0
        self._due = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.doing:
            self._show(self._short(progress.doing))
        if progress.usage is not None:
            self._spoke()
        for name in ("session", "model", "usage", "totals"):
            if (value := getattr(progress, name)) is not None:
                self._new[name] = (
                    value.model_dump(mode="json") if isinstance(value, Usage) else value
                )
        if progress.windows:
            self._new["windows"] = [one.model_dump(mode="json") for one in progress.windows]
        if progress.step is not None:
            self._add(self._measured(progress.step))
        if progress.session or progress.totals or time.monotonic() >= self._due:
            self.flush()  # what a resume needs is written at once

    async def keep_flushing(self) -> None:
        """An agent can be silent for long after it told something."""
        while True:
            await anyio.sleep(OFTEN_S)
            self.flush()

    def flush(self) -> None:
        data = {name: value for name, value in self._new.items() if self._known.get(name) != value}
        if self._steps:
            data["steps"] = [step.model_dump(mode="json") for step in self._steps]
        if self._left_out:
            data["steps_left_out"] = self._left_out
        if data:
            self._record(EventKind.WORKER_REPORTED, data)
        self._known |= self._new
        self._steps, self._due = [], time.monotonic() + OFTEN_S

    def _short(self, text: str) -> str:
        return text.replace(self._prefix, "") if self._prefix != "/" else text

    def _measured(self, step: Step) -> Step:
        """Its path as people name it, and what reading it took at most."""
        size = None
        if step.kind is StepKind.READ and step.target:
            with suppress(OSError, ValueError):
                path = self._workspace / step.target
                size = path.stat().st_size if path.is_file() else None
        return step.model_copy(update={"target": self._short(step.target), "size": size})

    def _add(self, step: Step) -> None:
        if self._kept < MOST_STEPS:
            self._steps.append(step)
            self._kept += 1
        else:
            self._left_out += 1
