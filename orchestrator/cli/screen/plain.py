"""Who watches a run without a table: plain lines, or silence for --json. Refuses control codes; progress never mixes with JSON."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from orchestrator.cli.screen import asking
from orchestrator.cli.terminal import out, tell
from orchestrator.model import Answer, Event, Task, TaskId
from orchestrator.views.words import Line, Words


class PlainScreen:
    """One line per event that matters. Enter it around the run."""

    def __init__(self, words: Words, *, can_ask: bool = False) -> None:
        self.words = words
        self.written: dict[Path, None] = {}
        self._can_ask = can_ask
        self._one_at_a_time = anyio.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Nothing to put back."""

    @property
    def can_ask(self) -> bool:
        return self._can_ask

    def happened(self, event: Event) -> None:
        for line in self.words.lines(event):
            self.say(line)

    def doing(self, task: TaskId, line: str) -> None:
        """Too fast for lines that stay."""

    def warn(self, text: str) -> None:
        tell("warning", text, "yellow")

    def wrote(self, path: Path) -> None:
        self.written[path] = None

    async def ask(self, task: Task) -> Answer | None:
        async with self._one_at_a_time:
            return await asking.ask(out(), task)

    def say(self, line: Line) -> None:
        out().print(str(line), style=line.style)

    async def keep_fresh(self) -> None:
        """Plain lines do not age."""


class SilentScreen(PlainScreen):
    def say(self, line: Line) -> None:
        """Only the document at the end is asked for."""
