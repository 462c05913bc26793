"""A recorded run, opened to be looked at or answered: the journal's own plans and events. Refuses to change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from orchestrator import journal, project, settings
from orchestrator.cli.watched import Watched
from orchestrator.engine import Order
from orchestrator.errors import UnknownRun, UsageError
from orchestrator.graph import TaskGraph
from orchestrator.journal import RunRow
from orchestrator.model import Event, PlanId, Task
from orchestrator.project import Source
from orchestrator.reader.discover import project_root


@dataclass(frozen=True, slots=True)
class Past:
    root: Path
    row: RunRow
    watched: Watched
    events: tuple[Event, ...]
    paths: Mapping[PlanId, str]

    @property
    def graph(self) -> TaskGraph:
        return self.watched.graph

    @property
    def live(self) -> bool:
        """An engine works on it now, as far as the lock and the events tell."""
        return self.row.exit_code is None and journal.is_live(self.root)

    def task(self, name: str) -> Task:
        try:
            return project.task_named(self.graph, name)
        except UsageError as wrong:
            raise UsageError(f"run {self.row.id}: {wrong}") from None


def here() -> Path:
    """The project of the folder one stands in."""
    return project_root(Path.cwd())


def reopen(
    root: Path, name: str | None, changes: Mapping[str, object] = MappingProxyType({})
) -> Past:
    """The run of that name, else the newest. `changes` are new words of its Order."""
    with journal.reading(root) as book:
        row = book.find(name)
        stored, events = book.plans(row.id), tuple(book.events(row.id))
    chosen = settings.load(root)
    sources = [Source(one.id, one.path, one.content) for one in stored]
    order = Order.model_validate({**row.asked, **changes})
    loaded = project.load(root, sources, chosen.reader)
    graph = project.chosen(loaded.checked(), order.only, order.start, order.skip)
    watched = Watched(graph, order)
    for event in events:
        watched.apply(event)
    return Past(root, row, watched, events, {one.id: one.path for one in stored})


def names(root: Path) -> list[RunRow]:
    """Newest first; none if nothing ever ran here."""
    try:
        with journal.reading(root) as book:
            return book.runs()
    except UnknownRun:
        return []
