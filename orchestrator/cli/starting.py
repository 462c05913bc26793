"""From the words of `run` to a run that is over: which plans, their graph, the engine, the report. Refuses foreign projects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio

from orchestrator import disk, engine, project, prompt, workspace
from orchestrator.cli import (
    diagnostics,
    ending,
    past,
    preflight,
    rehearsal,
    remote,
    screen,
    standing,
)
from orchestrator.cli.terminal import err, show_json, tell
from orchestrator.errors import UsageError
from orchestrator.graph import TaskGraph
from orchestrator.intelligence import runs, sharing
from orchestrator.model import Quality, RunId
from orchestrator.order import Order
from orchestrator.project import Loaded, Source
from orchestrator.reader import discover
from orchestrator.settings import Settings
from orchestrator.views import documents
from orchestrator.views.text import NEXT, command, plain
from orchestrator.views.watched import Watched
from orchestrator.views.words import Words
from orchestrator.workspace import Choice, Facts


@dataclass(frozen=True, slots=True)
class Asked:
    """What stood on the command line."""

    paths: tuple[Path, ...]
    # only, from, skip
    chosen: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] = ((), (), ())
    workers: int | None = None
    budget: tuple[float | None, int | None] = (None, None)  # dollars, tokens
    plan_budget: tuple[float | None, int | None] = (None, None)  # of each plan
    ask_usd: float | None = None
    quality: str = Quality.SHINY
    again: bool = False
    yes: bool = False
    wait: bool = False
    fail_fast: bool = False
    ignore_deps: bool = False
    modes: tuple[str | None, str | None] = (None, None)  # of the workspace, of the sandbox
    include_dirty: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """All that a run needs, and nothing of it has touched the disk yet."""

    root: Path
    settings: Settings
    order: Order
    sources: tuple[Source, ...]
    loaded: Loaded
    graph: TaskGraph
    choice: Choice
    facts: Facts | None
    notes: tuple[str, ...]  # of its settings


def run(asked: Asked) -> int:
    project.find(asked.paths)  # what is not there is told before anything else
    root = discover.project_root(asked.paths[0])
    if (daemon := remote.find(root)) is not None:
        files = choose(root, asked)
        flags = _flags(asked)
        return remote.enqueue(daemon, files, flags, again=asked.again, as_json=asked.as_json)
    ready = prepare(asked)
    if ready is None:
        if asked.as_json:
            show_json(documents.NOTHING)
        return 0
    # refuses before anything is shown
    crew = engine.prepare(ready.root, ready.graph, ready.settings, quality=ready.order.quality)
    _warn_of_context(ready)
    if not asked.again:
        _note_open_runs(ready)
    firsts = {task: tries[0] for task, tries in crew.ladders.items()}
    preflight.check(
        ready.root, ready.graph, firsts, ready.settings, ready.order, as_json=asked.as_json
    )
    return watch(
        ready.root,
        Words(Watched(ready.graph, ready.order), ready.root, _notes(ready)),
        lambda seen: engine.begin(
            ready.root, ready.sources, ready.loaded, ready.order, ready.settings, seen, crew=crew
        ),
        as_json=asked.as_json,
    )


def _flags(asked: Asked) -> dict[str, object]:
    """What a daemon does by its own settings."""
    names = ("workers", "yes", "wait", "fail_fast", "ignore_deps", "include_dirty")
    quality = None if asked.quality == Quality.SHINY else asked.quality
    return {
        **{name: getattr(asked, name) for name in names},
        **dict(zip(("only", "from", "skip"), asked.chosen, strict=True)),
        **_given(("budget_usd", "budget_tokens"), asked.budget),
        **_given(("plan_budget_usd", "plan_budget_tokens"), asked.plan_budget),
        **_given(("ask_usd",), (asked.ask_usd,)),
        **dict(zip(("workspace", "sandbox"), asked.modes, strict=True)),
        "quality": quality,
    }


def _given(names: tuple[str, ...], values: tuple[float | None, ...]) -> dict[str, bool]:
    """Of a budget 0 is a word, too."""
    return {name: value is not None for name, value in zip(names, values, strict=True)}


def preview(asked: Asked) -> int:
    ready = prepare(asked)
    if ready is not None:
        _warn_of_context(ready)
        rehearsal.show(
            ready.root,
            ready.graph,
            ready.settings,
            _notes(ready),
            ready.order,
            as_json=asked.as_json,
        )
    elif asked.as_json:
        show_json(documents.NOTHING)
    return 0


def prepare(asked: Asked) -> Ready | None:
    """None: there is nothing to do, and it has been said why."""
    project.find(asked.paths)  # what is not there is told before anything else
    root = discover.project_root(asked.paths[0])
    diagnostics.warn(root, project.misnamed(root, asked.paths))
    files = choose(root, asked)
    if not files:
        return None
    flags = {
        "run": {"workers": asked.workers},
        "workspace": {"mode": asked.modes[0]},
        "sandbox": {"mode": asked.modes[1]},
        "budget": {"ask_usd": asked.ask_usd},
    }
    chosen, notes = runs.load(root, flags)
    beside = () if asked.ignore_deps else project.others(root, files)
    sources = tuple(project.sources(root, files))
    loaded = project.load(root, sources, chosen.reader, beside)
    diagnostics.checked(root, loaded)
    looked = anyio.run(workspace.examine, root)
    unfit = looked if isinstance(looked, workspace.Unfit) else None
    choice = workspace.choose(loaded.plans, chosen.workspace.mode, unfit)
    loaded = project.isolate(loaded) if choice.isolated else loaded
    order = _order(asked, chosen, choice)
    graph = project.chosen(loaded.checked(), order.only, order.start, order.skip)
    done = past.done_before(root, loaded.plans, set(graph))
    order = order.model_copy(update={"done_before": done})
    facts = None if isinstance(looked, workspace.Unfit) or not choice.isolated else looked
    return Ready(root, chosen, order, sources, loaded, graph, choice, facts, notes)


def choose(root: Path, asked: Asked) -> list[Path]:
    """The plans to run. Each named one that is not run is explained."""
    chosen: dict[Path, None] = {}
    for path in asked.paths:
        found = [_inside(root, one) for one in project.find([path])]
        live = [one for one in found if not discover.is_archived(one.relative_to(root))]
        again = [one for one in live if not discover.is_superseded(one)]
        wanted = again if asked.again else project.unfinished(root, live)
        if not wanted:
            _explain_nothing(root, path, found)
        chosen.update(dict.fromkeys(wanted))
    return list(chosen) if asked.again else _without_done(root, list(chosen))


def _without_done(root: Path, plans: list[Path]) -> list[Path]:
    """What a run has done is not done again because its result is still on its branch."""
    names = {one.relative_to(root).as_posix(): one for one in plans}
    held = past.waiting_results(root, list(names))
    for name, branch in held.items():
        anew = f"{NEXT}{command('run', '--again', name)} runs it anew"
        why = f"{name} is done, and nobody has taken its result: git merge {branch}{anew}"
        tell("nothing to do", why)
    return [one for name, one in names.items() if name not in held]


def watch(
    root: Path,
    words: Words,
    begin: Callable[[engine.Screen], Awaitable[tuple[RunId, int]]],
    *,
    as_json: bool,
) -> int:
    """The engine and the screen side by side, then the report."""
    watched = words.watched
    with sharing.shared(root, lambda: watched.run, lambda told: tell("warning", told, "yellow")):
        with screen.choose(words, as_json=as_json) as seen:
            run_id, code = anyio.run(_side_by_side, seen, begin)
        summaries = ending.relative(root, list(seen.written))
        if as_json:
            show_json(documents.document(watched, run_id, code, summaries))
        else:
            ending.report(ending.End(watched, run_id, code, root), summaries)
    return code


async def _side_by_side(
    seen: screen.PlainScreen, begin: Callable[[engine.Screen], Awaitable[tuple[RunId, int]]]
) -> tuple[RunId, int]:
    async with anyio.create_task_group() as group:
        group.start_soon(seen.keep_fresh)
        ended = await begin(seen)
        group.cancel_scope.cancel()
    return ended


def _order(asked: Asked, chosen: Settings, choice: Choice) -> Order:
    return Order(
        only=asked.chosen[0],
        start=asked.chosen[1],
        skip=asked.chosen[2],
        yes=asked.yes,
        wait=asked.wait,
        fail_fast=asked.fail_fast,
        workers=chosen.run.workers,
        budget_usd=asked.budget[0],
        budget_tokens=asked.budget[1],
        plan_budget_usd=asked.plan_budget[0],
        plan_budget_tokens=asked.plan_budget[1],
        quality=Quality(asked.quality),
        isolated=choice.isolated,
        include_dirty=asked.include_dirty,
    )


def _inside(root: Path, file: Path) -> Path:
    if not file.is_relative_to(root):
        raise UsageError(f"{file} is outside of the project {root}. Next: run it on its own")
    return file


def _note_open_runs(ready: Ready) -> None:
    """Who starts a plan anew may have meant to go on with it."""
    plans = [one.path for one in ready.sources]
    told = set[RunId]()
    for plan, row in past.not_done(ready.root, plans).items():
        if row.id not in told:
            told.add(row.id)
            which = "this plan" if len(plans) == 1 else diagnostics.near(ready.root, plan)
            step = f"{command('resume', row.id)} goes on with it"
            err().print(f"note: run {row.id} of {which} is not done; {step}")


def _notes(ready: Ready) -> list[str]:
    where = standing.notes(
        ready.root,
        [one.path for one in ready.sources],
        [file for task in ready.graph.tasks.values() for file in task.files or ()],
        ready.choice,
        ready.facts,
        ready.settings.workspace,
        include_dirty=ready.order.include_dirty,
    )
    return [*where, *ready.notes]


def _warn_of_context(ready: Ready) -> None:
    """What agents are told to read and what is not there: better known before the night than after it."""
    for plan in ready.loaded.plans:
        missing = disk.absent(ready.root, prompt.referred(plan))
        if missing:
            names = ", ".join(f"@{plain(name, 80)}" for name in missing)
            where = diagnostics.near(ready.root, plan.path)
            tell("warning", f"{where}: its <context> names what is not there: {names}", "yellow")


def _explain_nothing(root: Path, path: Path, found: list[Path]) -> None:
    anew = f"{NEXT}{command('run', '--again', str(path))} runs "
    if path.is_dir():
        why = f"all plans in {path} are finished{anew}them anew"
    elif discover.is_archived(found[0].relative_to(root)):
        why = f"{path} is archived under milestones/, and archived plans are not run"
    elif discover.is_finished(found[0]):
        summary = diagnostics.near(
            root, discover.summary_path(found[0]).relative_to(root).as_posix()
        )
        why = f"{summary} stands beside it{anew}it anew"
    else:
        why = f"{path} says status: superseded"
    tell("nothing to do", why)
