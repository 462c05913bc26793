"""estimate: what plans will use and when they will be done, as ranges with their rules. Refuses to start anything, and to write but a comment that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import Json, Paths

if TYPE_CHECKING:
    from orchestrator.engine import Experience, Foreseen
    from orchestrator.estimates import Expected
    from orchestrator.graph import TaskGraph
    from orchestrator.model import Estimate, Route, Score, TaskId
    from orchestrator.project import Source
    from orchestrator.settings import BudgetSettings, Settings

MOST_WORKERS = 10
TITLE = 34
Comment = Annotated[
    str | None,
    typer.Option(
        "--comment",
        metavar="ISSUE",
        help="Post it with the proposed splits on this issue, too, by its number or address, with the gh program; once.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Line:
    """One task with what is expected of its first try."""

    task: TaskId
    score: Score
    route: Route | None
    foreseen: Foreseen
    why: tuple[str, ...]

    @property
    def expected(self) -> Expected:
        return self.foreseen.expected

    def cost(self) -> tuple[float, float] | None:
        found = self.foreseen.cost_usd
        return None if found is None else (found.low, found.high)

    def tokens(self) -> tuple[int, int]:
        return round(self.foreseen.tokens.low), round(self.foreseen.tokens.high)


def estimate(
    paths: Paths,
    as_json: Json = False,
    why: Annotated[bool, typer.Option("--why", help="Show the rule of every figure.")] = False,
    comment: Comment = None,
) -> int:
    """Estimate tokens, cost and time, task by task and with one to ten workers.

    Of plan files, and of what is unfinished in folders. From <metrics> where a plan has them, else by the rules
    of [estimate] in the settings. All are of first tries: a task that fails costs more.
    """
    from orchestrator import engine
    from orchestrator.cli import plans, preflight, routes
    from orchestrator.cli.terminal import out, tell
    from orchestrator.outloop import github
    from orchestrator.reader import discover

    issue = None if comment is None else github.issue(comment)
    root = discover.project_root(paths[0])
    (found, notes), graph = plans.loaded(paths)
    known = engine.gather(found)
    for note in known.notes:
        tell("warning", note)
    if as_json:
        return _show_document(root, issue, graph, known)
    else:
        lines = {line.task: line for line in _lines(root, graph, known)}
        spans = _spans(graph, lines, known)
        _show(graph, lines, spans, found, why=why)
        _show_calibration(known)
        firsts = _firsts(lines)
        for row in preflight.rows(root, graph, firsts, found):
            out().print(row)
        routes.show_notes((*notes, *routes.varied(graph, firsts, found)))
        if issue and (said := _commented(root, issue, graph, _foreseen(root, graph, known), found)):
            more = "" if said["new"] else " (it was there already)"
            out().print(f"comment: {said['url']}{more}")
    return 0


def _show_document(root: Path, issue: str | None, graph: TaskGraph, known: Experience) -> int:
    """The estimate also where gh refuses the comment: then with why."""
    from orchestrator.cli.terminal import show_json, tell
    from orchestrator.errors import SettingsError

    told, said = _foreseen(root, graph, known), None
    trouble: SettingsError | None = None
    try:
        said = _commented(root, issue, graph, told, known.settings)
    except SettingsError as refused:
        trouble = refused
    show_json(told | {"comment": said, "trouble": str(trouble) if trouble else None})
    if trouble is None:
        return 0
    tell("error", str(trouble), "bold red")
    return trouble.exit_code


def _commented(
    root: Path, issue: str | None, graph: TaskGraph, told: Mapping[str, Any], found: Settings
) -> dict[str, Any] | None:
    from orchestrator.cli import commenting

    if issue is None:
        return None
    paths = [plan.path for plan in graph.plans.values()]
    return commenting.post(root, issue, paths, told, found.run.workers)


def foresee(root: Path, sources: Sequence[Source]) -> dict[str, Any]:
    """What --json prints of these plans; PlanError with all that is wrong with them."""
    from orchestrator import engine, project
    from orchestrator.cli import homes
    from orchestrator.intelligence import runs

    chosen = runs.load(root).settings
    others = homes.beside(root, root, [root / one.path for one in sources])
    loaded = project.load(root, sources, chosen.reader, others)
    return _foreseen(root, loaded.checked(), engine.gather(chosen))


def _foreseen(root: Path, graph: TaskGraph, known: Experience) -> dict[str, Any]:
    from orchestrator.cli import preflight

    lines = {line.task: line for line in _lines(root, graph, known)}
    spans = _spans(graph, lines, known)
    found = _document(graph, lines, spans, known, known.settings.budget)
    return {**found, "start": preflight.document(root, graph, _firsts(lines), known.settings)}


def _firsts(lines: Mapping[TaskId, Line]) -> dict[TaskId, Route]:
    return {task: line.route for task, line in lines.items() if line.route is not None}


def _lines(root: Path, graph: TaskGraph, known: Experience) -> Iterator[Line]:
    from orchestrator import complexity, engine, estimates

    found = known.settings
    weights = found.complexity.model_dump()
    scores = {task: complexity.score(graph.tasks[task], weights) for task in graph}
    tasks = graph.tasks.values()
    routes = engine.likely(tasks, scores, found, graph=graph, known=known, root=root)
    for task in tasks:
        route, worker = routes.get(task.id, (None, ""))
        seat = engine.Seat("", None, None, None)
        if route is not None:
            seat = engine.Seat(route.worker, route.provider, route.tier, route.model)
        fresh = task.is_fresh or not graph.before(task.id)
        foreseen = known.foresee(task, scores[task.id], seat, fresh=fresh)
        told = [f"model: {worker}"] if worker else []
        billing = []
        if route is not None and route.asks_a_model and foreseen.expected.billed is None:
            billing = [estimates.billing_rule(found.estimate, fresh=fresh)]
        why = (*told, *foreseen.expected.why, *billing)
        yield Line(task.id, scores[task.id], route, foreseen, why)


def _spans(
    graph: TaskGraph, lines: Mapping[TaskId, Line], known: Experience
) -> dict[int, tuple[float, float]]:
    """Makespans in seconds, low and high, by the number of workers."""
    from orchestrator import estimates

    if known.past.every:  # as the engine orders its starts
        middle = {task: line.foreseen.forecast.duration_s or 0.0 for task, line in lines.items()}
        graph = graph.weighed(middle)
    low = {task: line.expected.duration_s.low for task, line in lines.items()}
    high = {task: line.expected.duration_s.high for task, line in lines.items()}
    return {
        count: (
            estimates.makespan_s(graph, low, count),
            estimates.makespan_s(graph, high, count),
        )
        for count in range(1, MOST_WORKERS + 1)
    }


def _sums(lines: Mapping[TaskId, Line]) -> tuple[tuple[int, int], tuple[float, float] | None]:
    tokens = [line.tokens() for line in lines.values()]
    costs = [line.cost() for line in lines.values()]
    known = [cost for cost in costs if cost is not None]
    total = (sum(a for a, _ in tokens), sum(b for _, b in tokens))
    if len(known) < len(costs):
        return total, None
    return total, (sum(a for a, _ in known), sum(b for _, b in known))


def _show(
    graph: TaskGraph,
    lines: Mapping[TaskId, Line],
    spans: Mapping[int, tuple[float, float]],
    found: Settings,
    *,
    why: bool,
) -> None:
    from orchestrator.cli.terminal import out, room
    from orchestrator.views.text import columns, plain

    width = room()
    head = ("TASK", "", "COMPLEXITY", "MODEL", "TOKENS", "COST", "TIME")
    rows = [
        (
            task,
            plain(graph.tasks[task].title, TITLE if width else None),
            str(line.score.value) if line.route else "",
            _model(line),
            _range(line.tokens(), _tokens),
            _cost(line.cost()),
            _time(line.expected.duration_s),
        )
        for task, line in lines.items()
    ]
    shown = columns([head, *rows], width=width, names=(1, 3))
    out().print(shown[0], style="bold")
    for row, line in zip(shown[1:], lines.values(), strict=True):
        out().print(row)
        for rule in line.why if why else ():
            out().print(f"    {plain(rule)}", style="dim")
    out().print()
    _show_totals(graph, lines, spans, found)


def _show_totals(
    graph: TaskGraph,
    lines: Mapping[TaskId, Line],
    spans: Mapping[int, tuple[float, float]],
    found: Settings,
) -> None:
    from orchestrator.cli.terminal import out
    from orchestrator.views import money

    tokens, cost = _sums(lines)
    out().print(f"all first tries: {_range(tokens, _tokens)} tokens, {_cost(cost)}", style="bold")
    for row in money.compared(cost and cost[1], _fresh(lines), found.budget):
        out().print(row, style="yellow")
    asking = sum(task.is_checkpoint for task in graph.tasks.values())
    if asking:
        out().print(f"{asking} of the tasks ask a person; their waiting is not counted")
    chosen = found.run.workers
    out().print(
        f"done after, with {chosen} workers at once: {_range(spans.get(chosen, spans[10]), _clock)}"
    )
    enough = min(count for count, span in spans.items() if span == spans[MOST_WORKERS])
    for count in range(1, enough + 1):
        out().print(f"  {str(count).rjust(2)}  {_range(spans[count], _clock)}")
    if enough == 1:
        out().print("  more than one worker makes nothing faster")
    elif enough < MOST_WORKERS:
        out().print(f"  more than {enough} workers make nothing faster")
    path = graph.critical_path({t: one.expected.duration_s.high for t, one in lines.items()})
    out().print(f"the longest chain: {' -> '.join(path)}")
    out().print(
        "ranges, not promises: a task that fails its check is tried again and costs more; "
        "--why shows the rules"
    )


def _show_calibration(known: Experience) -> None:
    """How good the estimates of earlier runs were; nothing where there are none."""
    from orchestrator import estimates
    from orchestrator.cli.terminal import out
    from orchestrator.views.text import columns, counted, plain

    rows = [
        (
            plain(kind),
            ", ".join(f"{name} {one.ratio:.2f}" for name, one in told.items()),
            f"({counted(max(one.n for one in told.values()), 'attempt')})",
        )
        for kind, told in estimates.calibration(known.past).items()
    ]
    if rows:
        out().print("what was used over what was estimated, of attempts before:")
        for row in columns(rows):
            out().print(f"  {row}")


def _fresh(lines: Mapping[TaskId, Line]) -> int:
    """The most that first tries may read and write anew: what budgets of tokens count."""
    return round(sum(line.foreseen.anew.high for line in lines.values()))


def _model(line: Line) -> str:
    from orchestrator.views.words import who

    if line.route is None:
        return "a person"
    return str(line.route.tier or who(line.route))


def _range(pair: tuple[float, float] | tuple[int, int], shown: Any) -> str:
    low, high = shown(pair[0]), shown(pair[1])
    return low if low == high else f"{low}-{high}"


def _tokens(count: float) -> str:
    from orchestrator.views.text import tokens

    return tokens(round(count))


def _cost(pair: tuple[float, float] | None) -> str:
    from orchestrator.views.text import UNKNOWN, cost

    return UNKNOWN if pair is None else _range(pair, cost)


def _time(taken: Estimate) -> str:
    return _range((taken.low, taken.high), _clock)


def _clock(seconds: float) -> str:
    from orchestrator.views.text import duration

    return (
        duration(seconds)
        if seconds < 60
        else f"{round(seconds / 60)}min"
        if seconds < 7200
        else f"{seconds / 3600:.1f}h"
    )


def _document(
    graph: TaskGraph,
    lines: Mapping[TaskId, Line],
    spans: Mapping[int, tuple[float, float]],
    known: Experience,
    found: BudgetSettings,
) -> dict[str, Any]:
    from orchestrator import estimates
    from orchestrator.views import money

    tokens, cost = _sums(lines)
    return {
        "version": 1,
        "tasks": [_task(line) for line in lines.values()],
        "total": {"tokens": _pair(tokens), "cost_usd": _pair(cost)},
        "budget": money.compared_document(cost and cost[1], _fresh(lines), found),
        "makespan_s": {str(count): _pair(span) for count, span in spans.items()},
        "critical_path": graph.critical_path(
            {task: line.expected.duration_s.high for task, line in lines.items()}
        ),
        "calibration": {
            kind: {name: {"n": one.n, "ratio": round(one.ratio, 4)} for name, one in told.items()}
            for kind, told in estimates.calibration(known.past).items()
        },
    }


def _task(line: Line) -> dict[str, Any]:
    spent = line.expected
    return {
        "id": line.task,
        "kind": spent.kind,
        "complexity": line.score.value,
        "worker": line.route.worker if line.route else None,
        "tier": line.route.tier if line.route else None,
        "model": line.route.model if line.route else None,
        "tool": line.route.tool if line.route else None,
        "work_tokens": _pair((spent.tokens.low, spent.tokens.high)),
        "tokens": _pair(line.tokens()),
        "cost_usd": _pair(line.cost()),
        "duration_s": _pair((spent.duration_s.low, spent.duration_s.high)),
        "samples": spent.samples,
        "confidence": spent.confidence,
        "success_rate": spent.success_rate,
        "why": list(line.why),
    }


def _pair(pair: tuple[float, float] | None) -> dict[str, float] | None:
    return None if pair is None else {"low": round(pair[0], 6), "high": round(pair[1], 6)}
