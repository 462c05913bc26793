"""Plans that may run -> a run that can begin. Refuses, by plan, what could not end well, and tasks that were done with the same text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from orchestrator import disk, engine, project, workspace
from orchestrator.daemon import thrift
from orchestrator.daemon.queue import Refusal
from orchestrator.engine import Crew
from orchestrator.errors import PlanError, UsageError
from orchestrator.history import fold
from orchestrator.journal import Journal
from orchestrator.model import Plan, RunId, Task, TaskState
from orchestrator.order import Order
from orchestrator.project import Loaded, Source
from orchestrator.settings import Settings
from orchestrator.views.watched import Watched

UNFINISHED = "G513"  # it waits for a plan that has a turn of its own


class NothingLeft(UsageError):
    """A text that is new and asks for nothing that is."""


@dataclass(frozen=True, slots=True)
class Ready:
    sources: Sequence[Source]
    loaded: Loaded
    order: Order
    crew: Crew


async def prepare(
    root: Path,
    sources: Sequence[Source],
    settings: Settings,
    priority: int,
    done: Callable[[Plan], Iterable[str]],
) -> Ready:
    """`done` names the tasks of a plan that another run has done with the same text. PlanError and SettingsError say why not.

    The plans and a long ledger are read in a thread: the other runs go on meanwhile.
    """
    loaded = await to_thread.run_sync(_load, root, sources, settings)
    looked = await workspace.examine(root)
    unfit = looked if isinstance(looked, workspace.Unfit) else None
    choice = workspace.choose(loaded.plans, settings.workspace.mode, unfit)
    order = Order(
        skip=tuple(task for plan in loaded.plans for task in done(plan)),
        wait=True,
        workers=settings.run.workers,
        isolated=choice.isolated,
        priority=priority,
        unattended=True,
    )
    return await to_thread.run_sync(_staff, root, sources, loaded, order, settings)


def _load(root: Path, sources: Sequence[Source], settings: Settings) -> Loaded:
    files = [root / one.path for one in sources]
    loaded = project.load(root, sources, settings.reader, project.others(root, files))
    loaded.checked()
    return loaded


def _staff(
    root: Path, sources: Sequence[Source], loaded: Loaded, order: Order, settings: Settings
) -> Ready:
    if order.isolated:
        loaded = project.isolate(loaded)
    else:
        disk.refuse_unwritable(root / one.path for one in sources)
    graph = loaded.checked()
    if set(order.skip) >= set(graph):
        raise NothingLeft("all of its tasks are done, with the same text")
    graph = project.chosen(graph, (), (), order.skip)
    crew = engine.prepare(root, graph, settings)
    thrift.refuse_unapproved(root, sources, graph, crew)
    return Ready(sources, loaded, order, crew)


def refusals(paths: Sequence[str], error: Exception) -> dict[str, Refusal]:
    """Of the plans that are to blame, else of all: why, and whether it only waits for another plan."""
    if isinstance(error, thrift.Unapproved):
        return dict(error.parts)
    if not isinstance(error, PlanError):
        return dict.fromkeys(paths, Refusal(str(error), isinstance(error, UsageError)))
    found: dict[str, Refusal] = {}
    for one in error.diagnostics:
        if one.severity == "error" and one.file not in found:
            text = f"{one.file}:{one.line}:{one.column}: {one.message}"
            found[one.file] = Refusal(text, one.code == UNFINISHED)
    return found or dict.fromkeys(paths, Refusal(str(error), waits=False))


def done_before(book: Journal, run: RunId, path: str, plan: Plan) -> Iterator[str]:
    """Tasks of this plan that the run has done with the same text, and whose work the person has."""
    history = fold(book.events(run))
    delivery = history.delivery
    if history.ground is not None and (delivery is None or delivery["why"] is not None):
        return  # what it did lies on a branch of its own
    row = book.find(run)
    sources = [Source(one.id, one.path, one.content) for one in book.plans(run)]
    order = Order.model_validate(row.asked)
    loaded = project.reload(book.path.parent.parent, sources, order.beside, isolated=False)
    old = next((one for one in loaded.plans if one.path == path), None)
    if old is None or loaded.graph is None:
        return
    watched = Watched(project.chosen(loaded.graph, order.only, order.start, order.skip), order)
    for event in book.events(run):
        watched.apply(event)
    texts = {task.id: _text(task) for task in old.tasks}
    for task in plan.tasks:
        before = watched.states.get(task.id) is TaskState.SUCCEEDED or task.id in order.skip
        if before and texts.get(task.id) == _text(task):
            yield task.id


def _text(task: Task) -> object:
    """All that it says, wherever it stands."""
    return _unplaced(task.model_dump(mode="json"))


def _unplaced(value: object) -> object:
    if isinstance(value, dict):
        return {key: _unplaced(one) for key, one in value.items() if key != "position"}
    return [_unplaced(one) for one in value] if isinstance(value, list) else value
