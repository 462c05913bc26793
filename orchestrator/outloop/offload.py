"""Which tasks of a run a tool may try first, and what is booked when it did. Refuses to make a run fail: what goes wrong here is a note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import ledger
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
from orchestrator.outloop import matching, staying, store, toolbox
from orchestrator.outloop.matching import Match
from orchestrator.outloop.operation import operations
from orchestrator.outloop.store import Store
from orchestrator.settings import ledger_folder
from orchestrator.settings.outloop import PatternSettings

OF_THE_TOOL = {  # it ran, and ended by itself or by its own limits: that counts
    None, Failure.EXIT, Failure.TIMEOUT, Failure.STALLED, Failure.KILLED, Failure.VERIFY, Failure.INCONCLUSIVE,
    Failure.SCOPE, Failure.SECRET, Failure.NO_RESULT, Failure.REJECTED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """Of one run: what each matched task's tool is started with, and why it was matched."""

    matches: Mapping[TaskId, Match] = field(default_factory=dict)
    given: Mapping[TaskId, Offload] = field(default_factory=dict)
    stays: Mapping[TaskId, str] = field(default_factory=dict)  # with a model, and why, by pattern
    notes: tuple[str, ...] = ()


def find(root: Path, tasks: Iterable[Task], chosen: PatternSettings) -> Found:
    if not chosen.offload:
        return Found()
    try:
        known = list(_with_tools(root))
    except (OrchestratorError, OSError) as trouble:
        return Found(notes=(f"no task is offloaded to a tool: {trouble}",))
    matches, given, stays = dict[TaskId, Match](), dict[TaskId, Offload](), dict[TaskId, str]()
    notes = dict[str, None]()
    for task in tasks if known else ():
        found = matching.match(task, known, floor=chosen.match, margin=chosen.margin)
        if isinstance(found, str):
            if why := staying.why(task, known, found, str(root)):
                stays[task.id] = why
            continue
        tool, commands = found.tool, to_run(task, found.pattern, str(root))
        if commands and (unsound := toolbox.trouble(tool)):
            stays[task.id] = unsound
            notes[f"{unsound}; a model does its tasks"] = None
        elif commands:
            matches[task.id] = found
            given[task.id] = toolbox.order(tool, commands)
        else:
            stays[task.id] = staying.no_command(found.pattern)
    return Found(matches, given, stays, tuple(notes))


def _with_tools(root: Path) -> Iterator[tuple[Pattern, Tool]]:
    """`match` takes only those of them that are active with a tool that is enabled."""
    with store.reading(root) as book:
        if book is None:
            return
        tools = {tool.name: tool for tool in toolbox.known(book)}
        for one in book.patterns():
            in_use = one.status in (PatternStatus.ACTIVE, PatternStatus.IMPLEMENTED)
            if in_use and one.tool in tools:
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
    if found is None:
        return "it is removed"
    is_off = found.status is ToolStatus.DISABLED
    return (found.why or "somebody disabled it") if is_off else ""


def workflow(run: RunId, task: TaskId, number: int) -> str:
    return f"{run} {task} {number}"


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
    """Of a try that has ended, once: why its tool is disabled from now on, and the trouble, if there was some."""
    if not counts(tried):
        return "", ""
    name = workflow(run, task, tried.number)
    try:
        with store.reading(root) as there:
            if there is not None and there.has_call(name):
                return "", ""
        with store.writing(root) as books:
            return keep(books, name, tried, chosen.match), ""
    except (OrchestratorError, OSError) as trouble:
        return "", f"what the tool {tried.route.tool} did is not booked: {trouble}"


def counts(tried: Tried) -> bool:
    """It is a tool's, and says something of it."""
    route, outcome = tried.route, tried.outcome
    is_of_a_tool = route.tool is not None and route.pattern is not None
    return is_of_a_tool and outcome is not None and outcome.failure in OF_THE_TOOL


def keep(books: Store, name: str, tried: Tried, floor: float) -> str:
    """Of one that `counts`: why its tool is disabled from now on. `floor` as [patterns] match has it."""
    outcome, route = tried.outcome, tried.route
    assert outcome is not None
    assert route.tool is not None
    assert route.pattern is not None
    if books.has_call(name):
        return ""
    toolbox.register(books)
    ok = outcome.verdict is not None and outcome.verdict.verified is Verified.COMMAND and outcome.ok
    at = tried.finished_at or tried.started_at
    before = books.baseline(route.pattern, floor) if ok else None
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
    return "" if ok else _judged(books, tool)


def take_back(root: Path, name: str) -> tuple[Tool | None, str]:
    """The work of that workflow is wrong after all: no saving, and a failure. Its tool, None: it was none's; and why that is disabled from now on."""
    with store.reading(root) as there:
        if there is None or not there.has_call(name):
            return None, ""
    with store.writing(root) as books:
        tool = books.take_back(name)
        return tool, _judged(books, tool) if tool else ""


def amended(root: Path, run: str, task: str, attempt: int) -> tuple[Tool | None, str]:
    """The same of an attempt as the ledger names it."""
    with store.reading(root) as there:
        every = there.calls_of(run) if there else []
    for name in every:
        _, own, number = name.split(" ")[0], *name.partition(" ")[2].rsplit(" ", 1)
        if (ledger.normalise_id(own), int(number)) == (task, attempt):
            return take_back(root, name)
    return None, ""


def refuted(run: RunId, tries: Iterable[tuple[TaskId, Tried]]) -> list[tuple[TaskId, int]]:
    """Those that passed, and are wrong by the ledger's last word. RecordError where it cannot be read.

    To be asked after they are booked: who amends one takes it back where it is booked, and here is asked what was said before that.
    """
    passed = {
        (run, ledger.normalise_id(task), one.number): (task, one)
        for task, one in tries
        if counts(one) and one.outcome is not None and one.outcome.ok
    }
    if not passed:
        return []
    since = min(one.finished_at or one.started_at for _, one in passed.values())
    lines = ledger.skim(ledger_folder(), since).amendments
    said = {line.identity: line.outcome for line in lines}  # of several the last one counts
    return [(task, one.number) for key, (task, one) in passed.items() if said.get(key) == "failed"]


def _judged(books: Store, tool: Tool) -> str:
    why = toolbox.unfit(tool)
    if why and tool.status is ToolStatus.ENABLED:
        toolbox.disable(books, tool.name, why, toolbox.OURSELVES)
    return why
