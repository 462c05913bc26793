"""What can be changed over HTTP: answers, retries, and what the daemon is asked to do. Refuses answers to what nobody asked, and second answers."""

from __future__ import annotations

from functools import partial

from orchestrator import answers, inbox
from orchestrator.errors import OrchestratorError
from orchestrator.inbox import Letter
from orchestrator.model import Answer, RunId, TaskState
from orchestrator.views import waiting
from orchestrator.views.asking import person
from orchestrator.views.house import Act, Cancel, Enqueue, Resume, Trust
from orchestrator.views.interrupted import would_go_on
from orchestrator.views.past import Past
from orchestrator.views.text import command
from orchestrator.views.words import said
from orchestrator.web import asked, models
from orchestrator.web.book import Book
from orchestrator.web.table import Call, Endpoint

VIA = "dashboard"


class Refused(OrchestratorError):
    """With the status that says whose it is."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


async def answer(call: Call) -> models.Done:
    sent: asked.AnswerSent = call.body
    given = Answer(approved=sent.approved, option=sent.option, note=sent.note, by=person(), via=VIA)

    def work(book: Book) -> models.Done:
        past = book.run(call.given["run"])
        task = past.task(call.given["task"]).id
        letter = Letter(do="answer", run=past.row.id, task=task, answer=given)
        _refuse(past, letter)
        if told := waiting.letter(past.root, past.row.id, past.watched, task):
            words = f"{task} is answered already ({told}), and the first answer counts"
            raise Refused(409, words)
        inbox.post(past.root, letter)
        return models.Done(done=f"{task}: {said(given)}", next=_next(past))

    return await call.seen.look(work)


async def retry(call: Call) -> models.Done:
    def work(book: Book) -> models.Done:
        past = book.run(call.given["run"])
        task = past.task(call.given["task"]).id
        letter = Letter(do="retry", run=past.row.id, task=task, by=person())
        _refuse(past, letter)
        inbox.post(past.root, letter)
        return models.Done(done=f"{task} is tried again", next=_next(past))

    return await call.seen.look(work)


def _refuse(past: Past, letter: Letter) -> None:
    """409: the run stands otherwise. 422: the answer is none to this question."""
    watched = past.watched
    wrong = answers.misplaced(letter, past.graph, watched.tracker, watched.history)
    if wrong is not None:
        assert letter.task is not None
        asks = watched.states[letter.task] is TaskState.PAUSED
        raise Refused(422 if asks and letter.do == "answer" else 409, wrong)


def _next(past: Past) -> str | None:
    """A letter to a run that nobody works on waits for its resume."""
    return None if past.live else f"resume run {past.row.id}: POST /api/runs/{past.row.id}/resume"


async def cancel(call: Call) -> models.Done:
    def find(book: Book) -> Past:
        past = book.run(call.given["run"])
        if not past.live and not would_go_on(past.row, past.watched.history):
            raise Refused(409, f"run {past.row.id} does not go on now; there is nothing to stop")
        return past

    past = await call.seen.look(find)
    via = "command" if "authorization" in call.headers else VIA  # a browser has a cookie
    return await _act(call, Cancel(run=past.row.id, via=via))


async def resume(call: Call) -> models.Done:
    sent: asked.ResumeSent = call.body

    def find(book: Book) -> RunId:
        past = book.run(call.given["run"])
        if past.live:
            raise Refused(409, f"run {past.row.id} goes on already")
        return past.row.id

    run = await call.seen.look(find)
    return await _act(call, Resume(run=run, **sent.model_dump()))


async def enqueue(call: Call) -> models.Done:
    return await _act(call, Enqueue(**call.body.model_dump()))


async def trust(call: Call) -> models.Done:
    """By their hash: one text can have several names."""
    asked_ = Trust(**call.body.model_dump())
    waits = await call.seen.daemon.waiting()
    unread = (one for one in waits if not one.is_whole and one.state != "unapproved")
    if any(one.sha256 == asked_.sha256 for one in unread):
        typed = command("trust", asked_.path)
        words = f"only a part of {asked_.path} is shown here, so nobody can have read it here; read the file, then type: {typed}"
        raise Refused(409, words)
    return await _act(call, asked_)


async def _act(call: Call, act: Act) -> models.Done:
    """Whatever the daemon does not do as things stand is a conflict, and not a wrong request."""
    try:
        return models.Done(done=await call.seen.daemon.act(act, person()))
    except (OrchestratorError, OSError) as why:  # also a name that no file can have
        raise Refused(409, str(why)) from why


_post = partial(Endpoint, "POST")
ENDPOINTS = (
    _post(
        "/api/runs/{run}/tasks/{task}/answer",
        "answer_checkpoint",
        "Say yes or no at a checkpoint; the first answer counts.",
        answer,
        models.Done,
        body=asked.AnswerSent,
        refuses=(404, 409),
    ),
    _post(
        "/api/runs/{run}/tasks/{task}/retry",
        "retry_task",
        "Try a failed task once more.",
        retry,
        models.Done,
        body=asked.NothingSent,
        refuses=(404, 409),
    ),
    _post(
        "/api/runs/{run}/cancel",
        "cancel_run",
        "Stop a run; it can be resumed.",
        cancel,
        models.Done,
        body=asked.NothingSent,
        refuses=(404, 409),
    ),
    _post(
        "/api/runs/{run}/resume",
        "resume_run",
        "Go on with a run, with another budget where one is given.",
        resume,
        models.Done,
        body=asked.ResumeSent,
        refuses=(404, 409),
    ),
    _post(
        "/api/plans",
        "enqueue_plans",
        "Look at plans of the watched folder now; `again` also runs what is done.",
        enqueue,
        models.Done,
        body=asked.EnqueueSent,
        refuses=(409,),
    ),
    _post(
        "/api/plans/trust",
        "trust_plan",
        "Let a plan run as it is now: exactly the bytes with this SHA-256.",
        trust,
        models.Done,
        body=asked.TrustSent,
        refuses=(409,),
    ),
)
