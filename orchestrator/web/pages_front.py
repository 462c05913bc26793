"""What the first page shows: what waits for a person, what goes on, plans and why they wait, runs. Refuses to fold a run that nobody looks at twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from orchestrator import answers
from orchestrator.errors import UsageError
from orchestrator.model import RunId, TaskId, TaskState
from orchestrator.views import asking, waiting
from orchestrator.views.house import Health, Waiting
from orchestrator.views.past import ENDS, Past
from orchestrator.views.text import counted, plain
from orchestrator.views.watched import Spent
from orchestrator.web import pages_tasks
from orchestrator.web.book import Book, Glance
from orchestrator.web.seen import Told
from orchestrator.web.shapes import Part, iso, shares, unix

PAGE = 30  # runs
PLANS = 200
ROOM = 100_000  # letters of all texts of plans on the page, which is sent anew at every change
LINE = 30  # letters around each line of them
SHOWN_DOING = 6
ORDER = ("broken", "untrusted", "unapproved", "arriving", "running", "queued", "behind", "later")


class Ask(NamedTuple):
    """A question, as short as it can be understood."""

    run: RunId
    task: TaskId
    title: str
    kind: str
    first: str
    age: tuple[str, ...]
    given: str | None


class Listed(NamedTuple):
    """A run in the list."""

    run: RunId
    state: str
    plans: tuple[str, ...]
    started_at: str
    parts: tuple[Part, ...]
    progress: str
    done: int
    tasks: int
    asks: int
    spent: Spent
    taken_s: float
    since: str | None


class Live(NamedTuple):
    listed: Listed
    doing: tuple[tuple[TaskId, str, str], ...]  # task, title, line
    more: int


def front(
    book: Book, told: Told, waits: Sequence[Waiting], now: float, page: int
) -> dict[str, Any]:
    rows = book.runs()
    shown = rows[(page - 1) * PAGE : page * PAGE]
    glances = {row.id: book.glance(row.id) for row in shown}
    live = [one for one in glances.values() if one.live]
    asking_ = [one for one in glances.values() if one.asks]
    plans = sorted(waits, key=lambda one: (ORDER.index(one.state), one.path))
    return {
        "asks": [ask for one in asking_ for ask in asks(book.run(one.row.id))],
        "live": [_live(book.run(one.row.id), one, told, now) for one in live],
        "plans": (stand := [one for one in plans if one.state != "running"]),
        "most": PLANS,
        "unfolded": unfolded(stand[:PLANS]),
        "runs": [listed(one, now) for one in glances.values()],
        "total": len(rows),
        "page": page,
        "pages": max(1, -(-len(rows) // PAGE)),
    }


def unfolded(plans: Sequence[Waiting]) -> frozenset[str]:
    """The paths of those whose text has room here; each of the others has a page of its own."""
    room, found = ROOM, set[str]()
    for one in plans:
        size = len(one.diff) + LINE * one.diff.count("\n")
        if size <= room:
            room -= size
            found.add(one.path)
    return frozenset(found)


def waiting_plan(waits: Sequence[Waiting], path: str) -> Waiting:
    for one in waits:
        if one.path == path:
            return one
    raise UsageError(f"{path} does not wait: it runs, is done, or is not in the watched folder")


def asks(past: Past) -> Iterator[Ask]:
    for task in past.watched.in_state(TaskState.PAUSED):
        asked = answers.asked(past.graph.tasks[task], past.watched.of(task))
        title = past.graph.tasks[task].title
        matter = next((row for row in asking.matter(asked) if not row.endswith(f": {title}")), "")
        yield Ask(
            past.row.id,
            task,
            plain(title, 120),
            asked.type.partition(":")[2] or asked.type,
            plain(matter.replace("**", ""), 240),
            tuple(waiting.question(past.watched, task)),
            waiting.letter(past.root, past.row.id, past.watched, task),
        )


def listed(one: Glance, now: float) -> Listed:
    states = {str(state): number for state, number in one.states.items() if number}
    if one.broken_off and states.get("running"):
        states["interrupted"] = states.pop("running")
    taken = one.worked_s
    works = one.live and not one.rests and not one.ended_at
    if works and one.latest_at:  # a session goes on since its last event was seen
        taken += max(0.0, now - unix(one.latest_at))
    return Listed(
        one.row.id,
        state_of(one.row.exit_code, one.live, one.waits, apart=one.apart, cut=one.cancelled),
        one.row.paths,
        one.row.started_at,
        tuple(shares(states)),
        pages_tasks.progress(states),
        one.states.get(TaskState.SUCCEEDED, 0),
        one.tasks,
        one.asks,
        one.spent,
        taken,
        iso(now - taken) if works else None,
    )


def state_of(
    code: int | None, live: bool, waits: str | None, *, apart: bool, cut: str | None
) -> str:
    """`waits`: for what alone, while it goes on; `cut`: who cancelled it."""
    if code is None:
        return (waits or "running") if live else "broken off"
    if code == 1 and apart:
        return "result stays apart"
    if code == 130:
        return cut or "interrupted"
    if code == 3:
        return "needs an operator"
    return ENDS.get(code, f"ended with exit {code}")


def _live(past: Past, glance: Glance, told: Told, now: float) -> Live:
    doing = told.doing(past.row.id)
    running = past.watched.in_state(TaskState.RUNNING)
    lines = tuple(
        (task, plain(past.graph.tasks[task].title, 80), plain(doing.get(task, ""), 160))
        for task in running[:SHOWN_DOING]
    )
    return Live(listed(glance, now), lines, len(running) - len(lines))


def health_line(health: Health) -> dict[str, Any]:
    """What every page says of the daemon."""
    where = f"watches {plain(health.watching)}" if health.watching else "watches no folder"
    busy = f"{health.busy} of {counted(health.slots, 'slot')} busy"
    return {"health": health, "health_told": f"{where}, {busy}"}
