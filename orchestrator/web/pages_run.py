"""What the page of a run shows: figures, questions, graph, timeline, tasks, its SUMMARY. Refuses to decide; every word of it was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from orchestrator import answers
from orchestrator.history import TaskHistory
from orchestrator.model import Element, Task, TaskId, TaskState
from orchestrator.reader import discover
from orchestrator.views import asking, handover, money, waiting
from orchestrator.views.interrupted import would_go_on
from orchestrator.views.past import Past, is_kept_apart
from orchestrator.views.text import plain, shared_indent_removed
from orchestrator.views.words import Words
from orchestrator.web import pages_front, pages_tasks, shapes
from orchestrator.web.drawn import Drawn
from orchestrator.web.seen import Told
from orchestrator.web.shapes import iso

LATEST = 200  # events on a page
SUMMARY_MOST = 200_000  # characters
FAILURES = 20  # told on top
AGAIN = 20  # plans with a button
BEFORE = 6  # tasks whose work a question shows


class Choice(NamedTuple):
    id: str
    name: str
    details: tuple[tuple[str, str], ...]


class Made(NamedTuple):
    """What was built before a question, and where its diff is."""

    task: TaskId
    title: str
    number: int
    files: tuple[str, ...]


class Question(NamedTuple):
    """All that one needs to answer."""

    task: TaskId
    title: str
    kind: str
    gate: str
    parts: tuple[tuple[str, str], ...]  # title, Markdown
    choices: tuple[Choice, ...]
    age: tuple[str, ...]
    made: tuple[Made, ...]
    given: str | None


class Bar(NamedTuple):
    """Of a budget: per cent used, and set aside besides."""

    used: float
    held: float
    told: str


class Summary(NamedTuple):
    path: str
    text: str


def page(past: Past, drawn: Drawn, told: Told, now: float, number: int) -> dict[str, Any]:
    watched, doing = past.watched, told.doing(past.row.id)
    found = drawn.counts(past)
    took = watched.elapsed_s(datetime.fromtimestamp(now, UTC)) if past.live else watched.worked_s
    code = past.row.exit_code
    waits = waiting.alone(watched) if past.live else None
    return {
        "run": past.row.id,
        "state": _state(past, waits),
        "live": past.live,
        "graph": drawn.graph(past),
        "timeline": drawn.timeline(past, now),
        "tasks": list(drawn.rows(past, number, doing, now)),
        "total": len(past.graph.tasks),
        "page": number,
        "pages": -(-len(past.graph.tasks) // pages_tasks.PAGE),
        "counts": found,
        "shares": shapes.shares(found),
        "progress": pages_tasks.progress(found),
        "spent": watched.total(),
        "took_s": took,
        "since": iso(now - took) if past.live and not watched.history.waits.since else None,
        "bar": _budget(past),
        "limit": _limit(past),
        "forecast": drawn.forecast(past, now) if past.live else None,
        "questions": list(questions(past)),
        "failures": list(_failures(past)),
        "closed": list(waiting.closed(watched)),
        "stopped": watched.tracker.stopped if code is None else None,
        "handover": list(handover.rows(watched, past.root, ())),
        "red": list(handover.red_checks(watched)),
        "summaries": list(_summaries(past)) if code in (0, 1) else [],
        "can": can(past, found),
        "again": _again(past, told.health.watching) if code == 0 and not past.live else [],
        "plans": [one.path for one in past.stored],
        "started_at": past.row.started_at,
        "ended_at": watched.history.ended_at,
        "trouble": past.trouble,
    }


def _state(past: Past, waits: str | None) -> str:
    history = past.watched.history
    apart, cut = is_kept_apart(history), history.cancelled
    return pages_front.state_of(past.row.exit_code, past.live, waits, apart=apart, cut=cut)


def can(past: Past, found: Mapping[str, int]) -> set[str]:
    """What a person can ask of it now."""
    if past.live:
        return {"cancel"}
    stops = {"cancel"} if would_go_on(past.row, past.watched.history) else set[str]()
    return {"resume", *stops} if past.row.exit_code != 0 else set()


def _again(past: Past, watching: str | None) -> list[str]:
    """Plans that the daemon would take once more."""
    top = PurePosixPath(watching) if watching else None
    paths = (one.path for one in past.stored)
    return [one for one in paths if top and PurePosixPath(one).is_relative_to(top)][:AGAIN]


def _budget(past: Past) -> Bar | None:
    """The scarcer of dollars and tokens. None: it has no limit, or nothing that could reach it."""
    limits = past.watched.history.limits
    if limits is None or limits.run.is_none:
        return None
    room, told = money.rooms(past.watched), money.total(past.watched)
    if room is None or told is None:
        return None
    pairs = [
        (shapes.share(known, most), shapes.share(held, most))
        for known, held, most in (
            (room.known.usd, room.held.usd, limits.run.usd),
            (room.known.tokens, room.held.tokens, limits.run.tokens),
        )
        if most
    ]
    if not pairs:
        return None
    used, held = max(pairs, key=lambda pair: pair[1])
    return Bar(used, max(0.0, round(held - used, 2)), told.removeprefix("budget: "))


def _limit(past: Past) -> str:
    """Where there is no bar. Empty: it was recorded before there were budgets."""
    limits = past.watched.history.limits
    if limits is None:
        return ""
    return "no limit for this run" if limits.run.is_none else f"limit: {money.shown(limits.run)}"


# --- questions


def questions(past: Past) -> Iterator[Question]:
    for task in past.watched.in_state(TaskState.PAUSED):
        told = past.watched.of(task)
        asked = answers.asked(past.graph.tasks[task], told)
        yield Question(
            task,
            plain(past.graph.tasks[task].title, 160),
            asked.type.partition(":")[2] or asked.type,
            asked.gate,
            tuple(_parts(asked, past.graph.tasks[task].title)),
            tuple(_choices(asked)),
            tuple(waiting.question(past.watched, task)),
            tuple(_made(past, task, told)),
            waiting.letter(past.root, past.row.id, past.watched, task),
        )


def _parts(asked: Task, title: str) -> Iterator[tuple[str, str]]:
    """Without what the title says already."""
    told = {element.tag: element for element in asked.elements}
    for tag, name in asking.PARTS.items():
        rows = shared_indent_removed(told[tag].text) if tag in told else []
        if rows and rows != [title]:
            yield name, "\n".join(rows)


def _choices(asked: Task) -> Iterator[Choice]:
    """With what the plan says for and against each."""
    told: dict[str, Element] = {}
    for element in asked.elements:
        if element.tag == "options":
            told = {one.attributes.get("id", ""): one for one in element.children}
    for option in asked.options:
        children = told[option.id].children if option.id in told else ()
        details = ((one.tag, plain(one.text)) for one in children if one.tag != "name")
        yield Choice(plain(option.id), plain(option.name), tuple(details))


def _made(past: Past, task: TaskId, told: TaskHistory) -> Iterator[Made]:
    """Its own work where that is what is held, else that of the tasks right before it."""
    held = bool(told.tried and told.tried[-1].held)
    for one in [task] if held else past.graph.before(task)[:BEFORE]:
        tried = past.watched.of(one).tried
        if not tried:
            continue
        last = tried[-1]
        work = (last.latest.work if last.latest else None) or last.kept
        files = tuple(plain(name, 80) for name in (work.files if work else ()))
        yield Made(one, plain(past.graph.tasks[one].title, 120), last.number, files)


# --- its end, its events


def _failures(past: Past) -> Iterator[tuple[TaskId, str, str, int]]:
    """Task, title, why, and how many tasks are skipped for it."""
    skipped = [set(past.watched.blockers(one)) for one in past.watched.in_state(TaskState.SKIPPED)]
    for task in past.watched.in_state(TaskState.FAILED)[:FAILURES]:
        title = plain(past.graph.tasks[task].title, 160)
        behind = sum(task in blockers for blockers in skipped)
        yield task, title, pages_tasks.note(past, task, ""), behind


def _summaries(past: Past) -> Iterator[Summary]:
    """Beside their plans, where this run's result has been handed over."""
    told = past.watched.history.delivery
    if told is not None and told["why"] is not None:
        return
    for one in past.stored:
        path = discover.summary_path(past.root / one.path)
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        near = path.relative_to(past.root).as_posix()
        yield Summary(near, _without_front(text)[:SUMMARY_MOST])


def _without_front(text: str) -> str:
    """The frontmatter is for programs."""
    if text.startswith("---\n") and "\n---\n" in text:
        return text.split("\n---\n", 1)[1]
    return text


def told(past: Past, most: int = LATEST) -> dict[str, Any]:
    """The newest events in words; those without a word by their kind."""
    words = Words(_fresh(past), past.root)
    rows = []
    for event in past.events:
        lines = words.lines(event)
        shown = [(line.mark, line.text, line.style) for line in lines]
        rows.append((event.seq, event.at, str(event.kind), event.task, shown))
    return {"run": past.row.id, "events": rows[-most:][::-1], "left_out": max(0, len(rows) - most)}


def _fresh(past: Past) -> Any:
    """The same run before its first event: words are of the moment."""
    return type(past.watched)(past.graph, past.watched.order)
