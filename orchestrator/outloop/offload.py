"""Which tasks of a run a tool may try first, and what is booked when it did. Refuses to make a run fail: what goes wrong here is a note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from orchestrator.errors import OrchestratorError
from orchestrator.history import Tried
from orchestrator.model import Failure, RunId, Task, TaskId, Verified
from orchestrator.model.outloop import (
    Occurrence,
    Offload,
    Optimization,
    Pattern,
    PatternStatus,
    Saving,
    Tool,
    ToolCall,
    ToolStatus,
)
from orchestrator.outloop import matching, store, toolbox
from orchestrator.outloop.matching import Match
from orchestrator.outloop.operation import operations
from orchestrator.outloop.store import Store
from orchestrator.settings.outloop import PatternSettings

OF_THE_TOOL = {  # it ran, and ended by itself or by its own limits: that counts
    None, Failure.EXIT, Failure.TIMEOUT, Failure.STALLED, Failure.KILLED, Failure.VERIFY, Failure.INCONCLUSIVE,
    Failure.SCOPE, Failure.SECRET, Failure.NO_RESULT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """Of one run: what each matched task's tool is started with, and why it was matched."""

    matches: Mapping[TaskId, Match] = field(default_factory=dict)
    given: Mapping[TaskId, Offload] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Baseline(NamedTuple):
    """What whole tasks of one pattern used: the mean of `n` that were measured."""

    tokens: int
    cost_usd: float
    n: int


def find(root: Path, tasks: Iterable[Task], chosen: PatternSettings) -> Found:
    if not chosen.offload:
        return Found()
    try:
        active = list(_active(root))
    except (OrchestratorError, OSError) as trouble:
        return Found(notes=(f"no task is offloaded to a tool: {trouble}",))
    matches, given = dict[TaskId, Match](), dict[TaskId, Offload]()
    for task in tasks if active else ():
        found = matching.match(task, active, floor=chosen.match, margin=chosen.margin)
        if isinstance(found, str):
            continue
        tool, commands = found.tool, to_run(task, found.pattern, str(root))
        if commands:
            matches[task.id] = found
            given[task.id] = Offload(
                tool=tool.name, script=tool.script, commands=commands,
                timeout_s=tool.timeout_s, writes=tool.writes,
            )  # fmt: skip
    return Found(matches, given)


def _active(root: Path) -> Iterator[tuple[Pattern, Tool]]:
    with store.reading(root) as book:
        if book is None:
            return
        tools = {tool.name: tool for tool in toolbox.known(book)}
        for one in book.patterns():
            if one.status is PatternStatus.ACTIVE and one.tool in tools:
                yield one, tools[one.tool]


def to_run(task: Task, pattern: Pattern, root: str) -> tuple[str, ...]:
    """The task's own checks that do nothing but this verb; none: no tool does it. What was run elsewhere is never run."""
    verb, *_ = pattern.signature.split(":")
    return tuple(
        command
        for command in task.commands
        if {one.verb for one in operations(command, root)} == {verb}
    )


def disabled(root: Path, name: str) -> str:
    """Why it may not work now, whoever said so; empty: it may, or that cannot be read."""
    try:
        with store.reading(root) as books:
            found = next((one for one in toolbox.known(books) if one.name == name), None)
    except (OrchestratorError, OSError):
        return ""
    is_off = found is not None and found.status is ToolStatus.DISABLED
    return (found.why or "somebody disabled it") if found and is_off else ""


def workflow(run: RunId, task: TaskId, number: int) -> str:
    return f"{run} {task} {number}"


def booked(root: Path) -> set[str]:
    """The tries of tools that are in the store."""
    with store.reading(root) as books:
        return {one.workflow for one in books.calls()} if books else set()


def baseline(seen: Sequence[Occurrence], least: float) -> Baseline | None:
    """Of live tasks that were nothing but this; None where none was measured."""
    whole = measured(seen, least)
    if not whole:
        return None
    costs = [one.cost_usd for one in whole if one.cost_usd is not None]
    tokens = fmean(one.tokens or 0 for one in whole)
    return Baseline(round(tokens), fmean(costs) if costs else 0.0, len(whole))


def measured(seen: Sequence[Occurrence], least: float) -> list[Occurrence]:
    """Those a baseline is made of: live, nothing but this, with known tokens; each task once."""
    return list(
        {
            one.workflow: one
            for one in seen
            if one.live and one.similarity >= least and one.tokens is not None
        }.values()
    )


def book(
    root: Path, run: RunId, task: TaskId, tried: Tried, chosen: PatternSettings
) -> tuple[str, str]:
    """Of a try that has ended: why its tool is disabled from now on, and the trouble, if there was some."""
    outcome, route = tried.outcome, tried.route
    if outcome is None or not route.tool or not route.pattern or outcome.failure not in OF_THE_TOOL:
        return "", ""
    try:
        with store.writing(root) as books:
            return _book(books, workflow(run, task, tried.number), tried, chosen), ""
    except (OrchestratorError, OSError) as trouble:
        return "", f"what the tool {route.tool} did is not booked: {trouble}"


def _book(books: Store, name: str, tried: Tried, chosen: PatternSettings) -> str:
    outcome, route = tried.outcome, tried.route
    assert outcome is not None
    assert route.tool is not None
    assert route.pattern is not None
    toolbox.register(books)
    ok = outcome.verdict is not None and outcome.verdict.verified is Verified.COMMAND and outcome.ok
    at = tried.finished_at or tried.started_at
    seen = books.occurrences(books.find(route.pattern).id)
    before = baseline(seen, chosen.match) if ok else None
    call = ToolCall(
        tool=route.tool,
        pattern=route.pattern,
        workflow=name,
        at=at,
        duration_s=outcome.duration_s,
        ok=ok,
        tokens_saved=before.tokens if before else 0,
        cost_saved_usd=before.cost_usd if before else 0.0,
    )
    tool = books.book_call(call)
    if before:
        saving = Saving(
            at=at,
            kind=Optimization.PATTERN_OFFLOAD,
            workflow=name,
            pattern=route.pattern,
            tokens=before.tokens,
            cost_usd=before.cost_usd,
            baseline=before.n,
        )
        books.book_saving(saving)
    why = "" if ok else toolbox.unfit(tool)
    if why and tool.status is ToolStatus.ENABLED:
        toolbox.disable(books, tool.name, why, toolbox.OURSELVES)
    return why
