"""One line of the API: address, method, types, and what is refused. Its routes, its document, its page and its tests are made of these lines; nothing is said twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from starlette.responses import Response

from orchestrator.web.asked import Query, Sent
from orchestrator.web.seen import Seen
from orchestrator.web.stream import Streams

ANYWAY = (400, 401, 403, 431, 503)  # what any address can say
OF_A_BODY = (413, 415, 422)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been let in and read."""

    seen: Seen
    streams: Streams
    given: Mapping[str, str]  # of the address
    query: Any  # of the endpoint's `query`
    body: Any  # of its `body`
    headers: Mapping[str, str]
    known: bool  # has the token


@dataclass(frozen=True, slots=True)
class Endpoint:
    method: Literal["GET", "POST"]
    path: str
    name: str
    says: str
    does: Callable[[Call], Awaitable[BaseModel | Response]]
    gives: type[BaseModel] | str  # a type, or the media type of a text
    query: type[Query] = Query
    body: type[Sent] | None = None
    refuses: tuple[int, ...] = ()  # besides ANYWAY, and OF_A_BODY where it takes one
    is_open: bool = False  # needs no token

    @property
    def codes(self) -> tuple[int, ...]:
        every = {*ANYWAY, *self.refuses, *(OF_A_BODY if self.body else ())}
        return tuple(sorted(every - ({401} if self.is_open else set())))
