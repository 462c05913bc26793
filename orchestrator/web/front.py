"""The first to see a request and the last to see its answer: guard, bounds, headers, errors. Refuses to let a traceback or an unguarded answer out."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator import clock
from orchestrator.errors import OrchestratorError, PlanError, RecordError, UsageError
from orchestrator.web import models, replies
from orchestrator.web.acts import Refused
from orchestrator.web.security import (
    HEADERS,
    MOST_BODY,
    READS,
    Ask,
    Guard,
    Kind,
    Refusal,
    local,
    too_large,
)

API = "/api/"
OPEN, FORM, NEXT = "/static/", "/login", "next"
KNOWN = "orchestrator.known"  # in the scope: how the client was recognised, or None


class TooLarge(Exception):
    """More came than Content-Length had said, or may come."""


@dataclass(frozen=True)
class Front:
    guard: Guard
    router: Router
    app: ASGIApp  # around the router
    say: Callable[[str], None]
    look_ahead: Callable[[], Awaitable[None]]

    async def prepare(self) -> None:
        """Nobody waits for it, and whatever goes wrong in it ends no run."""
        try:
            await self.look_ahead()
        except Exception as bug:
            self._bug(bug, "when pages were made ahead")

    def _bug(self, bug: Exception, where: str) -> None:
        self.say(f"an error of our own {where}: {type(bug).__name__}")
        traceback.print_exception(bug)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "only HTTP is served"
        scope["app"] = self  # so that the router raises what it refuses
        raw = scope["raw_path"].decode("latin-1")
        if raw.startswith(API):
            scope["path"] = raw  # a task's name has `/` in it, which comes as %2F
        sender = _Sender(send)
        ask = self._ask(scope)
        now = clock.wall()
        refusal = self.guard.refuse(ask, now)
        if refusal is not None:
            await _refused(ask, refusal, _asked(scope))(scope, receive, sender)
            return
        scope[KNOWN] = self.guard.knows(ask, now)
        try:
            await self.app(scope, _bounded(receive), sender)
        except TooLarge:
            await sender.instead(scope, receive, trouble(too_large()))
        except ClientDisconnect:
            return
        except Exception as bug:
            self._bug(bug, f"at {ask.method} {scope['path']}")
            ours = Refusal(500, "an error of our own", "what the daemon has printed says more")
            await sender.instead(scope, receive, trouble(ours))

    def _ask(self, scope: Scope) -> Ask:
        headers = [(key.decode("latin-1"), v.decode("latin-1")) for key, v in scope["headers"]]
        fits = any(route.matches(scope)[0] is Match.FULL for route in self.router.routes)
        long = len(scope["raw_path"]) + len(scope["query_string"])
        return Ask(scope["method"], fits, kind(scope["path"]), tuple(headers), long)


def _refused(ask: Ask, refusal: Refusal, asked: str) -> Response:
    if refusal.status == 401 and ask.kind == "page" and ask.method in READS:
        return RedirectResponse(login(asked), status_code=303)
    response = trouble(refusal)
    if refusal.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    if refusal.status == 413:
        response.headers["connection"] = "close"
    return response


def _asked(scope: Scope) -> str:
    path, query = (scope[one].decode("latin-1") for one in ("raw_path", "query_string"))
    return f"{path}?{query}" if query else f"{path}"


def login(then: str) -> str:
    """The address of the log-in that leads to a page of ours."""
    then = local(then)
    return FORM if then == "/" else f"{FORM}?{NEXT}={quote(then, safe='/')}"


def kind(path: str) -> Kind:
    if path == FORM:
        return "form"
    if path == "/health" or path.startswith(OPEN):
        return "open"
    return "api" if path.startswith(API) or path == "/metrics" else "page"


class _Sender:
    """With our headers on every answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def instead(self, scope: Scope, receive: Receive, response: Response) -> None:
        """Of an answer that has not begun; one that has is broken off by the server."""
        if self.has_begun:
            raise ConnectionAbortedError("an answer broke off")
        await response(scope, receive, self)


def _bounded(receive: Receive) -> Receive:
    got = 0

    async def take() -> Message:
        nonlocal got
        message = await receive()
        if message["type"] == "http.request":
            got += len(message.get("body", b""))
            if got > MOST_BODY:
                raise TooLarge
        return message

    return take


# --- errors as answers


def trouble(refusal: Refusal, *diagnostics: object) -> Response:
    told = models.Trouble.model_validate(
        {"error": refusal.error, "next": refusal.next, "diagnostics": diagnostics}
    )
    return Response(replies.encoded(told), refusal.status, media_type="application/json")


def of_router(_: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, HTTPException)
    words = {404: "there is no such address", 405: "this address takes no such method"}
    response = trouble(Refusal(wrong.status_code, words.get(wrong.status_code, wrong.detail)))
    response.headers.update(wrong.headers or {})
    return response


def of_ours(_: Request, wrong: Exception) -> Response:
    """By whose it is to act."""
    assert isinstance(wrong, OrchestratorError)
    match wrong:
        case Refused():
            return trouble(Refusal(wrong.status, str(wrong)))
        case PlanError():
            return trouble(Refusal(422, str(wrong), "correct the plan"), *wrong.diagnostics)
        case UsageError():
            return trouble(Refusal(404, str(wrong)))
        case RecordError():
            return trouble(Refusal(503, str(wrong)))
    return trouble(Refusal(409, str(wrong)))
