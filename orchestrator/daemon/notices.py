"""Who is told what while nobody looks: a command, a webhook. Refuses to hold a run up, and to tell what nobody asked for."""

from __future__ import annotations

import json
import math
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit

import anyio
from anyio import to_thread

from orchestrator import answers, process, redact
from orchestrator.daemon.lasting import told, trace
from orchestrator.model import Event, EventKind, RunId, TaskId, TaskState
from orchestrator.process import leftover
from orchestrator.settings.service import NotifySettings
from orchestrator.views import asking
from orchestrator.views.past import ends
from orchestrator.views.text import command
from orchestrator.views.watched import Watched

PAUSES_S = (1.0, 10.0, 60.0)  # before a webhook is tried once more; the others are told meanwhile
WAITING = 100  # messages that are kept for a receiver that is slow
QUOTA = ("rate-limit", "quota")
LEAVE_S = 5.0


@dataclass(slots=True)
class Parcel:
    """`to` whom it has still to come; `at`: not before, by anyio's clock."""

    message: dict[str, Any]
    to: NotifySettings
    tries: int = 0
    at: float = -math.inf


class Notices:
    """Of one daemon. They are sent one after the other while it is kept. `page`: where its pages are, if it has any."""

    def __init__(
        self,
        settings: NotifySettings,
        root: Path,
        say: Callable[[str], None],
        page: Callable[[], str | None] = lambda: None,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._settings, self._root, self._say, self._page = settings, root, say, page
        self._pauses_s = pauses_s
        self._mark = {leftover.MARK: str(root)}  # who comes after us finds what a command left
        self._waiting = deque[Parcel]()
        self._news = anyio.Event()
        self._turn = anyio.Lock()
        self._is_full = False
        self.trouble: str | None = None

    async def keep(self) -> None:
        while True:
            self._news = anyio.Event()
            await self._empty()
            due = min((one.at for one in self._waiting), default=math.inf)
            with anyio.move_on_after(due - anyio.current_time()):
                await self._news.wait()

    async def flush(self, leave_s: float = LEAVE_S) -> None:
        """What still waits when the daemon ends, for a few seconds at most; what has not left by then is said."""
        with anyio.move_on_after(leave_s):
            async with self._turn:
                for one in list(self._waiting):
                    await self._deliver(one)
        for one in self._waiting:
            self._say(f"warning: the daemon ends, and nobody was told: {one.message['text']}")

    async def _empty(self) -> None:
        """What is due. Each is taken out once it was delivered: who is cut off loses none."""
        async with self._turn:
            while (one := self._due()) is not None:
                await self._deliver(one)

    def _due(self) -> Parcel | None:
        now = anyio.current_time()
        return next((one for one in self._waiting if one.at <= now), None)

    # --- what is worth telling --------------------------------------------------------------------

    def heard(self, event: Event, watched: Watched | None = None) -> None:
        """`watched` knows of it already, and what the plan says."""
        with self._spared():
            self._hear(event, watched)

    def ended(self, run: RunId, code: int, watched: Watched) -> None:
        with self._spared():
            self._end(run, code, watched)

    @contextmanager
    def _spared(self) -> Iterator[None]:
        """A run, and the daemon: no trouble with telling is theirs."""
        try:
            yield
        except Exception as trouble:  # also our bugs
            trace(trouble, self._say)
            self.trouble = f"something could not be told: {told(trouble)}"
            self._say(f"warning: {self.trouble}")

    def _hear(self, event: Event, watched: Watched | None) -> None:
        match event.kind:
            case EventKind.CHECKPOINT_ASKED | EventKind.HELD:
                self._ask(event.run, TaskId(event.task or ""), watched)
            case EventKind.GATE_CLOSED if event.data["failure"] in QUOTA:
                gate, failure = event.data["gate"], event.data["failure"]
                text = f"{gate} is closed ({failure}) for {event.data['pause_s']:.0f} s; tasks behind it wait"
                self._tell("quota", text, event.run)

    def _ask(self, run: RunId, task: TaskId, watched: Watched | None) -> None:
        """All that a person needs to answer from where they read it."""
        text, more = f"{task} of run {run} waits for a person", dict[str, Any]()
        if watched is not None:
            asked = answers.asked(watched.graph.tasks[task], watched.of(task))
            option = ("--option", "ID") if asked.options else ()
            more = {
                "title": redact.text(asked.name),
                "question": redact.text("\n".join(asking.question(asked))),
                "options": [redact.words(one.model_dump(mode="json")) for one in asked.options],
                "approve": command("approve", run, task, *option),
                "reject": command("reject", run, task),
            }
            ids = ", ".join(f"{one.id} ({one.name})" for one in asked.options)
            text += f": {asked.name}; {f'options: {ids}; ' if ids else ''}answer: {more['approve']}"
        if page := self._page():
            more["page"] = f"{page}/runs/{quote(run, safe='')}"
            text += f", or on its page: {more['page']}"
        self._tell("checkpoint", text, run, task=task, **more)

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
        elif code != 130 or watched.history.cancelled:  # another that was cut off goes on
            how = watched.history.cancelled if code == 130 else None
            told = f"was {how} (exit {code})" if how else f"ended with exit {code}"
            text = f"run {run} {told}: {sums}"
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
            told = message(occasion, text, self._root, run=run, **more)
            self._waiting.append(Parcel(told, self._settings))
            self._news.set()
            self._is_full = False
        elif not self._is_full:
            self._is_full = True
            self._say(
                f"warning: who is told is too slow; after {WAITING} messages that wait, the next are not told"
            )

    # --- telling it -------------------------------------------------------------------------------

    async def _deliver(self, one: Parcel) -> None:
        """To a webhook that is not there it goes once more, later: till then it waits with the others."""
        wrong: Mapping[str, str] = {}
        with self._spared():
            before, wrong = self.trouble, await _send(one.to, self._root, one.message, self._mark)
            self.trouble = "; ".join(wrong.values()) or None
            if self.trouble and self.trouble != before:
                self._say(f"warning: {self.trouble}")
        if "webhook" in wrong and one.tries < len(self._pauses_s):
            one.to = one.to.model_copy(update={"command": ()})
            one.at = anyio.current_time() + self._pauses_s[one.tries]
            one.tries += 1
            return
        self._waiting.remove(one)
        if "webhook" in wrong:
            self._say(f"warning: nobody was told in {one.tries + 1} tries: {one.message['text']}")


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
    return "; ".join((await _send(settings, root, message, {})).values()) or None


async def _send(
    settings: NotifySettings, root: Path, message: Mapping[str, Any], env: Mapping[str, str]
) -> Mapping[str, str]:
    """One try. What went wrong, by the receiver. `env` is all that a command gets of ours."""
    body = json.dumps(message).encode()
    wrong = dict[str, str | None]()
    if settings.command:
        wrong["command"] = await _command(settings, root, body, env)
    if settings.webhook:
        webhook = to_thread.run_sync(_webhook, settings, body, abandon_on_cancel=True)
        wrong["webhook"] = await webhook
    return {who: why for who, why in wrong.items() if why}


async def _command(
    settings: NotifySettings, root: Path, body: bytes, env: Mapping[str, str]
) -> str | None:
    command = process.Command(
        argv=settings.command,
        cwd=root,
        env=env,
        stdin=body,
        timeout_s=settings.timeout_s,
    )
    try:
        ended = await process.run(command)
    except (process.NotStarted, OSError) as trouble:
        return f"notify.command: {trouble}"
    if ended.exit_code == 0:
        return None
    how = "no end in time" if ended.timed_out else ended.how
    return f"notify.command: {how}: {ended.stderr.strip()[-200:]}"


def _webhook(settings: NotifySettings, body: bytes) -> str | None:
    headers = {"Content-Type": "application/json", "User-Agent": "orchestrator"}
    try:
        request = urllib.request.Request(settings.webhook, body, headers)  # noqa: S310 - the settings let only the web pass
        _post(request, settings.timeout_s)
    except (OSError, ValueError, HTTPException) as trouble:
        return f"notify.webhook: {_place(settings.webhook)} {_failing(trouble, settings.timeout_s)}"
    return None


def _place(address: str) -> str:
    """Without its path, which is a secret of some receivers."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "its address"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _failing(trouble: Exception, timeout_s: float) -> str:
    if isinstance(trouble, HTTPError):
        answer, to = f"answers {trouble.code} {trouble.reason}", trouble.headers.get("Location")
        if not to:
            return answer
        place = _place(urljoin(trouble.url, to))
        return f"{answer}, and names another address at {place}; write that as notify.webhook"
    why = trouble.reason if isinstance(trouble, URLError) else trouble
    if isinstance(why, TimeoutError):
        return f"has not answered within {timeout_s:g} s"
    if isinstance(why, OSError):
        return f"cannot be reached: {why.strerror or why}"
    if isinstance(trouble, HTTPException):
        return f"does not answer as a web server does: {trouble!r}"
    return f"cannot be asked: {why}"


class _Stay(urllib.request.HTTPRedirectHandler):
    """To go on to another address is to leave the message behind: it would be asked for a page."""

    def redirect_request(self, *_: object) -> None:
        return None


def _post(request: urllib.request.Request, timeout_s: float) -> None:
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=timeout_s):
            return
    except HTTPError as refused:
        refused.close()  # it is an open answer, too
        raise
