"""The dashboard: pages that a server has written and a small script keeps fresh. They refuse to change anything but through the API."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from orchestrator import clock
from orchestrator.errors import OrchestratorError, UnknownRun, UsageError
from orchestrator.settings import Settings
from orchestrator.views.house import Waiting
from orchestrator.web import (
    pages_front,
    pages_learned,
    pages_patterns,
    pages_run,
    pages_try,
    pages_words,
)
from orchestrator.web.book import Book
from orchestrator.web.drawn import Drawn
from orchestrator.web.files import Part, Piece
from orchestrator.web.security import TOKEN_FILE
from orchestrator.web.seen import Seen, Told

SAME_S = 1.0  # clocks on a page go on by themselves
KEPT = 32  # pages
REPORT_S = 60.0
CHUNK = 1 << 16  # bytes of a transcript on a page
PARTS: tuple[Part, ...] = ("work", "review", "before", "after", "landing")
Page = Callable[[Request], Awaitable[Response]]


def routes(seen: Seen, pages: Pages) -> list[BaseRoute]:
    told = {
        "/": pages.front,
        "/plans/waiting/{path:path}": pages.plan,
        "/runs/{run}": pages.run,
        "/runs/{run}/events": pages.events,
        "/runs/{run}/graph": pages.graph,
        "/runs/{run}/tasks/{task:path}/tries/{attempt:int}": pages.one_try,
        "/runs/{run}/tasks/{task:path}": pages.task,
        "/routing": pages.routing,
        "/models": pages.models,
        "/patterns": pages.patterns,
    }
    own: list[BaseRoute] = [Route(path, _safe(seen, page)) for path, page in told.items()]
    return [
        *own,
        Route("/experiments/routing-dashboard", _to_routing),
        Mount("/static", Static(directory=pages_words.STATIC)),
    ]


def login(**values: Any) -> str:
    """The page that asks for the token; it knows nothing of the project."""
    return pages_words.render("login.html", **({"wrong": "", "token_file": TOKEN_FILE} | values))


class Static(StaticFiles):
    """Asked for each time, and sent only where it is new."""

    def file_response(self, *given: Any, **more: Any) -> Response:
        response = super().file_response(*given, **more)
        response.headers["cache-control"] = "no-cache"
        return response


class Pages:
    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._drawn = Drawn()
        self._reports: dict[str, tuple[float, object, dict[str, Any]]] = {}
        self._pages: OrderedDict[str, tuple[float, object, str]] = OrderedDict()

    async def prepare(self) -> None:
        """What a start costs is paid before somebody looks: one run at a time, so that who looks meanwhile waits for no more than one."""
        told, now = self._seen.told(), clock.wall()
        with suppress(OrchestratorError):  # the page that somebody asks for says so
            rows = await self._seen.look(lambda book: book.runs()[: pages_front.PAGE])
            for row in reversed(rows):  # the newest is what most people look at
                await self._seen.look(methodcaller("glance", row.id))
            await self._seen.look(partial(self._front, told, (), now, 1))
            for run in dict.fromkeys((*(row.id for row in rows[:1]), *told.health.runs)):
                await self._seen.look(partial(self._run, told, run, now, 1))

    async def front(self, request: Request) -> Response:
        told, now = self._seen.told(), clock.wall()
        waits = await self._seen.daemon.waiting()
        number = _number(request, "page", 1, 100_000)

        work = partial(self._front, told, waits, now, number)
        return await self._shared(request, told, work, waits)

    def _front(
        self, told: Told, waits: Sequence[Waiting], now: float, number: int, book: Book
    ) -> str:
        stream = _stream(book)
        found = pages_front.front(book, told, waits, now, number)
        return self._render(told, "runs.html", "runs", stream=stream, **found)

    async def plan(self, request: Request) -> Response:
        """With all of its text, for which the first page has no room where they are many."""
        one = pages_front.waiting_plan(
            await self._seen.daemon.waiting(), request.path_params["path"]
        )
        stream, told = await self._seen.look(_stream), self._seen.told()
        return HTMLResponse(self._render(told, "plan.html", "runs", stream=stream, one=one))

    async def run(self, request: Request) -> Response:
        told, now, run = self._seen.told(), clock.wall(), request.path_params["run"]
        number = _number(request, "tasks", 1, 100_000)

        return await self._shared(request, told, partial(self._run, told, run, now, number))

    def _run(self, told: Told, run: str, now: float, number: int, book: Book) -> str:
        stream, past = _stream(book, run), book.run(run)
        found = pages_run.page(past, self._drawn, told, now, number)
        return self._render(told, "run.html", "runs", stream=stream, **found)

    async def events(self, request: Request) -> Response:
        told, run = self._seen.told(), request.path_params["run"]

        def work(book: Book) -> str:
            stream, past = _stream(book, run), book.run(run)
            found = pages_run.told(past)
            return self._render(told, "events.html", "runs", stream=stream, **found)

        return await self._shared(request, told, work)

    async def graph(self, request: Request) -> Response:
        """With each task by itself, of which the run's own page has only some where they are many."""
        told, run = self._seen.told(), request.path_params["run"]

        def work(book: Book) -> str:
            stream, past = _stream(book, run), book.run(run)
            words = {"run": past.row.id, "graph": self._drawn.graph(past, whole=True)}
            return self._render(told, "whole.html", "runs", stream=stream, **words)

        return await self._shared(request, told, work)

    async def task(self, request: Request) -> Response:
        told, now, given = self._seen.told(), clock.wall(), request.path_params

        def work(book: Book) -> str:
            stream, past = _stream(book, given["run"]), book.run(given["run"])
            task = past.task(given["task"])
            doing = told.doing(past.row.id).get(task.id, "")
            found = pages_try.page(past, task, doing, now)
            return self._render(told, "task.html", "runs", stream=stream, **found)

        return await self._shared(request, told, work)

    async def one_try(self, request: Request) -> Response:
        """What it printed, in pages, and what it changed."""
        given = request.path_params
        run, task, attempt = given["run"], given["task"], given["attempt"]
        part: Part = next((one for one in PARTS if one == request.query_params.get("part")), "work")
        start = _number(request, "start", 0, 1 << 50)
        piece: Piece = await self._seen.transcript(run, task, attempt, part, start, CHUNK)
        diff = await self._seen.diff(run, task, attempt)
        told = self._seen.told()

        def work(book: Book) -> str:
            stream, past = _stream(book, run), book.run(run)
            wanted = past.task(task)
            return self._render(
                told,
                "try.html",
                "runs",
                stream=stream,
                run=past.row.id,
                task=wanted,
                attempt=attempt,
                part=part,
                parts_of=PARTS,
                piece=piece,
                chunk=CHUNK,
                diff=diff,
                diff_lines=pages_words.diff_lines(diff.text),
            )

        return HTMLResponse(await self._seen.look(work))

    async def routing(self, _request: Request) -> Response:
        return await self._learned("routing", pages_learned.routing)

    async def models(self, _request: Request) -> Response:
        return await self._learned("models", partial(pages_learned.models, self._seen.daemon.root))

    async def patterns(self, _request: Request) -> Response:
        root = self._seen.daemon.root
        version = partial(pages_patterns.version, root)
        return await self._learned("patterns", partial(pages_patterns.page, root), version)

    async def _learned(
        self,
        name: str,
        study: Callable[[Settings], dict[str, Any]],
        version_of: Callable[[], object] = pages_learned.version,
    ) -> Response:
        """Worked out anew only where the ledger is another, or a minute is over: it can be long."""
        stream, told = await self._seen.look(_stream), self._seen.told()

        def work() -> str:
            version, now = version_of(), clock.now().steady
            then, was, found = self._reports.get(name, (0.0, None, {}))
            if was != version or now - then > REPORT_S:
                then, found = now, study(self._seen.settings)
                self._reports[name] = then, version, found
            return self._render(told, f"{name}.html", name, stream=stream, **found)

        return HTMLResponse(await self._seen.study(work))

    async def _shared(
        self, request: Request, told: Told, work: Callable[[Book], str], more: object = None
    ) -> Response:
        """Others who ask the same in the same second, and nothing is new, get the same page. `more` of what it is made."""
        key, known = f"{request.url.path}?{request.url.query}", (told, more)
        return HTMLResponse(await self._seen.look(lambda book: self._same(key, known, book, work)))

    def _same(self, key: str, known: object, book: Book, work: Callable[[Book], str]) -> str:
        version, now = (book.latest(), known), clock.now().steady
        then, was, text = self._pages.pop(key, (0.0, None, ""))
        if was != version or now - then > SAME_S:
            then, text = now, work(book)
        self._pages[key] = then, version, text
        while len(self._pages) > KEPT:
            self._pages.popitem(last=False)
        return text

    def _render(self, told: Told, name: str, here: str, /, **values: Any) -> str:
        return page(self._seen.daemon.root, told, name, here, **values)


def page(root: Path, told: Told, name: str, here: str, /, **values: Any) -> str:
    head = {"here": here, "root": str(root), "project": root.name, "stream": None}
    return pages_words.render(name, **(head | pages_front.health_line(told.health) | values))


def wrong(seen: Seen, said: str, code: int) -> Response:
    """A page that has nothing else."""
    words = {"told": said, "code": code}
    return HTMLResponse(page(seen.daemon.root, seen.told(), "wrong.html", "", **words), code)


async def _to_routing(_: Request) -> Response:
    """Where seed 001 has it."""
    return RedirectResponse("/routing", 308)


def _safe(seen: Seen, made: Page) -> Page:
    """What is wrong is said on a page, too."""

    async def answer(request: Request) -> Response:
        try:
            return await made(request)
        except OrchestratorError as said:
            code = 404 if isinstance(said, UnknownRun | UsageError) else 500
            return wrong(seen, str(said), code)

    return answer


def _stream(book: Book, run: str = "") -> str:
    """Asked for before what the page shows: nothing is lost between the two."""
    where = f"runs/{quote(run, safe='')}/" if run else ""
    return f"/api/{where}stream?after={book.latest()}"


def _number(request: Request, name: str, least: int, most: int) -> int:
    given = request.query_params.get(name, "")
    return min(most, max(least, int(given))) if given.isascii() and given.isdigit() else least
