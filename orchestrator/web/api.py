"""What can be read over HTTP: runs, tasks, tries, events. Refuses nothing itself but what is not there."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from orchestrator.model import RunId, TaskId
from orchestrator.views import documents, waiting
from orchestrator.views.past import CUT, Past, ended
from orchestrator.web import asked, models, replies
from orchestrator.web.acts import Refused
from orchestrator.web.book import Book, Glance
from orchestrator.web.seen import tried_of
from orchestrator.web.table import Call, Endpoint

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # no proxy keeps lines back
STREAM = "text/event-stream"


async def runs(call: Call) -> models.Runs:
    query: asked.RunsQuery = call.query

    def work(book: Book) -> models.Runs:
        names = [row.id for row in book.runs()]
        start = names.index(book.named(query.before)) + 1 if query.before else 0
        page = names[start : start + query.limit]
        more = page[-1] if start + query.limit < len(names) else None
        return models.Runs(runs=tuple(_line(book.glance(name)) for name in page), next=more)

    return await call.seen.look(work)


async def run(call: Call) -> models.Run:
    doing = call.seen.daemon.doing(RunId(call.given["run"]))
    return await call.seen.look(lambda book: _run(book.run(call.given["run"]), dict(doing)))


async def tasks(call: Call) -> models.Tasks:
    def work(book: Book) -> models.Tasks:
        past = book.run(call.given["run"])
        return models.Tasks(run=past.row.id, tasks=tuple(_task(past, one) for one in past.graph))

    return await call.seen.look(work)


async def task(call: Call) -> models.OneTask:
    doing = call.seen.daemon.doing(RunId(call.given["run"]))

    def work(book: Book) -> models.OneTask:
        past = book.run(call.given["run"])
        found = past.task(call.given["task"])
        return models.OneTask(
            run=past.row.id,
            plan=past.graph.plan_of(found.id).path,
            line=found.position.line,
            waits_for=tuple(past.graph.before(found.id)),
            doing=doing.get(found.id),
            task=_task(past, found.id),
        )

    return await call.seen.look(work)


async def attempts(call: Call) -> models.Tries:
    def work(book: Book) -> models.Tries:
        past = book.run(call.given["run"])
        found = past.task(call.given["task"]).id
        tries = map(models.Try.model_validate, past.watched.of(found).tried)
        return models.Tries(run=past.row.id, task=found, attempts=tuple(tries))

    return await call.seen.look(work)


async def transcript(call: Call) -> models.Transcript:
    query: asked.TranscriptQuery = call.query
    run, task, attempt = await _named(call)
    piece = await call.seen.transcript(run, task, attempt, query.part, query.start, query.limit)
    told = {"run": run, "task": task, "attempt": attempt, "part": query.part, "from": piece.start}
    told |= {"text": piece.text, "next": piece.next, "size": piece.size, "kept": piece.kept}
    return models.Transcript.model_validate(told)


async def diff(call: Call) -> models.Diff:
    run, task, attempt = await _named(call)
    found = await call.seen.diff(run, task, attempt)
    return models.Diff(
        run=run, task=task, attempt=attempt, text=found.text, cut=found.is_cut, why=found.why
    )


async def checks(call: Call) -> models.Checks:
    run, task, attempt = await _named(call)

    def work(book: Book) -> models.Checks:
        _, tried = tried_of(book, run, task, attempt)
        verdict = tried.latest.verdict if tried.latest else None
        return models.Checks(
            run=run,
            task=task,
            attempt=attempt,
            before=tuple(tried.before),
            after=verdict.checks if verdict else (),
            probed=tuple(tried.probed),
        )

    return await call.seen.look(work)


async def events(call: Call) -> models.Events:
    query: asked.EventsQuery = call.query

    def work(book: Book) -> models.Events:
        run = book.named(call.given["run"])
        found = book.events(run, query.after, query.limit + 1)
        page = tuple(map(replies.bounded, found[: query.limit]))
        last = page[-1].seq if page else query.after
        return models.Events(run=run, events=page, next=last, more=len(found) > len(page))

    return await call.seen.look(work)


async def stream(call: Call) -> Response:
    run = await call.seen.look(lambda book: book.named(call.given["run"]))
    return _streamed(call, run)


async def stream_all(call: Call) -> Response:
    return _streamed(call, None)


def _streamed(call: Call, run: RunId | None) -> Response:
    after = _last_event(call.headers.get("last-event-id", ""))
    after = call.query.after if after is None else after
    return StreamingResponse(call.streams.watch(run, after), media_type=STREAM, headers=HEADERS)


def _last_event(given: str) -> int | None:
    """Whoever means to go on and cannot would miss events and not know it."""
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 19):
        words = "Last-Event-ID is not the number of an event; send the `id` of the last one that came, or leave it out"
        raise Refused(400, words)
    return int(given)


async def _named(call: Call) -> tuple[RunId, TaskId, int]:
    """As the journal calls them."""

    def work(book: Book) -> tuple[RunId, TaskId, int]:
        number = int(call.given["attempt"])
        past, tried = tried_of(book, call.given["run"], call.given["task"], number)
        return past.row.id, past.task(call.given["task"]).id, tried.number

    return await call.seen.look(work)


def _line(glance: Glance) -> models.RunLine:
    row, spent = glance.row, glance.spent
    told = documents.run_document(row, glance.expiry)
    return models.RunLine(
        **told,
        ended_at=glance.ended_at,
        state=_said(glance),
        live=glance.live,
        states={str(state): count for state, count in glance.states.items()},
        attempts=spent.attempts,
        tokens=spent.tokens,
        cost_usd=spent.cost_usd,
        lower_bound=not spent.whole,
        worked_s=round(glance.worked_s, 3),
    )


def _said(glance: Glance) -> str:
    if glance.row.exit_code == CUT and glance.cancelled:
        return f"{glance.cancelled} (exit {CUT})"
    return ended(glance.row, live=glance.live, apart=glance.apart, waits=glance.waits)


def _run(past: Past, doing: dict[TaskId, str]) -> models.Run:
    told = documents.past_document(past)
    told |= {
        "state": ended(
            past.row,
            live=past.live,
            history=past.watched.history,
            waits=waiting.alone(past.watched),
        ),
        "live": past.live,
        "last": past.events[-1].seq if past.events else 0,
        "trouble": past.trouble,
        "doing": doing,
    }
    return models.Run.model_validate(told)


def _task(past: Past, task: TaskId) -> models.Task:
    return models.Task.model_validate(documents.past_task(past, task))


RUN = "/api/runs/{run}"
TASK = f"{RUN}/tasks/{{task}}"
TRY = f"{TASK}/attempts/{{attempt}}"
ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/runs",
        "list_runs",
        "The runs of this project, newest first.",
        runs,
        models.Runs,
        asked.RunsQuery,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        RUN,
        "show_run",
        "A run with all of its tasks.",
        run,
        models.Run,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        f"{RUN}/tasks",
        "list_tasks",
        "The tasks of a run.",
        tasks,
        models.Tasks,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        TASK,
        "show_task",
        "A task, and what its worker does now.",
        task,
        models.OneTask,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        f"{TASK}/attempts",
        "list_attempts",
        "The tries of a task, all that was recorded of them.",
        attempts,
        models.Tries,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        f"{TRY}/transcript",
        "read_transcript",
        "What a worker, its reviewer or its checks printed, in pieces.",
        transcript,
        models.Transcript,
        asked.TranscriptQuery,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        f"{TRY}/diff",
        "read_diff",
        "What a try changed.",
        diff,
        models.Diff,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        f"{TRY}/checks",
        "read_checks",
        "How the checks of a try came out, before and after its work.",
        checks,
        models.Checks,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        f"{RUN}/events",
        "list_events",
        "The events of a run, oldest first.",
        events,
        models.Events,
        asked.EventsQuery,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        f"{RUN}/stream",
        "watch_run",
        "The events of a run as they come; `doing` are the latest lines of its workers.",
        stream,
        STREAM,
        asked.StreamQuery,
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        "/api/stream",
        "watch_all",
        "The same of all runs; `plans` says that the plans that wait stand otherwise.",
        stream_all,
        STREAM,
        asked.StreamQuery,
    ),
)
