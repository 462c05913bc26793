"""Looks at the running worktrees together, so that conflicts are known before they land. Changes nothing in them; a failed look is no news."""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from orchestrator import redact
from orchestrator.engine import mail
from orchestrator.engine.attempt import Means
from orchestrator.graph import TaskGraph
from orchestrator.history import History
from orchestrator.model import EventKind, TaskId
from orchestrator.tracker import Tracker
from orchestrator.workspace import Clash, GitRefused, Ground
from orchestrator.workspace.git import shown
from orchestrator.workspace.scope import undeclared

SHARE = 20  # of the time at most one part in so many is spent on looking


class Lookout:
    """Of one run. `send` takes what it sees to the hub."""

    def __init__(
        self,
        graph: TaskGraph,
        tracker: Tracker,
        history: History,
        means: Means,
        send: MemoryObjectSendStream[mail.Mail],
    ) -> None:
        self._graph, self._tracker, self._history = graph, tracker, history
        self._means, self._send = means, send
        self._told = set[tuple[TaskId, TaskId, tuple[str, ...]]]()
        self._touched: dict[tuple[TaskId, int], set[str]] = {}  # of each try

    async def keep_looking(self) -> None:
        own = self._means.settings.workspace
        ground, pause = self._means.ground, own.look_s
        while ground is not None and pause:
            await anyio.sleep(pause)
            began = time.monotonic()
            await self._look(ground)
            pause = max(own.look_s, SHARE * (time.monotonic() - began))

    async def _look(self, ground: Ground) -> None:
        seen = {
            task: one for task in self._tracker.running if (one := await self._peek(ground, task))
        }
        for one, other in combinations(seen, 2):
            try:
                joined = await ground.repository.join(seen[one], seen[other])
            except GitRefused:
                continue
            if isinstance(joined, Clash) and (one, other, joined.files) not in self._told:
                self._told.add((one, other, joined.files))
                data = {"with": one, "files": [redact.text(name) for name in joined.files]}
                self._send.send_nowait(mail.Seen(EventKind.CONFLICT_FORESEEN, other, data))

    async def _peek(self, ground: Ground, task: TaskId) -> str | None:
        """A commit of what it has made so far, that no ref holds."""
        tried = self._history.of(task).tried[-1]
        if tried.begin is None or tried.base is None:
            return None
        try:
            commit = await ground.peek(Path(tried.workspace), tried.base, tried.begin)
            if commit is not None and self._means.settings.workspace.scope == "serialise":
                changes = await ground.repository.changes(tried.base, commit)
                self._touch(task, tried.number, [change.path for change in changes])
        except (GitRefused, OSError):  # it writes while we look
            return None
        return commit

    def _touch(self, task: TaskId, number: int, files: list[str]) -> None:
        outside = set(undeclared(files, self._graph.tasks[task].files))
        known = self._touched.setdefault((task, number), set())
        if outside - known:
            known |= outside
            data = {"files": sorted(redact.text(shown(name)) for name in outside)}
            self._send.send_nowait(mail.Seen(EventKind.TOUCHED, task, data))
