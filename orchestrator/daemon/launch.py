"""Plans that may run -> a run that can begin. Refuses, by plan, what could not end well, and tasks that were done with the same text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from orchestrator import disk, engine, journal, project, workspace
from orchestrator.daemon import thrift
from orchestrator.daemon.queue import Refusal
from orchestrator.engine import Crew
from orchestrator.errors import PlanError, UsageError
from orchestrator.model import DoneBefore, Plan, RunId
from orchestrator.order import Order
from orchestrator.project import Loaded, Source
from orchestrator.settings import Settings
from orchestrator.views.before import done_before

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
    before: Mapping[str, RunId],
) -> Ready:
    """`before` names the run of each plan whose tasks with the same text are not done again. PlanError and SettingsError say why not.

    The plans, their past and a long ledger are read in a thread: the other runs go on meanwhile.
    """
    loaded = await to_thread.run_sync(_load, root, sources, settings)
    looked = await workspace.examine(root)
    unfit = looked if isinstance(looked, workspace.Unfit) else None
    choice = workspace.choose(loaded.plans, settings.workspace.mode, unfit)
    order = Order(
        done_before=await to_thread.run_sync(_done, root, loaded.plans, before),
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


def _done(root: Path, plans: Iterable[Plan], before: Mapping[str, RunId]) -> tuple[DoneBefore, ...]:
    past = [(before[plan.path], plan) for plan in plans if plan.path in before]
    if not past:
        return ()
    with journal.reading(root) as book:
        return tuple(one for run, plan in past for one in done_before(book, run, plan))


def _staff(
    root: Path, sources: Sequence[Source], loaded: Loaded, order: Order, settings: Settings
) -> Ready:
    if order.isolated:
        loaded = project.isolate(loaded)
    else:
        disk.refuse_unwritable(root / one.path for one in sources)
    graph = loaded.checked()
    if set(order.left_out) >= set(graph):
        raise NothingLeft("all of its tasks are done, with the same text")
    graph = project.chosen(graph, (), (), order.left_out)
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
