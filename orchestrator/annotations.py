"""What a plan does not say about its tasks -> the seed's attributes, so that its meaning stays. Pure; it writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from orchestrator.estimates import Expected
from orchestrator.graph import TaskGraph
from orchestrator.graph.inferred import Waits
from orchestrator.model import Plan, Score, Task, TaskId, Tier
from orchestrator.writer import SECTION, Addition

ORDER = ["subagent", "model", "parallel", "depends-on", "context-mode", "estimated-complexity"]


class Ground(NamedTuple):
    """What the annotations of one plan are decided from."""

    plan: Plan
    graph: TaskGraph  # of this plan alone
    scores: Mapping[TaskId, Score]
    expected: Mapping[TaskId, Expected]
    tiers: Mapping[TaskId, Tier | None]
    models: bool  # whether to write what fixes the route
    waits: Mapping[int, Sequence[Waits]] | None  # inferred: whom each task waits for, by ordinals


def decide(ground: Ground) -> dict[int, Addition]:
    """By the tasks' ordinals; a checkpoint gets nothing, since a depends-on would change what it holds back."""
    found = {}
    for task in ground.plan.tasks:
        if task.is_checkpoint:
            continue
        missing = {
            name: value
            for name, value in _attributes(ground, task)
            if name not in task.attributes and value is not None
        }
        ordered = {name: missing[name] for name in ORDER if name in missing}
        expected = ground.expected[task.id]
        has_metrics = any(element.tag == "metrics" for element in task.elements)
        addition = Addition(
            attributes=ordered,
            tokens=None if has_metrics else expected.tokens,
            duration_s=None if has_metrics else expected.duration_s,
        )
        if ordered or not has_metrics:
            found[task.ordinal] = addition
    return found


def _attributes(ground: Ground, task: Task) -> Iterator[tuple[str, str | None]]:
    score = ground.scores[task.id]
    explores = ground.models and any(one.startswith("mainly reading") for one in score.reasons)
    yield "subagent", "explore" if explores and not task.files else "general-purpose"
    tier = ground.tiers.get(task.id)
    yield "model", tier.value if ground.models and tier is not None else None
    yield from _order(ground, task)
    yield "estimated-complexity", str(score.value)


def _order(ground: Ground, task: Task) -> Iterator[tuple[str, str | None]]:
    if task.type == "tracer":  # with a depends-on it would hold back nobody any more
        yield "context-mode", "fresh" if task.is_fresh else "inherited"
        return
    if ground.waits is not None:
        chained = _is_ordered(ground.waits, task.ordinal)
        yield "parallel", "sequential" if chained else "can-parallelize"
        yield "depends-on", _references(ground.plan, [w.before for w in ground.waits[task.ordinal]])
        yield "context-mode", "inherited" if chained else "fresh"
        return
    yield "context-mode", "fresh" if task.is_fresh else "inherited"
    said = "depends-on" in task.attributes
    if not said and task.parallel != "can-parallelize":
        before = [task.ordinal - 1] if task.ordinal > 1 else []
        if task.parallel is None or _is_chained(ground, task):
            yield "depends-on", _references(ground.plan, before)
    elif not said:
        yield "depends-on", ""
    if not said and _is_chained(ground, task):
        yield "parallel", "sequential"
    else:  # with edges of its own, "sequential" would keep it apart from tasks that it may meet
        yield "parallel", "can-parallelize"


def _is_chained(ground: Ground, task: Task) -> bool:
    """Whether every other task of the plan is before it or behind it."""
    graph = ground.graph
    near = graph.all_before(task.id) | graph.all_after(task.id)
    return len(near) == len(graph.tasks) - 1


def _is_ordered(waits: Mapping[int, Sequence[Waits]], ordinal: int) -> bool:
    """The same by what was inferred."""
    above: dict[int, set[int]] = {}
    for number, found in waits.items():  # in order: whoever is waited for is there already
        above[number] = {one.before for one in found}.union(*(above[one.before] for one in found))
    return all(one == ordinal or one in above[ordinal] or ordinal in above[one] for one in waits)


def _references(plan: Plan, ordinals: Sequence[int]) -> str | None:
    """How these tasks are called in `depends-on`, read alike as label and as ordinal; None if some cannot."""
    spell = _speller(plan)
    names = [spell(plan.tasks[ordinal - 1]) for ordinal in ordinals]
    return None if None in names else ",".join(str(name) for name in names)


def _speller(plan: Plan) -> Callable[[Task], str | None]:
    labels = {_plain(task.label): task for task in plan.tasks if task.label is not None}
    labelled = len(labels) == len(plan.tasks)
    aliases = {task.alias for task in plan.tasks if task.alias is not None}
    simple = not any(char in plan.id for char in " ,\t\n")

    def spell(task: Task) -> str | None:
        name = _plain(task.label or "") if labelled else str(task.ordinal)
        clash = labels.get(name, task) if not labelled else _ordinal(plan, name) or task
        if name and name not in aliases and clash is task and not any(c in name for c in " ,/"):
            return name
        return f"{plan.id}/{task.ordinal}" if simple and "/" not in plan.id else None

    return spell


def _ordinal(plan: Plan, name: str) -> Task | None:
    return next((task for task in plan.tasks if str(task.ordinal) == name), None)


def _plain(number: str | None) -> str:
    return (number or "").lstrip("0") or (number or "")


def section(plan: Plan, graph: TaskGraph) -> str | None:
    """The picture of the order for people, as seed 002 draws it; None where the plan has one."""
    if any(one.tag == SECTION for one in plan.sections) or len(graph.tasks) < 2:
        return None
    rows = ["## Execution graph", ""]
    for number, batch in enumerate(graph.batches(), 1):
        tasks = [graph.tasks[task] for task in batch]
        if len(tasks) == 1:
            rows.append(f"Batch {number}: {_told(tasks[0])}{_after(graph, tasks[0])}")
            continue
        rows.append(f"Batch {number} ({len(tasks)} tasks can run in parallel):")
        rows += [f"- {_told(task)}{_after(graph, task)}" for task in tasks]
    return "\n".join(rows)


def _told(task: Task) -> str:
    title = " ".join(task.title.replace("<", "(").replace(">", ")").replace("`", "'").split())
    return f"Task {task.ordinal}: {title}"


def _after(graph: TaskGraph, task: Task) -> str:
    before = sorted(graph.tasks[one].ordinal for one in graph.before(task.id))
    return f" (after {', '.join(map(str, before))})" if before else ""
