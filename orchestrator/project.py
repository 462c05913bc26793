"""Words on a command line -> plans, their graph, and all that is wrong with them. Reads files; runs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from orchestrator import disk, lint, reader
from orchestrator.errors import PlanError, UsageError
from orchestrator.graph import KnownPlan, TaskGraph, build
from orchestrator.model import Diagnostic, Plan, PlanId, Position, Severity, Task, TaskId
from orchestrator.model.codes import diagnostic
from orchestrator.reader import bounded, discover
from orchestrator.settings import ReaderSettings


@dataclass(frozen=True, slots=True)
class Source:
    """One plan file as bytes. `path` is relative to the root, with `/`."""

    id: PlanId
    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """Plans with everything that was found in them. `graph` is None if there is an error."""

    plans: tuple[Plan, ...]
    graph: TaskGraph | None
    diagnostics: tuple[Diagnostic, ...]
    texts: Mapping[str, str]  # path -> decoded text, to show the line
    tasks: Mapping[str, int]  # path -> tasks that were recognised
    beside: tuple[KnownPlan, ...]  # the plans outside that the graph was built with
    partial: TaskGraph | None = None  # the graph though something else is wrong; for looking only

    @property
    def errors(self) -> list[Diagnostic]:
        return [one for one in self.diagnostics if one.severity is Severity.ERROR]

    def checked(self) -> TaskGraph:
        """The graph, or PlanError with all that is wrong."""
        if self.graph is None:
            count = len(self.errors)
            raise PlanError(f"{count} error{'s' * (count > 1)} in the plan", self.diagnostics)
        return self.graph


def find(paths: Sequence[Path]) -> list[Path]:
    """Plan files at or below the given paths; a path without any is a usage error."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        here = discover.plan_files(path)
        if not here:
            raise UsageError(f"{path}: no PLAN.md and no *-PLAN.md in it")
        found.update(dict.fromkeys(Path(os.path.realpath(one)) for one in here))
    for file in found:
        if "\ufffd" in os.fsencode(file).decode("utf-8", "replace"):
            raise UsageError(f"{str(file)!a}: the name is not UTF-8; rename it")
    return list(found)


def refuse_outside(root: Path, files: Iterable[Path]) -> None:
    """UsageError where one leads to elsewhere: what lies there is nobody's to change here, and no hash of ours is of it for long."""
    for file in files:
        if why := outside(root, file):
            raise UsageError(f"{_relative(root, file)}: {why}")


def outside(root: Path, file: Path) -> str | None:
    """Why a file is none of the project, whatever its name: by a link, it may be. Of every link, also one to itself."""
    place = os.path.realpath(file)
    if Path(place).is_relative_to(os.path.realpath(root)):
        return None
    return f"it is outside of the project (at {place}); put the file itself into the project"


def misnamed(root: Path, paths: Sequence[Path]) -> list[Diagnostic]:
    """A warning for each file in folders that holds a plan and is passed over for its name."""
    found = {one.resolve() for path in paths if path.is_dir() for one in discover.misnamed(path)}
    text = (
        "this looks like a plan and is passed over for its name; call it NN-NN-PLAN.md or PLAN.md"
    )
    top = Position(line=1, column=1)
    return [diagnostic("N001", _relative(root, one), top, text) for one in sorted(found)]


def sources(root: Path, files: Sequence[Path], most: int | None = None) -> list[Source]:
    """`most`: bytes of each; UsageError where one has more."""
    paths = {file: _relative(root, file) for file in files}
    ids = reader.labels(list(paths.values()))
    return [Source(ids[path], path, _bytes(file, most)) for file, path in paths.items()]


def unfinished(root: Path, files: Sequence[Path]) -> list[Path]:
    """Those that are still to be done: no SUMMARY, not superseded, not archived."""
    return [f for f in files if not discover.is_archived(f.relative_to(root)) and not is_over(f)]


def is_over(file: Path) -> bool:
    return discover.is_finished(file) or discover.is_superseded(file)


def others(root: Path, files: Sequence[Path]) -> list[KnownPlan]:
    """The plans beside those of a run, in their phases' home: what depends_on may name."""
    homes = {_home(file) for file in files}
    known = {one.resolve() for home in homes for one in discover.plan_files(home)}
    return [
        KnownPlan(path=_relative(root, one), finished=is_over(one), halted=discover.is_halted(one))
        for one in sorted(known - set(files))
    ]


def _home(file: Path) -> Path:
    """The folder of all phases for a plan of a phase, else the plan's own."""
    folder = file.parent.parent if file.parent.name == "plans" else file.parent
    phases = folder.parent
    return phases if phases.name == "phases" or phases.name.endswith("-phases") else file.parent


def reload(
    root: Path, given: Sequence[Source], beside: Sequence[KnownPlan], *, isolated: bool
) -> Loaded:
    """The plans of a recorded run. They were accepted once: limits, rules and disk of today do not count."""
    size = max((len(source.content) for source in given), default=1)
    limits = ReaderSettings(max_bytes=max(size, 1), max_tasks=max(size, 1))
    loaded = load(root, given, limits, beside, accepted=True)
    return isolate(loaded) if isolated else loaded


def load(
    root: Path,
    given: Sequence[Source],
    limits: ReaderSettings,
    beside: Sequence[KnownPlan] = (),
    *,
    accepted: bool = False,
) -> Loaded:
    """Everything that is wrong is found at once: text, values, paths, graph."""
    plans, said, texts, counts = list[Plan](), list[Diagnostic](), dict[str, str](), {}
    for source in given:
        reading = reader.read(
            source.content,
            source.path,
            id=source.id,
            max_bytes=limits.max_bytes,
            max_tasks=limits.max_tasks,
        )
        said += reading.diagnostics
        texts[source.path], counts[source.path] = reading.text, reading.tasks
        if reading.plan is not None:
            plans.append(reading.plan)
            said += () if accepted else _rules(reading.plan, root)
    graph, about_graph = build(plans, beside)
    said += about_graph
    partial = graph
    if any(one.severity is Severity.ERROR for one in said):
        graph = None
    order = {source.path: number for number, source in enumerate(given)}
    said.sort(key=lambda one: (order.get(one.file, 0), one.line, one.column, one.code))
    return Loaded(tuple(plans), graph, tuple(said), texts, counts, tuple(beside), partial)


def isolate(loaded: Loaded) -> Loaded:
    """The same plans where each attempt has a worktree of its own: nobody waits because of unknown files."""
    graph = loaded.graph and loaded.graph.isolated()
    return replace(loaded, graph=graph)


def _rules(plan: Plan, root: Path) -> Iterator[Diagnostic]:
    yield from lint.check(plan)
    yield from disk.check(plan, root)


def names(root: Path, plans: Iterable[Plan]) -> Iterator[str]:
    """What a person has called the parts of a project: whoever runs the plans acts on these."""
    yield str(root)
    for plan in plans:
        yield from (plan.path, plan.id, *(one.path for one in plan.must_haves.artifacts))
        for task in plan.tasks:
            yield from (task.id, *(task.files or ()), *(option.id for option in task.options))


def task_named(graph: TaskGraph, name: str) -> Task:
    """The task of a name on the command line: "08-02/4", or "4" where there is one plan."""
    if TaskId(name) in graph.tasks:
        return graph.tasks[TaskId(name)]
    matches = list(_matching(graph.tasks.values(), name)) if len(graph.plans) == 1 else []
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(list(graph.tasks)[:12]) + (", ..." if len(graph.tasks) > 12 else "")
    raise UsageError(f"no task is called {name!r}; there are {known}")


def chosen(
    graph: TaskGraph, only: Sequence[str], start: Sequence[str], skip: Sequence[str]
) -> TaskGraph:
    """The part of the graph that --only, --from and --skip leave."""
    keep = set(graph)
    if only:
        keep = {task_named(graph, name).id for name in only}
    if start:
        firsts = {task_named(graph, name).id for name in start}
        keep &= firsts.union(*(graph.all_after(task) for task in firsts))
    keep -= {task_named(graph, name).id for name in skip}
    if not keep:
        raise UsageError("--only, --from and --skip leave no task to run")
    return graph if keep == set(graph) else graph.restricted(keep)


def _matching(tasks: Iterable[Task], name: str) -> Iterator[Task]:
    number = name.rpartition("/")[2]
    exact = [task for task in tasks if name in (task.alias, str(task.ordinal))]
    yield from exact or (task for task in tasks if task.label == number)


def _relative(root: Path, file: Path) -> str:
    try:
        return PurePosixPath(file.relative_to(root)).as_posix()
    except ValueError:
        return file.as_posix()


def _bytes(file: Path, most: int | None) -> bytes:
    try:
        return bounded.whole(file, most)
    except OSError as refused:
        raise UsageError(f"cannot read {file}: {refused.strerror}") from refused
