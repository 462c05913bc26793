"""The API, the pages and the log-in as one application. Refuses a request that its endpoint's types do not know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote

from anyio import to_thread
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, Router

from orchestrator import clock
from orchestrator.errors import OrchestratorError
from orchestrator.web import acts, api, figures, openapi, outloop, pages, replies
from orchestrator.web.acts import Refused
from orchestrator.web.asked import LoginSent
from orchestrator.web.front import FORM, KNOWN, NEXT, Front, kind, of_ours, of_router
from orchestrator.web.front import login as login_address
from orchestrator.web.security import JSON, TOKEN_FILE, Guard, local
from orchestrator.web.seen import Seen
from orchestrator.web.stream import Streams
from orchestrator.web.table import Call, Endpoint

ENDPOINTS = (*api.ENDPOINTS, *acts.ENDPOINTS, *outloop.ENDPOINTS, *figures.ENDPOINTS)
DOCUMENT = "/api/openapi.json"
SAME_ORIGIN = {"referrer-policy": "same-origin"}  # under no-referrer a form's Origin is null
Handler = Callable[[Request], Awaitable[Response]]
Refuses = Callable[[Request, Exception], Response]


def build(seen: Seen, streams: Streams, guard: Guard, say: Callable[[str], None]) -> Front:
    looks = pages.Pages(seen)
    own = [
        Route(one.path, _endpoint(one, seen, streams), methods=[one.method]) for one in ENDPOINTS
    ]
    routes: list[BaseRoute] = [
        Route(DOCUMENT, _document),
        Route(FORM, _login(guard), methods=["GET", "POST"]),
        *own,
        *pages.routes(seen, looks),
    ]
    router = Router(routes, redirect_slashes=False, default=_nowhere)
    handlers: dict[Any, Refuses] = {
        HTTPException: partial(_of_router, seen),
        OrchestratorError: of_ours,
    }
    return Front(guard, router, ExceptionMiddleware(router, handlers), say, looks.prepare)


def _of_router(seen: Seen, request: Request, wrong: Exception) -> Response:
    """A person gets a page, a program JSON. Only where the token was asked for: a page names the project."""
    told = of_router(request, wrong)
    wants_page = "text/html" in request.headers.get("accept", "").lower()
    if kind(request.url.path) != "page" or not wants_page:
        return told
    words = {404: "There is no page at this address.", 405: "This address takes no such method."}
    shown = pages.wrong(
        seen, words.get(told.status_code, "That cannot be shown."), told.status_code
    )
    shown.headers.update({k: v for k, v in told.headers.items() if k == "allow"})
    return shown


async def _nowhere(*_: object) -> None:
    raise HTTPException(404)


async def _document(_: Request) -> Response:
    return await _json(openapi.document(ENDPOINTS))


def _endpoint(one: Endpoint, seen: Seen, streams: Streams) -> Handler:
    async def handle(request: Request) -> Response:
        if request.method == "HEAD" and one.gives == api.STREAM:
            return Response(media_type=api.STREAM)
        call = Call(
            seen=seen,
            streams=streams,
            given=_given(request),
            query=_query(one, request),
            body=await _body(one.body, request) if one.body else None,
            headers=request.headers,
            known=request.scope[KNOWN] is not None,
        )
        found = await one.does(call)
        return found if isinstance(found, Response) else await _json(found)

    return handle


async def _json(value: BaseModel | dict[str, object]) -> Response:
    """Large documents are written in a thread: the engine shares our loop."""
    return Response(await to_thread.run_sync(replies.encoded, value), media_type=JSON)


def _given(request: Request) -> dict[str, str]:
    given = {key: unquote(str(value)) for key, value in request.path_params.items()}
    number = given.get("attempt", "1")
    if not (number.isascii() and number.isdecimal() and 0 < len(number) < 8 and int(number)):
        raise Refused(400, "an attempt is a number, from 1 on")
    return given


def _query(one: Endpoint, request: Request) -> BaseModel:
    told = parse_qs(request.url.query, keep_blank_values=True, max_num_fields=None)
    if twice := [name for name, values in told.items() if len(values) > 1]:
        raise Refused(400, f"{twice[0]} is given more than once")
    try:
        return one.query.model_validate({name: values[0] for name, values in told.items()})
    except ValidationError as wrong:
        raise Refused(400, _first(wrong)) from None


async def _body(kind: type[BaseModel], request: Request) -> BaseModel:
    raw = await request.body()
    try:
        return kind.model_validate_json(raw, strict=True)
    except ValidationError as wrong:
        is_json = wrong.errors()[0]["type"] != "json_invalid"
        raise Refused(422 if is_json else 400, _first(wrong)) from None


def _first(wrong: ValidationError) -> str:
    """Where, and what; never the value, which can be anything."""
    first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


# --- log-in


def _login(guard: Guard) -> Handler:
    async def login(request: Request) -> Response:
        then = local(request.query_params.get(NEXT, "/"))
        shown = partial(pages.login, then=then, action=login_address(then))
        if request.method != "POST":
            return HTMLResponse(shown(), headers=SAME_ORIGIN)
        is_json = request.headers["content-type"].lower().startswith(JSON)
        token = await _token(request, is_json=is_json)
        if not guard.is_token(token):
            if is_json:
                raise Refused(403, f"the token is wrong; that of this daemon is in {TOKEN_FILE}")
            wrong = shown(wrong="That is not the token.")
            return HTMLResponse(wrong, 403, headers=SAME_ORIGIN)
        response = Response(status_code=204) if is_json else RedirectResponse(then, 303)
        response.headers["set-cookie"] = guard.admit(clock.wall())
        return response

    return login


async def _token(request: Request, *, is_json: bool) -> str:
    if is_json:
        sent = await _body(LoginSent, request)
        assert isinstance(sent, LoginSent)
        return sent.token.strip()
    words = (await request.body()).decode("utf-8", "replace")
    return next(iter(parse_qs(words).get("token", ())), "").strip()
