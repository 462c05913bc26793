"""A recorded run, opened to be looked at or answered: the journal's own plans and events. Refuses to change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import anyio

from orchestrator import journal, project, redact, settings, workspace
from orchestrator.cli.terminal import tell
from orchestrator.cli.watched import Watched
from orchestrator.engine import Order
from orchestrator.errors import SettingsError, UnknownRun, UsageError
from orchestrator.graph import TaskGraph
from orchestrator.history import Expiry, fold
from orchestrator.journal import RunRow, StoredPlan
from orchestrator.model import Event, RunId, Task, TaskId, TaskState
from orchestrator.project import Source
from orchestrator.reader.discover import project_root

INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Past:
    root: Path
    row: RunRow
    watched: Watched
    events: tuple[Event, ...]
    stored: tuple[StoredPlan, ...]
    live: bool  # an engine works on it now, as far as the lock and the events tell

    @property
    def graph(self) -> TaskGraph:
        return self.watched.graph

    @property
    def broken_off(self) -> bool:
        """Its engine died in it."""
        return self.row.exit_code is None and not self.live

    def state(self, task: TaskId) -> str:
        """Of a run that is broken off nothing runs."""
        state = self.watched.states[task]
        return INTERRUPTED if state is TaskState.RUNNING and self.broken_off else str(state)

    def task(self, name: str) -> Task:
        try:
            return project.task_named(self.graph, name)
        except UsageError as wrong:
            raise UsageError(f"run {self.row.id}: {wrong}") from None


def here() -> Path:
    """The project of the folder one stands in."""
    return project_root(Path.cwd())


def learn_secrets(root: Path) -> None:
    """Of the project's env_files: our own environment is known already. One that cannot be read is told where it is needed."""
    with suppress(SettingsError):
        chosen = settings.load(root).workspace
        redact.pardon(chosen.public_env)
        redact.learn(settings.env_files(root, chosen.env_files))


def reopen(
    root: Path, name: str | None, changes: Mapping[str, object] = MappingProxyType({})
) -> Past:
    """The run of that name, else the newest. `changes` are new words of its Order."""
    learn_secrets(root)
    live = journal.live_runs(root)  # before the events: one that ends meanwhile is not broken off
    with journal.reading(root) as book:
        if book.trouble:
            tell("warning", book.trouble, "yellow")
        row = book.find(name)
        stored, events = book.plans(row.id), tuple(book.events(row.id))
    sources = [Source(one.id, one.path, one.content) for one in stored]
    order = Order.model_validate({**row.asked, **changes})
    loaded = project.reload(root, sources, order.beside, isolated=order.isolated)
    graph = project.chosen(loaded.checked(), order.only, order.start, order.skip)
    watched = Watched(graph, order)
    for event in events:
        watched.apply(event)
    redact.spare((*project.names(root, loaded.plans), *_branch(watched)))
    return Past(root, row, watched, events, tuple(stored), row.id in (live or ()))


def _branch(watched: Watched) -> Iterator[str]:
    """Of the person, where the run began."""
    branch = (watched.history.ground or {}).get("branch")
    if branch:
        yield branch


def tell_of_loss(root: Path) -> None:
    """What the journal had once, and has not any more."""
    with suppress(UnknownRun), journal.reading(root) as book:
        if book.trouble:
            tell("warning", book.trouble, "yellow")


def names(root: Path) -> list[RunRow]:
    """Newest first; none if nothing ever ran here."""
    try:
        with journal.reading(root) as book:
            return book.runs()
    except UnknownRun:
        return []


def expiries(root: Path, rows: Sequence[RunRow]) -> dict[RunId, Expiry]:
    """Of the runs with an open question that grows too old: when the first of them does."""
    ended = (0, 1)  # all was answered
    found: dict[RunId, Expiry] = {}
    for row in rows:
        if row.exit_code not in ended:
            with journal.reading(root) as book:
                every = fold(book.events(row.id)).tasks.values()
            open_ = [one.expiry for one in every if one.expiry and one.answer is None]
            found |= {row.id: min(open_)} if open_ else {}
    return found


def waiting_results(root: Path, plans: Sequence[str]) -> dict[str, str]:
    """Of each plan that a run has done whose result nobody has taken: the branch that holds it."""
    newest = {plan: row for plan, row in _newest(root, plans).items() if row.exit_code == 0}
    held = ((plan, _held_by(root, row, plan)) for plan, row in newest.items())
    return {plan: branch for plan, branch in held if branch is not None}


def _held_by(root: Path, row: RunRow, plan: str) -> str | None:
    """Only if that run had all of the plan, as it is today."""
    order = Order.model_validate(row.asked)
    with journal.reading(root) as book:
        told = fold(book.events(row.id)).delivery
        stored = {one.path: one.content for one in book.plans(row.id)}
    same = stored.get(plan) == (root / plan).read_bytes()
    whole = not (order.only or order.start or order.skip)
    if told is None or told["why"] is None or not (same and whole):
        return None
    return anyio.run(workspace.untaken, root, told["branch"])


def not_done(root: Path, plans: Sequence[str]) -> dict[str, RunRow]:
    """Of each plan its newest run, if that is not done."""
    newest = _newest(root, plans)
    return {plan: row for plan, row in newest.items() if row.exit_code != 0}


def _newest(root: Path, plans: Sequence[str]) -> dict[str, RunRow]:
    rows = names(root)
    if not rows:
        return {}
    with journal.reading(root) as book:

        @cache
        def held(run: RunId) -> set[str]:
            return {one.path for one in book.plans(run)}

        newest = {
            plan: next((row for row in rows if plan in row.paths and plan in held(row.id)), None)
            for plan in plans
        }
    return {plan: row for plan, row in newest.items() if row is not None}
