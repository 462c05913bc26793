"""Who is told what while nobody looks: a command, a webhook. Refuses to hold a run up, and to tell what nobody asked for."""

from __future__ import annotations

import json
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import anyio
from anyio import to_thread
from tenacity import retry, stop_after_attempt, wait_random_exponential

from orchestrator import process, redact
from orchestrator.daemon.lasting import told
from orchestrator.model import Event, EventKind, RunId, TaskState
from orchestrator.settings.service import NotifySettings
from orchestrator.views.past import ends
from orchestrator.views.watched import Watched

TRIES = 3
WAITING = 100  # messages that are kept for a receiver that is slow
QUOTA = ("rate-limit", "quota")
LEAVE_S = 5.0


class Notices:
    """Of one daemon. They are sent one after the other while it is kept."""

    def __init__(self, settings: NotifySettings, root: Path, say: Callable[[str], None]) -> None:
        self._settings, self._root, self._say = settings, root, say
        self._waiting = deque[dict[str, Any]]()  # the first is on its way
        self._news = anyio.Event()
        self._turn = anyio.Lock()
        self._is_full = False
        self.trouble: str | None = None

    async def keep(self) -> None:
        while True:
            self._news = anyio.Event()
            await self._empty()
            await self._news.wait()

    async def flush(self, leave_s: float = LEAVE_S) -> None:
        """What still waits when the daemon ends, for a few seconds at most; what has not left by then is said."""
        with anyio.move_on_after(leave_s):
            await self._empty()
        for one in self._waiting:
            self._say(f"warning: the daemon ends, and nobody was told: {one['text']}")

    async def _empty(self) -> None:
        """Each is taken out once it was delivered: who is cut off loses none."""
        async with self._turn:
            while self._waiting:
                await self._deliver(self._waiting[0])
                self._waiting.popleft()

    # --- what is worth telling --------------------------------------------------------------------

    def heard(self, event: Event) -> None:
        with self._spared():
            self._hear(event)

    def ended(self, run: RunId, code: int, watched: Watched) -> None:
        with self._spared():
            self._end(run, code, watched)

    @contextmanager
    def _spared(self) -> Iterator[None]:
        """A run, and the daemon: no trouble with telling is theirs."""
        try:
            yield
        except Exception as trouble:  # also our bugs
            self.trouble = f"something could not be told: {told(trouble)}"
            self._say(f"warning: {self.trouble}")

    def _hear(self, event: Event) -> None:
        match event.kind:
            case EventKind.CHECKPOINT_ASKED | EventKind.HELD:
                text = f"{event.task} of run {event.run} waits for a person"
                self._tell("checkpoint", text, event.run, task=event.task)
            case EventKind.GATE_CLOSED if event.data["failure"] in QUOTA:
                gate, failure = event.data["gate"], event.data["failure"]
                text = f"{gate} is closed ({failure}) for {event.data['pause_s']:.0f} s; tasks behind it wait"
                self._tell("quota", text, event.run)

    def _end(self, run: RunId, code: int, watched: Watched) -> None:
        done = len(watched.in_state(TaskState.SUCCEEDED))
        sums = f"{done} of {len(watched.graph.tasks)} tasks done"
        failed = ", ".join(watched.in_state(TaskState.FAILED)[:5])
        sums += f"; failed: {failed}" if failed else ""
        delivery = watched.history.delivery or {}
        if code and delivery.get("why"):
            sums += f"; its result stays on {delivery['branch']}: {delivery['why']}"
        self._say(f"{run}  {ends(code, watched.history)}: {sums}")
        if code == 0:
            self._tell("end", f"run {run} is done: {sums}", run, exit_code=code)
        elif code != 130:
            text = f"run {run} ended with exit {code}: {sums}"
            self._tell("failure", text, run, exit_code=code)

    def broke_off(self, run: RunId, why: str) -> None:
        self._tell("failure", f"run {run} broke off: {why}", run)

    def _tell(self, occasion: str, text: str, run: RunId, **more: Any) -> None:
        wanted = occasion in self._settings.on and (
            self._settings.command or self._settings.webhook
        )
        if not wanted:
            return
        if len(self._waiting) <= WAITING:
            self._waiting.append(message(occasion, text, self._root, run=run, **more))
            self._news.set()
            self._is_full = False
        elif not self._is_full:
            self._is_full = True
            self._say(
                f"warning: who is told is too slow; after {WAITING} messages that wait, the next are not told"
            )

    # --- telling it -------------------------------------------------------------------------------

    async def _deliver(self, message: Mapping[str, Any]) -> None:
        with self._spared():
            self.trouble = await deliver(self._settings, self._root, message)
            if self.trouble:
                self._say(f"warning: {self.trouble}")


def message(occasion: str, text: str, root: Path, **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "event": occasion,
        "text": redact.text(text),
        "project": str(root),
        **more,
    }


async def deliver(settings: NotifySettings, root: Path, message: Mapping[str, Any]) -> str | None:
    """What went wrong, in a person's words; None where every receiver has it."""
    body = json.dumps(message).encode()
    wrong = []
    if settings.command:
        wrong.append(await _command(settings, root, body))
    if settings.webhook:
        wrong.append(await to_thread.run_sync(_webhook, settings, body, abandon_on_cancel=True))
    return "; ".join(filter(None, wrong)) or None


async def _command(settings: NotifySettings, root: Path, body: bytes) -> str | None:
    command = process.Command(
        argv=settings.command,
        cwd=root,
        env=process.environment((), {}),
        stdin=body,
        timeout_s=settings.timeout_s,
    )
    try:
        ended = await process.run(command)
    except (process.NotStarted, OSError) as trouble:
        return f"notify.command: {trouble}"
    if ended.exit_code == 0:
        return None
    how = "no end in time" if ended.timed_out else f"exit {ended.exit_code}"
    return f"notify.command ended with {how}: {ended.stderr.strip()[-200:]}"


def _webhook(settings: NotifySettings, body: bytes) -> str | None:
    headers = {"Content-Type": "application/json", "User-Agent": "orchestrator"}
    try:
        request = urllib.request.Request(settings.webhook, body, headers)  # noqa: S310 - the settings let only the web pass
        _post(request, settings.timeout_s)
    except (OSError, ValueError, HTTPException) as trouble:
        return f"notify.webhook: {trouble}"
    return None


@retry(stop=stop_after_attempt(TRIES), wait=wait_random_exponential(0.2, 2), reraise=True)
def _post(request: urllib.request.Request, timeout_s: float) -> None:
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):  # noqa: S310 - see above
            return
    except HTTPError as refused:
        refused.close()  # it is an open answer, too
        raise
